package aurea

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/andres20980/aurea-orchestrator/retry"
)

// HTTPError is how a function given to [Execute] says that the provider answered with an error status. Providers do not bill those, so the hold is released;
// whether the function is run again follows from the status, the code and the headers as for any provider's answer. It is a plain value and safe to share.
type HTTPError struct {
	// Status is the HTTP status, 400 to 599, and Header the answer's: Retry-After and x-should-retry are obeyed.
	Status int
	Header http.Header
	// Code, Type and Message are those of the error body, as far as it has them.
	Code, Type, Message string
}

// Error returns the status and the provider's own words.
func (e *HTTPError) Error() string {
	said := []string{fmt.Sprintf("the provider answered %d %s", e.Status, http.StatusText(e.Status)), e.Code, e.Message}
	return strings.Join(slices.DeleteFunc(said, func(s string) bool { return s == "" }), ": ")
}

// NotSent wraps an error of a function given to [Execute] that ended before anything was sent: nothing is booked, and the function may be run again.
func NotSent(err error) error { return &notSent{err} }

type notSent struct{ error }

func (e *notSent) Unwrap() error { return e.error }

// Permanent wraps an error of a function given to [Execute]: the function is not run again, and the circuit breaker does not count it.
func Permanent(err error) error { return retry.Permanent(err) }

// failureOf reads a function's error; see [Execute] for what it understands.
func failureOf(err error) retry.Failure {
	var status *HTTPError
	var unsent *notSent
	switch {
	case errors.As(err, &status):
		return retry.Failure{Status: status.Status, Header: status.Header, Code: status.Code, Type: status.Type, Message: status.Message, Sent: true}
	case errors.As(err, &unsent), neverConnected(err):
		return retry.Failure{Err: err}
	}
	if f, ok := clientFailure(err); ok {
		return f
	}
	return retry.Failure{Err: err, Sent: true}
}

// neverConnected reports errors that come before the first byte of a request.
func neverConnected(err error) bool {
	var op *net.OpError
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &name) || errors.As(err, &certificate)
}

// clientFailure recognises the errors of clients that keep the answer's status in a field StatusCode, and perhaps the answer in Response, as the packages of OpenAI
// (github.com/openai/openai-go) and Anthropic (github.com/anthropics/anthropic-sdk-go) do. Importing them for it would make every program link them.
func clientFailure(err error) (f retry.Failure, ok bool) {
	for ; err != nil; err = errors.Unwrap(err) {
		v := reflect.ValueOf(err)
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			continue
		}
		status := v.FieldByName("StatusCode")
		if !status.IsValid() || !status.CanInt() || status.Int() < 400 || status.Int() > 599 {
			continue
		}
		f = retry.Failure{Status: int(status.Int()), Sent: true, Code: text(v, "Code"), Type: text(v, "Type"), Message: text(v, "Message")}
		if resp := v.FieldByName("Response"); resp.IsValid() && resp.CanInterface() {
			if r, is := reflect.TypeAssert[*http.Response](resp); is && r != nil { //nolint:bodyclose // who made the error has read it
				f.Header = r.Header
			}
		}
		return f, true
	}
	return f, false
}

func text(v reflect.Value, name string) string {
	if field := v.FieldByName(name); field.IsValid() && field.Kind() == reflect.String {
		return field.String()
	}
	return ""
}

// judged corrects a verdict by what a function says of its own error.
func (f *function) judged(ctx context.Context, v retry.Verdict) retry.Verdict {
	v.Failover = false // whom it calls is the function's own affair
	if f.err == nil || ctx.Err() != nil {
		return v
	}
	switch {
	case f.usage != Usage{}: // an answer came, and the function did not like it
		return retry.Verdict{Class: retry.Alive, Reason: "answered"}
	case retry.IsPermanent(f.err):
		v.Retry, v.Failover = false, false
		if f.resp.Failure.Err != nil {
			v.Class, v.Reason = retry.Cancelled, "permanent"
		}
	}
	return v
}
