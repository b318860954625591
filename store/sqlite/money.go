package sqlite

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/internal/protocol"
)

var _ protocol.Tx = (*tx)(nil)

func (t *tx) Owner(id store.OwnerID) (store.Owner, error) {
	all, err := scanOwners(t, qOwner, id)
	if err != nil {
		return store.Owner{}, err
	}
	if len(all) == 0 {
		return store.Owner{}, fmt.Errorf("owner %s: %w", id, store.ErrNotFound)
	}
	return all[0], nil
}

func (t *tx) PutOwner(o store.Owner) error {
	_, err := t.exec(qOwnerPut, o.Epoch, o.State, nanos(o.Died), o.ID)
	return err
}

// num returns the number of an owner, 0 if it never joined.
func (t *tx) num(id store.OwnerID) (n int64, err error) {
	if n, ok := t.s.nums[id]; ok {
		return n, nil
	}
	if err := one(t, qOwnerNum, []any{id}, &n); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return 0, nil
		}
		return 0, err
	}
	t.s.nums[id] = n
	return n, nil
}

func (t *tx) Counter(id store.CounterID) (c protocol.Counter, err error) {
	found := false
	err = each(t, qCounter, []any{id}, func(rows *sql.Rows) error {
		found = true
		c, err = scanCounter(rows)
		return err
	})
	if err == nil && !found {
		err = fmt.Errorf("counter %d: %w", id, store.ErrNotFound)
	}
	return c, err
}

func (t *tx) PutCounter(c protocol.Counter) error {
	_, err := t.exec(qCounterPut, c.Committed.Dollars, c.Committed.Pico, c.Spent.Dollars, c.Spent.Pico,
		c.Doubt.Dollars, c.Doubt.Pico, nanos(c.WantedUntil), c.ID)
	return err
}

func (t *tx) LeaseSpent(id store.CounterID) (sum money.Sum, err error) {
	err = each(t, qLeaseSpent, []any{id}, func(rows *sql.Rows) error {
		var spent money.USD
		err := rows.Scan(intact("lease"), &spent)
		sum = sum.Add(spent)
		return err
	})
	return sum, err
}

func (t *tx) Lease(owner store.OwnerID, id store.CounterID) (protocol.Lease, error) {
	all, err := t.leases(qLease, owner, id)
	if err != nil || len(all) == 0 {
		return protocol.Lease{}, err
	}
	return all[0], nil
}

func (t *tx) Leases(owner store.OwnerID) ([]protocol.Lease, error) { return t.leases(qLeasesOf, owner) }

func (t *tx) leases(q string, args ...any) (all []protocol.Lease, err error) {
	err = each(t, q, args, func(rows *sql.Rows) error {
		var l protocol.Lease
		err := rows.Scan(intact("lease"), &l.Counter, &l.Seq, &l.Granted, &l.Spent)
		all = append(all, l)
		return err
	})
	return all, err
}

func (t *tx) PutLease(owner store.OwnerID, l protocol.Lease) error {
	_, err := t.exec(qLeasePut, owner, l.Counter, l.Seq, int64(l.Granted), int64(l.Spent))
	return err
}

func (t *tx) DeleteLease(owner store.OwnerID, id store.CounterID) error {
	_, err := t.exec(qLeaseDelete, owner, id)
	return err
}

func (t *tx) HasCall(id string, attempt int) (bool, error) {
	var n int
	err := one(t, qCallHas, []any{id, attempt}, &n)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func (t *tx) InsertCalls(entries []store.Entry) ([]bool, error) {
	fresh := make([]bool, len(entries))
	for i := range entries {
		c := &entries[i].Call
		if err := t.checkCounters(c.Path); err != nil {
			return nil, err
		}
		n, err := t.exec(qCallInsert, t.withSum("call", callArgs(c))...)
		if err != nil {
			return nil, fmt.Errorf("call %s: %w", c.ID, err)
		}
		fresh[i] = n == 1
	}
	return fresh, nil
}

// checkCounters refuses paths over counters that are not there.
func (t *tx) checkCounters(path []store.CounterID) error {
	for _, id := range path {
		if _, ok := t.s.known[id]; ok {
			continue
		}
		if _, err := t.Counter(id); err != nil {
			return err
		}
		t.s.known[id] = struct{}{}
	}
	return nil
}

func (t *tx) AddDoubt(d store.Doubt) error {
	_, err := t.exec(qDoubtInsert, d.Owner, d.Counter, d.Call, d.Attempt, int64(d.Amount), nanos(d.Since), d.Job, d.Provider, d.Model,
		d.Upstream, nanos(d.Started))
	return err
}

func (t *tx) SetDoubt(id int64, amount money.USD) error {
	if amount == 0 {
		_, err := t.exec(qDoubtDelete, id)
		return err
	}
	_, err := t.exec(qDoubtAmount, int64(amount), id)
	return err
}

func (t *tx) DoubtsOn(id store.CounterID) ([]store.Doubt, error) { return scanDoubts(t, qDoubtsOn, id) }

func (t *tx) DoubtsOf(owner store.OwnerID) ([]store.Doubt, error) {
	return scanDoubts(t, qDoubtsOf, owner)
}

func (t *tx) Complete(owner store.OwnerID, entries []store.Entry) (rejected []int, err error) {
	num, err := t.num(owner)
	if err != nil {
		return nil, err
	}
	jobs := map[string]int64{}
	for i := range entries {
		c := entries[i].Completion
		if c == nil {
			continue
		}
		job, ok := jobs[c.Job]
		if !ok {
			if job, err = t.jobNum(c.Job); err != nil {
				return nil, err
			}
			jobs[c.Job] = job
		}
		done, err := t.complete(num, job, c)
		if err != nil {
			return nil, fmt.Errorf("item %d of job %q: %w", c.Seq, c.Job, err)
		}
		if !done {
			rejected = append(rejected, i)
		}
	}
	return rejected, nil
}

func (t *tx) complete(owner, job int64, c *store.Completion) (bool, error) {
	if job == 0 || !validSeq(c.Seq) {
		return false, nil
	}
	to, tried, notBefore := stateDone, 0, int64(0)
	switch c.State {
	case store.ItemFailed:
		to = stateFailed
	case store.ItemPending:
		to, notBefore = statePending, max(nanos(c.NotBefore), 0)
		if c.Tried {
			tried = 1
		}
	default: // done
	}
	id := itemID(job, c.Seq)
	n, err := t.exec(qItemEnd, to, tried, notBefore, id, owner, c.Attempt)
	if err != nil || n == 0 {
		return false, err
	}
	t.moved(job, stateRunning, to, 1)
	if c.Result == nil {
		return true, nil
	}
	r := c.Result
	_, err = t.exec(qResultInsert, id, r.Status, r.RequestID, r.ErrorCode, r.ErrorText, r.Truncated, r.CallID, nanos(r.FinishedAt), blob(r.Body))
	return true, err
}

// blob is a body as it is written: never NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
