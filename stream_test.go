package aurea_test

import (
	"context"
	cryptorand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/provider/anthropic"
	"github.com/andres20980/aurea-orchestrator/provider/openai"
	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/simulate"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// world is an orchestrator in memory with the simulated provider behind both formats.
type world struct {
	sim  *simulate.Running
	orch *aurea.Orchestrator
}

const chatModel, claudeModel = "gpt-4o-mini", "claude-haiku-4-5"

func newWorld(t testing.TB, o simulate.Options, change func(*aurea.Config)) *world {
	t.Helper()
	in, out := "1", "2"
	price, err := simulate.PerMillion(in, out)
	if err != nil {
		t.Fatal(err)
	}
	o.Prices = map[string]simulate.Price{chatModel: price, claudeModel: price}
	sim, err := simulate.Start("127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	one, two := money.MustParse(in), money.MustParse(out)
	own := pricing.Override{Input: &one, Output: &two, CacheRead: &one, CacheWrite: &one, MaxOutput: 4096, ContextWindow: 200_000}
	key := "sk-" + strings.ToLower(cryptorand.Text())
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	t.Cleanup(client.CloseIdleConnections)
	cfg := aurea.Config{
		Providers: []aurea.Provider{
			openai.New(openai.Config{Name: "openai", BaseURL: sim.URL() + "/v1", Client: client, Keys: []string{key}}),
			anthropic.New(anthropic.Config{Name: "anthropic", BaseURL: sim.URL(), Client: client, Keys: []string{key}}),
		},
		Prices:  pricing.Embedded().WithOverrides(map[string]pricing.Override{chatModel: own, claudeModel: own}),
		Retry:   &retry.Policy{MaxRetries: 2, BaseDelay: time.Millisecond, MaxDelay: time.Second},
		Breaker: &breaker.Config{},
	}
	if change != nil {
		change(&cfg)
	}
	return &world{sim: sim, orch: library(t, func(c *aurea.Config) { *c = cfg })}
}

// requests that ask for a stream, per API.
var streamed = map[usage.API]string{
	usage.Chat:        `{"model":"` + chatModel + `","stream":true,"max_tokens":200,"messages":[{"role":"user","content":"%s"}]}`,
	usage.Completions: `{"model":"` + chatModel + `","stream":true,"max_tokens":200,"prompt":"%s"}`,
	usage.Responses:   `{"model":"` + chatModel + `","stream":true,"max_output_tokens":200,"input":"%s"}`,
	usage.Messages:    `{"model":"` + claudeModel + `","stream":true,"max_tokens":200,"messages":[{"role":"user","content":"%s"}]}`,
}

func (w *world) call(job *aurea.Job, api usage.API, text string) aurea.Call {
	return aurea.Call{Job: job, API: api, Body: fmt.Appendf(nil, streamed[api], text), MaxWait: time.Minute}
}

// billed is the provider's own count.
func (w *world) billed(t testing.TB) money.Sum {
	t.Helper()
	sum, err := money.ParseSum(w.sim.Stats().CostUSD)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestStreamsOfEveryAPI(t *testing.T) {
	t.Parallel()
	for api := range streamed {
		t.Run(string(api), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulate.Options{Output: 40}, nil)
			job := newJob(t, w.orch, aurea.Dollar)
			s, err := w.orch.Stream(t.Context(), w.call(job, api, "hello"))
			if err != nil {
				t.Fatal(err)
			}
			if !s.OK() || !strings.HasPrefix(s.Header().Get("Content-Type"), "text/event-stream") {
				t.Errorf("%d %v", s.Status(), s.Header())
			}
			events := 0
			for e, err := range s.Events() {
				if err != nil {
					t.Fatal(err)
				}
				if events++; (api == usage.Chat || api == usage.Completions) && usage.OnlyUsage(e.Data) {
					t.Errorf("nobody asked for %s", e.Data)
				}
			}
			if a := s.Answer(); events < 3 || !a.OK() || a.Usage.Output != 40 || a.Unconfirmed != 0 || a.Attempts != 1 {
				t.Errorf("%d events, %+v", events, a)
			}
			if c := job.Status().CostSummary; c.TotalCost != w.billed(t) || c.Unconfirmed != (money.Sum{}) {
				t.Errorf("booked %s, billed %s", c.TotalCost, w.billed(t))
			}
		})
	}
}

func TestDoCollectsAStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulate.Options{Output: 40}, nil)
	// The first attempt breaks off in the middle; nobody has seen it, so there is another.
	if err := w.sim.Script(simulate.Step{Truncate: 400, Billed: new(true)}); err != nil {
		t.Fatal(err)
	}
	job := newJob(t, w.orch, aurea.Dollar)
	a, err := w.orch.Do(t.Context(), w.call(job, usage.Chat, "hello"))
	if err != nil || !a.OK() || a.Attempts != 2 {
		t.Fatalf("%+v, %v", a, err)
	}
	if n := strings.Count(string(a.Body), "[DONE]"); n != 1 || !strings.HasPrefix(string(a.Body), "data: ") {
		t.Errorf("%d ends in %.200q", n, a.Body)
	}
	c := job.Status().CostSummary
	if both := c.TotalCost.Plus(c.Unconfirmed); both.Cmp(w.billed(t)) < 0 {
		t.Errorf("booked %s and %s unconfirmed; billed %s", c.TotalCost, c.Unconfirmed, w.billed(t))
	}
}

