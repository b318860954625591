package aurea_test

import (
	"context"
	"errors"
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

// Other prices, rules and limits hold for the next calls of the same job; a call that waits for a limit follows the new one, a call under way is booked at the
// price it began with, an open circuit stays open, and a configuration that is wrong changes nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := func(price string, rpm int64, denied ...string) aurea.Config {
			p := money.MustParse(price)
			return aurea.Config{
				Prices:  pricing.Empty().WithOverrides(map[string]pricing.Override{"m": {Input: &p, Output: &p, MaxOutput: 1000}, "bad": {Input: &p, Output: &p, MaxOutput: 1000}}),
				Rules:   policy.Rules{Denied: denied},
				Retry:   &retry.Policy{},
				Breaker: &breaker.Config{Threshold: 1, Timeout: time.Hour, MaxTimeout: time.Hour},
				Limits: func(_, _, _ string) (ratelimit.Limits, ratelimit.Profile) {
					return ratelimit.Limits{RPM: rpm}, ratelimit.Profile{Burst: 1}
				},
			}
		}
		orch := library(t, func(c *aurea.Config) { *c = cfg("1", 1) })
		job := newJob(t, orch, aurea.Dollar)
		failed := errors.New("connection refused")
		bad := aurea.ModelCall{Model: "bad", InputTokens: 1, OutputCap: 1}
		if _, err := aurea.Execute(t.Context(), job, bad, func(context.Context) (int, aurea.Usage, error) { return 0, aurea.Usage{}, failed }); err == nil {
			t.Fatal("it did not fail")
		}
		under, finish := make(chan error), make(chan struct{})
		go func() {
			_, err := aurea.Execute(t.Context(), job, small, func(context.Context) (int, aurea.Usage, error) {
				<-finish
				return 0, aurea.Usage{Input: 100, Output: 0}, nil
			})
			under <- err
		}()
		synctest.Wait()
		waits := small
		waits.MaxWait = -1
		began := time.Now()
		waiting := make(chan error)
		go func() {
			_, err := aurea.Execute(t.Context(), job, waits, answers(100, 0))
			waiting <- err
		}()
		time.Sleep(2 * time.Second)

		wrong := cfg("3", 1)
		wrong.RetryRatio = -1
		if err := orch.Reload(wrong); err == nil {
			t.Error("an impossible number was taken")
		}
		if err := orch.Reload(cfg("2", 60)); err != nil {
			t.Fatal(err)
		}
		if err := <-waiting; err != nil || time.Since(began) > 10*time.Second {
			t.Errorf("the call that waited: %v after %s", err, time.Since(began))
		}
		close(finish)
		if err := <-under; err != nil {
			t.Error(err)
		}
		if _, err := aurea.Execute(t.Context(), job, waits, answers(100, 0)); err != nil {
			t.Error(err)
		}
		// Two calls of a hundred tokens at $1 a million, one at $2.
		if got, want := job.Status().CostSummary.TotalCost.String(), "0.0004"; got != want {
			t.Errorf("spent $%s, want $%s", got, want)
		}
		if _, err := aurea.Execute(t.Context(), job, bad, answers(1, 1)); aurea.ErrorCode(err) != aurea.CodeCircuitOpen {
			t.Errorf("the circuit: %v", err)
		}
		if err := orch.Reload(cfg("2", 60, "m")); err != nil {
			t.Fatal(err)
		}
		if _, err := aurea.Execute(t.Context(), job, small, answers(1, 1)); aurea.ErrorCode(err) != aurea.CodeModelNotAllowed {
			t.Errorf("a model that is denied now: %v", err)
		}
	})
}
