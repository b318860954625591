package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/internal/protocol"
)

// OpenCounter implements [store.Ledger].
func (s *Store) OpenCounter(ctx context.Context, spec store.CounterSpec) (c store.Counter, err error) {
	if err := protocol.CheckSpec(spec); err != nil {
		return c, err
	}
	// It is there nearly always, and then nothing is written.
	if c, err = s.FindCounter(ctx, spec.Account, spec.Window); err == nil || !isNotFound(err) {
		return c, err
	}
	err = s.update(ctx, func(t *tx) error {
		c, err = t.open(spec)
		return err
	})
	return c, err
}

func (t *tx) open(spec store.CounterSpec) (store.Counter, error) {
	if err := protocol.CheckSpec(spec); err != nil {
		return store.Counter{}, err
	}
	window := nanos(spec.Window)
	if _, err := t.exec(qCounterInsert, spec.Account, window, spec.Limit.Dollars, spec.Limit.Pico); err != nil {
		return store.Counter{}, err
	}
	all, err := shown(t, qCounterShownByName, spec.Account, window)
	if err == nil && len(all) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return store.Counter{}, err
	}
	return all[0], nil
}

// Counters implements [store.Ledger].
func (s *Store) Counters(ctx context.Context, ids ...store.CounterID) ([]store.Counter, error) {
	var found []store.Counter
	err := s.view(ctx, func(r snapshot) (err error) {
		found, err = countersOf(r, ids)
		return err
	})
	if err != nil {
		return nil, err
	}
	byID := make(map[store.CounterID]store.Counter, len(found))
	for _, c := range found {
		byID[c.ID] = c
	}
	all := make([]store.Counter, len(ids))
	for i, id := range ids {
		c, ok := byID[id]
		if !ok {
			return nil, fmt.Errorf("counter %d: %w", id, store.ErrNotFound)
		}
		all[i] = c
	}
	return all, nil
}

func countersOf(q querier, ids []store.CounterID) ([]store.Counter, error) {
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	return shown(q, qCountersShown, string(list))
}

// FindCounter implements [store.Ledger].
func (s *Store) FindCounter(ctx context.Context, account string, window time.Time) (c store.Counter, err error) {
	err = s.view(ctx, func(r snapshot) error {
		all, err := shown(r, qCounterShownByName, account, nanos(window))
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return fmt.Errorf("account %q: %w", account, store.ErrNotFound)
		}
		c = all[0]
		return nil
	})
	return c, err
}

// SetLimit implements [store.Ledger].
func (s *Store) SetLimit(ctx context.Context, id store.CounterID, limit money.Sum) (store.Counter, error) {
	if err := protocol.CheckLimit(limit); err != nil {
		return store.Counter{}, err
	}
	return s.change(ctx, id, qCounterLimit, limit.Dollars, limit.Pico, id)
}

// SetClosed implements [store.Ledger].
func (s *Store) SetClosed(ctx context.Context, id store.CounterID, closed bool) (store.Counter, error) {
	return s.change(ctx, id, qCounterClosed, closed, id)
}

func (s *Store) change(ctx context.Context, id store.CounterID, q string, args ...any) (c store.Counter, err error) {
	err = s.update(ctx, func(t *tx) error {
		if _, err := t.exec(q, args...); err != nil {
			return err
		}
		all, err := countersOf(t, []store.CounterID{id})
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return fmt.Errorf("counter %d: %w", id, store.ErrNotFound)
		}
		c = all[0]
		return nil
	})
	return c, err
}

// Join implements [store.Ledger].
func (s *Store) Join(ctx context.Context, o store.Owner) error {
	if o.ID == "" {
		return fmt.Errorf("store: owner %q joined before", o.ID)
	}
	return s.update(ctx, func(t *tx) error {
		if n, err := t.num(o.ID); err != nil || n != 0 {
			if err == nil {
				err = fmt.Errorf("store: owner %q joined before", o.ID)
			}
			return err
		}
		_, err := t.exec(qOwnerInsert, o.ID, 1, store.OwnerLive, o.PID, o.Host, o.BootID, nanos(o.Joined), 0)
		return err
	})
}

// Owner implements [store.Ledger].
func (s *Store) Owner(ctx context.Context, id store.OwnerID) (store.Owner, error) {
	all, err := s.ownersWhere(ctx, qOwner, id)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("owner %s: %w", id, store.ErrNotFound)
	}
	if err != nil {
		return store.Owner{}, err
	}
	return all[0], nil
}

// Owners implements [store.Ledger].
func (s *Store) Owners(ctx context.Context, state store.OwnerState) ([]store.Owner, error) {
	return s.ownersWhere(ctx, qOwnersIn, state)
}

