package aurea_test

import (
	"testing"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/aureatest"
	"github.com/andres20980/aurea-orchestrator/policy"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Which limit a plan waits for, and for how long, by hand. Each request has 300 bytes, which count as 100 tokens of input, and a cap of 50.
func TestPlanLimits(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		limits      ratelimit.Limits
		requests    int
		concurrency int
		binds       string
		takes       time.Duration
		overLimit   int64
	}{
		"no limit":                 {ratelimit.Limits{}, 10, 100, "", 1500 * time.Millisecond, 0},
		"requests":                 {ratelimit.Limits{RPM: 60}, 601, 1000, "rpm", 10 * time.Minute, 0},
		"tokens":                   {ratelimit.Limits{RPM: 6000, TPM: 1500}, 100, 1000, "tpm", 10 * time.Minute, 0},
		"output":                   {ratelimit.Limits{OutputTPM: 500, InputTPM: 2000}, 100, 1000, "output_tpm", 10 * time.Minute, 0},
		"the run's concurrency":    {ratelimit.Limits{RPM: 6000}, 100, 2, "concurrency", 75 * time.Second, 0},
		"the model's concurrency":  {ratelimit.Limits{Concurrency: 1}, 100, 2, "concurrency", 150 * time.Second, 0},
		"a day is enough":          {ratelimit.Limits{RPM: 60, RPD: 61}, 61, 1000, "rpm", time.Minute, 0},
		"days, and a tenth of one": {ratelimit.Limits{RPM: 60, RPD: 100}, 201, 1000, "rpd", 2*day + time.Second, 0},
		"tokens of days":           {ratelimit.Limits{TPD: 150}, 3, 1000, "tpd", 2 * day, 0},
		"larger than a limit":      {ratelimit.Limits{TPM: 149}, 2, 1000, "tpm", 2 * time.Minute, 2},
		"larger than a guess":      {ratelimit.Limits{TPM: 149, GuessTPM: true}, 2, 1000, "tpm", 2 * time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := aureatest.New(t, func(cfg *aurea.Config) {
				cfg.Limits = func(_, _, _ string) (ratelimit.Limits, ratelimit.Profile) {
					return c.limits, ratelimit.Profile{Pace: 1}
				}
				cfg.Router = policy.NewRouter([]policy.Provider{{Name: "openai", API: policy.OpenAI}}, nil, nil)
			})
			planner := o.Planner()
			for range c.requests {
				req := usage.Request{API: usage.Chat, Model: aureatest.Model, BodyBytes: 300, Messages: 1, Choices: 1, Rounds: 1, OutputCap: 50, HasCap: true}
				if err := planner.Add(&req); err != nil {
					t.Fatal(err)
				}
			}
			plan := planner.Plan(c.concurrency)
			binds := ""
			if plan.Binding != nil {
				binds = plan.Binding.Name
			}
			// A call takes 1 s and 25 tokens at 50 a second; a limit is met to the second.
			if off := plan.Wall - c.takes; binds != c.binds || off < -time.Second || off > time.Second || plan.Total.OverLimit != c.overLimit {
				t.Errorf("%v for %q, with %d over a limit; want %v for %q", plan.Wall, binds, plan.Total.OverLimit, c.takes, c.binds)
			}
			if c.overLimit > 0 && plan.Total.Least.String() != "0" {
				t.Errorf("at least %s for what is refused", plan.Total.Least)
			}
		})
	}
}
