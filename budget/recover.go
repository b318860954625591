package budget

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Recovered says what was found of an owner that died.
type Recovered struct {
	Owner store.Owner
	// Ended is how many ended attempts its journal tells of, most of which were in the store already. OnTheWire is how many had been sent
	// and not ended: they stay unconfirmed.
	Ended, OnTheWire int
	// Items is how many batch items were put back.
	Items int
	// Unproven is why there is no journal to go by; then all that the owner had leased stays unconfirmed, but for the ended attempts that a
	// damaged one still tells of.
	Unproven error
}

// Recover settles owners that have provably died and that no one else is settling. It can be interrupted anywhere and repeated. Owners in
// whose presence nothing is known about their death are left alone. The error joins those of single owners; the others were settled.
func Recover(ctx context.Context, st store.Store, now time.Time) ([]Recovered, error) {
	return recoverOwners(ctx, st, now, func(store.OwnerID) bool { return false })
}

func recoverOwners(ctx context.Context, st store.Store, now time.Time, skip func(store.OwnerID) bool) (found []Recovered, err error) {
	seen := map[store.OwnerID]bool{}
	for _, state := range []store.OwnerState{store.OwnerLive, store.OwnerDead} {
		owners, oerr := st.Owners(ctx, state)
		if oerr != nil {
			return found, errors.Join(err, fmt.Errorf("budget: list processes: %w", oerr))
		}
		for _, o := range owners {
			if seen[o.ID] || skip(o.ID) {
				continue
			}
			seen[o.ID] = true
			r, dead, rerr := recoverOwner(ctx, st, o, now)
			if rerr != nil {
				err = errors.Join(err, fmt.Errorf("budget: settle process %d on %s: %w", o.PID, o.Host, rerr))
			} else if dead {
				found = append(found, r)
			}
		}
	}
	return found, err
}

func recoverOwner(ctx context.Context, st store.Store, o store.Owner, now time.Time) (r Recovered, dead bool, err error) {
	release, dead, err := st.ClaimDead(ctx, o.ID)
	if err != nil || !dead {
		return r, false, err
	}
	defer func() { err = errors.Join(err, release()) }()
	// Another may have settled it between the list and the claim.
	if r.Owner, err = st.Owner(ctx, o.ID); err != nil || r.Owner.State == store.OwnerGone {
		return r, false, err
	}
	if r.Owner.State == store.OwnerLive {
		if err := st.Declare(ctx, o.ID, now); err != nil {
			return r, true, err
		}
	}
	said, unproven := readJournal(st.JournalPath(o.ID), o.ID, bootID())
	if r.Unproven = unproven; said != nil { // ends that a damaged journal still tells of are paid for and known
		r.Ended, r.OnTheWire = len(said.ended), len(said.sent)
		for part := said.ended; len(part) > 0; part = part[min(len(part), entriesPerRound):] {
			_, err := st.SettleDead(ctx, store.PostMortem{Owner: o.ID, Now: now, Entries: part[:min(len(part), entriesPerRound)]})
			if err != nil {
				return r, true, err
			}
		}
	}
	// Results first, or their items would run again; items next, because no one looks for those of an owner that is gone.
	if r.Items, err = st.ReleaseItems(ctx, o.ID); err != nil {
		return r, true, err
	}
	if unproven != nil {
		return r, true, nil
	}
	if _, err := st.SettleDead(ctx, store.PostMortem{Owner: o.ID, Now: now, Sent: said.sent, Final: true}); err != nil {
		return r, true, err
	}
	return r, true, st.Forget(o.ID)
}

// sweep settles dead owners and counts the live ones.
func (t *Tracker) sweep(ctx context.Context, self store.OwnerID) error {
	t.mu.Lock()
	mine := map[store.OwnerID]bool{self: true}
	for _, r := range t.runs() {
		mine[r.id] = true
	}
	t.mu.Unlock()
	found, err := recoverOwners(ctx, t.st, t.o.Now(), func(id store.OwnerID) bool { return mine[id] || t.settled[id] })
	for _, r := range found {
		if r.Unproven != nil {
			t.settled[r.Owner.ID] = true
			t.o.Logger.Warn("budget: a process died without a usable journal; what it had leased stays unconfirmed until reconciled",
				"pid", r.Owner.PID, "host", r.Owner.Host, "ended", r.Ended, "error", r.Unproven)
			continue
		}
		t.o.Logger.Info("budget: settled a process that died", "pid", r.Owner.PID, "host", r.Owner.Host,
			"ended", r.Ended, "unconfirmed", r.OnTheWire, "items", r.Items)
	}
	live, lerr := t.st.Owners(ctx, store.OwnerLive)
	if lerr == nil {
		t.mu.Lock()
		t.owners = max(1, len(live))
		t.mu.Unlock()
	}
	return errors.Join(err, lerr)
}

// Reconcile is the function [Reconcile] on a path of this tracker, with its longest call.
func (t *Tracker) Reconcile(ctx context.Context, p *Path, job string, spent bool) (money.Sum, error) {
	if p.t != t {
		return money.Sum{}, ErrForeign
	}
	t.mu.Lock()
	ids := p.ids
	t.mu.Unlock()
	return Reconcile(ctx, t.st, ids, job, spent, t.o.Now(), t.o.MaxCall)
}

// Reconcile ends what is unconfirmed on a job's account and those above it: as spent, or released. path is the job's
// counter first, then those above it; maxCall the longest time-out of a call (0: 10 minutes). It returns the amount, or
// [ErrOwnerMayLive] while one of the processes that made the calls may still be running; settle dead ones with [Recover] first.
func Reconcile(ctx context.Context, st store.Store, path []store.CounterID, job string, spent bool, now time.Time, maxCallTime time.Duration) (money.Sum, error) {
	if maxCallTime <= 0 {
		maxCallTime = maxCall
	}
	if len(path) == 0 {
		return money.Sum{}, errors.New("budget: reconcile needs a job's account")
	}
	doubts, err := st.Doubts(ctx, path[0])
	if err != nil {
		return money.Sum{}, fmt.Errorf("budget: reconcile: %w", err)
	}
	checked := map[store.OwnerID]bool{}
	for _, d := range doubts {
		if checked[d.Owner] {
			continue
		}
		checked[d.Owner] = true
		if err := surelyEnded(ctx, st, d.Owner, now, maxCallTime); err != nil {
			return money.Sum{}, fmt.Errorf("budget: reconcile: %w", err)
		}
	}
	sum, err := st.Reconcile(ctx, path, job, spent, now)
	if err != nil {
		return sum, fmt.Errorf("budget: reconcile: %w", err)
	}
	return sum, nil
}
