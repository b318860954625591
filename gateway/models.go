package gateway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	aurea "github.com/andres20980/aurea-orchestrator"
)

// modelsPath lists the models; one model is below it.
const modelsPath = "/v1/models"

// openAIModels is OpenAI's list (https://platform.openai.com/docs/api-reference/models).
type openAIModels struct {
	Object string        `json:"object"`
	Data   []openAIModel `json:"data"`
}

type openAIModel struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

// anthropicModels is a page of Anthropic's list (https://docs.claude.com/en/api/models-list).
type anthropicModels struct {
	Data    []anthropicModel `json:"data"`
	HasMore bool             `json:"has_more"`
	FirstID *string          `json:"first_id"`
	LastID  *string          `json:"last_id"`
}

type anthropicModel struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
	CreatedAt   string `json:"created_at"`
}

// describe is one model in the form that a client of the shape reads. When it was made nobody knows here.
func (s shape) describe(name string) any {
	if s == anthropic {
		return anthropicModel{Type: "model", ID: name, DisplayName: name, CreatedAt: "1970-01-01T00:00:00Z"}
	}
	return openAIModel{ID: name, Object: "model", OwnedBy: "aurea"}
}

// models lists the configured models, or answers one of them, in the form of the client that asks: Anthropic's clients say anthropic-version.
func (h *Handler) models(w http.ResponseWriter, r *http.Request, path string) {
	s := shapeOf(r)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuseStatus(w, s, http.StatusMethodNotAllowed, &aurea.Error{Code: aurea.CodeInvalidRequest, Message: clip(r.Method) + " is not allowed here", Hint: "use GET"})
		return
	}
	names := h.cfg.Models()
	var answer any
	switch name, one := strings.CutPrefix(path, modelsPath+"/"); {
	case one && !slices.Contains(names, name):
		refuse(w, s, &aurea.Error{
			Code: aurea.CodeModelNotFound, Message: "the configuration does not name the model " + clip(name), Hint: "GET " + modelsPath + " has those that it names; others may work as well",
		})
		return
	case one:
		answer = s.describe(name)
	case s == anthropic:
		page, err := anthropicPage(names, r.URL.Query().Get)
		if err != nil {
			refuse(w, s, errorOf(err))
			return
		}
		answer = page
	default:
		list := openAIModels{Object: "list", Data: []openAIModel{}}
		for _, name := range names {
			list.Data = append(list.Data, s.describe(name).(openAIModel)) //nolint:forcetypeassert // of this shape
		}
		answer = list
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(marshal(answer)) // #nosec G705 -- JSON for programs
}

// anthropicPage is the part of the list that limit, after_id and before_id ask for; without a limit all the rest.
func anthropicPage(names []string, query func(string) string) (anthropicModels, error) {
	page := anthropicModels{Data: []anthropicModel{}}
	limit := len(names)
	if text := query("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1000 {
			return page, invalid("it is how many models a page has", "limit %s: want 1 to 1000", clip(text))
		}
		limit = n
	}
	after, before := query("after_id"), query("before_id")
	if i := slices.Index(names, after); i >= 0 {
		names = names[i+1:]
	}
	if i := slices.Index(names, before); i >= 0 {
		names = names[:i]
	}
	if page.HasMore = len(names) > limit; page.HasMore && before != "" {
		names = names[len(names)-limit:]
	} else if page.HasMore {
		names = names[:limit]
	}
	for _, name := range names {
		page.Data = append(page.Data, anthropic.describe(name).(anthropicModel)) //nolint:forcetypeassert // of this shape
	}
	if n := len(page.Data); n > 0 {
		page.FirstID, page.LastID = &page.Data[0].ID, &page.Data[n-1].ID
	}
	return page, nil
}
