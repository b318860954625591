package aurea_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/policy"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/retry"
)

// library is an orchestrator as a program makes one, in memory; model m costs a millionth of a dollar per token in and two per token out.
func library(t testing.TB, change func(*aurea.Config)) *aurea.Orchestrator {
	t.Helper()
	one, two := money.MustParse("1"), money.MustParse("2")
	cfg := aurea.Config{
		Prices: pricing.Empty().WithOverrides(map[string]pricing.Override{"m": {Input: &one, Output: &two, MaxOutput: 1000}, "free": {Free: true}}),
		Retry:  &retry.Policy{MaxRetries: 3, BaseDelay: time.Second, MaxDelay: time.Minute},
	}
	if change != nil {
		change(&cfg)
	}
	orch, err := aurea.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := orch.Close(); err != nil {
			t.Error(err)
		}
	})
	return orch
}

func newJob(t testing.TB, orch *aurea.Orchestrator, limit aurea.USD) *aurea.Job {
	t.Helper()
	job, err := orch.Job("test", limit)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

var small = aurea.ModelCall{Model: "m", InputTokens: 100, OutputCap: 50} // held at 200 µ$

func answers(in, out int64) func(context.Context) (string, aurea.Usage, error) {
	return func(context.Context) (string, aurea.Usage, error) {
		return "hi", aurea.Usage{Input: in, Output: out}, nil
	}
}

func wantMoney(t *testing.T, job *aurea.Job, spent, unconfirmed string) {
	t.Helper()
	c := job.Status().CostSummary
	if c.TotalCost.String() != spent || c.Unconfirmed.String() != unconfirmed {
		t.Errorf("spent %s and unconfirmed %s, want %s and %s", c.TotalCost, c.Unconfirmed, spent, unconfirmed)
	}
}

func TestExecuteBooksWhatTheFunctionReports(t *testing.T) {
	t.Parallel()
	job := newJob(t, library(t, nil), aurea.Dollar)
	got, err := aurea.Execute(t.Context(), job, small, answers(90, 10))
	if err != nil || got != "hi" {
		t.Fatalf("%q, %v", got, err)
	}
	wantMoney(t, job, "0.00011", "0")
	if _, err := aurea.Execute(t.Context(), job, small, func(context.Context) (int, aurea.Usage, error) { return 1, aurea.Usage{}, nil }); err != nil {
		t.Fatal(err)
	}
	wantMoney(t, job, "0.00031", "0") // no usage: the hold
	if _, err := aurea.Execute(t.Context(), job, small, func(context.Context) (int, aurea.Usage, error) { return 1, aurea.Usage{Complete: true}, nil }); err != nil {
		t.Fatal(err)
	}
	wantMoney(t, job, "0.00031", "0") // counted, and nothing
	if m := job.Status().CostSummary.UsageByModel["m"]; m.InputTokens != 90 || m.OutputTokens != 10 || m.Cost.String() != "0.00031" {
		t.Errorf("%+v", m)
	}
}

// How a function's attempt ended, and what is booked for it.
func TestExecuteEnds(t *testing.T) {
	t.Parallel()
	type clientError struct { // as the providers' own packages for Go have them
		error
		StatusCode int
		Response   *http.Response
	}
	for name, c := range map[string]struct {
		err                error
		usage              aurea.Usage
		attempts           int
		spent, unconfirmed string
	}{
		"any error may have been billed":       {err: errors.New("odd"), attempts: 4, spent: "0", unconfirmed: "0.0008"},
		"with usage it is booked, not retried": {err: errors.New("bad answer"), usage: aurea.Usage{Input: 10, Output: 5}, attempts: 1, spent: "0.00002", unconfirmed: "0"},
		"permanent":                            {err: aurea.Permanent(errors.New("odd")), attempts: 1, spent: "0", unconfirmed: "0.0002"},
		"not sent":                             {err: aurea.NotSent(errors.New("no key")), attempts: 4, spent: "0", unconfirmed: "0"},
		"never connected":                      {err: &net.OpError{Op: "dial", Err: errors.New("refused")}, attempts: 4, spent: "0", unconfirmed: "0"},
		"no such host":                         {err: fmt.Errorf("get: %w", &net.DNSError{Err: "no such host"}), attempts: 4, spent: "0", unconfirmed: "0"},
		"status 503":                           {err: &aurea.HTTPError{Status: 503}, attempts: 4, spent: "0", unconfirmed: "0"},
		"status 400":                           {err: &aurea.HTTPError{Status: 400}, attempts: 1, spent: "0", unconfirmed: "0"},
		"spent quota":                          {err: &aurea.HTTPError{Status: 429, Code: "insufficient_quota"}, attempts: 1, spent: "0", unconfirmed: "0"},
		"x-should-retry":                       {err: &aurea.HTTPError{Status: 503, Header: http.Header{"X-Should-Retry": {"false"}}}, attempts: 1, spent: "0", unconfirmed: "0"},
		"a client's 500":                       {err: fmt.Errorf("chat: %w", &clientError{error: errors.New("x"), StatusCode: 500}), attempts: 4, spent: "0", unconfirmed: "0"},
		"a client's 401":                       {err: &clientError{error: errors.New("x"), StatusCode: 401, Response: &http.Response{}}, attempts: 1, spent: "0", unconfirmed: "0"},
		"a client's Retry-After too long": {
			err:      &clientError{error: errors.New("x"), StatusCode: 429, Response: &http.Response{Header: http.Header{"Retry-After": {"3600"}}}},
			attempts: 1, spent: "0", unconfirmed: "0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				job := newJob(t, library(t, func(c *aurea.Config) { c.Breaker = &breaker.Config{} }), aurea.Dollar)
				n := 0
				got, err := aurea.Execute(t.Context(), job, small, func(context.Context) (int, aurea.Usage, error) {
					n++
					return 7, c.usage, c.err
				})
				if !errors.Is(err, c.err) || got != 7 {
					t.Errorf("got %d, %v", got, err)
				}
				if n != c.attempts {
					t.Errorf("%d attempts, want %d", n, c.attempts)
				}
				wantMoney(t, job, c.spent, c.unconfirmed)
			})
		})
	}
}

