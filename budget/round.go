package budget

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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
	for _, e := range r.ends {
		r.Entries = append(r.Entries, e.entry)
	}
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
		if contains(e.leases, l) {
			n++
		}
	}
	return n
}

// apply writes a round and takes in what came of it. It reports whether the store answered.
func (t *Tracker) apply(r *round) bool {
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.ctx, roundTimeout)
	res, err := t.st.Apply(ctx, r.Round)
	cancel()
	switch {
	case err == nil:
		t.absorb(r, res, began)
		return true
	case errors.Is(err, store.ErrFenced):
		t.fence(r.run)
		return true
	}
	t.unresolved, t.cause = r, err
	return t.resolve()
}

// resolve finds out whether a round whose outcome is unknown was written, by the sequence number of a lease it changed.
func (t *Tracker) resolve() bool {
	r, cause, began := t.unresolved, t.cause, time.Now()
	ctx, cancel := context.WithTimeout(t.ctx, roundTimeout)
	defer cancel()
	written, err := t.written(ctx, r)
	if errors.Is(err, errMoved) || err == nil && !written && errors.Is(cause, store.ErrStale) {
		// The store and this process disagree on a lease, which must not be: say so, and settle as a late owner does.
		t.o.Logger.Error("budget: leases on the store are not as this process left them; joining again", "error", cause, "also", err)
		if err = t.st.Declare(ctx, r.run.id, t.o.Now()); err == nil {
			err = store.ErrFenced
		}
	}
	switch {
	case errors.Is(err, store.ErrFenced):
		t.unresolved = nil
		t.fence(r.run)
		return true
	case err != nil:
		t.failed(fmt.Errorf("%w (and then: %w)", cause, err))
		return false
	case written:
		res, err := t.reread(ctx, r)
		if err != nil {
			t.failed(fmt.Errorf("%w (and then: %w)", cause, err))
			return false
		}
		t.unresolved = nil
		t.absorb(r, res, began)
		return true
	}
	t.unresolved = nil
	t.mu.Lock()
	t.answered(began)
	t.mu.Unlock()
	t.unwritten(r, cause)
	return false
}

// errMoved: a lease was changed by somebody else.
var errMoved = errors.New("budget: lease has moved on")

// written reports whether the store has the round.
func (t *Tracker) written(ctx context.Context, r *round) (bool, error) {
	o, err := t.st.Owner(ctx, r.run.id)
	if err != nil {
		return false, err
	}
	if o.State != store.OwnerLive || o.Epoch != r.run.epoch {
		return false, store.ErrFenced
	}
	op := r.Leases[0]
	for _, other := range r.Leases {
		if !other.Close {
			op = other
		}
	}
	l, err := t.st.Lease(ctx, r.run.id, op.Counter)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return op.Close && op.Seq > 0, nil
	case err != nil:
		return false, err
	case l.Seq == op.Seq:
		return false, nil
	case l.Seq == op.Seq+1:
		return true, nil
	}
	return false, fmt.Errorf("%w: counter %d is at change %d, this process expects %d", errMoved, op.Counter, l.Seq, op.Seq)
}

// reread makes the result of a round that was written but not answered. Which completions were rejected is lost with the answer.
func (t *Tracker) reread(ctx context.Context, r *round) (res store.RoundResult, err error) {
	ids := make([]store.CounterID, len(r.Leases))
	for i, op := range r.Leases {
		ids[i] = op.Counter
		var l store.LeaseState
		if !op.Close {
			if l, err = t.st.Lease(ctx, r.run.id, op.Counter); err != nil {
				return res, err
			}
		}
		res.Leases = append(res.Leases, l)
	}
	counters, err := t.st.Counters(ctx, ids...)
	if err != nil {
		return res, err
	}
	for i := range counters {
		res.Leases[i].Account = counters[i]
	}
	return res, nil
}

