package providertest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/retry"
)

// firstByte: a provider that lets wait for its head, or for the first byte after it, can be left for another attempt.
func firstByte(t *testing.T, w wired) {
	for name, head := range map[string]bool{"no head": false, "no body": true} {
		stall, gone := hungUp()
		p := w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
			if head {
				begin(rw)
			}
			stall(r)
		})
		sink := &recorder{}
		req := w.request(sink)
		req.FirstByte, req.IdleStream = time.Second, time.Minute
		began := time.Now()
		got := p.Do(t.Context(), req)
		f := got.Failure
		if took := time.Since(began); took < req.FirstByte || took > 10*time.Second {
			t.Errorf("%s: it took %s", name, took)
		}
		noticed(t, gone)
		if !errors.Is(f.Err, aurea.ErrFirstByteTimeout) || !f.Sent || f.Delivered || sink.started != 0 {
			t.Errorf("%s: %+v", name, f)
		}
		if v := retry.Classify(f); !v.Retry || v.Class != retry.ProviderFailure || v.Reason != "timeout" {
			t.Errorf("%s: classified as %+v", name, v)
		}
	}
}

// idleStream: a provider that falls silent is left, and nothing is repeated once a byte was delivered.
func idleStream(t *testing.T, w wired) {
	for name, sent := range map[string]string{"after an event": w.events[0], "after a ping": w.ping, "within an event": w.events[0] + w.events[1][:10]} {
		stall, gone := hungUp()
		p := w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
			begin(rw)
			say(rw, sent)
			stall(r)
		})
		sink := &recorder{}
		req := w.request(sink)
		req.IdleStream = 100 * time.Millisecond
		got := p.Do(t.Context(), req)
		noticed(t, gone)
		delivered := sent != w.ping
		f := got.Failure
		if !errors.Is(f.Err, aurea.ErrIdleTimeout) || !f.Sent || f.Delivered != delivered || sink.started > 0 != delivered {
			t.Errorf("%s: %+v", name, f)
		}
		if v := retry.Classify(f); v.Retry == delivered || v.Class != retry.ProviderFailure || v.Reason != "timeout" {
			t.Errorf("%s: classified as %+v", name, v)
		}
	}
}

// callerLeaves: the end of the context reaches the provider at once, whatever the stream is waiting for.
func callerLeaves(t *testing.T, w wired) {
	for name, sent := range map[string]string{"before the head": "-", "before the first byte": "", "after an event": w.events[0], "within an event": w.events[0][:20]} {
		promptly(t, func() time.Duration {
			stall, gone := hungUp()
			there := make(chan struct{})
			p := w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
				if sent != "-" {
					begin(rw)
					say(rw, sent)
				}
				close(there)
				stall(r)
			})
			cause := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			sink := &recorder{}
			left := make(chan time.Time, 1)
			go func() {
				<-there
				left <- time.Now()
				cancel(cause)
			}()
			f := p.Do(ctx, w.request(sink)).Failure
			if !errors.Is(f.Err, cause) || !f.Sent || errors.Is(f.Err, aurea.ErrIdleTimeout) || errors.Is(f.Err, aurea.ErrStreamCut) || f.Delivered != (sink.started > 0) {
				t.Errorf("%s: %+v", name, f)
			}
			return noticed(t, gone).Sub(<-left)
		})
	}
}

// sinkFails: a caller that takes no more ends the exchange, and the provider is told at once.
func sinkFails(t *testing.T, w wired) {
	promptly(t, func() time.Duration {
		stall, gone := hungUp()
		p := w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
			begin(rw)
			say(rw, w.events[0])
			stall(r)
		})
		broken := errors.New("broken pipe")
		var left time.Time
		f := p.Do(t.Context(), w.request(&recorder{each: func(int) error {
			left = time.Now()
			return broken
		}})).Failure
		if !errors.Is(f.Err, aurea.ErrCallerGone) || !errors.Is(f.Err, broken) || !f.Delivered || !f.Sent {
			t.Errorf("%+v", f)
		}
		if v := retry.Classify(f); v.Retry || v.Class != retry.Cancelled {
			t.Errorf("classified as %+v", v)
		}
		return noticed(t, gone).Sub(left)
	})
}

// slowSink: the time that the caller takes is not the provider's.
func slowSink(t *testing.T, w wired) {
	p := w.serve(t, func(rw http.ResponseWriter, _ *http.Request) {
		begin(rw)
		for _, e := range w.events {
			say(rw, e)
		}
	})
	sink := &recorder{each: func(int) error {
		<-time.After(150 * time.Millisecond)
		return nil
	}}
	req := w.request(sink)
	req.FirstByte, req.IdleStream = 10*time.Second, 100*time.Millisecond
	if got := p.Do(t.Context(), req); !got.OK() || sink.String() != w.whole() {
		t.Errorf("%+v", got.Failure)
	}
}

