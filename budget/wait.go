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
		if err == errAgain {
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
		if lack, room := l.lack(w.amount); l.usable() < w.amount && room.Cmp(money.SumOf(lack)) < 0 {
			return false
		}
	}
	return true
}

// judge refuses waiters that cannot be served any more, all of whose accounts were read in this step, and asks other owners
// for money on behalf of the rest. It reports whether the next step should follow at once. Under Tracker.mu, after serve.
func (t *Tracker) judge(step int64, now time.Time) (again bool) {
	var hope map[*waiter]bool
	for w := t.first; w != nil; w = w.next {
		for _, l := range w.leases {
			l.stop = false
		}
	}
	for w := t.first; w != nil; {
		next := w.next
		if w.leases == nil || w.arrived >= step {
			w = next
			continue
		}
		refusal := w.hopeless(step)
		if refusal == nil && w.asked && w.known(step) && !w.enough() {
			switch behind := w.behind(); {
			case w.ask.MaxWait == 0 && (behind || !w.fits()):
				refusal = w.short().exceeded(w)
			case w.fits():
				again = again || !behind // the store has it now: ask again
			default:
				if hope == nil {
					hope = t.hopes()
				}
				if !hope[w] {
					refusal = w.short().exceeded(w)
				} else {
					again = t.want(w, now) || again
				}
			}
		} else if refusal == nil && w.ask.MaxWait == 0 && w.behind() {
			refusal = w.short().exceeded(w)
		}
		if refusal != nil {
			t.answer(w, refusal)
			if len(w.ask.Enclosing) > 0 {
				hope = nil
			}
			again = true
		} else {
			for _, l := range w.leases {
				l.stop = l.stop || l.usable() < w.amount
			}
		}
		w = next
	}
	return again
}

// hopeless returns the refusal of a waiter that no one can help: an account is closed, or has less left than is needed.
func (w *waiter) hopeless(step int64) error {
	for _, l := range w.leases {
		if l.seen > w.arrived && l.account.Closed {
			return fmt.Errorf("budget: account %s: %w", l.ref.account, ErrCancelled)
		}
	}
	for _, l := range w.leases {
		if l.seen == step && l.restNow().Cmp(money.SumOf(w.amount)) < 0 {
			return l.exceeded(w)
		}
	}
	return nil
}

// known reports whether all accounts that the waiter lacks money on were read in this step.
func (w *waiter) known(step int64) bool {
	for _, l := range w.leases {
		if l.seen != step && l.usable() < w.amount {
			return false
		}
	}
	return true
}

// enough reports whether only those ahead keep the waiter from being served.
func (w *waiter) enough() bool {
	for _, l := range w.leases {
		if l.usable() < w.amount {
			return false
		}
	}
	return true
}

// behind reports whether one ahead lacks money on an account of this waiter. Only inside judge.
func (w *waiter) behind() bool {
	for _, l := range w.leases {
		if l.stop {
			return true
		}
	}
	return false
}

// want tells other owners to give back what they do not need, on the accounts where the waiter lacks money,
// and reports whether there is something to tell.
func (t *Tracker) want(w *waiter, now time.Time) (tell bool) {
	for _, l := range w.leases {
		if l.usable() < w.amount && l.others().Cmp(money.Sum{}) > 0 && now.Sub(l.asked) >= wantedInterval {
			l.wanted, l.asked = true, now
			l.mark()
			tell = true
		}
	}
	return tell
}

// hopes returns the waiters that may yet be served: on every account they lack money on, another owner has some, or
// a call is in flight that can end without them. A call that encloses waiters can end only if they can be served.
// Under Tracker.mu.
func (t *Tracker) hopes() map[*waiter]bool {
	ok := map[*waiter]bool{}
	for grew := true; grew; {
		grew = false
		for w := t.first; w != nil; w = w.next {
			if !ok[w] && w.leases != nil && t.hopeful(w, ok) {
				ok[w], grew = true, true
			}
		}
	}
	return ok
}

func (t *Tracker) hopeful(w *waiter, ok map[*waiter]bool) bool {
	for _, l := range w.leases {
		lack, room := l.lack(w.amount)
		if l.usable() >= w.amount || room.Cmp(money.SumOf(lack)) >= 0 || l.others().Cmp(money.Sum{}) > 0 {
			continue
		}
		if !t.mayEnd(w, l, ok) {
			return false
		}
	}
	return true
}

// mayEnd reports whether a hold on the lease, other than those that enclose the waiter, can end before it.
func (t *Tracker) mayEnd(w *waiter, l *lease, ok map[*waiter]bool) bool {
	for h := l.run.holds; h != nil; h = h.next {
		if h.amount == 0 || !contains(h.leases, l) || contains(w.ask.Enclosing, h) {
			continue
		}
		free := true
		for v := t.first; v != nil && free && h.inner > 0; v = v.next {
			free = ok[v] || !contains(v.ask.Enclosing, h)
		}
		if free {
			return true
		}
	}
	return false
}

func contains[T comparable](s []T, v T) bool {
	for _, x := range s {
		if x == v {
			return true
		}
	}
	return false
}
