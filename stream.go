package aurea

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"

	"github.com/andres20980/aurea-orchestrator/internal/wire"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Stream is an answer that comes piece by piece. Read it to its end, or Close it: one of them must happen, and doing both is harmless. Its methods are for one
// goroutine at a time, except for Close, which any may call.
type Stream struct {
	cancel context.CancelCauseFunc
	pipe   *io.PipeReader
	body   io.Reader // in its place, of an answer that is no stream
	status int
	header http.Header
	ended  chan struct{}
	answer *Answer
	err    error

	panicked any
}

// Event is one server-sent event of a stream.
type Event struct {
	// Name is the event's type, empty where the stream names none, as OpenAI's chat completions.
	Name string
	// Data is what the event carries, mostly a JSON object; OpenAI's streams end with [DONE].
	Data []byte
}

// Stream takes one call along the path that [Orchestrator.Do] describes, and returns as soon as the answer begins. call.Body must ask for a stream
// ("stream": true). Until the first event has come, the call is retried and failed over like any other; after it never again.
//
// The call is booked when the stream has ended, by the usage that the provider reports in it; a stream that ends early is booked at what is proven, and the rest
// of its hold stays unconfirmed. A stream that ends without usage costs its hold, never nothing.
//
// A provider's own error answer is a Stream too, with its status and body. An *[Error] is Aurea's refusal, or says why no answer came. The end of ctx ends
// the stream.
func (o *Orchestrator) Stream(ctx context.Context, call Call) (*Stream, error) {
	if call.Waiting == nil {
		call.Waiting = ctx
	}
	ctx, cancel := context.WithCancelCause(ctx)
	r, w := io.Pipe()
	sink := &pipeSink{pipe: w, started: make(chan struct{})}
	call.Sink = sink
	s := &Stream{cancel: cancel, pipe: r, ended: make(chan struct{})}
	wake := context.AfterFunc(ctx, func() { _ = r.CloseWithError(context.Cause(ctx)) }) // a reader that does not read must not keep the provider waiting
	go s.run(func() {
		s.answer, s.err = o.streamed(ctx, call)
		wake()
		_ = w.CloseWithError(s.err)
	})
	select {
	case <-sink.started:
		s.status, s.header = sink.status, sink.header
		return s, nil
	case <-s.ended:
	}
	if s.panicked != nil {
		panic(s.panicked) // in the goroutine of the caller, whose it is
	}
	if s.answer == nil || s.answer.Status == 0 {
		return nil, s.err
	}
	s.status, s.header, s.body = s.answer.Status, s.answer.Header, bytes.NewReader(s.answer.Body)
	return s, nil
}

// run does the stream's work. A function of the caller's that panics must not end the process from a goroutine that he does not know of.
func (s *Stream) run(work func()) {
	defer close(s.ended)
	defer s.cancel(nil)
	defer func() {
		if s.panicked = recover(); s.panicked != nil {
			s.err = &Error{Code: "internal", Message: fmt.Sprintf("a function called for the stream panicked: %v", s.panicked)}
			_ = s.pipe.CloseWithError(s.err)
		}
	}()
	work()
}

// streamed is Do for a body that asks for a stream.
func (o *Orchestrator) streamed(ctx context.Context, call Call) (*Answer, error) {
	req, err := usage.ReadRequest(call.API, call.Body)
	if err == nil && !req.Stream {
		return nil, &Error{Code: CodeInvalidRequest, Message: "the request does not ask for a stream", Hint: `set "stream": true, or use Do`}
	}
	return o.Do(ctx, call)
}

// Status returns the HTTP status of the answer, and Header its headers.
func (s *Stream) Status() int { return s.status }

// Header returns the headers of the answer.
func (s *Stream) Header() http.Header { return s.header }

// OK reports whether the answer began with a status 2xx.
func (s *Stream) OK() bool { return s.status >= 200 && s.status < 300 }

// Read reads the bytes of the answer as they came. It returns [io.EOF] at the end of a whole answer, and the *[Error] that ended any other.
func (s *Stream) Read(p []byte) (int, error) {
	if s.body != nil {
		return s.body.Read(p)
	}
	n, err := s.pipe.Read(p)
	if errors.Is(err, io.ErrClosedPipe) { // by Close, or by the end of the context
		<-s.ended
		if err = s.err; err == nil {
			err = ErrCallerGone
		}
	}
	return n, err
}

// Events returns the events of the stream. The last pair has the error that ended it, if it did not end well. An event's Data is valid until the next one.
// Leaving the loop early closes the stream.
func (s *Stream) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		var events []Event
		split := &wire.Splitter{Each: func(e wire.Event) {
			events = append(events, Event{Name: string(e.Name), Data: bytes.Clone(e.Data)})
		}}
		defer s.Close()
		buf := make([]byte, 32<<10)
		for {
			n, err := s.Read(buf)
			_, _ = split.Write(buf[:n])
			if errors.Is(err, io.EOF) {
				_ = split.Close()
			}
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
			events = events[:0]
			if err != nil {
				if !errors.Is(err, io.EOF) {
					yield(Event{}, err)
				}
				return
			}
		}
	}
}

