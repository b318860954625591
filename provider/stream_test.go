package provider_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/provider/anthropic"
	"github.com/andres20980/aurea-orchestrator/provider/openai"
	"github.com/andres20980/aurea-orchestrator/simulate"
	"github.com/andres20980/aurea-orchestrator/usage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Requests of each API, streamed, with the usage asked for.
var requests = map[usage.API]string{
	usage.Chat:        `{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true},"n":2,"messages":[{"role":"user","content":"Tell me of %d"}],"max_completion_tokens":200}`,
	usage.Completions: `{"model":"gpt-3.5-turbo-instruct","stream":true,"stream_options":{"include_usage":true},"prompt":"Tell me of %d","max_tokens":200}`,
	usage.Responses:   `{"model":"gpt-4o","stream":true,"input":"Tell me of %d","max_output_tokens":200}`,
	usage.Messages:    `{"model":"claude-sonnet-4-5","stream":true,"messages":[{"role":"user","content":"Tell me of %d"}],"max_tokens":200}`,
}

// simulated starts a simulated provider and returns it with a client for an API.
func simulated(t *testing.T, api usage.API, o simulate.Options) (*simulate.Running, aurea.Provider) {
	t.Helper()
	running, err := simulate.Start("127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = running.Close()
	})
	client := &http.Client{Transport: transport}
	if api == usage.Messages {
		return running, anthropic.New(anthropic.Config{Name: "a", BaseURL: running.URL(), Keys: []string{"k"}, Client: client})
	}
	return running, openai.New(openai.Config{Name: "o", BaseURL: running.URL() + "/v1", Keys: []string{"k"}, Client: client})
}

// sink takes a number of bytes, and then calls full.
type sink struct {
	strings.Builder
	room int
	full func() error
}

func (*sink) Start(int, http.Header) {}

func (s *sink) Write(p []byte) (int, error) {
	s.Builder.Write(p)
	if s.full != nil && s.Len() >= s.room {
		return len(p), s.full()
	}
	return len(p), nil
}

func request(api usage.API, n int, to aurea.Sink) *aurea.Request {
	return &aurea.Request{API: api, Body: fmt.Appendf(nil, requests[api], n), Sink: to, FirstByte: 10 * time.Second, IdleStream: 10 * time.Second}
}

// A stream's usage is what its provider charges.
func TestStreamsAreBilledAsCharged(t *testing.T) {
	t.Parallel()
	for api := range requests {
		t.Run(string(api), func(t *testing.T) {
			t.Parallel()
			running, p := simulated(t, api, simulate.Options{Caching: true})
			for n := range 20 {
				before := running.Stats()
				got := p.Do(t.Context(), request(api, n, &sink{}))
				if !got.OK() {
					t.Fatalf("%+v", got.Failure)
				}
				u, err := got.Meter.Result()
				after := running.Stats()
				if err != nil || !u.Complete || u.InputTokens() != after.InputTokens-before.InputTokens || u.OutputTokens() != after.OutputTokens-before.OutputTokens {
					t.Fatalf("%+v, %v; charged %d and %d", u, err, after.InputTokens-before.InputTokens, after.OutputTokens-before.OutputTokens)
				}
			}
		})
	}
}

// What is seen of a stream that breaks off is never more than what its provider charges, wherever it breaks off.
func TestSeenIsALowerBound(t *testing.T) {
	t.Parallel()
	for api := range requests {
		t.Run(string(api), func(t *testing.T) {
			t.Parallel()
			running, p := simulated(t, api, simulate.Options{})
			whole := &sink{}
			p.Do(t.Context(), request(api, 1, whole))
			steps := make([]simulate.Step, 0, 40)
			for i := range 40 {
				steps = append(steps, simulate.Step{Truncate: 1 + i*whole.Len()/40})
			}
			if err := running.Script(steps...); err != nil {
				t.Fatal(err)
			}
			var most int64
			for i := range steps {
				before := running.Stats()
				got := p.Do(t.Context(), request(api, 1, &sink{}))
				after := running.Stats()
				seen := got.Meter.Seen()
				if seen.Usage.OutputTokens() > after.OutputTokens-before.OutputTokens || seen.HasInput && seen.Usage.InputTokens() != after.InputTokens-before.InputTokens {
					t.Fatalf("cut %d: seen %+v; charged %d and %d", i, seen, after.InputTokens-before.InputTokens, after.OutputTokens-before.OutputTokens)
				}
				most = max(most, seen.Usage.OutputTokens())
				if api == usage.Messages && got.Failure.Delivered && !seen.HasInput {
					t.Fatalf("cut %d: the input was reported, and is not seen", i)
				}
			}
			if most < 3 {
				t.Errorf("at most %d tokens were seen", most)
			}
		})
	}
}

// Readers who leave early reach the provider at once: it generates no further, and charges no less than was seen.
func TestLeaversStopTheProvider(t *testing.T) {
	t.Parallel()
	for api := range requests {
		t.Run(string(api), func(t *testing.T) {
			t.Parallel()
			running, p := simulated(t, api, simulate.Options{EventDelay: 20 * time.Millisecond, StopOnHangup: true, Output: 200, Detail: true})
			var wg sync.WaitGroup
			var mu sync.Mutex
			var seen int64
			for n := range 16 {
				wg.Go(func() {
					ctx, leave := context.WithCancel(t.Context())
					defer leave()
					s := &sink{room: 600}
					switch n % 2 {
					case 0:
						s.full = func() error { leave(); return nil }
					case 1:
						s.full = func() error { return http.ErrHandlerTimeout }
					}
					got := p.Do(ctx, request(api, n, s))
					if got.OK() || !got.Failure.Delivered {
						t.Errorf("%+v", got.Failure)
					}
					mu.Lock()
					defer mu.Unlock()
					seen += got.Meter.Seen().Usage.OutputTokens()
				})
			}
			wg.Wait()
			deadline := time.Now().Add(5 * time.Second)
			for running.Stats().InFlight > 0 && time.Now().Before(deadline) {
				runtime.Gosched()
			}
			stats := running.Stats()
			if stats.InFlight != 0 || stats.Answered != 0 || stats.OutputTokens < seen || stats.OutputTokens >= 16*200 {
				t.Errorf("%d in flight, %d answered, %d tokens charged, %d seen", stats.InFlight, stats.Answered, stats.OutputTokens, seen)
			}
		})
	}
}

// discard takes everything.
type discard struct{}

func (discard) Start(int, http.Header) {}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// A stream of a hundred pieces over loopback, the server included.
func BenchmarkStream(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		for range 100 {
			_, _ = io.WriteString(w, `data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}],"usage":null}`+"\n\n")
		}
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	}))
	defer server.Close()
	p := openai.New(openai.Config{Name: "o", BaseURL: server.URL + "/v1"})
	b.ReportAllocs()
	for b.Loop() {
		if got := p.Do(b.Context(), request(usage.Chat, 1, discard{})); !got.OK() {
			b.Fatal(got.Failure)
		}
	}
}
