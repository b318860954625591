package budget

import (
	"cmp"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/store"
)

const (
	entriesPerRound = 512
	bytesPerRound   = 8 << 20
	roundTimeout    = 15 * time.Second
)

// A round is one transaction of the tracker on its way.
type round struct {
	store.Round
	run    *run
	step   int64
	leases []*lease
	ends   []*Ending
	result store.RoundResult
	again  bool // it was sent more than once
}

// build collects what the store should be told: attempts that ended, what waiting holds ask for, and what goes back. It returns
// nil if there is nothing. Under Tracker.mu.
func (t *Tracker) build(now time.Time) *round {
	run, step := t.cur, t.steps
	if len(run.pending) == 0 {
		run.limit = entriesPerRound
	}
	r := &round{run: run, step: step}
	touch := func(l *lease) {
		if l.step != step {
			l.step, l.inOps, l.stop, l.asking, l.left = step, false, false, 0, max(l.free(), 0)
			if l.over() || l.account.Closed {
				l.left = 0 // it all goes back
			}
		}
	}
	op := func(l *lease) *store.LeaseOp {
		touch(l)
		if !l.inOps {
			l.inOps = true
			l.op = store.LeaseOp{Counter: l.ref.id, Seq: l.seq, Spent: l.flushed}
			r.leases = append(r.leases, l)
		}
		return &l.op
	}
	bytes := 0
	for _, e := range run.pending {
		if len(r.ends) >= run.limit || bytes > bytesPerRound {
			break
		}
		if c := e.entry.Completion; c != nil && c.Result != nil {
			bytes += len(c.Result.Body)
		}
		for _, l := range e.leases {
			o := op(l)
			o.Spent += e.entry.Call.Cost
			o.Doubt += e.entry.Call.Doubt
		}
		r.ends = append(r.ends, e)
	}
	if run.limit == entriesPerRound { // else a bad row is being looked for: entries only
		t.buildWants(touch, op)
		for _, l := range run.dirty {
			l.dirty = false
			if !l.gone {
				touch(l)
				t.buildLease(l, op, now)
			}
		}
		run.dirty = run.dirty[:0]
	}
	for _, l := range r.leases {
		if l.dirty = false; run.limit == entriesPerRound {
			t.buildLease(l, op, now)
		}
		if free := l.free(); free < 0 {
			l.op.Force = -free
		}
	}
	if len(r.leases) == 0 {
		return nil
	}
	slices.SortFunc(r.leases, func(a, b *lease) int { return cmp.Compare(a.ref.id, b.ref.id) })
	r.Round = store.Round{Owner: run.id, Epoch: run.epoch, Now: t.o.Now()}
	for _, l := range r.leases {
		l.giving += l.op.Give
		l.closing = l.op.Close
		r.Leases = append(r.Leases, l.op)
	}
	clear(t.entries)
	t.entries = t.entries[:0] // rounds follow one another, and a store keeps nothing of one
	for _, e := range r.ends {
		t.entries = append(t.entries, e.entry)
	}
	r.Entries = t.entries
	return r
}

// buildWants asks for what waiters lack, in order, each after what is free already.
func (t *Tracker) buildWants(touch func(*lease), op func(*lease) *store.LeaseOp) {
	wants := 0
	for w := t.first; w != nil && wants < wantsPerRound; w = w.next {
		if w.leases == nil {
			continue
		}
		stopped := false
		for _, l := range w.leases {
			touch(l)
			stopped = stopped || l.stop
		}
		if stopped || w.asked && !w.fits() {
			for _, l := range w.leases {
				l.stop = l.stop || l.left < w.amount
			}
			continue
		}
		w.asked = true
		wants++
		for _, l := range w.leases {
			lack := w.amount - l.left
			switch {
			case lack <= 0 && l.usable() >= 0:
				l.left -= w.amount
			case l.granted+l.asking+lack > maxLease:
				l.stop = true // the lease is as large as one gets; it is closed and begun anew when its holds have ended
			default:
				o := op(l)
				o.Wants = append(o.Wants, max(lack, 0))
				l.asking += max(lack, 0)
				l.left = 0
			}
		}
	}
}

// buildLease sizes a lease and decides what to ask for beyond the waiters, or to give back.
func (t *Tracker) buildLease(l *lease, op func(*lease) *store.LeaseOp, now time.Time) {
	if l.inOps && (l.op.Give > 0 || l.op.Extra > 0 || l.op.Close) {
		return
	}
	wall := t.o.Now()
	l.size(now, wall, t.owners)
	free, ended := l.free(), l.windowOver(wall)
	over := l.over() || l.account.Closed || ended
	if l.wanted {
		l.wanted = false
		op(l).WantedUntil = wall.Add(wantedFor)
	}
	if l.open == 0 && l.stuck == 0 && (l.waiting == 0 && (l.idle || t.closing) || l.granted > maxLease/2 || ended) && l.unsaved == t.included(l) {
		if l.seq > 0 {
			o := op(l)
			o.Close, o.Wants, o.Extra = true, nil, 0
			return
		}
		if l.unsaved == 0 && l.waiting == 0 {
			l.forget()
			return
		}
	}
	switch {
	case free <= 0:
	case over:
		op(l).Give = free
	case l.idle || t.closing || l.exact:
		if l.left > 0 {
			op(l).Give = l.left
		}
	case l.left > 2*l.target:
		op(l).Give = l.left - l.target
	}
	if o := l.target - l.left; !l.exact && !l.idle && !t.closing && o > l.target/2 && l.granted+l.asking < maxLease-o {
		op(l).Extra = o
	}
}

// included counts the ended attempts on a lease that the round being built carries.
func (t *Tracker) included(l *lease) int {
	n := 0
	if l.unsaved == 0 {
		return n
	}
	for _, e := range t.cur.pending[:min(len(t.cur.pending), t.cur.limit)] {
		if slices.Contains(e.leases, l) {
			n++
		}
	}
	return n
}
