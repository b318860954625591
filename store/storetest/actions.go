package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

func (m *machine) grant(r *rapid.T) {
	p := m.proc(r)
	round := p.round(m.now, m.path(r)...)
	for i := range round.Leases {
		op := &round.Leases[i]
		for range rapid.IntRange(0, 3).Draw(r, "wants") {
			op.Wants = append(op.Wants, m.amount(r, "want", 60))
		}
		op.Extra = m.amount(r, "extra", 40)
	}
	m.write(r, p, round, FaultNone)
}

// work is a grant and two calls, one of which has ended: without it most deaths would find nothing to settle.
func (m *machine) work(r *rapid.T) {
	p, path := m.proc(r), m.path(r)
	round := p.round(m.now, path...)
	for i := range round.Leases {
		round.Leases[i].Wants = wants(10+m.amount(r, "want", 50), m.amount(r, "more", 50))
	}
	if !m.write(r, p, round, FaultNone) || p.fenced || p.free(path[0]) <= 0 || p.free(path[1]) <= 0 {
		return
	}
	m.holdOn(r, p, path)
	h := &p.holds[len(p.holds)-1]
	h.sent = true
	cost := m.amount(r, "cost", h.amount)
	p.ended(*h, cost, m.amount(r, "doubt", h.amount-cost))
	p.holds = p.holds[:len(p.holds)-1]
	if p.free(path[0]) > 0 && p.free(path[1]) > 0 {
		m.holdOn(r, p, path)
	}
}

func (m *machine) hold(r *rapid.T) { m.holdOn(r, m.proc(r), m.path(r)) }

func (m *machine) holdOn(r *rapid.T, p *process, path []store.CounterID) {
	if p.fenced {
		r.Skip("it knows that it is dead")
	}
	most := money.Max
	for _, id := range path {
		most = min(most, p.free(id))
	}
	if most <= 0 {
		r.Skip("nothing is free")
	}
	m.n++
	amount := 1 + m.amount(r, "hold", most-1)
	p.holds = append(p.holds, hold{
		call:   store.Call{ID: fmt.Sprint("call-", m.n), Attempt: rapid.IntRange(0, 2).Draw(r, "attempt"), Path: path, Model: "m"},
		amount: amount, sent: rapid.Bool().Draw(r, "sent"),
	})
}

// pick takes one hold of a process that is on the wire.
func (m *machine) pick(r *rapid.T, p *process) hold {
	if len(p.holds) == 0 {
		r.Skip("no call in flight")
	}
	i := rapid.IntRange(0, len(p.holds)-1).Draw(r, "call")
	h := p.holds[i]
	p.holds = slices.Delete(p.holds, i, i+1)
	return h
}

func (p *process) ended(h hold, cost, doubt money.USD) {
	h.call.Cost, h.call.Doubt, h.call.Outcome = cost, doubt, "ok"
	p.entries = append(p.entries, store.Entry{Call: h.call})
	p.journal = append(p.journal, store.Entry{Call: h.call})
}

func (m *machine) end(r *rapid.T) {
	p := m.proc(r)
	h := m.pick(r, p)
	if !h.sent {
		return // released: nobody need know
	}
	cost := m.amount(r, "cost", h.amount)
	p.ended(h, cost, m.amount(r, "doubt", h.amount-cost))
}

// overrun ends a call that cost more than its bound, and writes that at once.
func (m *machine) overrun(r *rapid.T) {
	p := m.proc(r)
	h := m.pick(r, p)
	p.ended(h, h.amount+1+m.amount(r, "excess", 50), 0)
	if !m.write(r, p, p.round(m.now), FaultNone) {
		m.settleLate(r, p)
	}
}

func (m *machine) flush(r *rapid.T) {
	p := m.proc(r)
	round := p.round(m.now, m.path(r)...)
	m.giveBack(r, p, &round)
	m.write(r, p, round, FaultNone)
}

