package providertest

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// patience is how soon a provider must notice that its caller has left.
const patience = 250 * time.Millisecond

// streams runs the stream part of the suite for each API, over HTTP/1.1 and HTTP/2.
func streams(t *testing.T, s Subject) {
	for _, api := range s.Streams {
		one, known := samples()[api]
		if !known {
			t.Fatalf("there is no sample of a stream of %s", api)
		}
		one.api = api
		for _, version := range []int{1, 2} {
			w := wired{Subject: s, sample: one, version: version}
			for name, test := range map[string]func(*testing.T, wired){
				"Whole": wholeStream, "Cut": cutStream, "ErrorFirst": errorFirst, "ErrorLater": errorLater, "FirstByte": firstByte, "Idle": idleStream,
				"CallerLeaves": callerLeaves, "SinkFails": sinkFails, "SlowSink": slowSink, "HugeEvent": hugeEvent, "NoStream": noStream, "StaysOpen": staysOpen,
				"AnswersAtOnce": streamsAtOnce, "Reused": reused,
			} {
				t.Run(fmt.Sprintf("%s/HTTP%d/%s", api, version, name), func(t *testing.T) {
					t.Parallel()
					test(t, w)
				})
			}
		}
	}
}

// wired is a subject with a sample of a stream, over one version of HTTP.
type wired struct {
	Subject
	sample
	version int
}

// serve starts a server. Its handler is called when the request has been read.
func (w wired) serve(t *testing.T, h http.HandlerFunc) aurea.Provider {
	t.Helper()
	return w.serveRaw(t, func(rw http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			h(rw, r)
		}
	})
}

func (w wired) serveRaw(t *testing.T, h http.HandlerFunc) aurea.Provider {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	transport := &http.Transport{DisableCompression: true}
	if w.version == 2 {
		server.EnableHTTP2 = true
		server.StartTLS()
		pool := x509.NewCertPool()
		pool.AddCert(server.Certificate())
		transport = server.Client().Transport.(*http.Transport).Clone()
		transport.DisableCompression, transport.ForceAttemptHTTP2 = true, true
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.CloseClientConnections()
		server.Close()
	})
	return w.New(&http.Client{Transport: transport}, server.URL)
}

func (w wired) request(sink aurea.Sink) *aurea.Request {
	return &aurea.Request{API: w.api, Model: "m", Body: []byte(body), Sink: sink, FirstByte: time.Minute, IdleStream: time.Minute}
}

// begin sends the head of a stream.
func begin(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "Text/Event-Stream; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
}

// say sends bytes at once.
func say(w http.ResponseWriter, text string) {
	_, _ = io.WriteString(w, text)
	_ = http.NewResponseController(w).Flush()
}

// hungUp returns a channel that gets the moment at which the caller of a handler that stalls was gone.
func hungUp() (stall func(*http.Request), gone chan time.Time) {
	gone = make(chan time.Time, 1)
	return func(r *http.Request) {
		<-r.Context().Done()
		gone <- time.Now()
	}, gone
}

// noticed waits until a provider has noticed that its caller has left, and returns when that was.
func noticed(t *testing.T, gone chan time.Time) time.Time {
	t.Helper()
	select {
	case at := <-gone:
		return at
	case <-time.After(10 * time.Second):
		t.Error("the provider never noticed")
		return time.Time{}
	}
}

// promptly fails if none of a few attempts ends within patience: a busy machine may delay one.
func promptly(t *testing.T, attempt func() (took time.Duration)) {
	t.Helper()
	var took time.Duration
	for range 5 {
		if took = attempt(); took <= patience {
			return
		}
	}
	t.Errorf("the provider noticed after %s", took)
}

// recorder is a sink.
type recorder struct {
	status  int
	started int
	header  http.Header
	bytes.Buffer
	each func(n int) error // called with the number of the write
	n    int
}

func (r *recorder) Start(status int, h http.Header) {
	r.started++
	r.status, r.header = status, h
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.started == 0 {
		return 0, errors.New("bytes before the start")
	}
	r.n++
	if r.each != nil {
		if err := r.each(r.n); err != nil {
			return 0, err
		}
	}
	return r.Buffer.Write(p)
}

// wholeStream: whatever its splitting, the bytes come through and the usage is read.
func wholeStream(t *testing.T, w wired) {
	for _, size := range []int{1, 7, 64, 1 << 20} {
		p := w.serve(t, func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("X-Theirs", "also")
			begin(rw)
			for rest := w.whole(); rest != ""; {
				n := min(size, len(rest))
				say(rw, rest[:n])
				rest = rest[n:]
			}
		})
		sink := &recorder{}
		got := p.Do(t.Context(), w.request(sink))
		if !got.OK() || got.Status != 200 || len(got.Body) != 0 || got.Failure.Delivered {
			t.Fatalf("pieces of %d: status %d, body %q, %+v", size, got.Status, got.Body, got.Failure)
		}
		if sink.String() != w.whole() || sink.started != 1 || sink.status != 200 || sink.header.Get("X-Theirs") != "also" {
			t.Errorf("pieces of %d: the sink was started %d times and got %q", size, sink.started, sink)
		}
		if diff := cmp.Diff(w.want, result(t, got)); diff != "" {
			t.Errorf("pieces of %d: %s", size, diff)
		}
	}
}