func (s *Store) ownersWhere(ctx context.Context, q string, arg any) (all []store.Owner, err error) {
	err = s.view(ctx, func(r snapshot) error {
		all, err = scanOwners(r, q, arg)
		return err
	})
	return all, err
}

// Leave implements [store.Ledger].
func (s *Store) Leave(ctx context.Context, id store.OwnerID, epoch int64) error {
	return s.update(ctx, func(t *tx) error { return protocol.Leave(t, id, epoch) })
}

// Apply implements [store.Ledger].
func (s *Store) Apply(ctx context.Context, r store.Round) (res store.RoundResult, err error) {
	err = s.update(ctx, func(t *tx) error {
		res, err = protocol.Apply(t, r)
		return err
	})
	return settled(res, err)
}

// settled drops a result that was not committed.
func settled(res store.RoundResult, err error) (store.RoundResult, error) {
	if err != nil {
		return store.RoundResult{}, err
	}
	return res, nil
}

// Lease implements [store.Ledger].
func (s *Store) Lease(ctx context.Context, owner store.OwnerID, id store.CounterID) (st store.LeaseState, err error) {
	err = s.view(ctx, func(r snapshot) error {
		st.Counter = id
		if err := one(r, qLease, []any{owner, id}, intact("lease"), &st.Counter, &st.Seq, &st.Granted, &st.Spent); err != nil {
			return fmt.Errorf("lease of owner %s on counter %d: %w", owner, id, wrap(ctx, err))
		}
		all, err := countersOf(r, []store.CounterID{id})
		if err != nil {
			return err
		}
		st.Account = all[0]
		return nil
	})
	if err != nil {
		return store.LeaseState{}, err
	}
	return st, nil
}

// Declare implements [store.Ledger].
func (s *Store) Declare(ctx context.Context, id store.OwnerID, now time.Time) error {
	return s.update(ctx, func(t *tx) error { return protocol.Declare(t, id, now) })
}

// SettleDead implements [store.Ledger].
func (s *Store) SettleDead(ctx context.Context, p store.PostMortem) (res store.RoundResult, err error) {
	err = s.update(ctx, func(t *tx) error {
		res, err = protocol.SettleDead(t, p)
		return err
	})
	return settled(res, err)
}

// Doubts implements [store.Ledger].
func (s *Store) Doubts(ctx context.Context, id store.CounterID) (all []store.Doubt, err error) {
	err = s.view(ctx, func(r snapshot) error {
		all, err = scanDoubts(r, qDoubtsOn, id)
		return err
	})
	return all, err
}

// Reconcile implements [store.Ledger].
func (s *Store) Reconcile(
	ctx context.Context, path []store.CounterID, job string, spent bool, now time.Time,
) (ended money.Sum, err error) {
	err = s.update(ctx, func(t *tx) error {
		ended, err = protocol.Reconcile(t, path, job, spent, now)
		return err
	})
	if err != nil {
		return money.Sum{}, err
	}
	return ended, nil
}

// Calls implements [store.Ledger].
func (s *Store) Calls(ctx context.Context, job string, after int64, limit int) (calls []store.Call, next int64, err error) {
	q, args := qCallsOfJob, []any{job, after, int64(limit) + 1}
	if job == "" {
		q, args = qCalls, args[1:]
	}
	var last int64
	err = s.view(ctx, func(r snapshot) error {
		return each(r, q, args, func(rows *sql.Rows) error {
			id, c, err := scanCall(rows)
			if len(calls) == limit {
				next = last
				return err
			}
			calls, last = append(calls, c), id
			return err
		})
	})
	if err != nil {
		return nil, 0, err
	}
	return calls, next, nil
}

// ModelSums implements [store.Ledger].
func (s *Store) ModelSums(ctx context.Context, job string) (c store.Counter, sums map[string]store.ModelSum, err error) {
	sums = map[string]store.ModelSum{}
	err = s.view(ctx, func(r snapshot) error {
		all, err := shown(r, qCounterShownByName, store.JobPrefix+job, nanos(time.Time{}))
		if err != nil {
			return err
		}
		if len(all) > 0 {
			c = all[0]
		}
		return each(r, qModelSums, []any{job}, func(rows *sql.Rows) error {
			var model string
			var m store.ModelSum
			var dollars, pico, ownDollars, ownPico int64
			if err := rows.Scan(&model, &m.Calls, &m.Attempts, &m.InputTokens, &m.OutputTokens, &dollars, &pico, &ownDollars, &ownPico, intact("call")); err != nil {
				return err
			}
			m.Cost, m.Own = money.Sum{Dollars: dollars}.Add(money.USD(pico)), money.Sum{Dollars: ownDollars}.Add(money.USD(ownPico))
			sums[model] = m
			return nil
		})
	})
	return c, sums, err
}
