package budget

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Ask is what a hold is asked for.
type Ask struct {
	// Call tells whose attempt this is: ID (made up if empty), Attempt, Job, Item, Provider, Model and
	// whatever else is known. ID and Attempt together must be new. Path and Bound are filled in.
	Call store.Call
	// Amount is the worst the attempt can cost.
	Amount money.USD
	// MaxWait is how long to wait for money that others may give back: zero refuses at once, below zero there is no bound but the context.
	MaxWait time.Duration
	// Enclosing are the holds of calls that cannot end before this one: waiting for their money would be in vain. A hold that
	// has some goes ahead of those that have none.
	Enclosing []*Hold
}

// End is how an attempt ended.
type End struct {
	// Call is the row to keep. ID, Attempt, Job, Item, Path, Bound, Cost and Doubt are filled in from the hold and this End; Provider, Model,
	// BoundKind, Price*, Started and Ended where they are empty.
	Call store.Call
	// Cost is spent for certain; Doubt may be spent, and counts against the limit until it is reconciled. Their sum
	// may be below the held amount (the rest is released) or above it (the excess is booked all the same).
	Cost, Doubt money.USD
	// Completion, if not nil, is committed in the same transaction.
	Completion *store.Completion
}

// Hold is money set aside for one attempt. Exactly one of End and Release ends it; calls after the first
// change nothing. All methods are safe for concurrent use.
type Hold struct {
	t      *Tracker
	run    *run
	leases []*lease
	amount money.USD
	id     uint64 // in the run's journal

	waited      time.Duration
	sent, ended atomic.Bool
	ending      Ending // its entry's call is what was asked for, until the end, under Tracker.mu, puts the row in its place

	// Guarded by Tracker.mu.
	prev, next *Hold // in run.holds
	inner      int   // waiters that this hold encloses
}

// Amount returns what is held.
func (h *Hold) Amount() money.USD { return h.amount }

// Waited returns how long the hold waited for money.
func (h *Hold) Waited() time.Duration { return h.waited }

// Ending is a hold's end on its way to the store.
type Ending struct {
	entry    store.Entry
	leases   []*lease
	run      *run
	id       uint64
	excess   money.USD
	err      error
	rejected bool
	refused  int // how often the store did not take it

	mu       sync.Mutex
	done     chan struct{} // nil until somebody asks
	finished bool
}

// Done is closed when the end is durable in the store, or has finally failed.
func (e *Ending) Done() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done == nil {
		e.done = make(chan struct{})
		if e.finished {
			close(e.done)
		}
	}
	return e.done
}

// Err returns, once Done is closed, why the end was not recorded as given, or nil.
func (e *Ending) Err() error { return e.err }

// Rejected reports, once Done is closed, that the completion did not take effect, because the item was no longer this
// owner's at that attempt. The call and its cost were recorded all the same.
func (e *Ending) Rejected() bool { return e.rejected }

// Excess returns by how much Cost + Doubt exceeded what was held: the bound was no bound and should be raised.
func (e *Ending) Excess() money.USD { return e.excess }

func (e *Ending) finish(err error, rejected bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err, e.rejected, e.finished = err, rejected, true
	if e.done != nil {
		close(e.done)
	}
}