// absorb takes in a round that was written.
func (t *Tracker) absorb(r *round, res store.RoundResult, began time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answered(began)
	run := r.run
	for i, l := range r.leases {
		op, got := r.Leases[i], res.Leases[i]
		l.giving -= op.Give
		l.closing = false
		l.doubt -= op.Doubt
		l.seq, l.granted, l.flushed = got.Seq, got.Granted, op.Spent
		l.account, l.seen = got.Account, r.step
		if op.Close {
			l.seq, l.granted, l.spent, l.flushed = 0, 0, l.spent-op.Spent, 0
			if l.waiting == 0 && l.open == 0 && l.unsaved == 0 || l.windowOver(t.o.Now()) {
				l.forget()
			}
		}
		if !l.gone && (l.exact || l.over() || l.account.Closed) && l.free() > 0 {
			l.mark()
		}
	}
	run.pending = slices.Delete(run.pending, 0, len(r.ends))
	for i, e := range r.ends {
		for _, l := range e.leases {
			l.unsaved--
		}
		e.finish(e.err, slices.Contains(res.Rejected, i))
	}
	if run.limit = min(entriesPerRound, run.limit*2); len(run.pending) == 0 {
		run.limit = entriesPerRound
	}
	run.tries = 0
}

// unwritten takes back a round that the store does not have.
func (t *Tracker) unwritten(r *round, cause error) {
	t.mu.Lock()
	for i, l := range r.leases {
		l.giving -= r.Leases[i].Give
		l.closing = false
		l.mark()
	}
	for w := t.first; w != nil; w = w.next {
		w.asked = false
	}
	out := errors.Is(cause, store.ErrUnavailable) || errors.Is(cause, context.DeadlineExceeded) || errors.Is(cause, context.Canceled) || errors.Is(cause, store.ErrStale)
	poisoned := false
	if run := r.run; !out && len(r.ends) > 0 {
		// The store is there and refuses this round: look for the row it does not take.
		if run.tries++; run.tries > 2 {
			poisoned = len(r.ends) == 1 && run.limit == 1
			run.limit = max(1, len(r.ends)/2)
		}
	}
	t.mu.Unlock()
	if poisoned {
		t.poison(r.ends[0], cause)
		return
	}
	t.failed(cause)
}

// poison handles an entry that the store does not take: first it is cut down to the money, and if even that fails it is set
// aside, its amount counting against the limit, its record in the journal.
func (t *Tracker) poison(e *Ending, cause error) {
	c := &e.entry.Call
	t.mu.Lock()
	e.refused++
	last := e.refused > 2
	if !last {
		e.err = fmt.Errorf("budget: the store does not take this record (only its cost was booked): %w", cause)
		id := c.ID
		if e.refused == 2 { // perhaps the attempt's row is there already, and this is another one
			id += "+" + rand.Text()[:8]
		}
		*c = store.Call{
			ID: id, Attempt: c.Attempt, Job: c.Job, Path: c.Path, Outcome: c.Outcome, Cost: c.Cost, Doubt: c.Doubt,
			Bound: c.Bound, Started: c.Started, Ended: c.Ended, Provider: "unknown", Model: "unknown",
		}
		e.entry.Completion = nil
	} else {
		e.err = fmt.Errorf("budget: the store does not take this record; $%s stay held and the record stays in the journal: %w", c.Cost+c.Doubt, cause)
		run := e.run
		run.pending = slices.Delete(run.pending, 0, 1)
		run.aside = append(run.aside, e)
		for _, l := range e.leases {
			l.spent -= c.Cost
			l.doubt -= c.Doubt
			l.stuck += c.Cost + c.Doubt
			l.unsaved--
		}
		run.tries = 0
	}
	t.hurry()
	t.mu.Unlock()
	t.o.Logger.Error("budget: a record is refused by the store", "call", c.ID, "attempt", c.Attempt, "error", e.err)
	if last {
		e.finish(e.err, false)
	}
}
