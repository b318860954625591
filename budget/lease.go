package budget

import (
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

const (
	// maxAmount bounds a single hold or cost and maxLease what one lease may hold, so that sums in a lease never overflow.
	maxAmount = money.Max / 8
	maxLease  = money.Max / 4

	stock        = 5 * time.Second // a lease holds this much of its owner's spending; unused for as long, it goes back
	exactBounds  = 4               // a lease worth fewer holds than this is exact
	shareOfRest  = 20              // and a lease is at most a twentieth of the remainder, over all live owners
	openHoldings = 256             // holds in the lease of an account without limit
)

// A lease is this owner's slice of a counter. Guarded by Tracker.mu.
type lease struct {
	run *run
	ref counterRef

	seq     int64     // as on the store; 0: no row yet
	granted money.USD // as on the store
	spent   money.USD // ended attempts, also those not yet flushed
	flushed money.USD // of spent, what is on the store
	doubt   money.USD // of ended attempts not yet flushed
	holds   money.USD // open holds
	giving  money.USD // on its way back in the present round
	stuck   money.USD // ended attempts that the store does not take; kept granted, so that they count against the limit

	open    int  // holds
	unsaved int  // ended attempts not yet flushed
	waiting int  // waiters with this lease on their path
	blocked bool // a waiter lacks money here: newcomers queue behind it; meaningful while waiting > 0

	account store.Counter // the latest snapshot
	seen    int64         // step of that snapshot
	closing bool          // being closed in the present round
	gone    bool          // no longer in its run; find the counter's lease again
	dirty   bool          // in run.dirty
	idle    bool          // unused for long: give back
	wanted  bool          // tell other owners that we need money
	asked   time.Time     // when we last told them
	used    time.Time

	wantedTill time.Time // until then others need money, as far as we saw them ask

	// What it served in this and the last stretch of time, for sizing.
	since            time.Time
	cost, lastCost   money.USD
	bound, lastBound money.USD
	exact            bool
	target           money.USD // of free money, where not exact

	// Scratch of the round being built.
	step   int64
	left   money.USD // free money not yet promised to a waiter
	asking money.USD
	stop   bool // a waiter ahead cannot be served
	op     store.LeaseOp
	inOps  bool
}

// see takes a snapshot of the account. What others want is known by the rise of the time that they wrote, because their clocks are not ours.
func (l *lease) see(c store.Counter) {
	if c.WantedUntil.After(l.account.WantedUntil) {
		l.wantedTill = time.Now().Add(wantedFor)
	}
	l.account = c
}

// free is what can be held at once. It is negative after an overrun, until the next round forces the difference.
func (l *lease) free() money.USD {
	return l.granted - l.spent - l.doubt - l.holds - l.giving - l.stuck
}

// usable is free, or −1 where nothing may be held, not even nothing.
func (l *lease) usable() money.USD {
	if l.closing || l.account.Closed || l.over() {
		return -1
	}
	return l.free()
}

// over reports that the account is committed past its limit, because that was lowered or a provider billed past a bound.
func (l *lease) over() bool { return l.account.Committed.Cmp(l.account.Limit) > 0 }

// grantable is what the store would still grant, by the latest snapshot.
func (l *lease) grantable() money.Sum {
	if l.account.Closed {
		return money.Sum{Dollars: -1}
	}
	return l.account.Limit.Minus(l.account.Committed)
}

// spentNow and doubtNow are the account's, with what this process has not flushed yet.
func (l *lease) spentNow() money.Sum { return l.account.Spent.Add(l.spent - l.flushed + l.stuck) }
func (l *lease) doubtNow() money.Sum { return l.account.Doubt.Add(l.doubt) }

// restNow is what is not used up: limit − spent − doubt.
func (l *lease) restNow() money.Sum {
	return l.account.Limit.Minus(l.spentNow()).Minus(l.doubtNow())
}

// others is what other owners have leased and not spent.
func (l *lease) others() money.Sum {
	return l.account.Leased().Sub(l.granted - l.flushed)
}

// heldNow is what calls in flight have set aside, with all that other owners have leased.
func (l *lease) heldNow() money.Sum {
	o := l.others()
	if o.Negative() {
		o = money.Sum{}
	}
	return o.Add(l.holds)
}

// roll starts a new stretch of time for sizing when the last is over.
func (l *lease) roll(now time.Time) {
	age := now.Sub(l.since)
	if age < stock {
		return
	}
	l.lastCost, l.lastBound = l.cost, l.bound
	if age >= 2*stock {
		l.lastCost, l.lastBound = 0, 0
	}
	l.cost, l.bound, l.since = 0, 0, now
}

// served notes a hold for sizing.
func (l *lease) served(now time.Time, amount money.USD) {
	l.roll(now)
	l.bound = max(l.bound, amount)
	l.used = now
	l.idle = false
}

// size decides how much free money to keep: none where the lease is exact.
func (l *lease) size(now, wall time.Time, owners int) {
	l.roll(now)
	bound := max(l.bound, l.lastBound, money.Pico)
	rest := l.grantable().Clamp() / (shareOfRest * money.USD(max(owners, 1)))
	x := max(l.cost, l.lastCost)
	if l.account.Limit.IsUnlimited() {
		x = max(x, bound*min(openHoldings, maxLease/2/bound))
	}
	x = min(x, rest, maxLease/2)
	l.exact = x/exactBounds < bound || now.Before(l.wantedTill) || l.over() || l.account.Closed || l.windowOver(wall)
	l.target = x
	if l.exact {
		l.target = 0
	}
}

func (l *lease) windowOver(wall time.Time) bool {
	return !l.ref.end.IsZero() && !wall.Before(l.ref.end)
}

// low reports that a lease with a stock should be renewed.
func (l *lease) low() bool { return !l.exact && l.seq > 0 && l.free() < l.target/2 }

// mark puts the lease on the list that the next round looks at.
func (l *lease) mark() {
	if !l.dirty {
		l.dirty = true
		l.run.dirty = append(l.run.dirty, l)
	}
}

// forget drops a lease that has no row and no holds; paths that still point to it look the counter's lease up again.
func (l *lease) forget() {
	l.gone = true
	delete(l.run.leases, l.ref.id)
}