// hugeEvent: a line of ten megabytes hides nothing that follows.
func hugeEvent(t *testing.T, w wired) {
	huge := "data: {\"padding\":\"" + strings.Repeat("x", 10<<20) + "\"}\n\n"
	stream := w.events[0] + huge + strings.Join(w.events[1:], "")
	p := w.serve(t, func(rw http.ResponseWriter, _ *http.Request) {
		begin(rw)
		say(rw, stream)
	})
	sink := &recorder{}
	got := p.Do(t.Context(), w.request(sink))
	if !got.OK() || sink.String() != stream {
		t.Fatalf("%d bytes of %d, %+v", sink.Len(), len(stream), got.Failure)
	}
	if diff := cmp.Diff(w.want, result(t, got)); diff != "" {
		t.Error(diff)
	}
}

// noStream: an answer that is no stream, or no success, is read whole, and the sink hears nothing of it.
func noStream(t *testing.T, w wired) {
	for name, h := range map[string]http.HandlerFunc{
		"an answer": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(rw, `{"usage":{}}`)
		},
		"an error": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/event-stream")
			rw.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(rw, `{"error":{"message":"down"}}`)
		},
		"an error that calls itself a stream": func(rw http.ResponseWriter, _ *http.Request) {
			begin(rw)
			_, _ = io.WriteString(rw, `{"error":{"message":"down","type":"api_error"}}`)
		},
		"nothing": func(rw http.ResponseWriter, _ *http.Request) { begin(rw) },
	} {
		sink := &recorder{}
		got := w.serve(t, h).Do(t.Context(), w.request(sink))
		if got.OK() != (name == "an answer") || sink.started != 0 || got.Failure.Delivered || strings.HasPrefix(name, "an ") && len(got.Body) == 0 {
			t.Errorf("%s: started %d times, %q, %+v", name, sink.started, got.Body, got.Failure)
		}
		if v := retry.Classify(got.Failure); v.Retry != (name != "an answer") {
			t.Errorf("%s: classified as %+v", name, v)
		}
		if strings.HasPrefix(name, "an error") && got.Failure.Message != "down" {
			t.Errorf("%s: %+v", name, got.Failure)
		}
	}
}

// staysOpen: what happens to the connection after the stream's own end is no failure, and is not waited for.
func staysOpen(t *testing.T, w wired) {
	for name, after := range map[string]func(http.ResponseWriter, *http.Request, context.CancelFunc){
		"stays open": func(_ http.ResponseWriter, r *http.Request, _ context.CancelFunc) { <-r.Context().Done() },
		"breaks":     func(http.ResponseWriter, *http.Request, context.CancelFunc) { panic(http.ErrAbortHandler) },
		"the caller leaves": func(_ http.ResponseWriter, r *http.Request, leave context.CancelFunc) {
			leave()
			<-r.Context().Done()
		},
		"goes on with comments": func(rw http.ResponseWriter, r *http.Request, _ context.CancelFunc) {
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for r.Context().Err() == nil {
				<-tick.C
				say(rw, ": still here\n\n")
			}
		},
	} {
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		taken := make(chan struct{})
		p := w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
			begin(rw)
			say(rw, w.whole())
			<-taken
			after(rw, r, leave)
		})
		sink := &recorder{}
		sink.each = func(int) error {
			if sink.n > 0 && sink.Len() == 0 {
				close(taken)
			}
			return nil
		}
		req := w.request(sink)
		req.IdleStream = 0
		began := time.Now()
		got := p.Do(ctx, req)
		if took := time.Since(began); !got.OK() || took > 10*time.Second {
			t.Errorf("%s: after %s: %+v", name, took, got.Failure)
		}
		if diff := cmp.Diff(w.want, result(t, got)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// streamsAtOnce: an upstream that answers before it has read the body (golang/go#40747).
func streamsAtOnce(t *testing.T, w wired) {
	p := w.serveRaw(t, func(rw http.ResponseWriter, _ *http.Request) {
		begin(rw)
		for _, e := range w.events {
			say(rw, e)
		}
	})
	req := w.request(nil)
	req.Body = []byte(`{"model":"m","x":"` + strings.Repeat("x", 1<<16) + `"}`)
	for range 50 {
		sink := &recorder{}
		req.Sink = sink
		if got := p.Do(t.Context(), req); !got.OK() || sink.String() != w.whole() {
			t.Fatalf("%q, %+v", sink, got.Failure)
		}
	}
}

// reused: a stream that has ended leaves its connection for the next.
func reused(t *testing.T, w wired) {
	from := make(map[string]bool)
	p := w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
		_, port, _ := net.SplitHostPort(r.RemoteAddr)
		from[port] = true
		begin(rw)
		say(rw, w.whole())
	})
	for range 20 {
		if got := p.Do(t.Context(), w.request(&recorder{})); !got.OK() {
			t.Fatal(got.Failure)
		}
	}
	if len(from) != 1 {
		t.Errorf("%d connections for one stream after the other", len(from))
	}
}
