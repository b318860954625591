package gateway

import (
	"net/http"

	aurea "github.com/andres20980/aurea-orchestrator"
)

type modelList struct {
	Object string      `json:"object"`
	Data   []modelItem `json:"data"`
	// Anthropic's clients page through the list.
	FirstID *string `json:"first_id"`
	LastID  *string `json:"last_id"`
	HasMore bool    `json:"has_more"`
}

type modelItem struct {
	ID          string `json:"id"`
	Object      string `json:"object"`
	Created     int64  `json:"created"`
	OwnedBy     string `json:"owned_by"`
	Type        string `json:"type"`
	DisplayName string `json:"display_name"`
	CreatedAt   string `json:"created_at"`
}

// models lists the configured models in a form that both OpenAI's and Anthropic's clients read.
func (h *Handler) models(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		refuseStatus(w, shapeOf(r), http.StatusMethodNotAllowed, &aurea.Error{Code: aurea.CodeInvalidRequest, Message: clip(r.Method) + " is not allowed here", Hint: "use GET"})
		return
	}
	list := modelList{Object: "list", Data: []modelItem{}}
	for _, name := range h.cfg.Models() {
		list.Data = append(list.Data, modelItem{
			ID: name, Object: "model", OwnedBy: "aurea", Type: "model", DisplayName: name, CreatedAt: "1970-01-01T00:00:00Z",
		})
	}
	if n := len(list.Data); n > 0 {
		list.FirstID, list.LastID = &list.Data[0].ID, &list.Data[n-1].ID
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(marshal(list))
}
