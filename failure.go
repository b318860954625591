package aurea

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/andres20980/aurea-orchestrator/retry"
)

// HTTPError is how a function given to [Execute] says that the provider answered with an error status. Providers do not bill those, so the hold is released;
// whether the function is run again follows from the status, the code and the headers as for any provider's answer. It is a plain value and safe to share.
type HTTPError struct {
	// Status is the HTTP status, 400 to 599, and Header the answer's: Retry-After and x-should-retry are obeyed. With any other status nobody knows what became of the
	// call, and it stays unconfirmed.
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

// failureOf reads a function's error; see [Execute] for what it understands. before is how many attempts the client says that it made before the last one.
func failureOf(err error) (f retry.Failure, before int64) {
	var status *HTTPError
	var unsent *notSent
	switch {
	case errors.As(err, &status) && isErrorStatus(int64(status.Status)):
		return retry.Failure{Status: status.Status, Header: status.Header, Code: status.Code, Type: status.Type, Message: status.Message, Sent: true}, 0
	case status == nil && (errors.As(err, &unsent) || neverConnected(err)):
		return retry.Failure{Err: err}, 0
	}
	if f, before, ok := clientFailure(err); ok {
		return f, before
	}
	return retry.Failure{Err: err, Sent: true}, 0
}

func isErrorStatus(status int64) bool { return status >= 400 && status <= 599 }

// neverConnected reports errors that come before the first byte of a request.
func neverConnected(err error) bool {
	var op *net.OpError
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &name) || errors.As(err, &certificate)
}

// clientFailure recognises the errors of clients that keep the answer's status in a field StatusCode, and perhaps the answer in Response, as the packages of OpenAI
// (github.com/openai/openai-go) and Anthropic (github.com/anthropics/anthropic-sdk-go) do. Importing them for it would make every program link them. Both repeat
// requests by themselves, and count that in a header of the last one.
func clientFailure(err error) (f retry.Failure, before int64, ok bool) {
	for err := range chain(err) {
		v := reflect.ValueOf(err)
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		status := field(v, "StatusCode")
		if !status.IsValid() || !status.CanInt() || !isErrorStatus(status.Int()) {
			continue
		}
		f = retry.Failure{Status: int(status.Int()), Sent: true, Code: text(v, "Code"), Type: text(v, "Type"), Message: text(v, "Message")}
		if r, is := exported[*http.Response](v, "Response"); is && r != nil { //nolint:bodyclose // who made the error has read it
			f.Header = r.Header
		}
		if r, is := exported[*http.Request](v, "Request"); is && r != nil {
			n, _ := strconv.ParseInt(r.Header.Get("X-Stainless-Retry-Count"), 10, 64)
			before = min(max(n, 0), mostBefore)
		}
		return f, before, true
	}
	return f, 0, false
}

// mostBefore is more than any client repeats a request.
const mostBefore = 100

// chain walks through an error and all that it wraps, joined errors too.
func chain(err error) iter.Seq[error] {
	return func(yield func(error) bool) { walkChain(err, yield) }
}

func walkChain(err error, yield func(error) bool) bool {
	for err != nil {
		if !yield(err) {
			return false
		}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, one := range joined.Unwrap() {
				if !walkChain(one, yield) {
					return false
				}
			}
			return true
		}
		err = errors.Unwrap(err)
	}
	return true
}

// field returns a field of a struct, also one of a struct that it embeds; the zero Value if there is none.
func field(v reflect.Value, name string) reflect.Value {
	if v.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	f, ok := v.Type().FieldByName(name)
	if !ok {
		return reflect.Value{}
	}
	found, err := v.FieldByIndexErr(f.Index)
	if err != nil { // an embedded pointer is nil
		return reflect.Value{}
	}
	return found
}

func exported[T any](v reflect.Value, name string) (value T, ok bool) {
	f := field(v, name)
	if !f.IsValid() || !f.CanInterface() {
		return value, false
	}
	return reflect.TypeAssert[T](f)
}

func text(v reflect.Value, name string) string {
	if f := field(v, name); f.IsValid() && f.Kind() == reflect.String {
		return f.String()
	}
	return ""
}

// refusedByUs reports an error of Aurea's own.
func refusedByUs(err error) bool {
	_, ours := errors.AsType[*Error](err)
	return ours
}

// judged corrects a verdict by what a function says of its own error.
func (f *function) judged(ctx context.Context, v retry.Verdict) retry.Verdict {
	v.Failover = false // whom it calls is the function's own affair
	if f.err == nil || ctx.Err() != nil {
		return v
	}
	switch {
	case refusedByUs(f.err): // a call made inside has been judged and repeated already
		return retry.Verdict{Class: retry.Cancelled, Reason: "refused"}
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