// Each way in which a stream can end, and what follows.
func TestStreamEnds(t *testing.T) {
	t.Parallel()
	overloaded := json.RawMessage(`"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n"`)
	for name, c := range map[string]struct {
		api      usage.API
		steps    []simulate.Step
		timeouts aurea.Timeouts
		status   int // of the stream; 0: none begins
		attempts int
		code     aurea.Code
		outcome  func(a *aurea.Answer) bool
	}{
		"an error status first, then an answer": {
			api: usage.Chat, steps: []simulate.Step{{Status: 503}}, status: 200, attempts: 2,
			outcome: func(a *aurea.Answer) bool { return a.OK() && a.TotalUnconfirmed == 0 },
		},
		"an error status that is final": {
			api: usage.Chat, steps: []simulate.Step{{Status: 400}}, status: 400, attempts: 1,
			outcome: func(a *aurea.Answer) bool { return a.TotalCost == 0 && a.TotalUnconfirmed == 0 && len(a.Body) > 0 },
		},
		"an error event first, then an answer": {
			api: usage.Messages, steps: []simulate.Step{{Headers: map[string]string{"Content-Type": "text/event-stream"}, Status: 200, Body: overloaded, Billed: new(false)}},
			status: 200, attempts: 2,
			outcome: func(a *aurea.Answer) bool { return a.OK() && a.TotalUnconfirmed == 0 },
		},
		"reset before the answer, then an answer": {
			api: usage.Responses, steps: []simulate.Step{{Reset: true}}, status: 200, attempts: 2,
			outcome: func(a *aurea.Answer) bool { return a.OK() && a.TotalUnconfirmed > 0 },
		},
		"cut in the middle": {
			api: usage.Chat, steps: []simulate.Step{{Truncate: 700}}, status: 200, attempts: 1, code: aurea.CodeUpstreamError,
			outcome: func(a *aurea.Answer) bool { return a.Unconfirmed > 0 && a.Cost > 0 },
		},
		"cut in the middle, where the input is told first": {
			api: usage.Messages, steps: []simulate.Step{{Truncate: 1200}}, status: 200, attempts: 1, code: aurea.CodeUpstreamError,
			outcome: func(a *aurea.Answer) bool { return a.Unconfirmed > 0 && a.Cost > 0 && a.Usage.Input > 0 },
		},
		"reset in the middle": {
			api: usage.Responses, steps: []simulate.Step{{Reset: true, Truncate: 1500}}, status: 200, attempts: 1, code: aurea.CodeUpstreamError,
			outcome: func(a *aurea.Answer) bool { return a.Unconfirmed > 0 },
		},
		"no usage": {
			api: usage.Chat, steps: []simulate.Step{{NoUsage: true}}, status: 200, attempts: 1,
			outcome: func(a *aurea.Answer) bool { return a.Unconfirmed == 0 && a.Cost >= 400*money.Micro },
		},
		"silence before the first byte, then an answer": {
			api: usage.Chat, steps: []simulate.Step{{Delay: time.Hour}}, timeouts: aurea.Timeouts{FirstByte: time.Second}, status: 200, attempts: 2,
			outcome: func(a *aurea.Answer) bool { return a.OK() && a.TotalUnconfirmed > 0 },
		},
		"longer than it may take in all": {
			api: usage.Responses, steps: []simulate.Step{{Stall: time.Hour}}, timeouts: aurea.Timeouts{Request: 2 * time.Second}, status: 200, attempts: 1,
			code:    aurea.CodeUpstreamTimeout,
			outcome: func(a *aurea.Answer) bool { return a.Unconfirmed > 0 },
		},
		"silence in the middle": {
			api: usage.Chat, steps: []simulate.Step{{Stall: time.Hour}}, timeouts: aurea.Timeouts{IdleStream: time.Second}, status: 200, attempts: 1,
			code:    aurea.CodeUpstreamTimeout,
			outcome: func(a *aurea.Answer) bool { return a.Unconfirmed > 0 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulate.Options{Output: 60}, func(cfg *aurea.Config) { cfg.Timeouts = c.timeouts })
			if err := w.sim.Script(c.steps...); err != nil {
				t.Fatal(err)
			}
			job := newJob(t, w.orch, aurea.Dollar)
			s, err := w.orch.Stream(t.Context(), w.call(job, c.api, "hello"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.Copy(io.Discard, s)
			if (err != nil) != (c.code != "") || err != nil && aurea.ErrorCode(err) != c.code {
				t.Errorf("it ended with %v, want %q", err, c.code)
			}
			if a := s.Answer(); s.Status() != c.status || a.Attempts != c.attempts || !c.outcome(a) {
				t.Errorf("status %d, %+v", s.Status(), a)
			}
			st := job.Status().CostSummary
			if st.TotalCost.Plus(st.Unconfirmed).Cmp(w.billed(t)) < 0 {
				t.Errorf("booked %s and %s unconfirmed; billed %s", st.TotalCost, st.Unconfirmed, w.billed(t))
			}
		})
	}
}

func TestStreamIsRefusedLikeAnyCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulate.Options{}, nil)
	job := newJob(t, w.orch, aurea.Cent/1000)
	if _, err := w.orch.Stream(t.Context(), w.call(job, usage.Chat, "hello")); !errors.Is(err, aurea.ErrBudgetExceeded) {
		t.Errorf("%v", err)
	}
	c := w.call(job, usage.Chat, "hello")
	c.Body = []byte(strings.Replace(string(c.Body), `"stream":true`, `"stream":false`, 1))
	if _, err := w.orch.Stream(t.Context(), c); aurea.ErrorCode(err) != aurea.CodeInvalidRequest {
		t.Errorf("%v", err)
	}
	if n := w.sim.Stats().Requests; n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// A provider that answers a request for a stream with a plain answer is passed on as it is, and booked.
