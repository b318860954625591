package storetest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// machineTime is how long the machine looks for a fault. A failing sequence is shrunk however long that takes. With
// AUREA_SOAK set it looks longer.
func machineTime() time.Duration {
	if os.Getenv("AUREA_SOAK") != "" {
		return 2 * time.Minute
	}
	return 3 * time.Second
}

// testMachine runs random sequences of everything owners do against the model.
func testMachine(t *testing.T, open func(t testing.TB) store.Store) {
	start, limit, failing := time.Now(), machineTime(), false
	run := func(r *rapid.T) {
		if !failing && time.Since(start) > limit {
			return
		}
		passed := false
		defer func() { failing = failing || !passed }()
		m := newMachine(t, r, open(t))
		r.Repeat(map[string]func(*rapid.T){
			"":           m.check,
			"grant":      m.grant,
			"work":       m.work,
			"hold":       m.hold,
			"end":        m.end,
			"overrun":    m.overrun,
			"flush":      m.flush,
			"lose":       m.lose,
			"stale":      m.stale,
			"unbalanced": m.unbalanced,
			"declare":    m.declare,
			"late":       m.late,
			"replay":     m.replay,
			"zombie":     m.zombie,
			"reconcile":  m.reconcile,
			"verify":     m.verify,
			"limit":      m.limit,
			"close":      m.closed,
			"leave":      m.leave,
		})
		m.quiet(r)
		passed = true
	}
	for time.Since(start) < limit && !t.Failed() {
		rapid.Check(t, run)
	}
}

// machine is a store, the model of it, and three processes that use it.
type machine struct {
	t     *testing.T
	st    *Flaky
	model *model
	paths [][]store.CounterID
	procs []*process
	dead  []*process // their processes ended, or were settled; late words may still come from them
	now   time.Time
	n     int
}

// process is what one process knows.
type process struct {
	id      store.OwnerID
	leases  map[store.CounterID]*mLease // as it knows them
	holds   []hold
	entries []store.Entry // ended, not written
	journal []store.Entry // all that ended
	fenced  bool          // it knows that it was declared dead, and holds nothing more
}

type hold struct {
	call   store.Call
	amount money.USD
	sent   bool
}

