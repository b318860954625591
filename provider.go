package aurea

import (
	"context"
	"net/http"

	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Formats that providers speak.
const (
	FormatOpenAI    = "openai"
	FormatAnthropic = "anthropic"
)

// Provider sends attempts to one upstream API. Implementations live in provider/…, are safe for concurrent use, never retry by themselves, and pass
// providertest.Run.
type Provider interface {
	// Name is the provider's name in the configuration.
	Name() string
	// Format is the wire format it speaks: [FormatOpenAI] or [FormatAnthropic].
	Format() string
	// Keys returns one identifier per API key, never the key itself. There is at least one, which stands for
	// no key when none is configured.
	Keys() []string
	// Do performs one HTTP exchange and reads the whole answer. Whatever happens is in the Response, classified nowhere else.
	Do(ctx context.Context, req *Request) *Response
}

// Request is one attempt as it will be sent.
type Request struct {
	API   usage.API
	Model string // upstream name, already in Body
	Body  []byte // must not be changed
	// Header holds the caller's headers that go through, such as Idempotency-Key and Anthropic-Version.
	Header http.Header
	// Key is the index into Keys of the API key to use.
	Key int
	// OnSend is called when a connection is there and before the first byte is written to it, perhaps more than once. If it
	// returns an error, nothing is sent and Response.Failure.Err wraps that error.
	OnSend func() error
}

// Response is how an attempt ended.
type Response struct {
	// Status is the provider's, 0 when none came.
	Status int
	Header http.Header
	// Body is the answer as it came, read whole.
	Body []byte
	// RequestID is the provider's own name for the exchange.
	RequestID string
	// Failure says what went wrong in terms that [retry.Classify] understands. It is the zero value exactly when a complete 2xx answer came.
	Failure retry.Failure
}

// OK reports whether a complete 2xx answer came.
func (r *Response) OK() bool {
	return r.Status >= 200 && r.Status < 300 && r.Failure.Err == nil
}