func TestStreamOfAPlainAnswer(t *testing.T) {
	t.Parallel()
	const plain = `{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, plain)
	}))
	defer server.Close()
	w := newWorld(t, simulate.Options{}, func(c *aurea.Config) {
		c.Providers = []aurea.Provider{openai.New(openai.Config{Name: "openai", BaseURL: server.URL})}
	})
	s, err := w.orch.Stream(t.Context(), w.call(newJob(t, w.orch, aurea.Dollar), usage.Chat, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(s)
	if err != nil || string(got) != plain || s.Answer().Cost != 11*money.Micro {
		t.Errorf("%q, %v, %+v", got, err, s.Answer())
	}
}

// The usage chunk is hidden only from those who did not ask for it, and nothing else of the stream changes.
func TestOnlyTheUsageChunkIsHidden(t *testing.T) {
	t.Parallel()
	const stream = ": hello\r\n\r\ndata: {\"choices\":[],\"prompt_filter_results\":[]}\r\n\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\n" +
		"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}\r\n\r\ndata: [DONE]\n\n"
	shown := strings.Replace(stream, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}\r\n\r\n", "", 1)
	for name, asked := range map[string]bool{"asked": true, "not asked": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if !strings.Contains(string(body), `"include_usage":true`) {
					t.Errorf("the provider was asked %s", body)
				}
				w.Header().Set("Content-Type", "text/event-stream")
				for rest := stream; rest != ""; {
					n := min(1+rand.IntN(40), len(rest))
					_, _ = io.WriteString(w, rest[:n])
					_ = http.NewResponseController(w).Flush()
					rest = rest[n:]
				}
			}))
			defer server.Close()
			w := newWorld(t, simulate.Options{}, func(c *aurea.Config) {
				c.Providers = []aurea.Provider{openai.New(openai.Config{Name: "openai", BaseURL: server.URL})}
			})
			call := w.call(newJob(t, w.orch, aurea.Dollar), usage.Chat, "hello")
			want := shown
			if asked {
				want = stream
				call.Body = []byte(strings.Replace(string(call.Body), `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1))
			}
			s, err := w.orch.Stream(t.Context(), call)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(s)
			if err != nil || string(got) != want {
				t.Errorf("%v\ngot  %q\nwant %q", err, got, want)
			}
			if s.Answer().Cost != 11*money.Micro {
				t.Errorf("%+v", s.Answer())
			}
		})
	}
}

