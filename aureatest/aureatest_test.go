package aureatest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/aureatest"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/usage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var bodies = map[usage.API]string{
	usage.Chat:        `{"model":"test-model","messages":[{"role":"user","content":"Hi"}],"max_tokens":50%s}`,
	usage.Completions: `{"model":"test-model","prompt":"Hi","max_tokens":50%s}`,
	usage.Responses:   `{"model":"test-model","input":"Hi","max_output_tokens":50%s}`,
	usage.Messages:    `{"model":"test-model","messages":[{"role":"user","content":"Hi"}],"max_tokens":50%s}`,
}

func job(t testing.TB, orch *aureatest.Orchestrator) *aurea.Job {
	t.Helper()
	j, err := orch.Job("test", aurea.Dollar)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func call(j *aurea.Job, api usage.API, stream bool) aurea.Call {
	extra := ""
	if stream {
		extra = `,"stream":true`
	}
	return aurea.Call{Job: j, API: api, Body: fmt.Appendf(nil, bodies[api], extra)}
}

// What a step says is what the caller reads, and what it counts is what is booked, in every format and both ways.
func TestAnswers(t *testing.T) {
	t.Parallel()
	used := aurea.Usage{Input: 100, Output: 30}
	for api := range bodies {
		t.Run(string(api), func(t *testing.T) {
			t.Parallel()
			orch := aureatest.New(t)
			j := job(t, orch)
			orch.Provider.Script(aureatest.Says(api, "Good day", used), aureatest.Streams(api, used, "Good", " day"))
			a, err := orch.Do(t.Context(), call(j, api, false))
			if err != nil {
				t.Fatal(err)
			}
			if !a.OK() || !strings.Contains(string(a.Body), "Good day") || !json.Valid(a.Body) || a.Usage.Input != 100 || a.Usage.Output != 30 {
				t.Errorf("%+v %s", a, a.Body)
			}
			s, err := orch.Stream(t.Context(), call(j, api, true))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(s)
			if err != nil || !strings.Contains(string(text), "Good") || !strings.Contains(string(text), " day") {
				t.Errorf("%s, %v", text, err)
			}
			aureatest.RequireOutcomes(t, orch, j, "ok", "ok")
			aureatest.RequireSpent(t, j, "0.00032")
			aureatest.RequireUnconfirmed(t, j, "0")
			aureatest.RequireRemaining(t, j, "0.99968")
			aureatest.RequireWithinLimit(t, j)
			if c := orch.Provider.Stats(); c.InputTokens != 200 || c.OutputTokens != 60 {
				t.Errorf("the provider counted %d and %d", c.InputTokens, c.OutputTokens)
			}
			for _, r := range aureatest.RequireRequests(t, orch.Provider, 2) {
				if r.Model != aureatest.Model || !strings.HasPrefix(r.Path, "/v1/") || !json.Valid(r.Body) || r.Header.Get("Content-Type") != "application/json" {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

func TestStreamWithoutUsage(t *testing.T) {
	t.Parallel()
	for api := range bodies {
		orch := aureatest.New(t)
		j := job(t, orch)
		orch.Provider.Script(aureatest.Streams(api, aurea.Usage{}, "Good"))
		s, err := orch.Stream(t.Context(), call(j, api, true))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(s); err != nil {
			t.Errorf("%s: %v", api, err)
		}
		aureatest.RequireOutcomes(t, orch, j, "estimated")
		if c := orch.Booked(t, j)[0]; c.Cost != c.Bound || c.Cost == 0 {
			t.Errorf("%s: %+v", api, c)
		}
	}
}

// An hour of waiting passes at once inside a bubble.
func TestInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		orch := aureatest.New(t, func(c *aurea.Config) {
			c.Retry = &retry.Policy{MaxRetries: 3, BaseDelay: 20 * time.Minute, MaxDelay: time.Hour}
			c.Limits = func(_, _, _ string) (ratelimit.Limits, ratelimit.Profile) {
				return ratelimit.Limits{RPM: 1}, ratelimit.Generic()
			}
		})
		orch.Provider.Configure(aureatest.Options{Latency: time.Minute})
		orch.Provider.Script(aureatest.Step{Status: 500}, aureatest.Step{Reset: true}, aureatest.Step{Status: 429, Headers: map[string]string{"Retry-After": "3000"}})
		j := job(t, orch)
		c := call(j, usage.Messages, false)
		c.MaxWait = -1
		began := time.Now()
		a, err := orch.Do(t.Context(), c)
		if err != nil || !a.OK() || a.Attempts != 4 {
			t.Fatalf("%+v, %v", a, err)
		}
		if took := time.Since(began); took < 80*time.Minute {
			t.Errorf("took %v", took)
		}
		aureatest.RequireOutcomes(t, orch, j, "error", "cut", "error", "ok")
	})
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	orch := aureatest.New(t)
	orch.Provider.Configure(aureatest.Options{Fail: 0.2, Seed: 3, Output: 10})
	j, err := orch.Job("test", 20*aurea.Cent/100)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*20*time.Millisecond)
			defer cancel()
			for range 5 {
				if i%2 == 0 {
					_, _ = orch.Do(ctx, call(j, usage.Chat, false))
					continue
				}
				if s, err := orch.Stream(ctx, call(j, usage.Messages, true)); err == nil {
					_, _ = io.CopyN(io.Discard, s, int64(i)*50)
					_ = s.Close()
				}
			}
		})
	}
	wg.Wait()
	aureatest.RequireWithinLimit(t, j)
	if booked, asked := len(orch.Booked(t, j)), len(orch.Provider.Requests()); booked < asked {
		t.Errorf("%d requests, and %d booked", asked, booked)
	}
}