func TestExecuteRetriesUntilItWorks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		job := newJob(t, library(t, nil), aurea.Dollar)
		began, n := time.Now(), 0
		got, err := aurea.Execute(t.Context(), job, small, func(context.Context) (string, aurea.Usage, error) {
			if n++; n < 3 {
				return "", aurea.Usage{}, &aurea.HTTPError{Status: 429, Header: http.Header{"Retry-After": {"7"}}}
			}
			return "at last", aurea.Usage{Input: 100, Output: 1}, nil
		})
		if err != nil || got != "at last" {
			t.Errorf("%q, %v", got, err)
		}
		if took := time.Since(began); took < 14*time.Second {
			t.Errorf("it came back after %v, and was told to wait 7 s twice", took)
		}
		wantMoney(t, job, "0.000102", "0")
	})
}

func TestExecuteRefuses(t *testing.T) {
	t.Parallel()
	orch := library(t, func(c *aurea.Config) {
		c.Rules = policy.Rules{Denied: []string{"bad*"}}
		c.Limits = func(_, model, _ string) (ratelimit.Limits, ratelimit.Profile) {
			if model == "free" {
				return ratelimit.Limits{TPM: 10}, ratelimit.Profile{}
			}
			return ratelimit.Limits{}, ratelimit.Profile{}
		}
	})
	job := newJob(t, orch, 150*money.Micro)
	for name, c := range map[string]struct {
		call aurea.ModelCall
		want aurea.Code
	}{
		"no model":       {aurea.ModelCall{InputTokens: 1, OutputCap: 1}, aurea.CodeInvalidRequest},
		"negative":       {aurea.ModelCall{Model: "m", InputTokens: -1}, aurea.CodeInvalidRequest},
		"denied":         {aurea.ModelCall{Model: "bad-1", InputTokens: 1, OutputCap: 1}, aurea.CodeModelNotAllowed},
		"no price":       {aurea.ModelCall{Model: "dear", InputTokens: 1, OutputCap: 1}, aurea.CodePriceUnknown},
		"over budget":    {small, aurea.CodeBudgetExceeded},
		"maximum output": {aurea.ModelCall{Model: "m", InputTokens: 1}, aurea.CodeBudgetExceeded},
		"over a limit":   {aurea.ModelCall{Model: "free", InputTokens: 11}, aurea.CodeRequestOverLimit},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := aurea.Execute(t.Context(), job, c.call, func(context.Context) (int, aurea.Usage, error) {
				t.Error("the function was run")
				return 0, aurea.Usage{}, nil
			})
			if aurea.ErrorCode(err) != c.want {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	wantMoney(t, job, "0", "0")
	for model, want := range map[string]error{"m": nil, "bad-1": aurea.ErrModelNotAllowed, "dear": aurea.ErrPriceUnknown, "": aurea.ErrInvalidRequest} {
		if err := orch.ValidateModel(model); !errors.Is(err, want) {
			t.Errorf("%q: %v", model, err)
		}
	}
}

func TestExecuteOpensTheCircuit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		orch := library(t, func(c *aurea.Config) {
			c.Breaker = &breaker.Config{Threshold: 3, Timeout: time.Minute}
			c.Retry = &retry.Policy{}
		})
		job := newJob(t, orch, aurea.Dollar)
		down := func(context.Context) (int, aurea.Usage, error) {
			return 0, aurea.Usage{}, &aurea.HTTPError{Status: 500}
		}
		for range 3 {
			_, _ = aurea.Execute(t.Context(), job, small, down)
		}
		_, err := aurea.Execute(t.Context(), job, small, answers(1, 1))
		if !errors.Is(err, aurea.ErrCircuitOpen) {
			t.Fatalf("%v", err)
		}
		if b := job.Status().CircuitBreakers["m"]; b.State != breaker.Open {
			t.Errorf("%+v", b)
		}
		orch.Reset()
		if _, err := aurea.Execute(t.Context(), job, small, answers(1, 1)); err != nil {
			t.Errorf("after the reset: %v", err)
		}
	})
}

