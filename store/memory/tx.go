package memory

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/internal/protocol"
)

// tx is the locked store as the protocol sees it.
type tx struct{ *Store }

var _ protocol.Tx = tx{}

func (t tx) Owner(id store.OwnerID) (store.Owner, error) {
	o, err := t.owner(id)
	if err != nil {
		return store.Owner{}, fmt.Errorf("owner %s: %w", id, err)
	}
	return o.Owner, nil
}

func (t tx) PutOwner(o store.Owner) error {
	o.Died = wall(o.Died)
	set(t.Store, &t.owners[o.ID].Owner, o)
	return nil
}

func (t tx) Counter(id store.CounterID) (protocol.Counter, error) {
	c, err := t.counter(id)
	if err != nil {
		return protocol.Counter{}, fmt.Errorf("counter %d: %w", id, err)
	}
	return *c, nil
}

func (t tx) PutCounter(c protocol.Counter) error {
	c.WantedUntil = wall(c.WantedUntil)
	set(t.Store, t.counters[c.ID-1], c)
	return nil
}

func (t tx) LeaseSpent(id store.CounterID) (money.Sum, error) { return t.leaseSpent(id), nil }

func (t tx) Lease(id store.OwnerID, counter store.CounterID) (protocol.Lease, error) {
	o, err := t.owner(id)
	if err != nil {
		return protocol.Lease{}, err
	}
	return o.leases[counter], nil
}

func (t tx) Leases(id store.OwnerID) ([]protocol.Lease, error) {
	var all []protocol.Lease
	for _, l := range t.owners[id].leases {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b protocol.Lease) int { return cmp.Compare(a.Counter, b.Counter) })
	return all, nil
}

func (t tx) PutLease(id store.OwnerID, l protocol.Lease) error {
	put(t.Store, t.owners[id].leases, l.Counter, l)
	return nil
}

func (t tx) DeleteLease(id store.OwnerID, counter store.CounterID) error {
	drop(t.Store, t.owners[id].leases, counter)
	return nil
}

func (t tx) HasCall(id string, n int) (bool, error) { return t.calls.has(id, n), nil }

func (t tx) InsertCalls(entries []store.Entry) ([]bool, error) {
	fresh, before := make([]bool, len(entries)), t.calls.len()
	t.undo = append(t.undo, func() { t.calls.truncate(before) })
	for i := range entries {
		c := &entries[i].Call
		if t.calls.has(c.ID, c.Attempt) {
			continue
		}
		for _, id := range c.Path {
			if _, err := t.counter(id); err != nil {
				return nil, fmt.Errorf("counter %d: %w", id, err)
			}
		}
		fresh[i] = true
		t.calls.add(c)
	}
	return fresh, nil
}

func (t tx) Complete(id store.OwnerID, entries []store.Entry) (rejected []int, err error) {
	for i := range entries {
		if c := entries[i].Completion; c != nil && !t.complete(id, c) {
			rejected = append(rejected, i)
		}
	}
	return rejected, nil
}

func (t tx) complete(id store.OwnerID, c *store.Completion) bool {
	j := t.jobs[c.Job]
	if j == nil || j.bySeq[c.Seq] == nil {
		return false
	}
	it := j.bySeq[c.Seq]
	if it.state != store.ItemRunning || it.owner != id || it.Attempt != c.Attempt {
		return false
	}
	next := *it
	next.state, next.owner = c.State, ""
	if c.State == store.ItemPending {
		next.NotBefore = wall(c.NotBefore)
		if c.Tried {
			next.Tries++
		}
	} else {
		r := *c.Result
		r.Seq, r.CustomID, r.Body, r.FinishedAt = c.Seq, it.CustomID, slices.Clone(r.Body), wall(r.FinishedAt)
		next.result = &r
	}
	t.move(j, it, next)
	return true
}

func (t tx) AddDoubt(d store.Doubt) error {
	if _, err := t.Counter(d.Counter); err != nil {
		return err
	}
	d.ID, d.Since, d.Started = int64(len(t.doubts)+1), wall(d.Since), wall(d.Started)
	set(t.Store, &t.doubts, append(t.doubts, d))
	return nil
}

func (t tx) SetDoubt(id int64, amount money.USD) error {
	set(t.Store, &t.doubts[id-1].Amount, amount)
	return nil
}

func (t tx) DoubtsOn(id store.CounterID) ([]store.Doubt, error) {
	return t.doubtsWhere(func(d *store.Doubt) bool { return d.Counter == id }), nil
}

func (t tx) DoubtsOf(id store.OwnerID) ([]store.Doubt, error) {
	return t.doubtsWhere(func(d *store.Doubt) bool { return d.Owner == id }), nil
}

func (t tx) doubtsWhere(match func(*store.Doubt) bool) []store.Doubt {
	var all []store.Doubt
	for i := range t.doubts {
		if d := &t.doubts[i]; d.Amount > 0 && match(d) {
			all = append(all, *d)
		}
	}
	return all
}
