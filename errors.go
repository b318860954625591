package aurea

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/redact"
)

// Code names a refusal or failure for machines. Codes are a contract: they are added to, never changed.
type Code string

// The codes of Aurea's own answers, with their HTTP statuses in [Code.Status].
const (
	CodeInvalidRequest   Code = "invalid_request"
	CodeEndpointMismatch Code = "endpoint_mismatch"
	CodePIIBlocked       Code = "pii_blocked"
	CodeUnauthorized     Code = "unauthorized"
	CodeBudgetExceeded   Code = "budget_exceeded"
	CodeModelNotAllowed  Code = "model_not_allowed"
	CodeModelNotFound    Code = "model_not_found"
	CodeNotFound         Code = "not_found"
	CodeJobConflict      Code = "job_conflict"
	CodeJobCancelled     Code = "job_cancelled"
	CodeBodyTooLarge     Code = "body_too_large"
	CodeRequestOverLimit Code = "request_over_limit"
	CodePriceUnknown     Code = "price_unknown"
	CodeRateLimited      Code = "rate_limited"
	CodeUpstreamError    Code = "upstream_error"
	CodeCircuitOpen      Code = "circuit_open"
	CodeUnavailable      Code = "unavailable"
	CodeUpstreamTimeout  Code = "upstream_timeout"
	CodeDeadlineExceeded Code = "deadline_exceeded"
)

var statuses = map[Code]int{
	CodeInvalidRequest: http.StatusBadRequest, CodeEndpointMismatch: http.StatusBadRequest, CodePIIBlocked: http.StatusBadRequest,
	CodeUnauthorized: http.StatusUnauthorized, CodeBudgetExceeded: http.StatusPaymentRequired,
	CodeModelNotAllowed: http.StatusForbidden, CodeModelNotFound: http.StatusNotFound, CodeNotFound: http.StatusNotFound,
	CodeJobConflict: http.StatusConflict, CodeJobCancelled: http.StatusConflict,
	CodeBodyTooLarge: http.StatusRequestEntityTooLarge, CodeRequestOverLimit: http.StatusRequestEntityTooLarge,
	CodePriceUnknown: http.StatusUnprocessableEntity, CodeRateLimited: http.StatusTooManyRequests,
	CodeUpstreamError: http.StatusBadGateway, CodeCircuitOpen: http.StatusServiceUnavailable,
	CodeUnavailable: http.StatusServiceUnavailable, CodeUpstreamTimeout: http.StatusGatewayTimeout,
	CodeDeadlineExceeded: http.StatusGatewayTimeout,
}

// Codes returns all of them, in alphabetical order.
func Codes() []Code { return slices.Sorted(maps.Keys(statuses)) }

// Status returns the HTTP status that goes with the code, 500 for one that is not listed.
func (c Code) Status() int {
	if s, ok := statuses[c]; ok {
		return s
	}
	return http.StatusInternalServerError
}

// Error is a refusal or failure of Aurea's own; a provider's error answer is an [Answer], not an Error.
// It is a plain value and safe to share.
type Error struct {
	Code    Code
	Message string // what happened, for people; it may quote what the caller sent
	Hint    string // what to do next; may be empty
	// RetryAfter is when trying again makes sense; zero where it does not.
	RetryAfter time.Duration
	// Err is the cause, for operators; it is not shown to callers.
	Err error
}

// Error returns Message and Hint, with personal data and secrets redacted as [redact.Default] does it: it ends up in logs and in answers to others, and a name
// or an address in it may be anything that a caller sent.
func (e *Error) Error() string {
	text := e.Message
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return redact.Default().Redact(text)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an *Error of the same code, so that errors.Is(err, &aurea.Error{Code: …}) works.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Message == ""
}

// Errors to compare with errors.Is; errors.As into an *[Error] gives the message and what to do next.
var (
	ErrInvalidRequest   = &Error{Code: CodeInvalidRequest}
	ErrEndpointMismatch = &Error{Code: CodeEndpointMismatch}
	ErrPIIBlocked       = &Error{Code: CodePIIBlocked}
	ErrUnauthorized     = &Error{Code: CodeUnauthorized}
	ErrBudgetExceeded   = &Error{Code: CodeBudgetExceeded}
	ErrModelNotAllowed  = &Error{Code: CodeModelNotAllowed}
	ErrModelNotFound    = &Error{Code: CodeModelNotFound}
	ErrNotFound         = &Error{Code: CodeNotFound}
	ErrJobConflict      = &Error{Code: CodeJobConflict}
	ErrJobCancelled     = &Error{Code: CodeJobCancelled}
	ErrBodyTooLarge     = &Error{Code: CodeBodyTooLarge}
	ErrRequestOverLimit = &Error{Code: CodeRequestOverLimit}
	ErrPriceUnknown     = &Error{Code: CodePriceUnknown}
	ErrRateLimited      = &Error{Code: CodeRateLimited}
	ErrUpstream         = &Error{Code: CodeUpstreamError}
	ErrCircuitOpen      = &Error{Code: CodeCircuitOpen}
	ErrUnavailable      = &Error{Code: CodeUnavailable}
	ErrUpstreamTimeout  = &Error{Code: CodeUpstreamTimeout}
	ErrDeadlineExceeded = &Error{Code: CodeDeadlineExceeded}
)

// ErrorCode returns the code of an error of Aurea's, or "internal".
func ErrorCode(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return "internal"
}
