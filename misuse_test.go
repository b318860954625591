package aurea_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/aureatest"
	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// clientError is shaped like the errors of the official SDKs.
type clientError struct {
	StatusCode int
	Code       string
	Request    *http.Request
	Response   *http.Response
}

func (e *clientError) Error() string { return e.Code }

func named(t *testing.T, orch *aurea.Orchestrator, name string, limit aurea.USD) *aurea.Job {
	t.Helper()
	job, err := orch.Job(name, limit)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// hollowError embeds a pointer that is nil.
type hollowError struct{ *http.Response }

func (hollowError) Error() string { return "hollow" }

// What errors say decides what a call is booked at: an error status costs nothing, and what nobody knows stays unconfirmed.
func TestWhatErrorsCost(t *testing.T) {
	t.Parallel()
	repeated := &http.Request{Header: http.Header{"X-Stainless-Retry-Count": {"2"}}}
	for name, c := range map[string]struct {
		err         error
		unconfirmed string
	}{
		"an error status":                       {&aurea.HTTPError{Status: 400}, "0"},
		"no status":                             {&aurea.HTTPError{}, "0.0002"},
		"a redirect":                            {&aurea.HTTPError{Status: 302}, "0.0002"},
		"beyond 599":                            {&aurea.HTTPError{Status: 600}, "0.0002"},
		"no status, said not to have been sent": {errors.Join(aurea.NotSent(io.EOF), &aurea.HTTPError{Status: -1}), "0.0002"},
		"a client's":                            {&clientError{StatusCode: 400}, "0"},
		"a client's, joined":                    {errors.Join(io.EOF, &clientError{StatusCode: 400}), "0"},
		"a client's that repeated twice":        {&clientError{StatusCode: 400, Request: repeated}, "0.0004"},
		"hollow":                                {hollowError{}, "0.0002"},
		"any":                                   {io.ErrUnexpectedEOF, "0.0002"},
		"not sent":                              {aurea.NotSent(io.EOF), "0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			orch := library(t, func(cfg *aurea.Config) { cfg.Retry = &retry.Policy{BaseDelay: 1, MaxDelay: 1} })
			job := newJob(t, orch, aurea.Dollar)
			_, err := aurea.Execute(t.Context(), job, small, func(context.Context) (int, aurea.Usage, error) { return 0, aurea.Usage{}, c.err })
			if !errors.Is(err, c.err) {
				t.Error(err)
			}
			wantMoney(t, job, "0", c.unconfirmed)
		})
	}
}

// The money of a job is its orchestrator's.
func TestForeignJob(t *testing.T) {
	t.Parallel()
	one, other := aureatest.New(t), aureatest.New(t)
	job := newJob(t, other.Orchestrator, aurea.Dollar)
	body := []byte(`{"stream":true,"model":"test-model","messages":[]}`)
	for name, j := range map[string]*aurea.Job{"none": nil, "empty": {}, "another's": job} {
		call := aurea.Call{Job: j, API: usage.Chat, Body: body}
		if _, err := one.Do(t.Context(), call); !errors.Is(err, aurea.ErrInvalidRequest) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := one.Stream(t.Context(), call); !errors.Is(err, aurea.ErrInvalidRequest) {
			t.Errorf("%s, streamed: %v", name, err)
		}
	}
	aureatest.RequireRequests(t, one.Provider, 0)
}

// A panic of the caller's own code goes to the caller, and the hold does not stay for ever.
func TestPanicsOfTheCaller(t *testing.T) {
	t.Parallel()
	panics := func(f func()) (panicked bool) {
		defer func() { panicked = recover() != nil }()
		f()
		return false
	}
	t.Run("after the exchange", func(t *testing.T) {
		t.Parallel()
		orch := library(t, func(c *aurea.Config) {
			c.Retry = &retry.Policy{BaseDelay: 1, MaxDelay: 1}
			c.Breaker = &breaker.Config{Threshold: 1, Timeout: time.Minute, OnChange: func(string, breaker.State, breaker.State) { panic("in the breaker") }}
		})
		job := newJob(t, orch, aurea.Dollar)
		if !panics(func() {
			_, _ = aurea.Execute(t.Context(), job, small, func(context.Context) (int, aurea.Usage, error) { return 0, aurea.Usage{}, io.EOF })
		}) {
			t.Error("no panic")
		}
		wantMoney(t, job, "0", "0.0002")
	})
	t.Run("in a stream", func(t *testing.T) {
		t.Parallel()
		orch := aureatest.New(t)
		job := newJob(t, orch.Orchestrator, aurea.Dollar)
		call := aurea.Call{
			Job: job, API: usage.Chat, Body: []byte(`{"stream":true,"model":"test-model","max_tokens":9,"messages":[]}`), OnSend: func(aurea.Sending) { panic("in OnSend") },
		}
		if !panics(func() { _, _ = orch.Stream(t.Context(), call) }) {
			t.Error("no panic")
		}
	})
}

