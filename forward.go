package aurea

import (
	"context"
	"fmt"

	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Forwarder is a [Provider] with endpoints beside those of calls.
type Forwarder interface {
	Provider
	// Forward performs one exchange at a path after the base URL that costs nothing. Whatever happens is in the Response.
	Forward(ctx context.Context, path string, req *Request) *Response
}

// countPath is where Anthropic counts the input of messages (https://docs.claude.com/en/docs/build-with-claude/token-counting).
const countPath = "/v1/messages/count_tokens"

// CountTokens asks the provider of a model how many tokens the input of a request for messages is. body is in the form of Anthropic's counting endpoint, and goes through
// unchanged but for the model's upstream name; so does the answer. It costs nothing, and is repeated only with another key where one is refused. The errors are those of [Orchestrator.Do]; the
// allow and deny lists hold. Safe for concurrent use.
func (o *Orchestrator) CountTokens(ctx context.Context, call Call) (*Answer, error) {
	call.API = usage.Messages
	call.Job = &Job{}
	w := o.enter(ctx, call)
	for _, step := range []func() error{w.read, w.policy, w.mask} {
		if err := step(); err != nil {
			return nil, w.refuse(err)
		}
	}
	t := w.target()
	to, ok := t.provider.Provider.(Forwarder)
	if !ok {
		return nil, w.refuse(&Error{Code: CodeEndpointMismatch, Message: fmt.Sprintf("provider %q does not count tokens", t.provider.Name())})
	}
	body := w.call.Body
	if t.model != w.request.Model {
		var err error
		if body, err = usage.SetField(body, "model", quoted(t.model)); err != nil {
			return nil, w.refuse(&Error{Code: CodeInvalidRequest, Message: "model: " + err.Error(), Err: err})
		}
	}
	resp := to.Forward(ctx, countPath, &Request{API: call.API, Model: t.model, Body: body, Header: call.Header, Key: t.key})
	for retry.Classify(resp.Failure).Class == retry.KeyRefused {
		key, ok := t.provider.keys.setAside(t.key)
		if !ok {
			break
		}
		t.key = key
		resp = to.Forward(ctx, countPath, &Request{API: call.API, Model: t.model, Body: body, Header: call.Header, Key: t.key})
	}
	a := &Answer{CallID: w.id, Status: resp.Status, Header: resp.Header, Body: resp.Body, RequestID: resp.RequestID, Provider: t.provider.Name(), Model: t.model, Attempts: 1}
	if err := resp.Failure.Err; err != nil {
		return nil, w.refuse(upstreamFailed(t, err))
	}
	return a, nil
}
