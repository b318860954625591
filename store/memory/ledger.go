package memory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/internal/protocol"
)

// OpenCounter implements [store.Ledger].
func (s *Store) OpenCounter(ctx context.Context, spec store.CounterSpec) (_ store.Counter, err error) {
	if err := s.begin(ctx); err != nil {
		return store.Counter{}, err
	}
	defer s.end(&err)
	c, err := s.open(spec)
	if err != nil {
		return store.Counter{}, err
	}
	return s.shown(c), nil
}

func (s *Store) open(spec store.CounterSpec) (*protocol.Counter, error) {
	if err := protocol.CheckSpec(spec); err != nil {
		return nil, err
	}
	key := account{spec.Account, instant(spec.Window)}
	if id, ok := s.accounts[key]; ok {
		return s.counters[id-1], nil
	}
	c := &protocol.Counter{
		ID: store.CounterID(len(s.counters) + 1), Account: spec.Account, Window: wall(spec.Window), Limit: spec.Limit,
	}
	set(s, &s.counters, append(s.counters, c))
	put(s, s.accounts, key, c.ID)
	return c, nil
}

// Counters implements [store.Ledger].
func (s *Store) Counters(ctx context.Context, ids ...store.CounterID) (_ []store.Counter, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end(&err)
	all := make([]store.Counter, len(ids))
	for i, id := range ids {
		c, err := s.counter(id)
		if err != nil {
			return nil, fmt.Errorf("counter %d: %w", id, err)
		}
		all[i] = s.shown(c)
	}
	return all, nil
}

// FindCounter implements [store.Ledger].
func (s *Store) FindCounter(ctx context.Context, name string, window time.Time) (_ store.Counter, err error) {
	if err := s.begin(ctx); err != nil {
		return store.Counter{}, err
	}
	defer s.end(&err)
	id, ok := s.accounts[account{name, instant(window)}]
	if !ok {
		return store.Counter{}, fmt.Errorf("account %q: %w", name, store.ErrNotFound)
	}
	return s.shown(s.counters[id-1]), nil
}

// SetLimit implements [store.Ledger].
func (s *Store) SetLimit(ctx context.Context, id store.CounterID, limit money.Sum) (store.Counter, error) {
	if err := protocol.CheckLimit(limit); err != nil {
		return store.Counter{}, err
	}
	return s.change(ctx, id, func(c *protocol.Counter) { c.Limit = limit })
}

// SetClosed implements [store.Ledger].
func (s *Store) SetClosed(ctx context.Context, id store.CounterID, closed bool) (store.Counter, error) {
	return s.change(ctx, id, func(c *protocol.Counter) { c.Closed = closed })
}

func (s *Store) change(ctx context.Context, id store.CounterID, f func(*protocol.Counter)) (_ store.Counter, err error) {
	if err := s.begin(ctx); err != nil {
		return store.Counter{}, err
	}
	defer s.end(&err)
	c, err := s.counter(id)
	if err != nil {
		return store.Counter{}, fmt.Errorf("counter %d: %w", id, err)
	}
	f(c)
	return s.shown(c), nil
}

// Join implements [store.Ledger].
func (s *Store) Join(ctx context.Context, o store.Owner) (err error) {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end(&err)
	if _, ok := s.owners[o.ID]; ok || o.ID == "" {
		return fmt.Errorf("store: owner %q joined before", o.ID)
	}
	o.Epoch, o.State, o.Joined, o.Died = 1, store.OwnerLive, wall(o.Joined), time.Time{}
	s.owners[o.ID] = &owner{Owner: o, leases: map[store.CounterID]protocol.Lease{}}
	return nil
}

// Owner implements [store.Ledger].
func (s *Store) Owner(ctx context.Context, id store.OwnerID) (_ store.Owner, err error) {
	if err := s.begin(ctx); err != nil {
		return store.Owner{}, err
	}
	defer s.end(&err)
	o, err := s.owner(id)
	if err != nil {
		return store.Owner{}, fmt.Errorf("owner %s: %w", id, err)
	}
	return o.Owner, nil
}

// Owners implements [store.Ledger].
func (s *Store) Owners(ctx context.Context, state store.OwnerState) (_ []store.Owner, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end(&err)
	var all []store.Owner
	for _, o := range s.owners {
		if o.State == state {
			all = append(all, o.Owner)
		}
	}
	slices.SortFunc(all, byJoined)
	return all, nil
}

// Leave implements [store.Ledger].
func (s *Store) Leave(ctx context.Context, id store.OwnerID, epoch int64) (err error) {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end(&err)
	return protocol.Leave(tx{s}, id, epoch)
}

// Apply implements [store.Ledger].
func (s *Store) Apply(ctx context.Context, r store.Round) (_ store.RoundResult, err error) {
	if err := s.begin(ctx); err != nil {
		return store.RoundResult{}, err
	}
	defer s.end(&err)
	return protocol.Apply(tx{s}, r)
}

// Lease implements [store.Ledger].
func (s *Store) Lease(ctx context.Context, id store.OwnerID, counter store.CounterID) (_ store.LeaseState, err error) {
	if err := s.begin(ctx); err != nil {
		return store.LeaseState{}, err
	}
	defer s.end(&err)
	c, err := s.counter(counter)
	if err != nil {
		return store.LeaseState{}, fmt.Errorf("counter %d: %w", counter, err)
	}
	o, ok := s.owners[id]
	if !ok || o.leases[counter].Seq == 0 {
		return store.LeaseState{}, fmt.Errorf("lease of owner %s on counter %d: %w", id, counter, store.ErrNotFound)
	}
	l := o.leases[counter]
	return store.LeaseState{Counter: counter, Seq: l.Seq, Granted: l.Granted, Spent: l.Spent, Account: s.shown(c)}, nil
}

// Declare implements [store.Ledger].
func (s *Store) Declare(ctx context.Context, id store.OwnerID, now time.Time) (err error) {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end(&err)
	return protocol.Declare(tx{s}, id, now)
}

// SettleDead implements [store.Ledger].
func (s *Store) SettleDead(ctx context.Context, p store.PostMortem) (_ store.RoundResult, err error) {
	if err := s.begin(ctx); err != nil {
		return store.RoundResult{}, err
	}
	defer s.end(&err)
	return protocol.SettleDead(tx{s}, p)
}

// Doubts implements [store.Ledger].
func (s *Store) Doubts(ctx context.Context, id store.CounterID) (_ []store.Doubt, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end(&err)
	return tx{s}.DoubtsOn(id)
}

// Reconcile implements [store.Ledger].
func (s *Store) Reconcile(ctx context.Context, path []store.CounterID, job string, spent bool, now time.Time) (_ money.Sum, err error) {
	if err := s.begin(ctx); err != nil {
		return money.Sum{}, err
	}
	defer s.end(&err)
	return protocol.Reconcile(tx{s}, path, job, spent, now)
}
