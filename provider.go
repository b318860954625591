package aurea

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

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
	// Do performs one HTTP exchange and reads the whole answer, or hands it to the request's Sink as it comes. It returns when the
	// answer has ended. Whatever happens is in the Response, classified nowhere else. The end of ctx closes the connection at once.
	Do(ctx context.Context, req *Request) *Response
}

// InputCounter is a [Provider] that can say how many tokens the input of a request is before it is sent, at no cost.
type InputCounter interface {
	Provider
	// CountInput performs one exchange that is not billed. It returns an error matching [ErrNotCounted] where the provider counts nothing, and [ErrNotCountable] where it
	// does not count such a request.
	CountInput(ctx context.Context, req *Request) (tokens int64, err error)
}

// ErrNotCounted says that a provider does not count the input of requests, [ErrNotCountable] that it does not count that of a request like this one.
var (
	ErrNotCounted   = errors.New("the provider does not count the input of requests")
	ErrNotCountable = errors.New("the provider does not count the input of such requests")
)

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
	// Sink, if not nil, takes a 2xx answer that is an event stream (Content-Type text/event-stream) as it comes; its bytes are then not in
	// Response.Body. Any other answer is read whole.
	Sink Sink
	// FirstByte bounds the wait for the first byte of a streamed answer's body, from the beginning of the exchange; IdleStream the wait for
	// each next one. The time that Sink takes does not count. 0: no bound. They are used with Sink only.
	FirstByte, IdleStream time.Duration
}

// Sink takes a streamed answer. Its methods are called from the goroutine that called Do, and not after Do has returned.
//
// Nothing is handed over before the stream's first event has come: a stream that begins with an error event is a failed attempt that can be repeated, and
// its bytes are in Response.Body. Comments and pings before the first event are handed over with it, or by themselves when it lets wait for itself.
type Sink interface {
	// Start is called once, before the first Write, with the status line and headers of the answer.
	Start(status int, header http.Header)
	// Write takes the next bytes of the body as they came, unchanged. It must not keep p. An error ends the exchange, and closes
	// the connection to the provider: it is the caller that has gone.
	Write(p []byte) (int, error)
}

// ErrFirstByteTimeout and ErrIdleTimeout end a streamed attempt whose provider is silent for longer than Request.FirstByte or IdleStream. Their Timeout
// method returns true.
var (
	ErrFirstByteTimeout error = &streamTimeout{"no byte of the answer came in time (timeouts.first_byte)"}
	ErrIdleTimeout      error = &streamTimeout{"the answer stood still for too long (timeouts.idle_stream)"}
)

// ErrCallerGone ends a streamed attempt whose Sink took no more. It wraps [context.Canceled].
var ErrCallerGone = fmt.Errorf("the caller reads no further: %w", context.Canceled)

// ErrStreamCut ends a streamed attempt whose stream closed without saying its end.
var ErrStreamCut = errors.New("the provider's stream broke off before its end")

type streamTimeout struct{ text string }

func (e *streamTimeout) Error() string { return e.text }

// Timeout is true, as in net.Error.
func (*streamTimeout) Timeout() bool { return true }

// Response is how an attempt ended.
type Response struct {
	// Status is the provider's, 0 when none came.
	Status int
	Header http.Header
	// Body is the answer as it came, read whole. Of a stream it is what was not handed to the Sink, because it began with an error event or
	// ended before anything was said.
	Body []byte
	// Meter has read the usage of an event stream that came with status 2xx, cut ones too; nil for every other answer. What it has read
	// is to be billed whatever Failure says.
	Meter *usage.Meter
	// RequestID is the provider's own name for the exchange.
	RequestID string
	// Failure says what went wrong in terms that [retry.Classify] understands. It is the zero value exactly when a complete 2xx answer came. Its
	// Err matches [ErrFirstByteTimeout], [ErrIdleTimeout], [ErrStreamCut], [ErrCallerGone] or, for an error event within a stream, a
	// *[usage.StreamError], whose code, type and message are then the Failure's too.
	Failure retry.Failure
}

// OK reports whether a complete 2xx answer came.
func (r *Response) OK() bool {
	return r.Status >= 200 && r.Status < 300 && r.Failure.Err == nil
}