// A function that panics or leaves its goroutine takes nothing with it: the money is in doubt, and the next call goes.
func TestExecuteSurvivesPanics(t *testing.T) {
	t.Parallel()
	job := newJob(t, library(t, nil), aurea.Dollar)
	for name, leave := range map[string]func(){"panic": func() { panic("ouch") }, "Goexit": func() { (&testing.T{}).FailNow() }} {
		done := make(chan any)
		go func() {
			defer func() { done <- recover() }()
			_, _ = aurea.Execute(context.Background(), job, small, func(context.Context) (int, aurea.Usage, error) {
				leave()
				return 0, aurea.Usage{}, nil
			})
		}()
		if got := <-done; name == "panic" && got != "ouch" {
			t.Errorf("recovered %v", got)
		}
	}
	wantMoney(t, job, "0", "0.0004")
	if _, err := aurea.Execute(t.Context(), job, small, answers(1, 1)); err != nil {
		t.Error(err)
	}
}

// A call inside another cannot wait for that one's money.
func TestExecuteInsideExecute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		job := newJob(t, library(t, nil), 300*money.Micro)
		began := time.Now()
		_, err := aurea.Execute(t.Context(), job, small, func(ctx context.Context) (int, aurea.Usage, error) {
			_, err := aurea.Execute(ctx, job, small, answers(1, 1))
			if !errors.Is(err, aurea.ErrBudgetExceeded) {
				t.Errorf("inside: %v", err)
			}
			return 0, aurea.Usage{Input: 1, Output: 1}, nil
		})
		if err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the inner call waited %v for its own outer one", took)
		}
	})
}

// Many goroutines, retries that cost money, functions that fail: the truth never passes the limit, and the books are the truth.
func TestExecuteKeepsTheLimit(t *testing.T) {
	t.Parallel()
	const limit = 20 * aurea.Cent
	job := newJob(t, library(t, func(c *aurea.Config) {
		c.Retry = &retry.Policy{MaxRetries: 2, BaseDelay: time.Microsecond, MaxDelay: time.Microsecond}
		c.Breaker = &breaker.Config{}
	}), limit)
	var truth, known atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for {
				_, err := aurea.Execute(context.Background(), job, small, func(context.Context) (int, aurea.Usage, error) {
					in, out := rand.Int64N(100), rand.Int64N(50)
					cost := in + 2*out
					truth.Add(cost)
					switch rand.IntN(4) {
					case 0:
						return 0, aurea.Usage{}, errors.New("the answer was lost")
					case 1:
						known.Add(200)
						return 0, aurea.Usage{}, nil
					default:
						known.Add(cost)
						return 0, aurea.Usage{Input: in, Output: out, Complete: true}, nil
					}
				})
				if errors.Is(err, aurea.ErrBudgetExceeded) {
					return
				}
			}
		})
	}
	wg.Wait()
	c := job.Status().CostSummary
	if c.TotalCost != money.SumOf(aurea.USD(known.Load())*money.Micro) {
		t.Errorf("booked %s, known to be spent %d µ$", c.TotalCost, known.Load())
	}
	if got := money.SumOf(aurea.USD(truth.Load()) * money.Micro); got.Cmp(money.SumOf(limit)) > 0 || got.Cmp(c.TotalCost.Plus(c.Unconfirmed)) > 0 {
		t.Errorf("truly spent %s of %s; booked %s, unconfirmed %s", got, aurea.USD(limit), c.TotalCost, c.Unconfirmed)
	}
	if c.RemainingBudget.Cmp(money.SumOf(200*money.Micro)) >= 0 {
		t.Errorf("%s are left, and a call of 200 µ$ was refused", c.RemainingBudget)
	}
}