func newMachine(t *testing.T, r *rapid.T, st store.Store) *machine {
	m := &machine{t: t, st: NewFlaky(st), model: newModel(), now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	limits := rapid.SliceOfN(rapid.Int64Range(0, 300), 3, 3).Draw(r, "limits")
	var ids []store.CounterID
	for i, account := range []string{"job:a", "job:b", "global"} {
		limit := money.USD(limits[i])
		c, err := st.OpenCounter(t.Context(), store.CounterSpec{Account: account, Limit: money.SumOf(limit)})
		m.ok(r, err)
		m.model.counters[c.ID] = &mCounter{account: account, limit: limit, doubts: map[mDoubt]money.USD{}}
		ids = append(ids, c.ID)
	}
	m.paths = [][]store.CounterID{{ids[0], ids[2]}, {ids[1], ids[2]}}
	for range 3 {
		m.procs = append(m.procs, m.join(r))
	}
	m.work(r)
	m.work(r)
	return m
}

func (m *machine) ok(r *rapid.T, err error) {
	if err != nil {
		r.Fatalf("%v", err)
	}
}

func (m *machine) join(r *rapid.T) *process {
	m.n++
	p := &process{id: store.OwnerID(fmt.Sprint("owner-", m.n)), leases: map[store.CounterID]*mLease{}}
	m.ok(r, m.st.Join(m.t.Context(), store.Owner{ID: p.id, Joined: m.now}))
	m.model.owners[p.id] = &mOwner{state: store.OwnerLive, leases: map[store.CounterID]*mLease{}}
	return p
}

func (m *machine) proc(r *rapid.T) *process { return rapid.SampledFrom(m.procs).Draw(r, "process") }

func (m *machine) path(r *rapid.T) []store.CounterID {
	return rapid.SampledFrom(m.paths).Draw(r, "path")
}

func (m *machine) amount(r *rapid.T, name string, most money.USD) money.USD {
	return money.USD(rapid.Int64Range(0, int64(max(most, 0))).Draw(r, name))
}

// free is what a process may still hold against a lease.
func (p *process) free(id store.CounterID) money.USD {
	l := p.leases[id]
	if l == nil {
		return 0
	}
	free := l.granted - l.spent
	for _, h := range p.holds {
		if slices.Contains(h.call.Path, id) {
			free -= h.amount
		}
	}
	for _, e := range p.entries {
		if slices.Contains(e.Call.Path, id) {
			free -= e.Call.Cost + e.Call.Doubt
		}
	}
	return free
}

// round is what a process would write now: all that ended, and its leases on the given counters and on those of what ended.
func (p *process) round(now time.Time, on ...store.CounterID) store.Round {
	r := store.Round{Owner: p.id, Epoch: 1, Now: now, Entries: slices.Clone(p.entries)}
	for _, e := range p.entries {
		on = append(on, e.Call.Path...)
	}
	slices.Sort(on)
	for _, id := range slices.Compact(on) {
		op := store.LeaseOp{Counter: id}
		var granted money.USD
		if l := p.leases[id]; l != nil {
			op.Seq, op.Spent, granted = l.seq, l.spent, l.granted
		}
		for _, e := range p.entries {
			if slices.Contains(e.Call.Path, id) {
				op.Spent += e.Call.Cost
				op.Doubt += e.Call.Doubt
			}
		}
		// What holds need stays granted; a cost beyond it is forced.
		held := money.USD(0)
		for _, h := range p.holds {
			if slices.Contains(h.call.Path, id) {
				held += h.amount
			}
		}
		op.Force = max(op.Spent+op.Doubt+held-granted, 0)
		r.Leases = append(r.Leases, op)
	}
	return r
}

// write sends a round, perhaps disturbed, and lets the process find out what became of it. It returns false if the process
// learned that it was declared dead.
func (m *machine) write(r *rapid.T, p *process, round store.Round, fault Fault) bool {
	m.st.Next("Apply", fault)
	res, err := m.st.Apply(m.t.Context(), round)
	m.st.Decide(nil)
	live := m.model.owners[p.id].state == store.OwnerLive
	switch {
	case fault == FaultBefore:
		if !errors.Is(err, store.ErrUnavailable) {
			r.Fatalf("lost before: %v", err)
		}
		return true
	case !live:
		if fault == FaultNone && !errors.Is(err, store.ErrFenced) {
			r.Fatalf("a round of the dead: %v", err)
		}
		p.fenced = p.fenced || fault == FaultNone
		return !p.fenced
	}
	granted, extra := m.model.apply(round)
	if fault == FaultNone {
		m.ok(r, err)
		for i, l := range res.Leases {
			if l.Wants != granted[i] || l.Extra != extra[i] {
				r.Fatalf("op %+v: granted %d %v, want %d %v", round.Leases[i], l.Wants, l.Extra, granted[i], extra[i])
			}
			if c := m.figures(l.Account); c != m.want(l.Counter) {
				r.Fatalf("account after the round: %+v, want %+v", c, m.want(l.Counter))
			}
		}
		if _, err := m.st.Apply(m.t.Context(), round); len(round.Leases) > 0 && !errors.Is(err, store.ErrStale) {
			r.Fatalf("repeated: %v", err)
		}
	}
	m.learn(r, p, round)
	return true
}

// learn reads the lease rows, as a process does that got no answer.
func (m *machine) learn(r *rapid.T, p *process, round store.Round) {
	for _, op := range round.Leases {
		l, err := m.st.Lease(m.t.Context(), p.id, op.Counter)
		if errors.Is(err, store.ErrNotFound) {
			if !op.Close {
				r.Fatalf("lease on %d is gone", op.Counter)
			}
			delete(p.leases, op.Counter)
			continue
		}
		m.ok(r, err)
		if l.Seq != op.Seq+1 {
			r.Fatalf("lease on %d at %d after %d", op.Counter, l.Seq, op.Seq)
		}
		p.leases[op.Counter] = &mLease{l.Seq, l.Granted, l.Spent}
	}
	p.entries = p.entries[:len(p.entries)-len(round.Entries)]
}

// figures are what the model and the store must agree on.
func (m *machine) figures(c store.Counter) figures {
	return figures{c.Committed.Clamp(), c.Spent.Clamp(), c.Doubt.Clamp()}
}

func (m *machine) want(id store.CounterID) figures {
	return figures{m.model.committed(id), m.model.counters[id].spent, m.model.doubt(id)}
}

// check compares the store with the model and asserts what must hold after every step.
func (m *machine) check(r *rapid.T) {
	m.ok(r, CheckInvariants(m.t.Context(), m.st))
	ids := slices.Sorted(maps.Keys(m.model.counters))
	all, err := m.st.Counters(m.t.Context(), ids...)
	m.ok(r, err)
	for _, c := range all {
		if got := m.figures(c); got != m.want(c.ID) {
			r.Fatalf("%s: %+v, want %+v", c.Account, got, m.want(c.ID))
		}
		if c.Limit != money.SumOf(m.model.counters[c.ID].limit) || c.Closed != m.model.counters[c.ID].closed {
			r.Fatalf("%s: limit %s closed %v", c.Account, c.Limit, c.Closed)
		}
		// I5: what has been billed, and may yet be by processes that no one has settled, is committed.
		bill := m.model.counters[c.ID].spent
		for _, p := range m.procs {
			for _, e := range p.entries {
				if slices.Contains(e.Call.Path, c.ID) {
					bill += e.Call.Cost
				}
			}
			for _, h := range p.holds {
				if h.sent && slices.Contains(h.call.Path, c.ID) {
					bill += h.amount
				}
			}
			if p.free(c.ID) < 0 { // I3
				r.Fatalf("%s holds %s too much on %s", p.id, -p.free(c.ID), c.Account)
			}
		}
		if money.SumOf(bill).Cmp(c.Committed) > 0 {
			r.Fatalf("%s: %s may be billed, %s is committed", c.Account, bill, c.Committed)
		}
	}
	for id, o := range m.model.owners {
		got, err := m.st.Owner(m.t.Context(), id)
		m.ok(r, err)
		if got.State != o.state || got.Died.IsZero() == o.died {
			r.Fatalf("%s is %+v, want %s", id, got, o.state)
		}
	}
}