func result(t *testing.T, got *aurea.Response) usage.Usage {
	t.Helper()
	if got.Meter == nil {
		t.Fatal("no meter")
	}
	u, err := got.Meter.Result()
	if err != nil {
		t.Error(err)
	}
	return u
}

// cutStream: whatever has come before a stream breaks off or closes before its end, the attempt failed, and is not to be repeated once a byte was delivered.
func cutStream(t *testing.T, w wired) {
	whole := w.whole()
	first := len(w.events[0])
	end := len(whole) - len(w.events[len(w.events)-1])
	if w.api == usage.Chat || w.api == usage.Completions {
		end -= len(w.events[len(w.events)-2]) // with the usage all is said
	}
	var at atomic.Int64
	var reset atomic.Bool
	p := w.serve(t, func(rw http.ResponseWriter, _ *http.Request) {
		begin(rw)
		say(rw, whole[:at.Load()])
		if reset.Load() {
			panic(http.ErrAbortHandler)
		}
	})
	var places []int
	sum := 0
	for _, e := range w.events {
		places = append(places, sum, sum+1, sum+len(e)/2, sum+len(e)-1)
		sum += len(e)
	}
	for _, place := range places {
		for _, broken := range []bool{false, true} {
			at.Store(int64(place))
			reset.Store(broken)
			sink := &recorder{}
			got := p.Do(t.Context(), w.request(sink))
			if place >= end+len(w.events[len(w.events)-1])/2 {
				continue // whole or nearly so: TestMeter's matter
			}
			delivered := sink.started > 0
			f := got.Failure
			if got.OK() || !errors.Is(f.Err, aurea.ErrStreamCut) || !f.Sent || f.Status != 200 || f.Delivered != delivered {
				t.Fatalf("cut at %d, broken %t: %+v", place, broken, f)
			}
			if delivered != (place >= first) && (delivered || !broken) { // what breaks may take bytes with it
				t.Errorf("cut at %d, broken %t: delivered %t, the first event ends at %d", place, broken, delivered, first)
			}
			if !strings.HasPrefix(whole[:place], sink.String()) || !broken && sink.String()+string(got.Body) != whole[:place] {
				t.Errorf("cut at %d, broken %t: delivered %q, kept %q", place, broken, sink, got.Body)
			}
			if v := retry.Classify(f); v.Retry == delivered || v.Class != retry.ProviderFailure || v.Failover {
				t.Errorf("cut at %d: classified as %+v", place, v)
			}
			if u, err := got.Meter.Result(); err == nil && u.Complete {
				t.Errorf("cut at %d: the usage %+v passes for complete", place, u)
			}
		}
	}
}

// errorFirst: an error event before anything else is a failed attempt of which the caller has seen nothing.
func errorFirst(t *testing.T, w wired) {
	for name, stream := range map[string]string{
		"alone": w.problem, "after a ping": w.ping + w.ping + w.problem, "and an end": w.problem + w.events[len(w.events)-1],
		"no blank line": strings.TrimRight(w.problem, "\n"), "after a byte order mark": "\ufeff" + w.problem, "with CRs": strings.ReplaceAll(w.problem, "\n", "\r"),
	} {
		p := w.serve(t, func(rw http.ResponseWriter, _ *http.Request) {
			begin(rw)
			for i := range len(stream) {
				say(rw, stream[i:i+1])
			}
		})
		sink := &recorder{}
		got := p.Do(t.Context(), w.request(sink))
		f := got.Failure
		if got.OK() || sink.started != 0 || f.Delivered || !f.Sent || f.Status != 200 || f.Type != w.kind || f.Message != "busy" {
			t.Errorf("%s: started %d times, %+v", name, sink.started, f)
		}
		if _, ok := errors.AsType[*usage.StreamError](f.Err); !ok {
			t.Errorf("%s: the error is %v", name, f.Err)
		}
		if v := retry.Classify(f); !v.Retry || v.Class != retry.ProviderFailure {
			t.Errorf("%s: classified as %+v", name, v)
		}
		if !strings.Contains(string(got.Body), "busy") {
			t.Errorf("%s: kept %q", name, got.Body)
		}
	}
}

// errorLater: an error event in the middle goes through to the caller, and the attempt has failed.
func errorLater(t *testing.T, w wired) {
	for n := 1; n < len(w.events); n++ {
		stream := strings.Join(w.events[:n], "") + w.problem
		p := w.serve(t, func(rw http.ResponseWriter, _ *http.Request) {
			begin(rw)
			say(rw, stream)
		})
		sink := &recorder{}
		got := p.Do(t.Context(), w.request(sink))
		f := got.Failure
		if got.OK() || sink.String() != stream || !f.Delivered || f.Message != "busy" {
			t.Errorf("after %d events: delivered %q, %+v", n, sink, f)
		}
		if v := retry.Classify(f); v.Retry || v.Failover || v.Class != retry.ProviderFailure {
			t.Errorf("after %d events: classified as %+v", n, v)
		}
	}
}

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
		req.FirstByte, req.IdleStream = 100*time.Millisecond, time.Minute
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
