package postgres

import (
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/internal/protocol"
)

var _ protocol.Tx = (*tx)(nil)

type leaseKey struct {
	owner   store.OwnerID
	counter store.CounterID
}

func (t *tx) Owner(id store.OwnerID) (o store.Owner, err error) {
	if o, ok := t.owners[id]; ok {
		return o, nil
	}
	if err := t.ask(t.askOwner(id)); err != nil {
		return o, err
	}
	o, ok := t.owners[id]
	if !ok {
		return o, fmt.Errorf("owner %s: %w", id, store.ErrNotFound)
	}
	return o, nil
}

// askOwner reads an owner's row and locks it.
func (t *tx) askOwner(id store.OwnerID) ask {
	return do(`SELECT `+ownerColumns+` FROM owner WHERE id = $1`+t.lock, plain(id)).rows(func(rows pgx.Rows) error {
		o, err := scanOwner(rows)
		t.owners[o.ID] = o
		return err
	})
}

func (t *tx) PutOwner(o store.Owner) error {
	t.owners[o.ID] = o
	t.put(`UPDATE owner SET epoch = $1, state = $2, died = $3 WHERE id = $4`, o.Epoch, plain(o.State), nanos(o.Died), plain(o.ID))
	return nil
}

// num returns the number of an owner, 0 if it never joined.
func (t *tx) num(id store.OwnerID) (n int64, err error) {
	if n, ok := t.s.nums.Load(id); ok {
		return n.(int64), nil //nolint:forcetypeassert // nothing else is stored
	}
	err = t.ask(do(`SELECT num FROM owner WHERE id = $1`, plain(id)).into(&n))
	if err == nil && n != 0 {
		t.s.nums.Store(id, n)
	}
	return n, err
}

// askCounters locks counters in ascending order, and then reads what their leases have spent: after the lock is there, nobody changes that.
// which chooses the numbers by its parameter, $1.
func (t *tx) askCounters(which string, arg any) []ask {
	args, fresh := []any{arg}, map[store.CounterID]bool{}
	return []ask{
		do(`SELECT `+counterColumns+` FROM counter c WHERE c.id IN (`+which+`) ORDER BY c.id FOR NO KEY UPDATE`, args...).rows(func(rows pgx.Rows) error {
			c, err := scanCounter(rows)
			if t.counters[c.ID] == nil {
				t.counters[c.ID] = &counter{Counter: c}
				fresh[c.ID] = true
			}
			return err
		}),
		do(`SELECT counter, sum(spent / 1000000000000)::bigint, sum(spent % 1000000000000)::bigint FROM lease
	WHERE counter IN (`+which+`) AND owner <> $2 AND spent > 0 GROUP BY counter`, append(args, plain(t.self))...).rows(func(rows pgx.Rows) error {
			var id store.CounterID
			var dollars, pico int64
			err := rows.Scan(&id, &dollars, &pico)
			if c := t.counters[id]; c != nil && fresh[id] {
				c.others = sumOf(dollars, pico)
			}
			return err
		}),
	}
}

const someCounters = `SELECT unnest($1::bigint[])`

func (t *tx) locked(id store.CounterID) (*counter, error) {
	if t.counters[id] == nil {
		ids := []int64{int64(id)}
		if slices.Contains(t.soon, id) {
			ids = numbers(t.soon)
		}
		if err := t.ask(t.askCounters(someCounters, ids)...); err != nil {
			return nil, err
		}
	}
	if t.counters[id] == nil {
		return nil, fmt.Errorf("counter %d: %w", id, store.ErrNotFound)
	}
	return t.counters[id], nil
}

func (t *tx) Counter(id store.CounterID) (protocol.Counter, error) {
	c, err := t.locked(id)
	if err != nil {
		return protocol.Counter{}, err
	}
	return c.Counter, nil
}

func (t *tx) PutCounter(c protocol.Counter) error {
	have, err := t.locked(c.ID)
	if err != nil {
		return err
	}
	have.Counter, have.dirty = c, true
	return nil
}

