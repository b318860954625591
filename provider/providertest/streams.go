package providertest

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
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