// A call refused inside a function is no failure of the function's provider, and is not repeated.
func TestRefusalInsideAFunction(t *testing.T) {
	t.Parallel()
	orch := library(t, func(c *aurea.Config) { c.Breaker = &breaker.Config{Threshold: 1, Timeout: time.Minute} })
	job, poor := newJob(t, orch, aurea.Dollar), named(t, orch, "poor", 1)
	runs := 0
	for range 3 {
		_, err := aurea.Execute(t.Context(), job, small, func(ctx context.Context) (int, aurea.Usage, error) {
			runs++
			_, err := aurea.Execute(ctx, poor, small, answers(1, 1))
			return 0, aurea.Usage{}, err
		})
		if !errors.Is(err, aurea.ErrBudgetExceeded) {
			t.Error(err)
		}
	}
	if runs != 3 {
		t.Errorf("%d runs", runs)
	}
}

// A circuit on trial lets the calls through that belong to the trial.
func TestCircuitClosesAroundNestedCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		orch := library(t, func(c *aurea.Config) {
			c.Retry = &retry.Policy{BaseDelay: 1, MaxDelay: 1}
			c.Breaker = &breaker.Config{Threshold: 1, Timeout: time.Minute}
		})
		job := newJob(t, orch, 100*aurea.Dollar)
		nested := func(fail error) error {
			_, err := aurea.Execute(t.Context(), job, small, func(ctx context.Context) (int, aurea.Usage, error) {
				if fail != nil {
					return 0, aurea.Usage{}, fail
				}
				_, err := aurea.Execute(ctx, job, small, answers(1, 1))
				return 0, aurea.Usage{Input: 1, Output: 1}, err
			})
			return err
		}
		if err := nested(&aurea.HTTPError{Status: 503}); err == nil {
			t.Fatal("no failure")
		}
		if err := nested(nil); !errors.Is(err, aurea.ErrCircuitOpen) {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if err := nested(nil); err != nil {
			t.Error(err)
		}
	})
}

// A usage that cannot be true, or a wrong expectation, does not close the model to other jobs.
func TestImpossibleUsageClosesNothing(t *testing.T) {
	t.Parallel()
	orch := library(t, nil)
	wrong, right := newJob(t, orch, 1000*aurea.Dollar), named(t, orch, "right", aurea.Cent)
	for _, in := range []int64{5_000_000, 900_000_000_000} {
		if _, err := aurea.Execute(t.Context(), wrong, small, answers(in, 1)); err != nil {
			t.Log(err)
		}
	}
	if _, err := aurea.Execute(t.Context(), right, small, answers(1, 1)); err != nil {
		t.Error(err)
	}
}

// A reader that does not read keeps the attempt no longer than its time-out; and whoever reads a stream whose context has ended learns why.
func TestReaderThatStands(t *testing.T) {
	t.Parallel()
	orch := aureatest.New(t, func(c *aurea.Config) { c.Timeouts.Request = 300 * time.Millisecond })
	orch.Provider.Configure(aureatest.Options{Output: 2000})
	job := newJob(t, orch.Orchestrator, aurea.Dollar)
	call := aurea.Call{Job: job, API: usage.Chat, Body: []byte(`{"stream":true,"model":"test-model","max_tokens":4000,"messages":[{"role":"user","content":"hi"}]}`)}
	s, err := orch.Stream(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	if a := s.Answer(); a == nil || a.Err == nil || a.Err.Code != aurea.CodeUpstreamTimeout {
		t.Errorf("%+v", a)
	}
	if _, err := io.Copy(io.Discard, s); !errors.Is(err, aurea.ErrUpstreamTimeout) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if s, err = orch.Stream(ctx, call); err != nil {
		t.Fatal(err)
	}
	cancel()
	var ours *aurea.Error
	if _, err := io.Copy(io.Discard, s); !errors.As(err, &ours) {
		t.Errorf("%v", err)
	}
}

// What was billed for more than its tokens is never settled below what was held.
func TestTrackerOfUnpricedUsage(t *testing.T) {
	t.Parallel()
	c := aurea.NewCostTracker("x", aurea.Dollar, aureatest.Prices())
	r, err := c.Reserve(aureatest.Model, 1000, 100)
	if err != nil {
		t.Fatal(err)
	}
	unpriced := aurea.Usage{Input: 100, Output: 10, Unpriced: "calls of the provider's tools"}
	if cost, err := r.Settle(unpriced); cost != r.Amount() || err == nil {
		t.Errorf("settled at %s, held %s: %v", cost, r.Amount(), err)
	}
	if cost, err := c.TrackUsage(aureatest.Model, unpriced); cost != 120*money.Micro || err == nil {
		t.Errorf("%s, %v", cost, err)
	}
}

// Numbers that mean nothing are refused when the orchestrator is made.
func TestImpossibleNumbers(t *testing.T) {
	t.Parallel()
	nan := 0.0
	nan /= nan
	if _, err := aurea.New(aurea.Config{RetryRatio: nan, RetryBurst: 1}); err == nil {
		t.Error("NaN retries for each call")
	}
	orch := library(t, nil)
	if _, err := orch.Job("negative", -aurea.Dollar); !errors.Is(err, aurea.ErrInvalidRequest) {
		t.Error(err)
	}
}
