package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/usage"
)

const (
	// maxHeld and holdFor bound what is held back while a stream has not begun, in bytes and from its first byte on: comments that keep the connection alive
	// are of use to the caller too.
	maxHeld = 64 << 10
	holdFor = 5 * time.Second
	// endGrace is how long a stream that has said its end may take to close. Until then its connection can be used again.
	endGrace = 2 * time.Second
)

// Streams are read into small, of which there may be thousands for minutes, and into large from when one fills it.
var (
	small = sync.Pool{New: func() any { b := make([]byte, 2<<10); return &b }}
	large = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}
)

func isEventStream(h http.Header) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		kind, _, _ = strings.Cut(h.Get("Content-Type"), ";")
	}
	return strings.EqualFold(strings.TrimSpace(kind), "text/event-stream")
}

// flow is a stream on its way from a provider to a sink.
type flow struct {
	sink    aurea.Sink
	out     *aurea.Response
	veil    veil
	started bool      // the sink has been told; from then on nothing can be repeated
	came    time.Time // when the first byte did
}

// stream hands a stream on and reads its usage. An error event before anything else, and a stream that ends before it has begun, stay in the
// response's Body, so that the attempt can be repeated.
func (p *HTTP) stream(ctx context.Context, silence *watch, req *aurea.Request, from io.Reader, out *aurea.Response) {
	f := &flow{sink: req.Sink, out: out, veil: veil{secrets: p.secrets}}
	out.Meter = usage.NewMeter(req.API)
	out.Meter.Asked(req.Body)
	err := f.copy(silence, from)
	_ = out.Meter.Close()
	problem := out.Meter.Failed()
	if !f.started && problem == nil {
		if out.Meter.Ended() { // its only event lacks a blank line
			err = f.start()
		} else {
			problem = p.plainError(out.Body)
		}
	}
	switch {
	case problem != nil:
		out.Failure = retry.Failure{Code: problem.Code, Type: problem.Type, Message: problem.Message, Err: problem}
	case out.Meter.Ended():
		return // whatever happened to the connection afterwards
	case err == nil:
		out.Failure.Err = aurea.ErrStreamCut
	case errors.Is(err, aurea.ErrCallerGone):
		out.Failure.Err = err
	case ctx.Err() != nil:
		out.Failure.Err = p.clean(ctx, err)
	default:
		out.Failure.Err = p.ended(ctx, silence, fmt.Errorf("%w: %w", aurea.ErrStreamCut, err))
	}
	out.Failure.Status, out.Failure.Header = out.Status, out.Header
	out.Failure.Sent, out.Failure.Delivered = true, f.started
}

// copy passes the stream on until it ends. It returns nil for a body that closed in order.
func (f *flow) copy(silence *watch, from io.Reader) error {
	meter := f.out.Meter
	pool := &small
	buf, _ := pool.Get().(*[]byte)
	defer func() { pool.Put(buf) }()
	for {
		silence.wait()
		n, err := from.Read(*buf)
		if n > 0 {
			silence.came()
			gone := f.pass(f.veil.pass((*buf)[:n]))
			switch {
			case gone != nil:
				return gone
			case !f.started && meter.Failed() != nil:
				return nil
			}
			if meter.Ended() {
				silence.near(endGrace)
			}
		}
		if err != nil {
			if gone := f.pass(f.veil.rest()); gone != nil {
				return gone
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case n == len(*buf) && pool == &small:
			pool.Put(buf)
			pool = &large
			buf, _ = pool.Get().(*[]byte)
		}
	}
}

// pass hands bytes to the sink and to the meter, or keeps them while the stream has not begun.
func (f *flow) pass(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	meter := f.out.Meter
	if f.started {
		err := f.write(p) // the caller first
		_, _ = meter.Write(p)
		return err
	}
	if f.came.IsZero() {
		f.came = time.Now()
	}
	f.out.Body = append(f.out.Body, p...)
	_, _ = meter.Write(p)
	if meter.Begun() || meter.Failed() == nil && (len(f.out.Body) > maxHeld || time.Since(f.came) > holdFor) {
		return f.start()
	}
	return nil
}

// start hands over what was held back.
func (f *flow) start() error {
	held := f.out.Body
	f.out.Body, f.started = nil, true
	f.sink.Start(f.out.Status, f.out.Header)
	return f.write(held)
}

func (f *flow) write(p []byte) error {
	n, err := f.sink.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("%w: %w", aurea.ErrCallerGone, err)
	}
	return nil
}

// plainError reads an error body that a provider sent as an event stream without making it an event.
func (p *HTTP) plainError(body []byte) *usage.StreamError {
	var f retry.Failure
	if p.dialect.ReadError(body, &f); f.Code == "" && f.Type == "" && f.Message == "" {
		return nil
	}
	return &usage.StreamError{Type: f.Type, Code: f.Code, Message: f.Message}
}
