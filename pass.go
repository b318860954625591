package aurea

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/andres20980/aurea-orchestrator/policy"
)

// Passer is a [Provider] with endpoints that cost nothing.
type Passer interface {
	Provider
	// Pass performs one exchange of any method. The caller closes the answer's body. An error says that there was no answer.
	Pass(ctx context.Context, req *FreeRequest) (*http.Response, error)
}

// FreeRequest is a request to an endpoint of a provider that costs nothing.
type FreeRequest struct {
	Method string
	// Path follows the provider's base URL, begins with a slash, and is escaped as it goes into a URL; Query is what follows its question mark, empty if there is none.
	Path, Query string
	Body        []byte
	// Header is what goes through; credentials in it do not.
	Header http.Header
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

// Pass sends a request to an endpoint of a provider that [Config.Free] says costs nothing; anything else is refused with [CodePriceUnknown]. No limit is asked and
// nothing is repeated. The caller closes the answer's body, and by the end of ctx it is over. Safe for concurrent use.
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
	to, ok := up.Provider.(Passer)
	if !ok {
		return nil, &Error{Code: CodeEndpointMismatch, Message: fmt.Sprintf("provider %q has no endpoints but those of calls", provider)}
	}
	req.Key = up.keys.pick()
	resp, err := to.Pass(ctx, &req)
	switch {
	case err == nil:
		return resp, nil
	case errors.Is(err, context.Canceled):
		return nil, err
	case errors.Is(err, context.DeadlineExceeded):
		return nil, &Error{Code: CodeUpstreamTimeout, Message: fmt.Sprintf("provider %q did not answer in time", provider), Hint: "try again", Err: err}
	}
	return nil, &Error{Code: CodeUpstreamError, Message: fmt.Sprintf("provider %q could not be reached: %v", provider, err), Hint: "try again", Err: err}
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