// Hold sets the amount aside on all accounts of the path at once. It returns an [*ExceededError] matching [ErrExceeded] where it
// does not fit, [ErrCancelled] where an account is closed, [ErrUnavailable] where the store has been out of reach
// for a minute, [ErrClosed] after Close, or the context's error. Usually it takes less than a microsecond; a hold that needs
// more than the lease has takes a transaction.
func (t *Tracker) Hold(ctx context.Context, p *Path, a Ask) (*Hold, error) {
	if p.t != t {
		return nil, ErrForeign
	}
	if a.Amount < 0 || a.Amount > maxAmount {
		return nil, fmt.Errorf("budget: hold %s dollars: %w", a.Amount, money.ErrOverflow)
	}
	if a.Call.Attempt < 0 {
		return nil, fmt.Errorf("budget: attempt %d of call %q; attempts count from 0", a.Call.Attempt, a.Call.ID)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if a.Call.ID == "" {
		a.Call.ID = rand.Text()
	}
	started := time.Now()
	h := &Hold{t: t, amount: a.Amount}
	h.ending.entry.Call = a.Call
	h.asked().Bound = a.Amount
	var seq int64
	for {
		t.mu.Lock()
		if t.closing {
			t.mu.Unlock()
			return nil, ErrClosed
		}
		if p.rolled() {
			t.mu.Unlock()
			if err := p.open(ctx); err != nil {
				return nil, err
			}
			continue
		}
		leases := p.bind()
		h.asked().Path = p.ids
		if leases != nil && t.inContact(started) && ready(leases, a) {
			t.take(h, leases, started)
			t.mu.Unlock()
			return h, nil
		}
		w := t.enqueue(h, p, leases, a, seq, started)
		t.mu.Unlock()
		if err := t.wait(ctx, w); !errors.Is(err, errAgain) {
			if err != nil {
				return nil, err
			}
			h.waited = time.Since(started)
			return h, nil
		}
		seq = w.seq
	}
}

// Record writes the row of an attempt that was never made and costs nothing, with what it completes. It needs no money, so no limit and no
// cancellation refuses it; only [ErrClosed] and the context do.
func (t *Tracker) Record(ctx context.Context, p *Path, call store.Call, c *store.Completion) (*Ending, error) {
	if p.t != t {
		return nil, ErrForeign
	}
	if call.ID == "" {
		call.ID = rand.Text()
	}
	h := &Hold{t: t}
	h.ending.entry.Call = call
	for {
		t.mu.Lock()
		if t.closing {
			t.mu.Unlock()
			return nil, ErrClosed
		}
		h.asked().Path = p.ids
		if leases := p.bind(); leases != nil {
			t.take(h, leases, time.Now())
			t.mu.Unlock()
			return h.End(End{Call: call, Completion: c}), nil
		}
		t.mu.Unlock()
		select { // declared dead by mistake: it joins again in a moment
		case <-time.After(pollInterval):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// ready reports whether the hold can be taken now without overtaking anyone.
func ready(leases []*lease, a Ask) bool {
	for _, l := range leases {
		if l.usable() < a.Amount || (l.blocked && l.waiting > 0 && len(a.Enclosing) == 0) {
			return false
		}
	}
	return true
}

// take makes the hold. Under Tracker.mu, with enough free money in every lease.
func (t *Tracker) take(h *Hold, leases []*lease, now time.Time) {
	run := t.cur
	h.run, h.leases = run, leases
	run.lastHold++
	h.id = run.lastHold
	run.open++
	if h.next = run.holds; h.next != nil {
		h.next.prev = h
	}
	run.holds = h
	for _, l := range leases {
		l.holds += h.amount
		l.open++
		l.served(now, h.amount)
		if l.low() && !l.dirty {
			l.mark()
			t.hurry()
		}
	}
}

// drop takes the hold out of its leases. Under Tracker.mu.
func (h *Hold) drop() {
	run := h.run
	run.open--
	if h.prev != nil {
		h.prev.next = h.next
	} else {
		run.holds = h.next
	}
	if h.next != nil {
		h.next.prev = h.prev
	}
	for _, l := range h.leases {
		l.holds -= h.amount
		l.open--
	}
}

// Sent marks in the journal that the request is about to leave. It must be called, and must have returned nil, before the first byte
// is written. On an error nothing may be sent and the hold should be released: [ErrJournal] where the mark
// could not be written, [ErrUnavailable] where the store was out of reach for a minute or another process declared
// this one dead, [ErrClosed] where the hold has ended.
func (h *Hold) Sent() error {
	h.t.mu.Lock()
	fenced, ok := h.run.fenced, h.t.inContact(time.Now())
	var open store.OpenHold
	if h.run.journal != nil && !h.sent.Load() {
		open = h.open()
	}
	h.t.mu.Unlock()
	if fenced || !ok {
		return fmt.Errorf("budget: hold is too old to be sent: %w", ErrUnavailable)
	}
	run := h.run
	run.gate.RLock()
	defer run.gate.RUnlock()
	if h.ended.Load() {
		return ErrClosed
	}
	if h.sent.Load() {
		return nil
	}
	if err := run.journal.sent(h.id, open); err != nil {
		return fmt.Errorf("%w: %w", ErrJournal, err)
	}
	h.sent.Store(true)
	return nil
}

// open is the hold as a journal and a post-mortem name it. Under Tracker.mu.
func (h *Hold) open() store.OpenHold { return store.OpenHold{Call: *h.asked(), Amount: h.amount} }

// asked is the call that the hold was asked for; after the end it is the row.
func (h *Hold) asked() *store.Call { return &h.ending.entry.Call }

// Release gives the money back and records nothing: the request was never written, or there is proof that it will not be billed.
func (h *Hold) Release() {
	if !h.ended.CompareAndSwap(false, true) {
		return
	}
	run, t := h.run, h.t
	run.gate.RLock()
	if h.sent.Load() {
		if err := run.journal.released(h.id); err != nil {
			t.o.Logger.Warn("budget: journal: release not written; a crash now leaves it unconfirmed", "error", err)
		}
	}
	t.mu.Lock()
	if h.sent.Load() && run.fenced {
		// A late settlement may have named this hold as on the wire; a row that costs nothing ends the doubt that it became.
		g := &h.ending
		g.entry = store.Entry{Call: h.row(&End{Call: store.Call{Outcome: "unsent"}}, time.Now())}
		g.leases, g.run, g.id = h.leases, run, h.id
		h.drop()
		run.pending = append(run.pending, g)
		t.hurry()
		t.mu.Unlock()
		run.gate.RUnlock()
		return
	}
	h.drop()
	now := time.Now()
	for _, l := range h.leases {
		l.used = now
		if l.exact || l.waiting > 0 || t.closing {
			l.mark()
			t.hurry()
		}
	}
	if run.fenced || t.closing {
		t.hurry()
	}
	t.mu.Unlock()
	run.gate.RUnlock()
	h.ending.finish(nil, false)
}

// End books how the attempt ended. It never waits and never fails: what cannot be written to the store now is kept in
// memory and in the journal, and tried again. The first call counts; later ones return its Ending.
func (h *Hold) End(e End) *Ending {
	if !h.ended.CompareAndSwap(false, true) {
		return &h.ending
	}
	t, run, now := h.t, h.run, time.Now()
	if e.Cost < 0 || e.Doubt < 0 || e.Cost > maxAmount || e.Doubt > maxAmount {
		t.o.Logger.Error("budget: impossible cost; the whole hold is booked as unconfirmed",
			"call", h.asked().ID, "attempt", h.asked().Attempt, "cost", e.Cost, "doubt", e.Doubt)
		e.Cost, e.Doubt = 0, h.amount
	}
	g := &h.ending
	entry := store.Entry{Call: h.row(&e, now), Completion: e.Completion}

	run.gate.RLock()
	lost := run.journal.ended(h.id, entry)
	t.mu.Lock()
	if lost != nil && !t.full { // or it has been said
		t.o.Logger.Warn("budget: journal: end not written; flushing at once", "error", lost)
	}
	g.entry, g.leases, g.run, g.id = entry, h.leases, run, h.id
	g.excess = max(0, e.Cost+e.Doubt-h.amount)
	h.drop()
	urgent := lost != nil || e.Completion != nil || run.fenced || t.closing
	for _, l := range h.leases {
		l.roll(now)
		l.spent += e.Cost
		l.doubt += e.Doubt
		l.cost += e.Cost
		l.unsaved++
		l.used = now
		urgent = urgent || l.exact && !l.account.Limit.IsUnlimited() || l.waiting > 0 || l.free() < 0
		if l.exact || t.closing {
			l.mark()
		}
	}
	if t.halted {
		t.mu.Unlock()
		run.gate.RUnlock()
		g.finish(fmt.Errorf("budget: closed before it was written: %w", ErrClosed), false)
		return g
	}
	if len(run.pending) == 0 && t.flushAt.IsZero() {
		t.flushAt = now.Add(t.o.FlushInterval)
		t.wake()
	}
	run.pending = append(run.pending, g)
	if urgent {
		t.hurry()
	}
	t.mu.Unlock()
	run.gate.RUnlock()
	return g
}

// row completes the call row of an end.
func (h *Hold) row(e *End, now time.Time) store.Call {
	c, asked := e.Call, h.asked()
	c.ID, c.Attempt, c.Job, c.Item = asked.ID, asked.Attempt, asked.Job, asked.Item
	c.Path, c.Bound, c.Cost, c.Doubt = asked.Path, h.amount, e.Cost, e.Doubt
	for _, f := range [...]struct{ to, from *string }{
		{&c.Provider, &asked.Provider},
		{&c.Model, &asked.Model},
		{&c.Upstream, &asked.Upstream},
		{&c.API, &asked.API},
		{&c.BoundKind, &asked.BoundKind},
		{&c.PriceHash, &asked.PriceHash},
		{&c.PriceFrom, &asked.PriceFrom},
	} {
		if *f.to == "" {
			*f.to = *f.from
		}
	}
	if c.Started.IsZero() {
		c.Started = asked.Started
	}
	if c.Ended.IsZero() {
		c.Ended = h.t.o.wall(now)
	}
	if c.Started.IsZero() {
		c.Started = c.Ended
	}
	return c
}
