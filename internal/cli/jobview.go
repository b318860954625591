package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// jobView is a job as `jobs show --json` writes it. Its names are a contract.
type jobView struct {
	ID          string               `json:"id"`
	Parent      *string              `json:"parent"`
	State       string               `json:"state"`
	Reason      string               `json:"reason"`
	Limit       money.Sum            `json:"limit_usd"`
	Spent       money.Sum            `json:"spent_usd"`
	Held        money.Sum            `json:"held_usd"`
	Unconfirmed money.Sum            `json:"unconfirmed_usd"`
	Remaining   money.Sum            `json:"remaining_usd"`
	Items       itemView             `json:"items"`
	Attempts    int64                `json:"attempts"`
	ByModel     map[string]modelView `json:"by_model"`
	Created     time.Time            `json:"created_at"`
	Updated     time.Time            `json:"updated_at"`
}

type itemView struct {
	Total   int64 `json:"total"`
	Done    int64 `json:"done"`
	Failed  int64 `json:"failed"`
	Pending int64 `json:"pending"`
}

type modelView struct {
	Calls        int64     `json:"calls"`
	Attempts     int64     `json:"attempts"`
	InputTokens  int64     `json:"input_tokens"`
	OutputTokens int64     `json:"output_tokens"`
	Cost         money.Sum `json:"cost_usd"`
	Own          money.Sum `json:"own_usd"` // by the price table, where the provider reported what it charged
}

func viewJob(ctx context.Context, st store.Store, id string) (jobView, error) {
	j, err := st.Job(ctx, id)
	if err != nil {
		return jobView{}, err
	}
	v := jobView{
		ID: aurea.ShortName(j.ID), State: string(j.State), Reason: j.Reason, ByModel: map[string]modelView{},
		Created: j.Created.UTC(), Updated: j.Updated.UTC(),
	}
	if j.Parent != "" {
		parent := aurea.ShortName(j.Parent)
		v.Parent = &parent
	}
	if err := v.setState(ctx, st, j); err != nil {
		return v, err
	}
	c, err := st.FindCounter(ctx, store.JobPrefix+id, time.Time{})
	if err != nil {
		return v, err
	}
	v.Limit, v.Spent, v.Held, v.Unconfirmed, v.Remaining = c.Limit, c.Spent, c.Leased(), c.Doubt, c.Remaining()
	counts, err := st.CountItems(ctx, id)
	if err != nil {
		return v, err
	}
	v.Items = itemView{Total: counts.Total(), Done: counts.Done, Failed: counts.Failed, Pending: counts.Pending + counts.Running}
	sums, err := st.ModelSums(ctx, id)
	if err != nil {
		return v, err
	}
	for name, s := range sums {
		v.ByModel[name] = modelView{Calls: s.Calls, Attempts: s.Attempts, InputTokens: s.InputTokens, OutputTokens: s.OutputTokens, Cost: s.Cost, Own: s.Own}
		v.Attempts += s.Attempts
	}
	return v, nil
}

// setState says pending for a job that was never accepted, and paused for one whose process has ended without saying so.
func (v *jobView) setState(ctx context.Context, st store.Store, j store.Job) error {
	switch j.State {
	case store.JobLoading:
		v.State, v.Reason = string(store.JobPending), "not accepted yet"
	case store.JobRunning:
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

func (v jobView) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "job\t%s\n", v.ID)
	if v.Parent != nil {
		fmt.Fprintf(w, "parent\t%s\n", *v.Parent)
	}
	state := v.State
	if v.Reason != "" {
		state += " (" + v.Reason + ")"
	}
	fmt.Fprintf(w, "state\t%s\n", state)
	fmt.Fprintf(w, "items\t%d done, %d failed, %d pending of %d\n", v.Items.Done, v.Items.Failed, v.Items.Pending, v.Items.Total)
	fmt.Fprintf(w, "limit\t$%s\nspent\t$%s\nheld\t$%s\n", v.Limit, v.Spent, v.Held)
	if v.Unconfirmed != (money.Sum{}) {
		fmt.Fprintf(w, "unconfirmed\t$%s (end it with: aurea jobs reconcile %s)\n", v.Unconfirmed, v.ID)
	}
	fmt.Fprintf(w, "remaining\t$%s\nattempts\t%d\n", v.Remaining, v.Attempts)
	fmt.Fprintf(w, "created\t%s\nupdated\t%s\n", v.Created.Format(time.RFC3339), v.Updated.Format(time.RFC3339))
	if err := w.Flush(); err != nil || len(v.ByModel) == 0 {
		return err
	}
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	reported := false
	for _, m := range v.ByModel {
		reported = reported || m.Own != m.Cost
	}
	head, tail := "", func(modelView) string { return "" }
	if reported { // a provider said what it charged
		head, tail = "\tBY PRICE TABLE", func(m modelView) string { return "\t" + m.Own.String() }
	}
	fmt.Fprintln(w, "\nMODEL\tCALLS\tATTEMPTS\tINPUT\tOUTPUT\tCOST USD"+head)
	for _, name := range slices.Sorted(maps.Keys(v.ByModel)) {
		m := v.ByModel[name]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s%s\n", name, m.Calls, m.Attempts, m.InputTokens, m.OutputTokens, m.Cost, tail(m))
	}
	return w.Flush()
}
