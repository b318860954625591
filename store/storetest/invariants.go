package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// CheckInvariants takes one snapshot of a store, which must be a [store.Auditor], and returns what is wrong in it, joined:
//
//   - committed = spent + doubt + Σ granted of the open leases, on every counter (I1);
//   - the spending shown = Σ cost of the call rows, on every counter (I4);
//   - no lease has spent more than it was granted, and every lease belongs to a live owner (what I3 leaves in a store);
//   - the doubt of a counter is the sum of its doubt rows, and doubt without a call has only owners that died;
//   - nothing is negative.
//
// That a grant never passes the limit (I2) is a matter of steps, not of states: see [Run].
func CheckInvariants(ctx context.Context, st any) error {
	auditor, ok := st.(store.Auditor)
	if !ok {
		return fmt.Errorf("storetest: %T cannot be audited", st)
	}
	a, err := auditor.Audit(ctx)
	if err != nil {
		return err
	}
	return Check(a)
}

// sums is what rows add up to on one counter.
type sums struct{ granted, leaseSpent, doubt, calls money.Sum }

// Check is [CheckInvariants] of a snapshot that is there.
func Check(a store.Audit) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	states := map[store.OwnerID]store.Owner{}
	for _, o := range a.Owners {
		states[o.ID] = o
	}
	by := map[store.CounterID]*sums{}
	for _, c := range a.Counters {
		by[c.ID] = &sums{}
	}
	for _, l := range a.Leases {
		if l.Spent < 0 || l.Spent > l.Granted {
			bad("lease of %s on counter %d: spent %s of %s", l.Owner, l.Counter, l.Spent, l.Granted)
		}
		if states[l.Owner].State != store.OwnerLive {
			bad("lease of %s on counter %d: its owner is %q", l.Owner, l.Counter, states[l.Owner].State)
		}
		s := by[l.Counter]
		s.granted, s.leaseSpent = s.granted.Add(l.Granted), s.leaseSpent.Add(l.Spent)
	}
	for _, d := range a.Doubts {
		if d.Amount <= 0 {
			bad("doubt %d has amount %s", d.ID, d.Amount)
		}
		if d.Call == "" && states[d.Owner].Died.IsZero() {
			bad("doubt %d has no call, and its owner %s never died", d.ID, d.Owner)
		}
		by[d.Counter].doubt = by[d.Counter].doubt.Add(d.Amount)
	}
	seen := map[string]bool{}
	for _, c := range a.Calls {
		key := fmt.Sprint(c.ID, " ", c.Attempt)
		if seen[key] {
			bad("call %s is there twice", key)
		}
		seen[key] = true
		for _, id := range c.Path {
			by[id].calls = by[id].calls.Add(c.Cost)
		}
	}
	for _, c := range a.Counters {
		s := by[c.ID]
		if want := c.Spent.Plus(c.Doubt).Plus(s.granted); c.Committed != want {
			bad("%s: committed %s, spent %s + doubt %s + granted %s = %s", name(c), c.Committed, c.Spent, c.Doubt, s.granted, want)
		}
		if got := c.Spent.Plus(s.leaseSpent); got != s.calls {
			bad("%s: shows %s spent, its calls cost %s", name(c), got, s.calls)
		}
		if c.Doubt != s.doubt {
			bad("%s: doubt %s, its doubts %s", name(c), c.Doubt, s.doubt)
		}
		if c.Spent.Negative() || c.Doubt.Negative() || c.Committed.Negative() {
			bad("%s: something is negative: %+v", name(c), c)
		}
	}
	return errors.Join(errs...)
}

func name(c store.AuditCounter) string {
	if c.Window.IsZero() {
		return c.Account
	}
	return c.Account + " of " + c.Window.Format("2006-01-02T15:04Z")
}

// CheckItems compares a job's counts with its results, which every done or failed item has exactly once and in input order.
func CheckItems(ctx context.Context, st store.Queue, job string) error {
	counts, err := st.CountItems(ctx, job)
	if err != nil {
		return err
	}
	for failed, want := range map[bool]int64{false: counts.Done, true: counts.Failed} {
		var seqs []int64
		for after := int64(0); ; {
			page, err := st.Results(ctx, job, failed, after, 1000)
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			for _, r := range page {
				seqs = append(seqs, r.Seq)
			}
			after = seqs[len(seqs)-1]
		}
		if int64(len(seqs)) != want || !slices.IsSorted(seqs) || len(slices.Compact(seqs)) != len(seqs) {
			return fmt.Errorf("job %s: counts %+v, and %d results with failed=%v", job, counts, len(seqs), failed)
		}
	}
	return nil
}
