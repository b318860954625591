package budget

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
)

const (
	pollInterval   = 100 * time.Millisecond // while holds wait
	wantedInterval = 500 * time.Millisecond // how often other owners are told that they do
	wantedFor      = 2 * time.Second
	wantsPerRound  = 512
)

// errAgain sends a waiter back to the start: its window has ended or its owner is a new one.
var errAgain = errors.New("again")

// A waiter is a hold that cannot be had yet. It holds nothing. Guarded by Tracker.mu.
type waiter struct {
	hold    *Hold
	path    *Path
	leases  []*lease // nil while there is no run
	amount  money.USD
	ask     Ask
	until   time.Time // of the windows
	started time.Time
	seq     int64
	arrived int64 // step at arrival: only later snapshots can refuse it
	asked   bool
	queued  bool
	done    chan error

	prev, next *waiter
}

// enqueue lines a hold up: those with enclosing calls first, then by arrival. Under Tracker.mu.
func (t *Tracker) enqueue(h *Hold, p *Path, leases []*lease, a Ask, seq int64, now time.Time) *waiter {
	if seq == 0 {
		t.arrivals++
		seq = t.arrivals
		if len(a.Enclosing) > 0 {
			seq -= 1 << 62
		}
	}
	w := &waiter{hold: h, path: p, leases: leases, amount: a.Amount, ask: a, until: p.until, started: now, seq: seq, arrived: t.steps, queued: true, done: make(chan error, 1)}
	at := t.last
	for at != nil && at.seq > w.seq {
		at = at.prev
	}
	w.prev = at
	if at != nil {
		w.next, at.next = at.next, w
	} else {
		w.next, t.first = t.first, w
	}
	if w.next != nil {
		w.next.prev = w
	} else {
		t.last = w
	}
	for _, l := range leases {
		l.waiting++
		l.served(now, a.Amount)
	}
	for _, e := range a.Enclosing {
		e.inner++
	}
	t.hurry()
	return w
}

// leave takes a waiter out of the line, in constant time. Under Tracker.mu.
func (t *Tracker) leave(w *waiter) {
	w.queued = false
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		t.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		t.last = w.prev
	}
	for _, l := range w.leases {
		l.waiting--
		l.mark() // what it was granted on one account may have to go back
	}
	for _, e := range w.ask.Enclosing {
		e.inner--
	}
}

// answer ends a waiter's wait. Under Tracker.mu.
func (t *Tracker) answer(w *waiter, err error) {
	t.leave(w)
	w.done <- err
}

// wait blocks until the waiter is answered, its context ends or its time is up.
func (t *Tracker) wait(ctx context.Context, w *waiter) error {
	var expired <-chan time.Time
	if w.ask.MaxWait > 0 {
		timer := time.NewTimer(w.ask.MaxWait - time.Since(w.started))
		defer timer.Stop()
		expired = timer.C
	}
	var cause error
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		cause = context.Cause(ctx)
	case <-expired:
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !w.queued {
		err := <-w.done
		if errors.Is(err, errAgain) {
			err = t.giveUp(w, cause)
		}
		return err
	}
	err := t.giveUp(w, cause)
	t.leave(w)
	t.hurry()
	return err
}

// giveUp says why a waiter got nothing in its time. Under Tracker.mu.
func (t *Tracker) giveUp(w *waiter, cause error) error {
	short := w.short()
	switch {
	case cause != nil && !errors.Is(cause, context.DeadlineExceeded):
		return fmt.Errorf("budget: gave up waiting: %w", cause)
	case short == nil || short.seen <= w.arrived:
		if cause == nil {
			return fmt.Errorf("budget: no answer from the store in time: %w", ErrUnavailable)
		}
		return fmt.Errorf("budget: no answer from the store in time: %w: %w", ErrUnavailable, cause)
	}
	e := short.exceeded(w)
	e.cause = cause
	return e
}

// short returns the lease that most lacks money for the waiter, or the first whose line it stands in.
func (w *waiter) short() *lease {
	var found *lease
	for _, l := range w.leases {
		if l.usable() < w.amount && (found == nil || l.restNow().Cmp(found.restNow()) < 0) {
			found = l
		}
	}
	if found != nil {
		return found
	}
	for _, l := range w.leases {
		if l.blocked {
			return l
		}
	}
	if len(w.leases) > 0 {
		return w.leases[0]
	}
	return nil
}

func (l *lease) exceeded(w *waiter) *ExceededError {
	return &ExceededError{
		Account: l.ref.account, Need: w.amount, Limit: l.account.Limit, Spent: l.spentNow(), Held: l.heldNow(),
		Unconfirmed: l.doubtNow(), ResetAt: l.ref.end, Waited: time.Since(w.started),
	}
}

// serve gives waiters what they can have, in order: a waiter that lacks money on an account stops all
// behind it there. Under Tracker.mu.
func (t *Tracker) serve(now time.Time) {
	for w := t.first; w != nil; w = w.next {
		for _, l := range w.leases {
			l.blocked = false
		}
	}
	for w := t.first; w != nil; {
		next := w.next
		switch {
		case w.leases == nil:
		case !w.until.IsZero() && !t.o.Now().Before(w.until):
			t.answer(w, errAgain)
		case w.able() && t.inContact(now):
			t.leave(w)
			t.take(w.hold, w.leases, now)
			w.done <- nil
		default:
			for _, l := range w.leases {
				if l.usable() < w.amount {
					l.blocked = true
				}
			}
		}
		w = next
	}
}

func (w *waiter) able() bool {
	for _, l := range w.leases {
		if l.blocked || l.usable() < w.amount {
			return false
		}
	}
	return true
}

// lack returns what the account would have to be granted for the amount, and what the store would grant by the latest
// snapshot once this owner has given back what it must (an account over its limit) or forced what it owes (an overrun).
func (l *lease) lack(amount money.USD) (lack money.USD, room money.Sum) {
	free := l.free()
	if free < 0 || l.over() {
		return amount, l.grantable().Add(free)
	}
	return max(0, amount-free), l.grantable()
}

// fits reports whether the store may have what the waiter lacks, by the latest snapshots.
func (w *waiter) fits() bool {
	for _, l := range w.leases {
		lack, room := l.lack(w.amount)
		if l.usable() < w.amount && (room.Cmp(money.SumOf(lack)) < 0 || l.granted > maxLease-lack) {
			return false
		}
	}
	return true
}
