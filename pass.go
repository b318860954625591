package aurea

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/andres20980/aurea-orchestrator/policy"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/retry"
)

// Passer is a [Provider] with endpoints that cost nothing.
type Passer interface {
	Provider
	// Pass performs one exchange of any method. failure says what went wrong, as in a [Response]: without an answer its Err says why, and resp is nil. The caller
	// closes the body of an answer.
	Pass(ctx context.Context, req *FreeRequest) (resp *http.Response, failure retry.Failure)
}

// FreeModel is the name under which the limits, the circuit and the metrics of a provider's endpoints that cost nothing are kept: they are none of a model's. It is also
// the [policy.Target.Settings] that [Config.Limits] is asked with.
const FreeModel = "(free)"

// FreeRequest is a request to an endpoint of a provider that costs nothing.
type FreeRequest struct {
	Method string
	// Path follows the provider's base URL, begins with a slash, and is escaped as it goes into a URL; Query is what follows its question mark, empty if there is none.
	Path, Query string
	Body        []byte
	// Header is what goes through; credentials in it do not.
	Header http.Header
	// Class decides who goes first when the provider's allowance is short, and MaxWait bounds the wait for it: 0 refuses at once, a negative value waits as long as ctx.
	Class   ratelimit.Class
	MaxWait time.Duration
	// OnSend, if not nil, is called when an attempt stops waiting and goes to the provider.
	OnSend func(Sending)
	// PII asks for a request with personal data to be refused, if it is [PIIMask] or [PIIBlock]; so may the configuration.
	PII PII
	// Key is the index of the API key to use. [Orchestrator.Pass] chooses it.
	Key int
}

// Format returns the wire format that a configured provider speaks, false if there is none of that name. Safe for concurrent use.
func (o *Orchestrator) Format(provider string) (format string, ok bool) {
	up, ok := o.settings.Load().providers[provider]
	if !ok {
		return "", false
	}
	return up.Format(), true
}

// Pass sends a request to an endpoint of a provider that [Config.Free] says costs nothing; anything else is refused with [CodePriceUnknown]. It waits for the provider's
// allowance and asks the circuit, both those of [FreeModel]. A key that is refused, or whose quota is spent, is set aside while the provider has another one, with which the
// request is sent again; nothing else is repeated. The caller closes the answer's body, and by the end of ctx it is over. Safe for concurrent use.
func (o *Orchestrator) Pass(ctx context.Context, provider string, req FreeRequest) (*http.Response, error) {
	s := o.settings.Load()
	up, err := s.usable(provider)
	if err != nil {
		return nil, err
	}
	if !s.free(provider, req.Method, req.Path[1:]) {
		return nil, &Error{
			Code: CodePriceUnknown, Message: fmt.Sprintf("what %s %s of provider %q costs is not known", req.Method, req.Path[1:], provider),
			Hint: fmt.Sprintf("if it costs nothing, write providers.%s.free_paths: [%q]", provider, req.Path[1:]),
		}
	}
	if err := s.checkFree(req); err != nil {
		return nil, err
	}
	to, ok := up.Provider.(Passer)
	if !ok {
		return nil, &Error{Code: CodeEndpointMismatch, Message: fmt.Sprintf("provider %q has no endpoints but those of calls", provider)}
	}
	t := &target{provider: up, model: FreeModel, settings: FreeModel, key: up.keys.pick(), breaker: s.breakers.Get(provider, FreeModel), limits: o.limits}
	w := &walk{o: o, s: s, call: Call{Class: req.Class, MaxWait: req.MaxWait, Waiting: ctx}}
	for {
		resp, again, err := w.pass(ctx, t, to, req)
		if !again {
			return resp, err
		}
	}
}

