package budget

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/store"
)

// apply writes a round and takes in what came of it. It reports whether the store answered.
func (t *Tracker) apply(r *round) bool {
	began := time.Now()
	err := t.write(r)
	switch {
	case err == nil:
		t.absorb(r, r.result, began)
		return true
	case errors.Is(err, store.ErrFenced):
		t.fence(r.run)
		return true
	}
	t.unresolved, t.cause = r, err
	return t.resolve()
}

func (t *Tracker) write(r *round) (err error) {
	ctx, cancel := context.WithTimeout(t.ctx, roundTimeout)
	defer cancel()
	r.result, err = t.st.Apply(ctx, r.Round)
	return err
}

// resolve finds out whether a round without an answer was written, by the sequence number of a lease it changed. That it is not there yet proves nothing: its
// transaction may still be on its way. So the same round is sent again, until the store takes it or refuses it because the leases have moved on, which only
// the earlier one can have done. Until then nothing is built on what the round gives back (docs/adr/0013-same-round-again.md).
func (t *Tracker) resolve() bool {
	r, began := t.unresolved, time.Now()
	ctx, cancel := context.WithTimeout(t.ctx, roundTimeout)
	defer cancel()
	written, err := t.written(ctx, r)
	if err == nil && !written && unknown(t.cause) {
		r.again = true
		began = time.Now()
		switch t.cause = t.write(r); {
		case t.cause == nil:
			t.unresolved = nil
			t.absorb(r, r.result, began)
			return true
		case errors.Is(t.cause, store.ErrFenced):
			err = t.cause
		case unknown(t.cause):
			t.failed(t.cause)
			return false
		default: // refused, as it is when it was written before, or the answer to this one broke off
			written, err = t.written(ctx, r)
		}
	}
	if stale := errors.Is(t.cause, store.ErrStale); errors.Is(err, errMoved) || err == nil && stale && !(written && r.again) {
		// The store and this process disagree on a lease, which must not be: say so, and settle as a late owner does.
		t.o.Logger.Error("budget: leases on the store are not as this process left them; joining again", "error", t.cause, "also", err)
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
		t.failed(fmt.Errorf("%w (and then: %w)", t.cause, err))
		return false
	case written:
		res, err := t.reread(ctx, r)
		if err != nil {
			t.failed(fmt.Errorf("%w (and then: %w)", t.cause, err))
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
	t.unwritten(r, t.cause)
	return false
}

// unknown reports whether a transaction that ended with the error may have been written, or may yet be.
func unknown(err error) bool {
	if errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrDamaged) {
		return false
	}
	return errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
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
	t.wrote(began)
	run := r.run
	for _, e := range r.ends { // before a lease is judged by them
		for _, l := range e.leases {
			l.unsaved--
		}
	}
	for i, l := range r.leases {
		op, got := r.Leases[i], res.Leases[i]
		l.giving -= op.Give
		l.closing = false
		l.doubt -= op.Doubt
		l.seq, l.granted, l.flushed = got.Seq, got.Granted, op.Spent
		l.see(got.Account)
		l.seen = r.step
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