// LeaseSpent is asked for by rounds only, whose owner is t.self.
func (t *tx) LeaseSpent(id store.CounterID) (money.Sum, error) {
	c, err := t.locked(id)
	if err != nil {
		return money.Sum{}, err
	}
	return c.others.Add(t.leases[leaseKey{t.self, id}].Spent), nil
}

// askLeases reads leases of an owner whose row is locked: nobody else changes them.
func (t *tx) askLeases(owner store.OwnerID, which string, args ...any) ask {
	q := `SELECT counter, seq, granted, spent FROM lease WHERE owner = $1 ` + which + ` ORDER BY counter`
	return do(q, append([]any{plain(owner)}, args...)...).rows(func(rows pgx.Rows) error {
		var l protocol.Lease
		err := rows.Scan(&l.Counter, &l.Seq, &l.Granted, &l.Spent)
		if _, known := t.leases[leaseKey{owner, l.Counter}]; !known {
			t.leases[leaseKey{owner, l.Counter}] = l
		}
		return err
	})
}

func (t *tx) Lease(owner store.OwnerID, id store.CounterID) (protocol.Lease, error) {
	k := leaseKey{owner, id}
	if _, known := t.leases[k]; !known {
		if err := t.ask(t.askLeases(owner, `AND counter = $2`, int64(id))); err != nil {
			return protocol.Lease{}, err
		}
	}
	return t.leases[k], nil
}

func (t *tx) Leases(owner store.OwnerID) (all []protocol.Lease, err error) {
	if err := t.ask(t.askLeases(owner, ``)); err != nil {
		return nil, err
	}
	for k, l := range t.leases {
		if k.owner == owner && l.Seq != 0 {
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b protocol.Lease) int { return int(a.Counter - b.Counter) })
	return all, nil
}

func (t *tx) PutLease(owner store.OwnerID, l protocol.Lease) error {
	t.leases[leaseKey{owner, l.Counter}] = l
	t.put(`INSERT INTO lease (owner, counter, seq, granted, spent) VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT (counter, owner) DO UPDATE SET seq = excluded.seq, granted = excluded.granted, spent = excluded.spent`,
		plain(owner), int64(l.Counter), l.Seq, int64(l.Granted), int64(l.Spent))
	return nil
}

func (t *tx) DeleteLease(owner store.OwnerID, id store.CounterID) error {
	t.leases[leaseKey{owner, id}] = protocol.Lease{}
	t.put(`DELETE FROM lease WHERE owner = $1 AND counter = $2`, plain(owner), int64(id))
	return nil
}

func (t *tx) HasCall(id string, attempt int) (there bool, err error) {
	err = t.ask(do(`SELECT EXISTS (SELECT 1 FROM call WHERE call = $1 AND attempt = $2)`, plain(id), attempt).into(&there))
	return there, err
}

func (t *tx) AddDoubt(d store.Doubt) error {
	t.put(`INSERT INTO doubt (owner, counter, call, attempt, amount, since, job, provider, model, upstream, started)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, plain(d.Owner), int64(d.Counter), plain(d.Call), d.Attempt, int64(d.Amount), nanos(d.Since),
		plain(d.Job), plain(d.Provider), plain(d.Model), plain(d.Upstream), nanos(d.Started))
	return nil
}

func (t *tx) SetDoubt(id int64, amount money.USD) error {
	if amount == 0 {
		t.put(`DELETE FROM doubt WHERE id = $1`, id)
	} else {
		t.put(`UPDATE doubt SET amount = $1 WHERE id = $2`, int64(amount), id)
	}
	return nil
}

func (t *tx) DoubtsOn(id store.CounterID) ([]store.Doubt, error) {
	return t.doubts(`counter = $1`, int64(id))
}

func (t *tx) DoubtsOf(owner store.OwnerID) ([]store.Doubt, error) {
	return t.doubts(`owner = $1`, plain(owner))
}

func (t *tx) doubts(where string, arg any) (all []store.Doubt, err error) {
	err = t.each(func(rows pgx.Rows) error {
		d, err := scanDoubt(rows)
		all = append(all, d)
		return err
	}, `SELECT `+doubtColumns+` FROM doubt WHERE `+where+` ORDER BY id`, arg)
	return all, err
}
