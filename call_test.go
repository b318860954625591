package aurea_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/policy"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/memory"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// scripted is a provider that answers from a list; the last answer repeats.
type scripted struct {
	name    string
	keys    []string
	mu      sync.Mutex
	answers []func(*aurea.Request) *aurea.Response
	seen    []aurea.Request
}

func (p *scripted) Name() string   { return p.name }
func (p *scripted) Format() string { return aurea.FormatOpenAI }
func (p *scripted) Keys() []string { return p.keys }

func (p *scripted) Do(_ context.Context, req *aurea.Request) *aurea.Response {
	if err := req.OnSend(); err != nil {
		return &aurea.Response{Failure: retry.Failure{Err: err}}
	}
	p.mu.Lock()
	p.seen = append(p.seen, *req)
	next := p.answers[0]
	if len(p.answers) > 1 {
		p.answers = p.answers[1:]
	}
	p.mu.Unlock()
	return next(req)
}

func ok(in, out int) func(*aurea.Request) *aurea.Response {
	return func(*aurea.Request) *aurea.Response {
		return &aurea.Response{Status: 200, Body: fmt.Appendf(nil, `{"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}`, in, out, in+out)}
	}
}

func status(code int, errorCode string, header ...string) func(*aurea.Request) *aurea.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return func(*aurea.Request) *aurea.Response {
		return &aurea.Response{
			Status: code, Header: h, Body: []byte(`{"error":{"message":"no","code":"` + errorCode + `"}}`),
			Failure: retry.Failure{Status: code, Header: h, Code: errorCode, Sent: true},
		}
	}
}

func broken(sent bool) func(*aurea.Request) *aurea.Response {
	return func(*aurea.Request) *aurea.Response {
		return &aurea.Response{Failure: retry.Failure{Err: errors.New("connection reset"), Sent: sent}}
	}
}

// setup is an orchestrator on a store in memory with one job. A token costs a millionth of a dollar in, two out.
type setup struct {
	orch  *aurea.Orchestrator
	job   *aurea.Job
	money *budget.Tracker
	store store.Store
}