// A Store and a Tracker that the test brings stay its own.
func TestRefusals(t *testing.T) {
	t.Parallel()
	orch := aureatest.New(t, func(c *aurea.Config) { c.Rules.Denied = []string{"o*"} })
	j := job(t, orch)
	_, err := aurea.Execute(t.Context(), j, aurea.ModelCall{Model: "o3", OutputCap: 1}, func(context.Context) (int, aurea.Usage, error) { return 0, aurea.Usage{}, nil })
	aureatest.RequireCode(t, err, aurea.CodeModelNotAllowed)
	aureatest.RequireRequests(t, orch.Provider, 0)
	aureatest.RequireOutcomes(t, orch, j)
	_, err = aurea.Execute(t.Context(), j, aurea.ModelCall{Model: aureatest.FreeModel}, func(context.Context) (int, aurea.Usage, error) { return 0, aurea.Usage{}, nil })
	if err != nil {
		t.Error(err)
	}
	aureatest.RequireSpent(t, j, "0")
}

// fails is a TB that says whether it was failed.
type fails struct {
	testing.TB
	said string
}

var errFailed = errors.New("failed")

func (f *fails) Helper() {}
func (f *fails) Fatalf(text string, a ...any) {
	f.said = fmt.Sprintf(text, a...)
	panic(errFailed)
}

func TestAssertionsFail(t *testing.T) {
	t.Parallel()
	orch := aureatest.New(t)
	j := job(t, orch)
	orch.Provider.Script(aureatest.Says(usage.Chat, "x", aurea.Usage{Input: 10, Output: 1}))
	if _, err := orch.Do(t.Context(), call(j, usage.Chat, false)); err != nil {
		t.Fatal(err)
	}
	for want, assert := range map[string]func(testing.TB){
		"job test has spent 0.000012 USD, want 0.00001 USD": func(tb testing.TB) { aureatest.RequireSpent(tb, j, "0.00001") },
		"job test has unconfirmed 0 USD, want 1 USD":        func(tb testing.TB) { aureatest.RequireUnconfirmed(tb, j, "1") },
		"job test has left 0.999988 USD, want 1 USD":        func(tb testing.TB) { aureatest.RequireRemaining(tb, j, "1") },
		"aureatest: ": func(tb testing.TB) { aureatest.RequireSpent(tb, j, "a lot") },
		"1 requests have reached the provider, want 2: [/v1/chat/co": func(tb testing.TB) { aureatest.RequireRequests(tb, orch.Provider, 2) },
		`the attempts of job test ended as ["ok"], want ["cut"]`:     func(tb testing.TB) { aureatest.RequireOutcomes(tb, orch, j, "cut") },
		"want an error with code rate_limited, got <nil>":            func(tb testing.TB) { aureatest.RequireCode(tb, nil, aurea.CodeRateLimited) },
	} {
		f := &fails{}
		func() {
			defer func() {
				if r := recover(); r != nil && r != errFailed { //nolint:errorlint // it is the value that was thrown
					panic(r)
				}
			}()
			assert(f)
		}()
		if !strings.HasPrefix(f.said, want) {
			t.Errorf("said %q, want %q", f.said, want)
		}
	}
}

func TestImpossibleStepsPanic(t *testing.T) {
	t.Parallel()
	p := aureatest.New(t).Provider
	for name, f := range map[string]func(){
		"step":       func() { p.Script(aureatest.Step{Status: 7}) },
		"options":    func() { p.Configure(aureatest.Options{Algo: "none"}) },
		"embeddings": func() { aureatest.Says(usage.Embeddings, "", aurea.Usage{}) },
		"streams":    func() { aureatest.Streams(usage.Embeddings, aurea.Usage{}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