// Whoever leaves a stream, by closing it, by the end of its context or by leaving the loop, ends it at the provider at once.
func TestLeavingAStream(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(s *aurea.Stream, cancel context.CancelFunc){
		"Close":  func(s *aurea.Stream, _ context.CancelFunc) { _ = s.Close() },
		"cancel": func(_ *aurea.Stream, cancel context.CancelFunc) { cancel() },
		"leave early": func(s *aurea.Stream, _ context.CancelFunc) {
			for range s.Events() {
				break
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gone := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n")
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
				close(gone)
			}))
			defer server.Close()
			w := newWorld(t, simulate.Options{}, func(c *aurea.Config) {
				c.Providers = []aurea.Provider{openai.New(openai.Config{Name: "openai", BaseURL: server.URL})}
			})
			job := newJob(t, w.orch, aurea.Dollar)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s, err := w.orch.Stream(ctx, w.call(job, usage.Chat, "hello"))
			if err != nil {
				t.Fatal(err)
			}
			leave(s, cancel)
			<-gone
			if a := s.Answer(); a.Cost <= 0 || a.Unconfirmed <= 0 || a.Err == nil {
				t.Errorf("%+v", a)
			}
			if b := job.Status().CircuitBreakers[chatModel]; b.FailureCount != 0 {
				t.Errorf("leaving counts against the provider: %+v", b)
			}
		})
	}
}

// Where the provider is known to stop at a cut, only what it can have written until it noticed stays unconfirmed.
func TestCutStops(t *testing.T) {
	t.Parallel()
	unconfirmed := func(stops bool) money.USD {
		w := newWorld(t, simulate.Options{Output: 4000, StopOnHangup: true, EventDelay: 5 * time.Millisecond}, func(c *aurea.Config) {
			c.CutStops = func(string) bool { return stops }
		})
		job := newJob(t, w.orch, aurea.Dollar)
		call := w.call(job, usage.Messages, "hello")
		call.Body = []byte(strings.Replace(string(call.Body), `"max_tokens":200`, `"max_tokens":4096`, 1))
		s, err := w.orch.Stream(t.Context(), call)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(s, make([]byte, 4096)); err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
		for w.sim.Stats().InFlight > 0 {
			time.Sleep(time.Millisecond) // the provider's own end of the exchange, in real time
		}
		a := s.Answer()
		if bill := w.billed(t); money.SumOf(a.Cost+a.Unconfirmed).Cmp(bill) < 0 {
			t.Errorf("booked %s and %s unconfirmed; billed %s", a.Cost, a.Unconfirmed, bill)
		}
		return a.Unconfirmed
	}
	if all, some := unconfirmed(false), unconfirmed(true); some <= 0 || some >= all {
		t.Errorf("unconfirmed %s where a cut stops the provider, %s where it may go on", some, all)
	}
}

// Streams and calls of 64 goroutines on one job, three readers in ten leaving early, failures between: the bill stays within the limit, the books cover it, and nothing is left
// behind.
func TestManyStreamsOnOneJob(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	before := descriptors(t)
	t.Run("run", func(t *testing.T) {
		const limit = 8 * aurea.Cent
		w := newWorld(t, simulate.Options{Fail: 0.1, Seed: rand.Int64(), Latency: time.Millisecond, EventDelay: 100 * time.Microsecond}, nil)
		job := newJob(t, w.orch, limit)
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for {
					if err := w.oneOf(context.Background(), job); errors.Is(err, aurea.ErrBudgetExceeded) {
						return
					}
				}
			})
		}
		wg.Wait()
		for deadline := time.Now().Add(10 * time.Second); w.sim.Stats().InFlight > 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond) // the provider goes on after a cut, in real time
		}
		c, bill := job.Status().CostSummary, w.billed(t)
		t.Logf("billed %s, booked %s, unconfirmed %s, %d requests", bill, c.TotalCost, c.Unconfirmed, w.sim.Stats().Requests)
		if bill.Cmp(money.SumOf(limit)) > 0 {
			t.Errorf("billed %s with a limit of %s", bill, aurea.USD(limit))
		}
		if c.TotalCost.Plus(c.Unconfirmed).Cmp(bill) < 0 || c.TotalCost.Cmp(bill) > 0 {
			t.Errorf("booked %s and %s unconfirmed; billed %s", c.TotalCost, c.Unconfirmed, bill)
		}
	})
	if after := descriptors(t); after > before+4 {
		t.Errorf("%d descriptors are open, %d were before", after, before)
	}
}

// oneOf makes one call of a random kind.
func (w *world) oneOf(ctx context.Context, job *aurea.Job) error {
	apis := []usage.API{usage.Chat, usage.Completions, usage.Responses, usage.Messages}
	call := w.call(job, apis[rand.IntN(len(apis))], fmt.Sprint(rand.Int64()))
	if rand.IntN(4) == 0 {
		call.Body = []byte(strings.Replace(string(call.Body), `"stream":true,`, "", 1))
		_, err := w.orch.Do(ctx, call)
		return err
	}
	s, err := w.orch.Stream(ctx, call)
	if err != nil {
		return err
	}
	defer s.Close()
	if rand.IntN(10) < 3 {
		_, err = io.CopyN(io.Discard, s, rand.Int64N(2000))
		return err
	}
	_, err = io.Copy(io.Discard, s)
	return err
}

func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // no such place on this system
	}
	return len(open)
}
