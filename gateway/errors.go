package gateway

import (
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// shape is the form of an endpoint's errors.
type shape int

const (
	openAI shape = iota
	anthropic
)

// shapeOf is the form of errors that a client expects where no endpoint says it.
func shapeOf(r *http.Request) shape {
	if strings.HasPrefix(r.URL.Path, "/anthropic/") || r.Header.Get("Anthropic-Version") != "" {
		return anthropic
	}
	return openAI
}

// errorOf returns an error of ours whatever went wrong.
func errorOf(err error) *aurea.Error {
	if e, ok := errors.AsType[*aurea.Error](err); ok {
		return e
	}
	return &aurea.Error{Code: "internal", Message: "an error of Aurea's own; the log has it", Err: err}
}

// refuse answers with an error of ours.
func refuse(w http.ResponseWriter, s shape, e *aurea.Error) { refuseStatus(w, s, e.Code.Status(), e) }

func refuseStatus(w http.ResponseWriter, s shape, status int, e *aurea.Error) {
	h := w.Header()
	h.Set("X-Aurea-Error", string(e.Code))
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(e.RetryAfter.Seconds())), 10))
	}
	if final(e.Code) {
		h.Set("X-Should-Retry", "false") // the official SDKs obey it; without it they repeat a 409
	}
	if e.Code == aurea.CodeBudgetExceeded {
		if exceeded, ok := errors.AsType[*budget.ExceededError](e.Err); ok && !exceeded.ResetAt.IsZero() {
			h.Set("X-Aurea-Reset-At", exceeded.ResetAt.UTC().Format(time.RFC3339))
		}
	}
	h.Set("Content-Type", "application/json")
	h.Del("Content-Length")
	w.WriteHeader(status)
	_, _ = w.Write(s.body(status, e)) // #nosec G705 -- JSON for programs; a client that has left gets nothing
}

// final reports whether the same request would be refused again, however often it is repeated.
func final(code aurea.Code) bool {
	switch code {
	case aurea.CodeRateLimited, aurea.CodeCircuitOpen, aurea.CodeUnavailable, aurea.CodeUpstreamError, aurea.CodeUpstreamTimeout, aurea.CodeDeadlineExceeded:
		return false
	}
	return slices.Contains(aurea.Codes(), code)
}

// body is an error in the form that the endpoint's SDKs understand.
func (s shape) body(status int, e *aurea.Error) []byte {
	if s == anthropic {
		return marshal(anthropicError{Type: "error", Error: anthropicDetail{Type: anthropicType(status), Message: e.Error()}})
	}
	return marshal(openAIError{Error: openAIDetail{Message: e.Error(), Type: openAIType(status), Code: string(e.Code)}})
}

type openAIError struct {
	Error openAIDetail `json:"error"`
}

type openAIDetail struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    string  `json:"code"`
}

type anthropicError struct {
	Type  string          `json:"type"`
	Error anthropicDetail `json:"error"`
}

type anthropicDetail struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// openAIType is what OpenAI calls errors of a status (https://platform.openai.com/docs/guides/error-codes).
func openAIType(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "authentication_error"
	case status == http.StatusForbidden:
		return "permission_error"
	case status == http.StatusPaymentRequired:
		return "insufficient_quota"
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case status >= http.StatusInternalServerError:
		return "server_error"
	default:
		return "invalid_request_error"
	}
}

// anthropicType is what Anthropic calls errors of a status (https://docs.claude.com/en/api/errors).
func anthropicType(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusPaymentRequired:
		return "billing_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusGatewayTimeout:
		return "timeout_error"
	case http.StatusServiceUnavailable:
		return "overloaded_error"
	}
	if status >= http.StatusInternalServerError {
		return "api_error"
	}
	return "invalid_request_error"
}

// event is an error within a stream, as the endpoint's SDKs expect it there.
func (e endpoint) event(status int, err *aurea.Error) []byte {
	switch e.api {
	case usage.Messages:
		return sse("error", anthropic.body(status, err))
	case usage.Responses:
		return sse("error", marshal(responsesError{Type: "error", Code: string(err.Code), Message: err.Error()}))
	default:
		return sse("", openAI.body(status, err))
	}
}

// responsesError is the error event of OpenAI's responses (https://platform.openai.com/docs/api-reference/responses-streaming/error).
type responsesError struct {
	Type    string  `json:"type"`
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Param   *string `json:"param"`
}

func sse(name string, data []byte) []byte {
	var b []byte
	if name != "" {
		b = append(append(append(b, "event: "...), name...), '\n')
	}
	b = append(append(b, "data: "...), data...)
	return append(b, '\n', '\n')
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // texts that are not UTF-8
		return []byte(`{"error":{"message":"the error could not be written as JSON","type":"server_error","param":null,"code":"internal"}}`)
	}
	return b
}
