package storetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/andres20980/aurea-orchestrator/store"
)

// Fault says what becomes of one transaction.
type Fault int

// Faults.
const (
	// FaultNone lets it pass.
	FaultNone Fault = iota
	// FaultBefore fails before anything was written.
	FaultBefore
	// FaultLost writes it and loses the acknowledgement: the caller sees the same error as with FaultBefore.
	FaultLost
)

// Flaky wraps a store and disturbs those of its transactions that a tracker repeats: Apply, Lease, Counters, Declare, SettleDead, Claim and Unclaim.
// It is safe for concurrent use.
type Flaky struct {
	store.Store

	mu     sync.Mutex
	decide func(op string) Fault
}

// NewFlaky returns st with nothing disturbed yet.
func NewFlaky(st store.Store) *Flaky { return &Flaky{Store: st} }

// Decide sets what is asked before every transaction, named like its method; nil disturbs nothing. It may be called at any time.
func (f *Flaky) Decide(decide func(op string) Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.decide = decide
}

// Next disturbs the next transactions of one name, one by one, and then no more.
func (f *Flaky) Next(op string, faults ...Fault) {
	f.Decide(func(name string) Fault {
		if name != op || len(faults) == 0 {
			return FaultNone
		}
		fault := faults[0]
		faults = faults[1:]
		return fault
	})
}

func (f *Flaky) fault(op string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.decide == nil {
		return FaultNone
	}
	return f.decide(op)
}

// disturb runs a transaction as its fault says.
func disturb[T any](f *Flaky, op string, run func() (T, error)) (T, error) {
	var none T
	fault := f.fault(op)
	lost := fmt.Errorf("%w: storetest disturbs %s", store.ErrUnavailable, op)
	if fault == FaultBefore {
		return none, lost
	}
	v, err := run()
	if fault == FaultLost {
		return none, lost
	}
	return v, err
}

// Audit implements [store.Auditor], undisturbed.
func (f *Flaky) Audit(ctx context.Context) (store.Audit, error) {
	a, ok := f.Store.(store.Auditor)
	if !ok {
		return store.Audit{}, fmt.Errorf("storetest: %T cannot be audited", f.Store)
	}
	return a.Audit(ctx)
}

// Apply implements [store.Ledger].
func (f *Flaky) Apply(ctx context.Context, r store.Round) (store.RoundResult, error) {
	return disturb(f, "Apply", func() (store.RoundResult, error) { return f.Store.Apply(ctx, r) })
}

// Lease implements [store.Ledger].
func (f *Flaky) Lease(ctx context.Context, owner store.OwnerID, id store.CounterID) (store.LeaseState, error) {
	return disturb(f, "Lease", func() (store.LeaseState, error) { return f.Store.Lease(ctx, owner, id) })
}

// Counters implements [store.Ledger].
func (f *Flaky) Counters(ctx context.Context, ids ...store.CounterID) ([]store.Counter, error) {
	return disturb(f, "Counters", func() ([]store.Counter, error) { return f.Store.Counters(ctx, ids...) })
}

// Declare implements [store.Ledger].
func (f *Flaky) Declare(ctx context.Context, id store.OwnerID, now time.Time) error {
	_, err := disturb(f, "Declare", func() (struct{}, error) { return struct{}{}, f.Store.Declare(ctx, id, now) })
	return err
}

// SettleDead implements [store.Ledger].
func (f *Flaky) SettleDead(ctx context.Context, p store.PostMortem) (store.RoundResult, error) {
	return disturb(f, "SettleDead", func() (store.RoundResult, error) { return f.Store.SettleDead(ctx, p) })
}

// Claim implements [store.Queue].
func (f *Flaky) Claim(ctx context.Context, job, lane string, owner store.OwnerID, limit int, now time.Time) ([]store.Item, error) {
	return disturb(f, "Claim", func() ([]store.Item, error) { return f.Store.Claim(ctx, job, lane, owner, limit, now) })
}

// Unclaim implements [store.Queue].
func (f *Flaky) Unclaim(ctx context.Context, job string, owner store.OwnerID, seqs []int64, notBefore time.Time) error {
	_, err := disturb(f, "Unclaim", func() (struct{}, error) {
		return struct{}{}, f.Store.Unclaim(ctx, job, owner, seqs, notBefore)
	})
	return err
}