// giveBack adds to a round what its process does not need.
func (m *machine) giveBack(r *rapid.T, p *process, round *store.Round) {
	for i := range round.Leases {
		op := &round.Leases[i]
		op.Give = m.amount(r, "give", p.free(op.Counter))
		busy := slices.ContainsFunc(p.holds, func(h hold) bool { return slices.Contains(h.call.Path, op.Counter) })
		op.Close = op.Seq > 0 && !busy && rapid.Bool().Draw(r, "close")
	}
}

// lose disturbs a flush: it fails before it was written, or its acknowledgement is lost.
func (m *machine) lose(r *rapid.T) {
	p := m.proc(r)
	round := p.round(m.now, m.path(r)...)
	m.giveBack(r, p, &round)
	for i := range round.Leases {
		if !round.Leases[i].Close {
			round.Leases[i].Wants = wants(m.amount(r, "want", 60))
		}
	}
	m.write(r, p, round, rapid.SampledFrom([]Fault{FaultBefore, FaultLost}).Draw(r, "fault"))
}

func (m *machine) refused(r *rapid.T, p *process, round store.Round, want error) {
	if m.model.owners[p.id].state != store.OwnerLive {
		want = store.ErrFenced
	}
	if _, err := m.st.Apply(m.t.Context(), round); !errors.Is(err, want) {
		r.Fatalf("%v, want %v", err, want)
	}
}

func (m *machine) stale(r *rapid.T) {
	p := m.proc(r)
	round := p.round(m.now, m.path(r)...)
	round.Leases[0].Seq += rapid.SampledFrom([]int64{-1, 1, 7}).Draw(r, "off by")
	m.refused(r, p, round, store.ErrStale)
}

func (m *machine) unbalanced(r *rapid.T) {
	p := m.proc(r)
	round := p.round(m.now, m.path(r)...)
	round.Leases[0].Spent++
	round.Leases[0].Force++
	m.refused(r, p, round, store.ErrUnbalanced)
}

func (m *machine) declare(r *rapid.T) {
	p := m.proc(r)
	m.ok(r, m.st.Declare(m.t.Context(), p.id, m.now))
	m.model.declare(p.id)
}

// replace puts a new owner in the place of one that is over.
func (m *machine) replace(r *rapid.T, p *process) {
	m.dead = append(m.dead, p)
	m.procs[slices.Index(m.procs, p)] = m.join(r)
}

// settle does a settlement, perhaps twice, as after a lost acknowledgement.
func (m *machine) settle(r *rapid.T, pm store.PostMortem) {
	pm.Now = m.now
	for range rapid.IntRange(1, 2).Draw(r, "times") {
		_, err := m.st.SettleDead(m.t.Context(), pm)
		m.ok(r, err)
		m.model.settle(pm)
		m.check(r)
	}
}

// late is a process that finds out that it was declared dead while it lived.
func (m *machine) late(r *rapid.T) {
	p := m.proc(r)
	if m.model.owners[p.id].state == store.OwnerLive {
		r.Skip("it is alive")
	}
	m.settleLate(r, p)
}

func (m *machine) settleLate(r *rapid.T, p *process) {
	p.fenced = true
	entries, final := p.entries, len(p.holds) == 0
	p.entries = nil
	m.settle(r, store.PostMortem{Owner: p.id, Entries: entries, Sent: p.sent(), Final: final})
	if final {
		m.replace(r, p)
	}
}

// replay is a process that was killed, and another that reads its journal.
func (m *machine) replay(r *rapid.T) {
	p := m.proc(r)
	m.ok(r, m.st.Declare(m.t.Context(), p.id, m.now))
	m.model.declare(p.id)
	m.replace(r, p)
	m.settle(r, store.PostMortem{Owner: p.id, Entries: p.journal, Sent: p.sent(), Final: rapid.Bool().Draw(r, "final")})
}