// pass makes one attempt. again says that another key is there to make another one.
func (w *walk) pass(ctx context.Context, t *target, to Passer, req FreeRequest) (resp *http.Response, again bool, err error) {
	if err := w.lookAtBreaker(t); err != nil {
		return nil, false, err
	}
	permit, err := w.limit(t)
	if err != nil {
		return nil, false, err
	}
	circuit, err := t.breaker.Admit()
	if err != nil {
		permit.Release()
		return nil, false, circuitOpen(t, err)
	}
	ended := func(status int, header http.Header, verdict retry.Verdict) {
		circuit.Done(breakerOutcome(verdict))
		permit.Done(ratelimit.Feedback{
			Status: status, Header: header, InputTokens: -1, OutputTokens: -1, RetryAfter: verdict.Floor, RateLimited: verdict.Class == retry.RateLimited,
		})
	}
	defer func() {
		if v := recover(); v != nil { // a provider of the caller's
			ended(0, nil, retry.Verdict{Class: retry.ProviderFailure})
			panic(v)
		}
	}()
	w.tried++
	w.started = time.Now()
	if req.OnSend != nil {
		req.OnSend(Sending{Attempt: w.tried, Queued: w.queued})
	}
	req.Key = t.key
	resp, failure := to.Pass(ctx, &req)
	verdict := w.judge(ctx, &Response{Failure: failure})
	if verdict.Class == retry.KeyRefused && failure.Status != http.StatusUnauthorized {
		verdict.Failover = false // what a key may not do here it may do elsewhere
	}
	if verdict.Failover && (verdict.Class == retry.KeyRefused || verdict.Class == retry.QuotaSpent) {
		if key, ok := t.provider.keys.setAside(t.key); ok {
			t.key, again = key, true
		}
	}
	w.passed(t, failure.Status, resp, verdict, again)
	if resp == nil {
		ended(0, nil, verdict)
		return nil, false, passFailed(t.provider.Name(), failure.Err)
	}
	if again {
		ended(resp.StatusCode, resp.Header, verdict)
		_ = resp.Body.Close()
		return nil, true, nil
	}
	resp.Body = &passedBody{ReadCloser: resp.Body, end: func(cut error) {
		if cut != nil && ctx.Err() == nil {
			verdict = retry.Verdict{Class: retry.ProviderFailure}
		}
		ended(resp.StatusCode, resp.Header, verdict)
	}}
	return resp, false, nil
}

// passed tells the observer of an attempt.
func (w *walk) passed(t *target, status int, resp *http.Response, verdict retry.Verdict, again bool) {
	if w.s.observe == nil {
		return
	}
	if resp != nil {
		status = resp.StatusCode
	}
	w.s.observe(Attempt{
		Provider: t.provider.Name(), Model: t.model, Number: w.tried, Status: status, Reason: verdict.Reason, Retried: again, Queued: w.queued, Took: time.Since(w.started),
	})
}

// passedBody is the body of an answer, with which its attempt ends.
type passedBody struct {
	io.ReadCloser
	end func(cut error)
	cut error
}

func (b *passedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.cut = err
	}
	return n, err
}

// Close ends the attempt; a second time it does nothing.
func (b *passedBody) Close() error {
	if b.end != nil {
		b.end(b.cut)
		b.end = nil
	}
	return b.ReadCloser.Close()
}

func passFailed(provider string, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: CodeUpstreamTimeout, Message: fmt.Sprintf("provider %q did not answer in time", provider), Hint: "try again", Err: err}
	}
	return &Error{Code: CodeUpstreamError, Message: fmt.Sprintf("provider %q could not be reached: %v", provider, err), Hint: "try again", Err: err}
}

// PassTimeout is the longest that an exchange of [Orchestrator.Pass] should take: [Timeouts.Request].
func (o *Orchestrator) PassTimeout() time.Duration { return o.settings.Load().timeouts.Request }

// usable returns a configured provider that calls can go to.
func (s *settings) usable(provider string) (*upstream, error) {
	up, ok := s.providers[provider]
	if !ok {
		return nil, &Error{Code: CodeModelNotFound, Message: fmt.Sprintf("provider %q is not configured", provider), Hint: "add it to the configuration"}
	}
	if why := s.unusable[provider]; why != "" {
		return nil, &Error{Code: CodeUnauthorized, Message: fmt.Sprintf("provider %q cannot be used: %s", provider, why), Hint: "give it a key, or route the model to another one"}
	}
	return up, nil
}

// ListsModels is the default of [Config.Free]: to ask which models there are is free everywhere.
func ListsModels(_, method, path string) bool {
	for _, list := range []string{"models", "models/?*", "v1/models", "v1/models/?*"} {
		if method == http.MethodGet && policy.Match(list, path) {
			return true
		}
	}
	return false
}
