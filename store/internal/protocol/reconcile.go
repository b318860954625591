package protocol

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Reconcile ends the doubts that a counter has; see [store.Ledger].
func Reconcile(tx Tx, path []store.CounterID, job string, spent bool, now time.Time) (money.Sum, error) {
	if len(path) == 0 {
		return money.Sum{}, unbalanced("reconcile needs a counter")
	}
	r := reconciliation{estate: newEstate(tx), path: path, job: job, spent: spent, now: now}
	owners, err := r.owners()
	if err != nil || len(owners) == 0 {
		return money.Sum{}, err
	}
	before, err := r.counter(path[0])
	if err != nil {
		return money.Sum{}, err
	}
	doubt := before.Doubt
	for _, o := range owners {
		if err := r.owner(o); err != nil {
			return money.Sum{}, err
		}
	}
	return doubt.Minus(r.counters[path[0]].Doubt), r.write()
}

type reconciliation struct {
	*estate
	path  []store.CounterID
	job   string
	spent bool
	now   time.Time
}

// owners returns those who have doubts on the first counter, with all their doubts loaded. The doubts of an owner that lives are of calls that have ended: it wrote
// them down at their end, and nothing it does later touches them.
func (r *reconciliation) owners() (owners []store.Owner, err error) {
	doubts, err := r.tx.DoubtsOn(r.path[0])
	if err != nil {
		return nil, err
	}
	seen := map[store.OwnerID]bool{}
	for _, d := range doubts {
		if seen[d.Owner] {
			continue
		}
		seen[d.Owner] = true
		o, err := r.tx.Owner(d.Owner)
		if err != nil {
			return nil, err
		}
		if err := r.load(o.ID); err != nil {
			return nil, err
		}
		owners = append(owners, o)
	}
	return owners, nil
}

func (r *reconciliation) owner(o store.Owner) error {
	for _, d := range r.doubts {
		if d.Owner != o.ID || d.Counter != r.path[0] || d.Amount == 0 {
			continue
		}
		var err error
		if d.Call == "" {
			err = r.unexplained(d)
		} else {
			err = r.call(d)
		}
		if err != nil {
			return err
		}
	}
	left, jobs, err := r.leftover(o.ID)
	if err != nil {
		return err
	}
	if left && !jobs {
		// Every call draws on a job, so what lies on keys and above without a job's doubt under it was never spent.
		if err := r.release(o.ID); err != nil {
			return err
		}
		left = false
	}
	if left || o.State != store.OwnerDead {
		return nil
	}
	o.State = store.OwnerGone
	return r.tx.PutOwner(o)
}

// call ends a call's doubt on every counter that has it.
func (r *reconciliation) call(d *store.Doubt) error {
	m := ofCall(d.Owner, d.Call, d.Attempt)
	amounts := map[store.CounterID]money.USD{}
	for _, other := range r.doubts {
		if m(other) && other.Amount > 0 {
			amounts[other.Counter] = other.Amount
		}
	}
	row := rowOf(d)
	known, err := r.tx.HasCall(d.Call, d.Attempt)
	if err != nil {
		return err
	}
	if known {
		row.Attempt = ^d.Attempt
	}
	return r.book(amounts, m, row)
}

// rowOf is the row of a doubt's call, as far as the doubt knows it.
func rowOf(d *store.Doubt) store.Call {
	row := store.Call{
		ID: d.Call, Attempt: d.Attempt, Job: d.Job, Provider: d.Provider, Model: d.Model, Upstream: d.Upstream, Started: d.Started,
	}
	if row.Started.IsZero() {
		row.Started = d.Since
	}
	return row
}

// unexplained ends the doubt that an owner left without saying for which calls, and as much of what it left above.
func (r *reconciliation) unexplained(d *store.Doubt) error {
	m := callless(d.Owner)
	amounts := map[store.CounterID]money.USD{}
	for _, other := range r.doubts {
		if m(other) && other.Amount > 0 && slices.Contains(r.path, other.Counter) {
			amounts[other.Counter] = min(d.Amount, other.Amount)
		}
	}
	return r.book(amounts, m, store.Call{ID: fmt.Sprintf("reconcile-%d", d.ID), Attempt: 1, Job: r.job, Started: d.Since})
}

// book ends the amounts. What is spent gets rows that add up to its amount on every counter: one row for what all
// counters share, and one for each step by which some exceed the others.
func (r *reconciliation) book(amounts map[store.CounterID]money.USD, m match, row store.Call) error {
	for id, amount := range amounts {
		if err := r.end(id, money.SumOf(amount), m, r.spent); err != nil {
			return err
		}
	}
	if !r.spent {
		return nil
	}
	row.Outcome, row.Ended = "reconciled", r.now
	if row.Job == "" {
		row.Job = r.job
	}
	steps := slices.Compact(slices.Sorted(maps.Values(amounts)))
	name := row.ID
	var below money.USD
	for i, step := range steps {
		if i > 0 {
			row.ID = fmt.Sprintf("%s-%d", name, i)
		}
		row.Cost, row.Path = step-below, nil
		for _, id := range slices.Sorted(maps.Keys(amounts)) {
			if amounts[id] >= step {
				row.Path = append(row.Path, id)
			}
		}
		below = step
		fresh, err := r.tx.InsertCalls([]store.Entry{{Call: row}})
		if err != nil {
			return err
		}
		if !fresh[0] {
			return unbalanced("call %s was reconciled before", row.ID)
		}
	}
	return nil
}

// leftover reports whether an owner still has unexplained doubt, and whether any of it lies on a job.
func (r *reconciliation) leftover(owner store.OwnerID) (left, jobs bool, err error) {
	for _, d := range r.doubts {
		if d.Amount == 0 || !callless(owner)(d) {
			continue
		}
		c, err := r.counter(d.Counter)
		if err != nil {
			return false, false, err
		}
		left = true
		jobs = jobs || strings.HasPrefix(c.Account, store.JobPrefix)
	}
	return left, jobs, nil
}