// sent are the calls of a process that are on the wire. A late owner names them too: a call that overran its bound
// would otherwise take the doubt that covers them.
func (p *process) sent() (all []store.OpenHold) {
	for _, h := range p.holds {
		if h.sent {
			all = append(all, store.OpenHold{Call: h.call, Amount: h.amount})
		}
	}
	return all
}

// zombie is a process that was settled for dead, and whose call ends after all.
func (m *machine) zombie(r *rapid.T) {
	if len(m.dead) == 0 {
		r.Skip("none is dead")
	}
	p := rapid.SampledFrom(m.dead).Draw(r, "zombie")
	if !m.model.owners[p.id].died {
		r.Skip("it left")
	}
	h := m.pick(r, p)
	p.entries = nil
	p.ended(h, m.amount(r, "cost", h.amount), 0)
	m.settle(r, store.PostMortem{Owner: p.id, Entries: p.entries})
}

// reconcile is done by hand once nobody who may still speak has doubts: so processes that are dead and do not know
// it are settled first.
func (m *machine) reconcile(r *rapid.T) {
	for _, p := range slices.Clone(m.procs) {
		if m.model.owners[p.id].state != store.OwnerLive {
			p.holds = nil
			m.settleLate(r, p)
		}
	}
	path := m.path(r)
	if rapid.Bool().Draw(r, "above") {
		path = path[1:]
	}
	spent := rapid.Bool().Draw(r, "spent")
	got, err := m.st.Reconcile(m.t.Context(), path, "local/a", spent, m.now)
	want := m.model.reconcile(path, spent)
	m.ok(r, err)
	if got != money.SumOf(want) {
		r.Fatalf("reconcile ended %s, want %s", got, want)
	}
}

func (m *machine) limit(r *rapid.T) {
	id := rapid.SampledFrom(slices.Sorted(maps.Keys(m.model.counters))).Draw(r, "counter")
	limit := m.amount(r, "limit", 400)
	_, err := m.st.SetLimit(m.t.Context(), id, money.SumOf(limit))
	m.ok(r, err)
	m.model.counters[id].limit = limit
}

func (m *machine) closed(r *rapid.T) {
	id := rapid.SampledFrom(slices.Sorted(maps.Keys(m.model.counters))).Draw(r, "counter")
	closed := rapid.Bool().Draw(r, "closed")
	_, err := m.st.SetClosed(m.t.Context(), id, closed)
	m.ok(r, err)
	m.model.counters[id].closed = closed
}

// leave is a clean stop.
func (m *machine) leave(r *rapid.T) {
	p := m.proc(r)
	if m.model.owners[p.id].state != store.OwnerLive {
		r.Skip("it is dead")
	}
	m.stop(r, p)
	m.replace(r, p)
}

func (m *machine) stop(r *rapid.T, p *process) {
	for len(p.holds) > 0 {
		h := p.holds[0]
		p.holds = p.holds[1:]
		p.ended(h, h.amount, 0)
	}
	round := p.round(m.now, slices.Collect(maps.Keys(p.leases))...)
	for i := range round.Leases {
		round.Leases[i].Close = true
	}
	m.write(r, p, round, FaultNone)
	m.ok(r, m.st.Leave(m.t.Context(), p.id, 1))
	m.model.owners[p.id].state = store.OwnerGone
}

// quiet ends everything and checks that nothing is committed but what is spent, or in doubt where someone died (I6).
func (m *machine) quiet(r *rapid.T) {
	for _, p := range m.procs {
		if m.model.owners[p.id].state == store.OwnerLive {
			m.stop(r, p)
		} else {
			p.holds = nil
			entries := p.entries
			p.entries = nil
			m.settle(r, store.PostMortem{Owner: p.id, Entries: entries, Final: true})
		}
	}
	m.check(r)
	for id := range m.model.counters {
		if f := m.want(id); f.Committed != f.Spent+f.Doubt {
			r.Fatalf("at rest: %+v", f)
		}
	}
}
