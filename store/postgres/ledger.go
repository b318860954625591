package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

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
	err = s.update(ctx, lockAlive, func(t *tx) error {
		c, err = t.open(spec)
		return err
	})
	return c, err
}

func (t *tx) open(spec store.CounterSpec) (c store.Counter, err error) {
	if err := protocol.CheckSpec(spec); err != nil {
		return c, err
	}
	account, window, there := plain(spec.Account), nanos(spec.Window), false
	err = t.ask(
		do(`INSERT INTO counter (account, window_start, limit_dollars, limit_pico) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
			account, window, spec.Limit.Dollars, spec.Limit.Pico),
		askCounter(&c, &there, account, window),
	)
	if err == nil && !there {
		err = fmt.Errorf("account %q: %w", spec.Account, store.ErrNotFound)
	}
	return c, err
}

func askCounter(c *store.Counter, there *bool, account string, window int64) ask {
	return do(qCountersShown+` WHERE c.account = $1 AND c.window_start = $2`, account, window).rows(func(rows pgx.Rows) (err error) {
		*there = true
		*c, err = scanShown(rows)
		return err
	})
}

// Counters implements [store.Ledger].
func (s *Store) Counters(ctx context.Context, ids ...store.CounterID) ([]store.Counter, error) {
	byID := make(map[store.CounterID]store.Counter, len(ids))
	err := s.view(ctx, do(qCountersShown+` WHERE c.id = ANY($1)`, numbers(ids)).rows(func(rows pgx.Rows) error {
		c, err := scanShown(rows)
		byID[c.ID] = c
		return err
	}))
	if err != nil {
		return nil, err
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

// FindCounter implements [store.Ledger].
func (s *Store) FindCounter(ctx context.Context, account string, window time.Time) (c store.Counter, err error) {
	there := false
	err = s.view(ctx, askCounter(&c, &there, plain(account), nanos(window)))
	if err == nil && !there {
		err = fmt.Errorf("account %q: %w", account, store.ErrNotFound)
	}
	return c, err
}

// SetLimit implements [store.Ledger].
func (s *Store) SetLimit(ctx context.Context, id store.CounterID, limit money.Sum) (store.Counter, error) {
	if err := protocol.CheckLimit(limit); err != nil {
		return store.Counter{}, err
	}
	return s.change(ctx, id, `UPDATE counter SET limit_dollars = $1, limit_pico = $2 WHERE id = $3`, limit.Dollars, limit.Pico, int64(id))
}

// SetClosed implements [store.Ledger].
func (s *Store) SetClosed(ctx context.Context, id store.CounterID, closed bool) (store.Counter, error) {
	return s.change(ctx, id, `UPDATE counter SET closed = $1 WHERE id = $2`, closed, int64(id))
}

func (s *Store) change(ctx context.Context, id store.CounterID, q string, args ...any) (c store.Counter, err error) {
	err = s.update(ctx, lockAlive, func(t *tx) error {
		there := false
		err := t.ask(do(q, args...), do(qCountersShown+` WHERE c.id = $1`, int64(id)).rows(func(rows pgx.Rows) (err error) {
			there = true
			c, err = scanShown(rows)
			return err
		}))
		if err == nil && !there {
			err = fmt.Errorf("counter %d: %w", id, store.ErrNotFound)
		}
		return err
	})
	return c, err
}

// Join implements [store.Ledger].
func (s *Store) Join(ctx context.Context, o store.Owner) error {
	var n int64 = 1
	if o.ID != "" {
		err := s.update(ctx, lockAlive, func(t *tx) (err error) {
			n, err = t.exec(`INSERT INTO owner (`+ownerColumns+`) VALUES ($1, 1, 'live', $2, $3, $4, $5, 0) ON CONFLICT DO NOTHING`,
				plain(o.ID), o.PID, plain(o.Host), plain(o.BootID), nanos(o.Joined))
			return err
		})
		if err != nil {
			return err
		}
	}
	if o.ID == "" || n == 0 {
		return fmt.Errorf("store: owner %q joined before", o.ID)
	}
	return nil
}

// Owner implements [store.Ledger].
func (s *Store) Owner(ctx context.Context, id store.OwnerID) (store.Owner, error) {
	all, err := s.owners(ctx, `WHERE id = $1`, plain(id))
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
	if state == store.OwnerGone {
		return s.owners(ctx, `WHERE state = $1 ORDER BY joined, id`, plain(state))
	}
	return s.owners(ctx, `WHERE state = $1 AND state <> 'gone' ORDER BY joined, id`, plain(state)) // an index knows those
}

func (s *Store) owners(ctx context.Context, where string, args ...any) (all []store.Owner, err error) {
	err = s.view(ctx, askOwners(&all, where, args...))
	return all, err
}

func askOwners(all *[]store.Owner, where string, args ...any) ask {
	return do(`SELECT `+ownerColumns+` FROM owner `+where, args...).rows(func(rows pgx.Rows) error {
		o, err := scanOwner(rows)
		*all = append(*all, o)
		return err
	})
}

// Leave implements [store.Ledger].
func (s *Store) Leave(ctx context.Context, id store.OwnerID, epoch int64) error {
	return s.update(ctx, lockAlone, func(t *tx) error { return protocol.Leave(t, id, epoch) })
}

// Apply implements [store.Ledger].
func (s *Store) Apply(ctx context.Context, r store.Round) (res store.RoundResult, err error) {
	var ids []store.CounterID
	for _, op := range r.Leases {
		ids = append(ids, op.Counter)
	}
	slices.Sort(ids)
	err = s.update(ctx, lockRound, func(t *tx) error {
		t.self = r.Owner
		// What the protocol will ask for, in one round trip: first the owner's row, whose lock makes its leases its own.
		if err := t.ask(t.askOwner(r.Owner), t.askLeases(r.Owner, `AND counter = ANY($2)`, numbers(ids))); err != nil {
			return err
		}
		for _, id := range ids {
			if k := (leaseKey{r.Owner, id}); t.leases[k].Seq == 0 {
				t.leases[k] = protocol.Lease{}
			}
		}
		t.soon = ids
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
	st.Counter = id
	there, account := false, false
	err = s.view(ctx,
		do(`SELECT seq, granted, spent FROM lease WHERE owner = $1 AND counter = $2`, plain(owner), int64(id)).rows(func(rows pgx.Rows) error {
			there = true
			return rows.Scan(&st.Seq, &st.Granted, &st.Spent)
		}),
		do(qCountersShown+` WHERE c.id = $1`, int64(id)).rows(func(rows pgx.Rows) (err error) {
			account = true
			st.Account, err = scanShown(rows)
			return err
		}),
	)
	if err == nil && (!there || !account) {
		err = fmt.Errorf("lease of owner %s on counter %d: %w", owner, id, store.ErrNotFound)
	}
	if err != nil {
		return store.LeaseState{}, err
	}
	return st, nil
}

// Declare implements [store.Ledger].
func (s *Store) Declare(ctx context.Context, id store.OwnerID, now time.Time) error {
	return s.update(ctx, lockAlone, func(t *tx) error {
		// All counters at once and in order.
		err := t.ask(append([]ask{t.askOwner(id), t.askLeases(id, ``)},
			t.askCounters(`SELECT counter FROM lease WHERE owner = $1`, plain(id))...)...)
		if err != nil {
			return err
		}
		return protocol.Declare(t, id, now)
	})
}

// SettleDead implements [store.Ledger].
func (s *Store) SettleDead(ctx context.Context, p store.PostMortem) (res store.RoundResult, err error) {
	ids := map[store.CounterID]bool{}
	for i := range p.Entries {
		for _, id := range p.Entries[i].Call.Path {
			ids[id] = true
		}
	}
	for i := range p.Sent {
		for _, id := range p.Sent[i].Call.Path {
			ids[id] = true
		}
	}
	err = s.update(ctx, lockAlone, func(t *tx) error {
		if _, err := t.Owner(p.Owner); err != nil {
			return err
		}
		if err := t.lockEstate(slices.Sorted(maps.Keys(ids)), p.Owner); err != nil {
			return err
		}
		res, err = protocol.SettleDead(t, p)
		return err
	})
	return settled(res, err)
}

// lockEstate locks counters, and those on which owners have doubts, in ascending order. The rows of the owners are locked already.
func (t *tx) lockEstate(ids []store.CounterID, owners ...store.OwnerID) error {
	all := numbers(ids)
	names := make([]string, len(owners))
	for i, o := range owners {
		names[i] = plain(o)
	}
	err := t.each(func(rows pgx.Rows) error {
		var id int64
		err := rows.Scan(&id)
		all = append(all, id)
		return err
	}, `SELECT DISTINCT counter FROM doubt WHERE owner = ANY($1)`, names)
	if err != nil || len(all) == 0 {
		return err
	}
	return t.ask(t.askCounters(someCounters, all)...)
}

// Doubts implements [store.Ledger].
func (s *Store) Doubts(ctx context.Context, id store.CounterID) (all []store.Doubt, err error) {
	err = s.view(ctx, askDoubts(&all, `WHERE counter = $1`, int64(id)))
	return all, err
}

func askDoubts(all *[]store.Doubt, where string, args ...any) ask {
	return do(`SELECT `+doubtColumns+` FROM doubt `+where+` ORDER BY id`, args...).rows(func(rows pgx.Rows) error {
		d, err := scanDoubt(rows)
		*all = append(*all, d)
		return err
	})
}

// Reconcile implements [store.Ledger].
func (s *Store) Reconcile(
	ctx context.Context, path []store.CounterID, job string, spent bool, now time.Time,
) (ended money.Sum, err error) {
	err = s.update(ctx, lockAlone, func(t *tx) error {
		if len(path) > 0 {
			var owners []store.OwnerID
			if err := t.each(func(rows pgx.Rows) error {
				var id store.OwnerID
				err := rows.Scan(text(&id))
				owners = append(owners, id)
				return err
			}, `SELECT DISTINCT owner FROM doubt WHERE counter = $1 ORDER BY owner`, int64(path[0])); err != nil {
				return err
			}
			if err := t.lockOwners(owners); err != nil {
				return err
			}
			if err := t.lockEstate(path, owners...); err != nil {
				return err
			}
		}
		ended, err = protocol.Reconcile(t, path, job, spent, now)
		return err
	})
	if err != nil {
		return money.Sum{}, err
	}
	return ended, nil
}

func (t *tx) lockOwners(owners []store.OwnerID) error {
	slices.Sort(owners)
	for _, id := range slices.Compact(owners) {
		if _, err := t.Owner(id); err != nil && !isNotFound(err) {
			return err
		}
	}
	return nil
}

// Calls implements [store.Ledger].
func (s *Store) Calls(ctx context.Context, job string, after int64, limit int) (calls []store.Call, next int64, err error) {
	q, args := `WHERE id > $1 ORDER BY id LIMIT $2`, []any{after, int64(limit) + 1}
	if job != "" {
		q, args = `WHERE id > $1 AND job = $3 ORDER BY id LIMIT $2`, append(args, plain(job))
	}
	var last int64
	a := do(`SELECT id, `+callColumns+` FROM call `+q, args...).rows(func(rows pgx.Rows) error {
		id, c, err := scanCall(rows)
		if len(calls) == limit {
			next = last
			return err
		}
		calls, last = append(calls, c), id
		return err
	})
	if err := s.view(ctx, a); err != nil {
		return nil, 0, err
	}
	return calls, next, nil
}

// ModelSums implements [store.Ledger].
func (s *Store) ModelSums(ctx context.Context, job string) (c store.Counter, sums map[string]store.ModelSum, err error) {
	sums = map[string]store.ModelSum{}
	there := false
	err = s.view(ctx, askCounter(&c, &there, plain(store.JobPrefix+job), nanos(time.Time{})), do(`SELECT model, count(DISTINCT call), count(*) FILTER (WHERE attempt >= 0),
	sum(input_tokens + cache_read + cache_write)::bigint, sum(output_tokens)::bigint, sum(cost / 1000000000000)::bigint, sum(cost % 1000000000000)::bigint,
	sum(o / 1000000000000)::bigint, sum(o % 1000000000000)::bigint
	FROM call CROSS JOIN LATERAL (SELECT CASE WHEN own > 0 THEN own ELSE cost END AS o) AS figure WHERE job = $1 GROUP BY model`, plain(job)).rows(func(rows pgx.Rows) error {
		var model string
		var m store.ModelSum
		var dollars, pico, ownDollars, ownPico int64
		err := rows.Scan(text(&model), &m.Calls, &m.Attempts, &m.InputTokens, &m.OutputTokens, &dollars, &pico, &ownDollars, &ownPico)
		m.Cost, m.Own = sumOf(dollars, pico), sumOf(ownDollars, ownPico)
		sums[model] = m
		return err
	}))
	return c, sums, err
}