// Close leaves the stream: the provider's connection is closed at once, and what was proven by then is booked. It returns when that is done. After the
// end it does nothing.
func (s *Stream) Close() error {
	s.cancel(ErrCallerGone)
	_ = s.pipe.CloseWithError(ErrCallerGone)
	<-s.ended
	return nil
}

// Answer returns how the call ended and what it cost, once the stream has been read to its end or closed; it waits for that. Its Body is empty, unless the answer was
// no stream.
func (s *Stream) Answer() *Answer {
	<-s.ended
	return s.answer
}

// pipeSink hands a stream to its reader.
type pipeSink struct {
	pipe    *io.PipeWriter
	started chan struct{}
	status  int
	header  http.Header
}

func (p *pipeSink) Start(status int, header http.Header) {
	p.status, p.header = status, header
	close(p.started)
}

func (p *pipeSink) Write(b []byte) (int, error) { return p.pipe.Write(b) }

// stream performs the exchange of a request for a stream.
func (w *walk) stream(ctx context.Context, t *target, req *Request) *Response {
	req.FirstByte, req.IdleStream = w.s.timeouts.FirstByte, w.s.timeouts.IdleStream
	collected := &collector{}
	if req.Sink = w.call.Sink; req.Sink == nil {
		req.Sink = collected
	}
	if w.masked != nil {
		u := newUnmasker(w.masked, req.Sink)
		req.Sink = u
		defer func() { _ = u.stream.Close() }()
	}
	if t.hideUsage {
		h := newHider(req.Sink)
		req.Sink = h
		defer func() { _ = h.flush() }()
	}
	if s, ok := w.call.Sink.(*pipeSink); ok { // whose reader may not be reading
		defer context.AfterFunc(ctx, func() { _ = s.pipe.CloseWithError(upstreamFailed(t, context.Cause(ctx))) })()
	}
	resp := t.provider.Do(ctx, req)
	if resp != nil && errors.Is(resp.Failure.Err, ErrCallerGone) && errors.Is(context.Cause(ctx), errRequestTimeout) {
		resp.Failure.Err = errRequestTimeout // which is why the pipe was closed
	}
	if w.call.Sink == nil && resp != nil && resp.Meter != nil {
		resp.Failure.Delivered = false // to nobody yet
		if collected.body.Len() > 0 {
			resp.Body = collected.body.Bytes()
		}
	}
	return resp
}

// billStream books a stream: a whole one by its usage, one that was cut by what is proven; what else it may have cost stays unconfirmed.
func (w *walk) billStream(t *target, resp *Response) bill {
	u, err := resp.Meter.Result()
	switch {
	case err == nil && u.Complete:
		return w.priced(t, u)
	case resp.OK():
		w.o.log.Warn("stream without usable usage; its bound was booked", "call_id", w.id, "model", t.model, "error", err)
		return bill{outcome: outcomeEstimated, cost: t.worst}
	case resp.Meter.Failed() != nil && !resp.Meter.Begun():
		return bill{outcome: outcomeError} // an error from the beginning, if with status 200
	}
	seen := resp.Meter.Seen()
	b := bill{outcome: outcomeCut, usage: seen.Usage}
	if b.cost, err = usage.Cost(*t.price, seen.Usage); err != nil {
		return bill{outcome: outcomeCut, doubt: t.worst}
	}
	b.doubt = max(0, w.atMost(t, seen, resp.Meter.TextBytes())-b.cost)
	return b
}

// afterCut is how long a provider that stops at a cut may go on writing until it has noticed.
// Its pace is taken from the text that was read, at bytesPerToken, which is few for any language.
const (
	afterCut      = 2 * time.Second
	bytesPerToken = 3
)

// atMost is the most that a stream that was cut can have cost.
func (w *walk) atMost(t *target, seen usage.Seen, text int64) money.USD {
	hidden := seen.Hidden && (w.call.API != usage.Chat || t.price.Reasoning || w.request.Reasoning)
	took := time.Since(w.started)
	if !w.s.cutStops(t.provider.Name()) || hidden || took <= 0 {
		return t.worst
	}
	written := max(seen.Usage.Output, text/bytesPerToken)
	more := int64(float64(written)*afterCut.Seconds()/took.Seconds()) + 1
	least, _, err := usage.Bound(*t.price, t.request, min(t.cap, text+more)) // what was read is a token a byte at most
	if err != nil {
		return t.worst
	}
	return min(t.worst, least)
}

// truncated reports whether an answer ended at its output cap.
func truncated(api usage.API, resp *Response) bool {
	if resp.Meter != nil {
		return resp.Meter.Truncated()
	}
	return usage.Truncated(api, resp.Body)
}

// collector takes a stream that nobody reads while it comes: Do returns it whole.
type collector struct{ body bytes.Buffer }

func (c *collector) Start(int, http.Header) { c.body.Reset() }

func (c *collector) Write(p []byte) (int, error) {
	if c.body.Len()+len(p) > maxCollected {
		return 0, errTooLong
	}
	return c.body.Write(p)
}

// maxCollected is the longest stream that Do keeps in memory.
const maxCollected = 256 << 20

var errTooLong = errors.New("the streamed answer is longer than 256 MB; read it with Stream")
