package simulate

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// admin serves /stats and /sim/….
func (s *Server) admin(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil {
		refuseAdmin(w, http.StatusBadRequest, err)
		return
	}
	switch req.Method + " " + req.URL.Path {
	case "GET /stats", "GET /sim/stats":
		stats := s.Stats()
		if detail := req.URL.Query().Get("detail"); detail == "" || detail == "0" {
			stats.Log, stats.Repeats = nil, nil
		}
		writeJSON(w, stats)
	case "GET /sim/options":
		writeJSON(w, s.Options())
	case "POST /sim/options":
		s.changeOptions(w, body)
	case "GET /sim/script":
		s.mu.Lock()
		steps := append([]Step{}, s.script...)
		s.mu.Unlock()
		writeJSON(w, steps)
	case "POST /sim/script":
		var steps []Step
		if err = strict(body, &steps); err == nil {
			err = s.Script(steps...)
		}
		if err != nil {
			refuseAdmin(w, http.StatusBadRequest, fmt.Errorf("the script is a JSON array of steps, such as [{\"status\":503}]: %w", err))
			return
		}
		writeJSON(w, map[string]int{"added": len(steps)})
	case "POST /sim/reset":
		s.Reset()
		writeJSON(w, struct{}{})
	default:
		refuseAdmin(w, http.StatusNotFound, fmt.Errorf("there is no %s %s; there are GET /stats, GET and POST /sim/script, GET and POST /sim/options, "+
			"and POST /sim/reset", req.Method, req.URL.Path))
	}
}

func (s *Server) changeOptions(w http.ResponseWriter, body []byte) {
	s.mu.Lock()
	o := s.options
	err := json.Unmarshal(body, &o)
	if err == nil {
		s.options = o.withDefaults()
		s.epoch++
		o = s.options
	}
	s.mu.Unlock()
	if err != nil {
		refuseAdmin(w, http.StatusBadRequest, err)
		return
	}
	writeJSON(w, o)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header()["Content-Type"] = typeJSON
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v)
}

func refuseAdmin(w http.ResponseWriter, status int, err error) {
	w.Header()["Content-Type"] = typeJSON
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
}

// listModels serves the list of models and single ones, as Anthropic does to a request with its version header, else as OpenAI does.
func (s *Server) listModels(w http.ResponseWriter, req *http.Request) {
	o := s.Options()
	anthropic := req.Header.Get("Anthropic-Version") != ""
	e := chat
	if anthropic {
		e = messages
	}
	if req.Method != http.MethodGet {
		s.refuse(w, anthropic, &problem{status: http.StatusMethodNotAllowed})
		return
	}
	if _, p := authorize(req, e, &o); p != nil {
		s.refuse(w, anthropic, p)
		return
	}
	list := []any{}
	names := o.Models
	if names == nil {
		for name := range models {
			if strings.HasPrefix(name, "claude") == anthropic {
				names = append(names, name)
			}
		}
		slices.Sort(names)
	}
	created := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	describe := func(name string) any {
		if anthropic {
			return map[string]any{"type": "model", "id": name, "display_name": name, "created_at": created}
		}
		return map[string]any{"id": name, "object": "model", "created": created.Unix(), "owned_by": "system"}
	}
	if name, one := strings.CutPrefix(req.URL.Path, "/v1/models/"); one {
		if !slices.Contains(names, name) {
			s.refuse(w, anthropic, noModel(name))
			return
		}
		writeJSON(w, describe(name))
		return
	}
	for _, name := range names {
		list = append(list, describe(name))
	}
	if !anthropic {
		writeJSON(w, map[string]any{"object": "list", "data": list})
		return
	}
	page := map[string]any{"data": list, "has_more": false, "first_id": nil, "last_id": nil}
	if len(names) > 0 {
		page["first_id"], page["last_id"] = names[0], names[len(names)-1]
	}
	writeJSON(w, page)
}
