package storetest

import (
	"maps"
	"slices"
	"strings"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// model is the ledger as LEDGER.md tells it, in small numbers and plain maps. It keeps no committed: that is spent + doubt + leased,
// so a store that agrees with it on all figures keeps I1.
type model struct {
	counters map[store.CounterID]*mCounter
	owners   map[store.OwnerID]*mOwner
	rows     map[mCall]bool
}

type mCall struct {
	id      string
	attempt int
}

type mCounter struct {
	account string
	limit   money.USD
	closed  bool
	spent   money.USD // shown: all calls
	doubts  map[mDoubt]money.USD
}

type mDoubt struct {
	owner store.OwnerID
	call  mCall // zero: unexplained
}

type mOwner struct {
	state  store.OwnerState
	died   bool
	leases map[store.CounterID]*mLease
}

type mLease struct {
	seq            int64
	granted, spent money.USD
}

func newModel() *model {
	return &model{counters: map[store.CounterID]*mCounter{}, owners: map[store.OwnerID]*mOwner{}, rows: map[mCall]bool{}}
}

func (m *model) doubt(id store.CounterID) (sum money.USD) {
	for _, amount := range m.counters[id].doubts {
		sum += amount
	}
	return sum
}

func (m *model) committed(id store.CounterID) money.USD {
	sum := m.counters[id].spent + m.doubt(id)
	for _, o := range m.owners {
		if l := o.leases[id]; l != nil {
			sum += l.granted - l.spent
		}
	}
	return sum
}

func (c *mCounter) setDoubt(d mDoubt, amount money.USD) {
	if amount == 0 {
		delete(c.doubts, d)
	} else {
		c.doubts[d] = amount
	}
}

// apply does a round that is valid and returns how many wants, and whether the extra, each op was granted.
func (m *model) apply(r store.Round) (granted []int, extra []bool) {
	o := m.owners[r.Owner]
	for _, e := range r.Entries {
		m.book(r.Owner, e.Call)
	}
	for _, op := range r.Leases {
		c, l := m.counters[op.Counter], o.leases[op.Counter]
		if l == nil {
			l = &mLease{}
			o.leases[op.Counter] = l
		}
		l.seq++
		l.spent = op.Spent
		l.granted += op.Force - op.Doubt - op.Give
		fit := func(x money.USD) bool {
			if c.closed || m.committed(op.Counter)+x > c.limit {
				return false
			}
			l.granted += x
			return true
		}
		n := 0
		for n < len(op.Wants) && fit(op.Wants[n]) {
			n++
		}
		granted = append(granted, n)
		extra = append(extra, n == len(op.Wants) && op.Extra > 0 && fit(op.Extra))
		if op.Close {
			delete(o.leases, op.Counter)
		}
	}
	return granted, extra
}

// book writes the row of a call, once.
func (m *model) book(owner store.OwnerID, c store.Call) bool {
	key := mCall{c.ID, c.Attempt}
	if m.rows[key] {
		return false
	}
	m.rows[key] = true
	for _, id := range c.Path {
		m.counters[id].spent += c.Cost
		m.counters[id].setDoubt(mDoubt{owner, key}, c.Doubt)
	}
	return true
}

func (m *model) declare(id store.OwnerID) {
	o := m.owners[id]
	if o.state != store.OwnerLive {
		return
	}
	o.state, o.died = store.OwnerDead, true
	for counter, l := range o.leases {
		m.counters[counter].setDoubt(mDoubt{owner: id}, l.granted-l.spent)
	}
	o.leases = map[store.CounterID]*mLease{}
}

// explain takes an amount from what an owner left unexplained on a counter, as far as it goes.
func (m *model) explain(id store.CounterID, owner store.OwnerID, amount money.USD) {
	d := mDoubt{owner: owner}
	left := m.counters[id].doubts[d]
	m.counters[id].setDoubt(d, left-min(left, max(amount, 0)))
}

func (m *model) settle(p store.PostMortem) {
	for _, e := range p.Entries {
		key := mCall{e.Call.ID, e.Call.Attempt}
		own := map[store.CounterID]money.USD{}
		for _, id := range e.Call.Path {
			own[id] = m.counters[id].doubts[mDoubt{p.Owner, key}]
		}
		if m.book(p.Owner, e.Call) {
			for _, id := range e.Call.Path {
				m.explain(id, p.Owner, e.Call.Cost+e.Call.Doubt-own[id])
			}
		}
	}
	for _, h := range p.Sent {
		key := mCall{h.Call.ID, h.Call.Attempt}
		d := mDoubt{p.Owner, key}
		if m.rows[key] || m.counters[h.Call.Path[0]].doubts[d] > 0 {
			continue
		}
		for _, id := range h.Call.Path {
			m.counters[id].setDoubt(d, h.Amount)
			m.explain(id, p.Owner, h.Amount)
		}
	}
	if p.Final {
		m.release(p.Owner)
		m.owners[p.Owner].state = store.OwnerGone
	}
}

func (m *model) release(owner store.OwnerID) {
	for _, c := range m.counters {
		c.setDoubt(mDoubt{owner: owner}, 0)
	}
}

// reconcile returns what it ended on the first counter, and whether all there was belongs to the living.
func (m *model) reconcile(path []store.CounterID, spent bool) (ended money.USD) {
	first := m.counters[path[0]]
	touched := map[store.OwnerID]bool{}
	for d, amount := range maps.Clone(first.doubts) {
		touched[d.owner] = true
		ended += amount
		for id, c := range m.counters {
			part := c.doubts[d]
			if d.call == (mCall{}) {
				if !slices.Contains(path, id) {
					continue
				}
				part = min(part, amount)
			}
			c.setDoubt(d, c.doubts[d]-part)
			if spent {
				c.spent += part
			}
		}
		if d.call != (mCall{}) && spent {
			m.rows[d.call] = true
		}
	}
	for owner := range touched {
		jobs, left := m.unexplained(owner)
		if !jobs {
			m.release(owner)
			left = false
		}
		if o := m.owners[owner]; !left && o.state == store.OwnerDead {
			o.state = store.OwnerGone
		}
	}
	return ended
}

func (m *model) unexplained(owner store.OwnerID) (jobs, left bool) {
	for _, c := range m.counters {
		if c.doubts[mDoubt{owner: owner}] > 0 {
			left = true
			jobs = jobs || strings.HasPrefix(c.account, store.JobPrefix)
		}
	}
	return jobs, left
}