func start(t *testing.T, limit string, change func(*aurea.Config), providers ...*scripted) *setup {
	t.Helper()
	st := memory.New(memory.Options{})
	tracker, err := budget.Open(t.Context(), st, budget.Options{})
	if err != nil {
		t.Fatal(err)
	}
	one, two := money.MustParse("1"), money.MustParse("2")
	prices := pricing.Empty().WithOverrides(map[string]pricing.Override{"m": {Input: &one, Output: &two, MaxOutput: 1000, ContextWindow: 10_000}})
	cfg := aurea.Config{
		Store: st, Tracker: tracker, Prices: prices,
		Retry:   &retry.Policy{MaxRetries: 3, BaseDelay: time.Second, MaxDelay: time.Minute},
		Breaker: new(breaker.Default()),
	}
	var known []policy.Provider
	var targets []policy.RouteTarget
	for _, p := range providers {
		if p.keys == nil {
			p.keys = []string{"none"}
		}
		cfg.Providers = append(cfg.Providers, p)
		known = append(known, policy.Provider{Name: p.name, API: policy.OpenAI})
		targets = append(targets, policy.RouteTarget{Provider: p.name, Model: "m"})
	}
	cfg.Router = policy.NewRouter(known, []policy.Model{{Key: "m", Route: targets}}, nil)
	if change != nil {
		change(&cfg)
	}
	orch, err := aurea.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := money.ParseSum(limit)
	if err != nil {
		t.Fatal(err)
	}
	job, err := orch.OpenJob(t.Context(), aurea.JobSpec{Name: "test", Limit: &sum})
	if err != nil {
		t.Fatal(err)
	}
	s := &setup{orch: orch, job: job, money: tracker, store: st}
	t.Cleanup(func() {
		orch.Close()
		if err := errors.Join(tracker.Close(context.Background()), st.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

const body = `{"model":"m","messages":[{"role":"user","content":"hello"}],"max_tokens":100}`

func (s *setup) do(t *testing.T) (*aurea.Answer, error) {
	t.Helper()
	return s.orch.Do(t.Context(), aurea.Call{Job: s.job, API: usage.Chat, Body: []byte(body), MaxWait: time.Minute})
}

// booked returns what the ledger has spent, in doubt, and as the sum of its rows.
func (s *setup) booked(t *testing.T) (spent, doubt string, outcomes []string) {
	t.Helper()
	if err := s.money.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := s.store.FindCounter(t.Context(), store.JobPrefix+s.job.ID, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	calls, _, err := s.store.Calls(t.Context(), s.job.ID, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	sum := money.Sum{}
	for _, row := range calls {
		sum = sum.Add(row.Cost)
		outcomes = append(outcomes, row.Outcome)
	}
	if sum != c.Spent {
		t.Errorf("rows sum up to %s, the account says %s", sum, c.Spent)
	}
	return c.Spent.String(), c.Doubt.String(), outcomes
}

func TestEndsOfAnAttempt(t *testing.T) {
	t.Parallel()
	noUsage := func(*aurea.Request) *aurea.Response {
		return &aurea.Response{Status: 200, Body: []byte(`{"choices":[]}`)}
	}
	cut := func(*aurea.Request) *aurea.Response {
		return &aurea.Response{Status: 200, Failure: retry.Failure{Status: 200, Err: errors.New("unexpected EOF"), Sent: true}}
	}
	const bound = "0.000349" // the bytes of the body and what a message adds, and 100 tokens at twice the price
	cases := []struct {
		name         string
		answer       func(*aurea.Request) *aurea.Response
		spent, doubt string
		outcome      string
		code         aurea.Code
	}{
		{"complete answer: its cost", ok(10, 20), "0.00005", "0", "ok", ""},
		{"no usage: the hold", noUsage, bound, "0", "estimated", ""},
		{"impossible usage: the hold", ok(-1, 20), bound, "0", "estimated", ""},
		{"error status: nothing", status(400, "bad"), "0", "0", "error", ""},
		{"never sent: nothing", broken(false), "0", "0", "unsent", aurea.CodeUpstreamError},
		{"reset after sending: unconfirmed", broken(true), "0", bound, "cut", aurea.CodeUpstreamError},
		{"answer cut short: unconfirmed", cut, "0", bound, "cut", aurea.CodeUpstreamError},
		{"billed past the bound: booked as it is", ok(1000, 200), "0.0014", "0", "ok", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := &scripted{name: "p", answers: []func(*aurea.Request) *aurea.Response{c.answer}}
			s := start(t, "1", func(cfg *aurea.Config) { cfg.Retry.MaxRetries = 0 }, p)
			_, err := s.do(t)
			if c.code == "" && err != nil || c.code != "" && aurea.ErrorCode(err) != c.code {
				t.Errorf("error %v, want code %q", err, c.code)
			}
			spent, doubt, outcomes := s.booked(t)
			if spent != c.spent || doubt != c.doubt || !slices.Equal(outcomes, []string{c.outcome}) {
				t.Errorf("booked %s spent, %s unconfirmed, rows %v; want %s, %s, [%s]", spent, doubt, outcomes, c.spent, c.doubt, c.outcome)
			}
		})
	}
}

func TestBoundIsRaisedByWhatAProviderBilledPastIt(t *testing.T) {
	t.Parallel()
	p := &scripted{name: "p", answers: []func(*aurea.Request) *aurea.Response{ok(1000, 200)}}
	s := start(t, "0.0016", nil, p) // one call of 0.0014 was possible; the next must be held at that
	if _, err := s.do(t); err != nil {
		t.Fatal(err)
	}
	if _, err := s.do(t); !errors.Is(err, aurea.ErrBudgetExceeded) {
		t.Errorf("second call: %v, want budget_exceeded", err)
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		answers  []func(*aurea.Request) *aurea.Response
		limit    string
		attempts int
		status   int
		code     aurea.Code
		atLeast  time.Duration
	}{
		{"failures, then an answer", []func(*aurea.Request) *aurea.Response{status(503, ""), status(500, ""), ok(1, 1)}, "1", 3, 200, "", 1500 * time.Millisecond},
		{"no more than four attempts", []func(*aurea.Request) *aurea.Response{status(503, "")}, "1", 4, 503, "", 0},
		{"Retry-After is a floor", []func(*aurea.Request) *aurea.Response{status(429, "", "Retry-After", "7"), ok(1, 1)}, "1", 2, 200, "", 7 * time.Second},
		{"a Retry-After beyond the cap is passed on", []func(*aurea.Request) *aurea.Response{status(429, "", "Retry-After", "90"), ok(1, 1)}, "1", 1, 429, "", 0},
		{"a spent quota is permanent", []func(*aurea.Request) *aurea.Response{status(429, "insufficient_quota"), ok(1, 1)}, "1", 1, 429, "", 0},
		{"a bad request is permanent", []func(*aurea.Request) *aurea.Response{status(400, ""), ok(1, 1)}, "1", 1, 400, "", 0},
		{"a retry that cannot be held ends with the last answer", []func(*aurea.Request) *aurea.Response{broken(true), ok(1, 1)}, "0.0004", 1, 0, aurea.CodeUpstreamError, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &scripted{name: "p", answers: c.answers}
				s := start(t, c.limit, nil, p)
				began := time.Now()
				a, err := s.do(t)
				if took := time.Since(began); took < c.atLeast {
					t.Errorf("took %s, want at least %s", took, c.atLeast)
				}
				if c.code != "" && aurea.ErrorCode(err) != c.code || c.code == "" && err != nil {
					t.Fatalf("error %v, want code %q", err, c.code)
				}
				if len(p.seen) != c.attempts || a.Status != c.status {
					t.Errorf("%d attempts and status %d, want %d and %d", len(p.seen), a.Status, c.attempts, c.status)
				}
			})
		})
	}
}

func TestAnotherKeyAndAnotherTarget(t *testing.T) {
	t.Parallel()
	t.Run("a refused key is set aside while there is another", func(t *testing.T) {
		t.Parallel()
		p := &scripted{name: "p", keys: []string{"one", "two"}, answers: []func(*aurea.Request) *aurea.Response{status(401, ""), ok(1, 1)}}
		s := start(t, "1", nil, p)
		if a, err := s.do(t); err != nil || a.Status != 200 {
			t.Fatal(a, err)
		}
		if _, err := s.do(t); err != nil || p.seen[0].Key == p.seen[1].Key || p.seen[1].Key != p.seen[2].Key {
			t.Errorf("keys used: %d, %d, %d", p.seen[0].Key, p.seen[1].Key, p.seen[2].Key)
		}
	})
	t.Run("the last key is tried and its answer passed on", func(t *testing.T) {
		t.Parallel()
		p := &scripted{name: "p", answers: []func(*aurea.Request) *aurea.Response{status(401, "")}}
		s := start(t, "1", nil, p)
		if a, err := s.do(t); err != nil || a.Status != 401 {
			t.Fatal(a, err)
		}
	})
	t.Run("the next target on a model that is not there", func(t *testing.T) {
		t.Parallel()
		first := &scripted{name: "first", answers: []func(*aurea.Request) *aurea.Response{status(404, "model_not_found")}}
		second := &scripted{name: "second", answers: []func(*aurea.Request) *aurea.Response{ok(1, 1)}}
		s := start(t, "1", nil, first, second)
		if a, err := s.do(t); err != nil || a.Provider != "second" || a.Attempts != 2 {
			t.Fatal(a, err)
		}
	})
	t.Run("the next target on an open circuit", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			first := &scripted{name: "first", answers: []func(*aurea.Request) *aurea.Response{status(503, "")}}
			second := &scripted{name: "second", answers: []func(*aurea.Request) *aurea.Response{ok(1, 1)}}
			s := start(t, "1", nil, first, second)
			for range 8 {
				if a, err := s.do(t); err != nil || a.Provider != "second" {
					t.Fatal(a, err)
				}
			}
			if len(first.seen) != 5 {
				t.Errorf("the first target was asked %d times, want 5 until its circuit opened", len(first.seen))
			}
		})
	})
	t.Run("an open circuit refuses at once", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			p := &scripted{name: "p", answers: []func(*aurea.Request) *aurea.Response{status(503, "")}}
			s := start(t, "1", func(cfg *aurea.Config) { cfg.Retry.MaxRetries = 0 }, p)
			for range 5 {
				_, _ = s.do(t)
			}
			began := time.Now()
			_, err := s.do(t)
			var e *aurea.Error
			if !errors.As(err, &e) || e.Code != aurea.CodeCircuitOpen || e.RetryAfter <= 0 || time.Since(began) != 0 {
				t.Errorf("got %v after %s", err, time.Since(began))
			}
		})
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, body, limit string
		rules             policy.Rules
		code              aurea.Code
	}{
		{"not JSON", `{"model":`, "1", policy.Rules{}, aurea.CodeInvalidRequest},
		{"a name twice", `{"model":"m","model":"n","messages":[]}`, "1", policy.Rules{}, aurea.CodeInvalidRequest},
		{"a model that is denied", body, "1", policy.Rules{Denied: []string{"m"}}, aurea.CodeModelNotAllowed},
		{"a model that nobody serves", `{"model":"x","messages":[{"role":"user","content":"a"}]}`, "1", policy.Rules{}, aurea.CodePriceUnknown},
		{"a limit of nothing", body, "0", policy.Rules{}, aurea.CodeBudgetExceeded},
		{"a limit below the bound", body, "0.0002", policy.Rules{}, aurea.CodeBudgetExceeded},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := &scripted{name: "p", answers: []func(*aurea.Request) *aurea.Response{ok(1, 1)}}
			s := start(t, c.limit, func(cfg *aurea.Config) { cfg.Rules = c.rules }, p)
			_, err := s.orch.Do(t.Context(), aurea.Call{Job: s.job, API: usage.Chat, Body: []byte(c.body), MaxWait: time.Minute})
			if aurea.ErrorCode(err) != c.code {
				t.Errorf("got %v, want code %s", err, c.code)
			}
			if len(p.seen) != 0 {
				t.Error("something was sent")
			}
		})
	}
}

