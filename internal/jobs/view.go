// Package jobs shows jobs and changes them by hand: what `aurea jobs` and the admin API have in common. Every change leaves a row in the trail.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// States are those that a job is shown in.
var States = []string{"pending", "running", "paused", "done", "failed", "cancelled"}

// Summary is what a list shows of a job. Its names are a contract.
type Summary struct {
	ID          string    `json:"id"`
	Parent      *string   `json:"parent"`
	State       string    `json:"state"`
	Reason      string    `json:"reason"`
	Limit       money.Sum `json:"limit_usd"`
	Spent       money.Sum `json:"spent_usd"`
	Held        money.Sum `json:"held_usd"`
	Unconfirmed money.Sum `json:"unconfirmed_usd"`
	Remaining   money.Sum `json:"remaining_usd"`
	Items       Items     `json:"items"`
	Created     time.Time `json:"created_at"`
	Updated     time.Time `json:"updated_at"`
}

// View is a job as `jobs show --json` writes it. Its names are a contract.
type View struct {
	Summary
	Attempts int64            `json:"attempts"`
	ByModel  map[string]Model `json:"by_model"`
}

// Items counts the items of a batch.
type Items struct {
	Total   int64 `json:"total"`
	Done    int64 `json:"done"`
	Failed  int64 `json:"failed"`
	Pending int64 `json:"pending"`
}

// Model is what a job used of one model, without the jobs below it.
type Model struct {
	Calls        int64     `json:"calls"`
	Attempts     int64     `json:"attempts"`
	InputTokens  int64     `json:"input_tokens"`
	OutputTokens int64     `json:"output_tokens"`
	Cost         money.Sum `json:"cost_usd"`
	Own          money.Sum `json:"own_usd"` // by the price table, where the provider reported what it charged
}

// ID returns the ID of the job that a name means: one of the local key if it names none.
func ID(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	return aurea.LocalKey + "/" + name
}

// Find returns the job that a name means, or an *[aurea.Error] of code not_found.
func Find(ctx context.Context, st store.Store, name string) (store.Job, error) {
	j, err := st.Job(ctx, ID(name))
	if errors.Is(err, store.ErrNotFound) {
		return j, &aurea.Error{Code: aurea.CodeNotFound, Message: fmt.Sprintf("no job %q in %s", name, st.Describe()), Hint: "see aurea jobs list", Err: err}
	}
	return j, err
}

// Show returns a job with what it used of each model, which reads all of its calls.
func Show(ctx context.Context, st store.Store, id string) (View, error) {
	j, err := st.Job(ctx, id)
	if err != nil {
		return View{}, err
	}
	v := View{ByModel: map[string]Model{}}
	if v.Summary, err = Sum(ctx, st, j); err != nil {
		return v, err
	}
	account, sums, err := st.ModelSums(ctx, id)
	if err != nil {
		return v, err
	}
	v.setMoney(account) // again, of the moment that the models' sums are of
	for name, s := range sums {
		v.ByModel[name] = Model{Calls: s.Calls, Attempts: s.Attempts, InputTokens: s.InputTokens, OutputTokens: s.OutputTokens, Cost: s.Cost, Own: s.Own}
		v.Attempts += s.Attempts
	}
	return v, nil
}

// Sum returns what a list shows of a job.
func Sum(ctx context.Context, st store.Store, j store.Job) (Summary, error) {
	v := Summary{ID: aurea.ShortName(j.ID), State: string(j.State), Reason: j.Reason, Created: j.Created.UTC(), Updated: j.Updated.UTC()}
	if j.Parent != "" {
		parent := aurea.ShortName(j.Parent)
		v.Parent = &parent
	}
	if err := v.setState(ctx, st, j); err != nil {
		return v, err
	}
	c, err := st.FindCounter(ctx, store.JobPrefix+j.ID, time.Time{})
	if err != nil {
		return v, err
	}
	v.setMoney(c)
	counts, err := st.CountItems(ctx, j.ID)
	v.Items = Items{Total: counts.Total(), Done: counts.Done, Failed: counts.Failed, Pending: counts.Pending + counts.Running}
	return v, err
}

func (v *Summary) setMoney(c store.Counter) {
	v.Limit, v.Spent, v.Held, v.Unconfirmed, v.Remaining = c.Limit, c.Spent, c.Leased(), c.Doubt, c.Remaining()
}

// setState says pending for a job that was never accepted, and paused for one whose process has ended without saying so.
func (v *Summary) setState(ctx context.Context, st store.Store, j store.Job) error {
	switch j.State {
	case store.JobLoading:
		v.State, v.Reason = string(store.JobPending), "not accepted yet"
	case store.JobRunning:
		if j.Detached {
			return nil // it has no process of its own
		}
		owner, err := st.Owner(ctx, j.Runner)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if owner.State != store.OwnerLive {
			v.State, v.Reason = string(store.JobPaused), "its process has ended; run it again to go on"
		}
	}
	return nil
}
