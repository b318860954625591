package protocol

import (
	"fmt"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Leave marks a live owner gone; see [store.Ledger].
func Leave(tx Tx, id store.OwnerID, epoch int64) error {
	if err := Live(tx, id, epoch); err != nil {
		return err
	}
	leases, err := tx.Leases(id)
	if err != nil {
		return err
	}
	if len(leases) > 0 {
		return unbalanced("owner %s leaves with %d open leases", id, len(leases))
	}
	o, err := tx.Owner(id)
	if err != nil {
		return err
	}
	o.State = store.OwnerGone
	return tx.PutOwner(o)
}

// Declare marks a live owner dead; see [store.Ledger].
func Declare(tx Tx, id store.OwnerID, now time.Time) error {
	o, err := tx.Owner(id)
	if err != nil || o.State != store.OwnerLive {
		return err
	}
	o.State, o.Died = store.OwnerDead, now
	o.Epoch++
	if err := tx.PutOwner(o); err != nil {
		return err
	}
	leases, err := tx.Leases(id)
	if err != nil {
		return err
	}
	for _, l := range leases {
		c, err := tx.Counter(l.Counter)
		if err != nil {
			return err
		}
		open := l.Granted - l.Spent
		c.Spent, c.Doubt = c.Spent.Add(l.Spent), c.Doubt.Add(open)
		if open > 0 {
			if err := tx.AddDoubt(store.Doubt{Owner: id, Counter: l.Counter, Amount: open, Since: now}); err != nil {
				return err
			}
		}
		if err := tx.DeleteLease(id, l.Counter); err != nil {
			return err
		}
		if err := tx.PutCounter(c); err != nil {
			return err
		}
	}
	return nil
}

// SettleDead turns the doubt of a dead owner into what is known; see [store.Ledger]. An owner that was settled as final
// may still turn out to have lived, and bring what ended since.
func SettleDead(tx Tx, p store.PostMortem) (store.RoundResult, error) {
	if err := checkEntries(p.Entries); err != nil {
		return store.RoundResult{}, err
	}
	o, err := tx.Owner(p.Owner)
	if err != nil {
		return store.RoundResult{}, err
	}
	if o.Died.IsZero() {
		return store.RoundResult{}, fmt.Errorf("%w: owner %s was not declared dead", store.ErrNotFound, p.Owner)
	}
	fresh, err := tx.InsertCalls(p.Entries)
	if err != nil {
		return store.RoundResult{}, err
	}
	e := newEstate(tx)
	if err := e.load(p.Owner); err != nil {
		return store.RoundResult{}, err
	}
	for i, entry := range p.Entries {
		if !fresh[i] {
			continue
		}
		for _, id := range entry.Call.Path {
			if err := e.ended(p.Owner, id, entry.Call, p.Now); err != nil {
				return store.RoundResult{}, err
			}
		}
	}
	for _, h := range p.Sent {
		if err := e.sent(p.Owner, h, p.Now); err != nil {
			return store.RoundResult{}, err
		}
	}
	if p.Final {
		if err := e.release(p.Owner); err != nil {
			return store.RoundResult{}, err
		}
		o.State = store.OwnerGone
		if err := tx.PutOwner(o); err != nil {
			return store.RoundResult{}, err
		}
	}
	var res store.RoundResult
	if res.Rejected, err = tx.Complete(p.Owner, p.Entries); err != nil {
		return store.RoundResult{}, err
	}
	return res, e.write()
}

func doubtOf(owner store.OwnerID, c store.Call, id store.CounterID, amount money.USD, now time.Time) store.Doubt {
	return store.Doubt{
		Owner: owner, Counter: id, Call: c.ID, Attempt: c.Attempt, Amount: amount, Since: now,
		Job: c.Job, Provider: c.Provider, Model: c.Model, Upstream: c.Upstream, Started: c.Started,
	}
}