func TestBodyGoesThroughAsItIs(t *testing.T) {
	t.Parallel()
	p := &scripted{name: "p", answers: []func(*aurea.Request) *aurea.Response{ok(1, 1)}}
	s := start(t, "1", nil, p)
	odd := "{ \"x\":1.50,\n\"messages\" : [{\"role\":\"user\",\"content\":\"h\\u00e9\"}], \"model\":\"m\", \"max_tokens\": 5 }"
	if _, err := s.orch.Do(t.Context(), aurea.Call{Job: s.job, API: usage.Chat, Body: []byte(odd)}); err != nil {
		t.Fatal(err)
	}
	if string(p.seen[0].Body) != odd {
		t.Errorf("sent %s", p.seen[0].Body)
	}
	item := aurea.Call{
		Job: s.job, API: usage.Chat, Body: []byte(`{"model":"m","messages":[{"role":"user","content":"hi"}]}`), MaxWait: -1,
		Item: &aurea.Item{Seq: 1, Attempt: 1, Complete: func(*aurea.Answer, time.Time) *store.Completion { return nil }},
	}
	a, err := s.orch.Do(t.Context(), item)
	if err != nil || a.InjectedCap != 1000 || !strings.Contains(string(p.seen[1].Body), `"max_tokens":1000`) {
		t.Errorf("cap %d, body %s, %v", a.InjectedCap, p.seen[1].Body, err)
	}
}

// Many callers on one small limit: what is spent never passes it, and what is left is less than any bound that was refused.
func TestManyCallersOneLimit(t *testing.T) {
	t.Parallel()
	p := &scripted{name: "p", answers: []func(*aurea.Request) *aurea.Response{ok(80, 100)}} // nearly the bound
	s := start(t, "0.01", nil, p)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for {
				_, err := s.orch.Do(context.Background(), aurea.Call{Job: s.job, API: usage.Chat, Body: []byte(body), MaxWait: 10 * time.Second})
				if err != nil {
					if !errors.Is(err, aurea.ErrBudgetExceeded) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	wg.Wait()
	spent, _, _ := s.booked(t)
	if want := money.MustParse("0.00028").String(); len(p.seen) != 35 {
		t.Errorf("%d calls of %s each, spent %s; want 35 under a limit of 0.01", len(p.seen), want, spent)
	}
}
