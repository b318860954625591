package policy

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinels for callers that only need to know the kind of an error.
var (
	// ErrModelNotFound is matched by [*ModelNotFound]; the gateway answers 404 model_not_found.
	ErrModelNotFound = errors.New("policy: model not found")
	// ErrEndpointMismatch is matched by [*EndpointMismatch]; the gateway answers 400 endpoint_mismatch.
	ErrEndpointMismatch = errors.New("policy: endpoint mismatch")
)

// ModelNotFound says that no configured provider serves a name. It matches [ErrModelNotFound].
type ModelNotFound struct {
	// Model is the name that was asked for.
	Model string
	// Hint says what would make it known.
	Hint string
}

// Error names the model and what would make it known.
func (e *ModelNotFound) Error() string {
	return fmt.Sprintf("no provider for model %s: %s", quote(e.Model), e.Hint)
}

// Is makes errors.Is(err, ErrModelNotFound) true.
func (e *ModelNotFound) Is(target error) bool { return target == ErrModelNotFound }

// EndpointMismatch says that a model's provider speaks another format than the endpoint that was
// called. It matches [ErrEndpointMismatch].
type EndpointMismatch struct {
	// Model is the name that was asked for, Provider the one that serves it.
	Model, Provider string
	// Speaks is the provider's format, Asked the endpoint's.
	Speaks, Asked string
}

// Error names both formats and the endpoint that fits.
func (e *EndpointMismatch) Error() string {
	endpoint := "/v1/chat/completions or another endpoint of the OpenAI API"
	if e.Speaks == Anthropic {
		endpoint = "/v1/messages"
	}
	return fmt.Sprintf("model %s is served by the provider %q, which speaks the %s format, not %s; send the request to %s",
		quote(e.Model), e.Provider, e.Speaks, e.Asked, endpoint)
}

// Is makes errors.Is(err, ErrEndpointMismatch) true.
func (e *EndpointMismatch) Is(target error) bool { return target == ErrEndpointMismatch }

// notFound explains why no rule led anywhere. Candidates are the providers that speak the format.
func (r *Router) notFound(model, format string, candidates []string) *ModelNotFound {
	if len(r.providers) == 0 {
		return &ModelNotFound{model, "no provider is configured; set OPENAI_API_KEY or ANTHROPIC_API_KEY, or add providers to aurea.yaml"}
	}
	if len(candidates) == 0 {
		return &ModelNotFound{model, fmt.Sprintf("no configured provider speaks the %s format; add one to providers in aurea.yaml", format)}
	}
	const most = 8
	names := strings.Join(candidates[:min(most, len(candidates))], ", ")
	if len(candidates) > most {
		names += ", …"
	}
	return &ModelNotFound{model, fmt.Sprintf("several providers could serve it (%s); ask for PROVIDER/NAME, or give it a provider under models in aurea.yaml", names)}
}
