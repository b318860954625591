package admin

import (
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/store"
)

const (
	// maxBody is the largest body of a change.
	maxBody = 64 << 10
	// slowClient is how long a client may take to send a change, to take an answer, or a page of an export.
	slowClient = 30 * time.Second
)

// statusError is an invalid_request whose status is not 400.
type statusError struct {
	status        int
	message, hint string
}

func (e *statusError) Error() string { return e.message }

func invalid(format string, args ...any) error {
	return &aurea.Error{Code: aurea.CodeInvalidRequest, Message: fmt.Sprintf(format, args...)}
}

// errLeft: the client has gone while it was answered.
var errLeft = errors.New("the client has left")

// left says so of an error of writing an answer: nobody is there to be told.
func left(err error) error {
	if err != nil {
		return errLeft
	}
	return nil
}

// clip shortens a text of the client's for a message.
func clip(text string) string {
	if len(text) > 100 {
		return text[:100] + "…"
	}
	return text
}

// answer writes an object.
func answer(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true), json.FormatNilSliceAsNull(false))
	if err != nil {
		return fmt.Errorf("write the answer as JSON: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(slowClient)) // not every server has deadlines
	_, err = w.Write(append(b, '\n'))
	return left(err)
}

type failure struct {
	Error detail `json:"error"`
}

type detail struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    string  `json:"code"`
}

// refuse answers with an error in OpenAI's form, as the gateway's other endpoints do.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errLeft) || r.Context().Err() != nil {
		return
	}
	status, e := statusOf(err)
	if status >= http.StatusInternalServerError {
		h.cfg.Logger.Error("admin API", "path", clip(r.URL.Path), "code", e.Code, "error", err)
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64(math.Ceil(e.RetryAfter.Seconds())), 10))
	}
	w.Header().Set("X-Aurea-Error", string(e.Code))
	w.Header().Set("Content-Type", "application/json")
	b, err := json.Marshal(failure{detail{Message: e.Error(), Type: typeOf(status), Code: string(e.Code)}}, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		status = http.StatusInternalServerError
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a client that has left gets nothing
}

func statusOf(err error) (int, *aurea.Error) {
	if s, ok := errors.AsType[*statusError](err); ok {
		return s.status, &aurea.Error{Code: aurea.CodeInvalidRequest, Message: s.message, Hint: s.hint}
	}
	if e, ok := errors.AsType[*aurea.Error](err); ok {
		return e.Code.Status(), e
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		err = &aurea.Error{Code: aurea.CodeNotFound, Message: "it is not there", Err: err}
	case errors.Is(err, store.ErrTooMany):
		err = &aurea.Error{Code: aurea.CodeInvalidRequest, Message: fmt.Sprintf("there would be more than %d sums", maxSums), Hint: "ask for less time, for one job, or sum by less", Err: err}
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrFull), errors.Is(err, budget.ErrUnavailable), errors.Is(err, budget.ErrClosed):
		err = &aurea.Error{Code: aurea.CodeUnavailable, Message: "the ledger cannot be used now", Hint: "the log says why", Err: err}
	default:
		return http.StatusInternalServerError, &aurea.Error{Code: "internal", Message: "an error of Aurea's own; the log has it", Err: err}
	}
	return statusOf(err)
}

func typeOf(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "authentication_error"
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case status >= http.StatusInternalServerError:
		return "server_error"
	default:
		return "invalid_request_error"
	}
}

// read decodes the body of a change. A form that a page posts to another origin cannot have this content type.
func (r *request) read(w http.ResponseWriter, into any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &statusError{http.StatusUnsupportedMediaType, "a change wants a JSON body", "send Content-Type: application/json"}
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(slowClient)) // not every server has deadlines
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &aurea.Error{Code: aurea.CodeBodyTooLarge, Message: fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit)}
	}
	if err == nil {
		err = json.Unmarshal(body, into, json.RejectUnknownMembers(true))
	}
	if err != nil {
		return &aurea.Error{Code: aurea.CodeInvalidRequest, Message: "the body is not the JSON object that is wanted here", Hint: "see " + Prefix + "/openapi.json", Err: err}
	}
	return nil
}
