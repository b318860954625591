package budget

import (
	"fmt"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
)

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
		if h.amount == 0 || !slices.Contains(h.leases, l) || slices.Contains(w.ask.Enclosing, h) {
			continue
		}
		free := true
		for v := t.first; v != nil && free && h.inner > 0; v = v.next {
			free = ok[v] || !slices.Contains(v.ask.Enclosing, h)
		}
		if free {
			return true
		}
	}
	return false
}
