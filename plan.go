package aurea

import (
	"context"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Estimate is what a call would be held at, found without spending anything.
type Estimate struct {
	Provider, Model string
	Worst           money.USD // the hold of one attempt
	Tokens          int64     // what the limiter will count at first
	RPM, TPM        int64     // limits in force, 0 for none
	Guess           bool      // the limits are defaults, which the provider's headers will replace
}

// Check walks a batch item's path as far as it costs nothing: it returns the *[Error] that the call itself would be refused with for its
// content, its model or its price.
func (o *Orchestrator) Check(api usage.API, body []byte) (Estimate, error) {
	w := o.enter(context.Background(), Call{Job: &Job{}, API: api, Body: body, Item: &Item{}})
	for _, step := range []func() error{w.read, w.policy, w.mask, w.bound} {
		if err := step(); err != nil {
			return Estimate{}, err
		}
	}
	t := w.target()
	allowance, profile := o.limits.allowance(t.provider.Name(), t.model, t.settings)
	return Estimate{
		Provider: t.provider.Name(), Model: t.model, Worst: t.worst,
		Tokens: ratelimit.Estimate(profile, t.demand(ratelimit.Batch)), RPM: allowance.RPM, TPM: allowance.TPM,
		Guess: allowance.GuessRPM || allowance.GuessTPM,
	}, nil
}

// Record writes a batch item's completion that no call led to, such as the refusal of an item that can never run. Nothing is spent.
func (o *Orchestrator) Record(ctx context.Context, job *Job, model string, c *store.Completion) error {
	// The number is below zero because it was no attempt at a provider.
	row := store.Call{ID: itemCallID(job, c.Seq), Attempt: -c.Attempt, Job: job.ID, Item: c.Seq, Model: model, Outcome: outcomeRefused}
	if c.Result != nil {
		row.Error = c.Result.ErrorCode
	}
	ending, err := o.money.Record(ctx, job.path, row, c)
	if err != nil {
		return storeFailed(err)
	}
	<-ending.Done()
	return ending.Err()
}

// Pace returns how many calls of a model can start per second under its limits, 0 for any number.
func (o *Orchestrator) Pace(model string) float64 {
	router := o.settings.Load().router
	route, err := router.Resolve(model, FormatOpenAI)
	if err != nil {
		route, err = router.Resolve(model, FormatAnthropic)
	}
	if err != nil {
		return 0
	}
	var sum float64
	for _, t := range route.Targets {
		allowance, _ := o.limits.allowance(t.Provider, t.Model, t.Settings)
		if allowance.RPM <= 0 {
			return 0
		}
		sum += float64(allowance.RPM) / 60
	}
	return sum
}
