package simulate

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// names are the error types and codes that OpenAI and Anthropic send with a status
// (https://platform.openai.com/docs/guides/error-codes, https://docs.anthropic.com/en/api/errors).
var names = map[int]struct{ kind, code, anthropic, message string }{
	400: {"invalid_request_error", "", "invalid_request_error", "The request is not valid."},
	401: {"invalid_request_error", "invalid_api_key", "authentication_error", "Incorrect API key provided."},
	402: {"billing_error", "", "billing_error", "There is a problem with your billing."},
	403: {"invalid_request_error", "", "permission_error", "You are not allowed to use this resource."},
	404: {"invalid_request_error", "", "not_found_error", "Not found."},
	408: {"server_error", "", "timeout_error", "Request timed out."},
	409: {"invalid_request_error", "", "invalid_request_error", "The request was in conflict with another."},
	413: {"invalid_request_error", "", "request_too_large", "The request is too large."},
	422: {"invalid_request_error", "", "invalid_request_error", "The request could not be processed."},
	429: {"requests", "rate_limit_exceeded", "rate_limit_error", "Rate limit reached. Please try again later."},
	500: {"server_error", "", "api_error", "The server had an error while processing your request. Sorry about that!"},
	503: {"server_error", "", "overloaded_error", "The server is overloaded or not ready yet."},
	504: {"server_error", "", "timeout_error", "The request timed out."},
	529: {"server_error", "", "overloaded_error", "Overloaded"},
}

// fill adds what is usual for the status.
func (p *problem) fill(anthropic bool) {
	n, ok := names[p.status]
	if !ok {
		n = names[500]
		if p.status < 500 {
			n = names[400]
		}
	}
	if p.message == "" {
		p.message = n.message
	}
	if p.kind == "" && p.code == "" {
		p.code = n.code
	}
	if p.kind == "" {
		if p.kind = n.kind; anthropic {
			p.kind = n.anthropic
		}
	}
}

// body is the error as the endpoint's provider writes it.
func (p *problem) body(anthropic bool, requestID string) []byte {
	p.fill(anthropic)
	var v any
	if anthropic {
		v = struct {
			Type      string         `json:"type"`
			Error     anthropicError `json:"error"`
			RequestID string         `json:"request_id"`
		}{"error", anthropicError{p.kind, p.message}, requestID}
	} else {
		v = struct {
			Error openAIError `json:"error"`
		}{openAIError{p.message, p.kind, orNull(p.param), orNull(p.code)}}
	}
	b, _ := json.Marshal(v) //nolint:errchkjson // strings always marshal
	return b
}

type anthropicError struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

type openAIError struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// write sends the error.
func (p *problem) write(w http.ResponseWriter, anthropic bool) {
	h := w.Header()
	b := p.body(anthropic, h.Get("Request-Id"))
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(p.status)
	_, _ = w.Write(b) // #nosec G705 -- JSON, and declared as such
}