func BenchmarkExecute(b *testing.B) {
	for name, limits := range map[string]ratelimit.Limits{"no limits": {}, "limits": {RPM: 1 << 40, TPM: 1 << 50}} {
		b.Run(name, func(b *testing.B) {
			orch := library(b, func(c *aurea.Config) {
				c.Limits = func(_, _, _ string) (ratelimit.Limits, ratelimit.Profile) {
					return limits, ratelimit.Profile{Burst: 1 << 20}
				}
			})
			job := newJob(b, orch, 1_000_000*aurea.Dollar)
			fn := answers(90, 10)
			for range 100_000 { // until the lease is as large as the pace asks for
				if _, err := aurea.Execute(b.Context(), job, small, fn); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := aurea.Execute(b.Context(), job, small, fn); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A call that costs more than was expected is booked whole, and the next one is held at so much more; requests whose bound is proven are not.
func TestExecutePastItsExpectation(t *testing.T) {
	t.Parallel()
	job := newJob(t, library(t, nil), 1000*money.Micro)
	if _, err := aurea.Execute(t.Context(), job, small, answers(400, 50)); err != nil { // 500 µ$, held at 200
		t.Fatal(err)
	}
	wantMoney(t, job, "0.0005", "0")
	two := aurea.ModelCall{Model: "m", InputTokens: 100, OutputCap: 51} // now 502, of 500 that are left
	if _, err := aurea.Execute(t.Context(), job, two, answers(1, 1)); !errors.Is(err, aurea.ErrBudgetExceeded) {
		t.Errorf("%v", err)
	}
	if _, err := aurea.Execute(t.Context(), job, small, answers(400, 50)); err != nil {
		t.Error(err)
	}
	wantMoney(t, job, "0.001", "0")
}

// Retries are a tenth of the calls in the long run: first attempts pay for them.
func TestRetryBudgetIsPaidInto(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		job := newJob(t, library(t, func(c *aurea.Config) {
			c.Breaker = &breaker.Config{}
			c.RetryRatio, c.RetryBurst = 0.1, 2
		}), aurea.Dollar)
		attempts := func(fail bool) (n int) {
			_, _ = aurea.Execute(t.Context(), job, small, func(context.Context) (int, aurea.Usage, error) {
				if n++; fail {
					return 0, aurea.Usage{}, &aurea.HTTPError{Status: 503}
				}
				return 0, aurea.Usage{Input: 1, Output: 1}, nil
			})
			return n
		}
		if n := attempts(true); n != 3 {
			t.Errorf("%d attempts with two retries saved up", n)
		}
		if n := attempts(true); n != 1 {
			t.Errorf("%d attempts with none left", n)
		}
		for range 9 {
			attempts(false)
		}
		if n := attempts(true); n != 2 {
			t.Errorf("%d attempts after ten calls that paid for one retry", n)
		}
	})
}

// What lost answers left unconfirmed is ended by hand while the program runs: as spent, or as never billed.
func TestReconcileWhileRunning(t *testing.T) {
	t.Parallel()
	orch := library(t, func(c *aurea.Config) { c.Retry = &retry.Policy{} })
	job := newJob(t, orch, 500*money.Micro)
	lost := func(context.Context) (int, aurea.Usage, error) {
		return 0, aurea.Usage{}, errors.New("the answer was lost")
	}
	for range 2 {
		_, _ = aurea.Execute(t.Context(), job, small, lost)
	}
	if _, err := aurea.Execute(t.Context(), job, small, answers(1, 1)); !errors.Is(err, aurea.ErrBudgetExceeded) {
		t.Errorf("400 of 500 µ$ are unconfirmed, and: %v", err)
	}
	if got, err := job.Reconcile(t.Context(), false); err != nil || got != money.SumOf(400*money.Micro) {
		t.Errorf("%s, %v", got, err)
	}
	wantMoney(t, job, "0", "0")
	if _, err := aurea.Execute(t.Context(), job, small, answers(1, 1)); err != nil {
		t.Errorf("after the release: %v", err)
	}
	_, _ = aurea.Execute(t.Context(), job, small, lost)
	if got, err := job.Reconcile(t.Context(), true); err != nil || got != money.SumOf(200*money.Micro) {
		t.Errorf("%s, %v", got, err)
	}
	wantMoney(t, job, "0.000203", "0")
	if m := job.Status().CostSummary.UsageByModel["m"]; m.Cost.String() != "0.000203" {
		t.Errorf("the rows say %+v", m)
	}
}
