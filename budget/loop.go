package budget

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/store"
)

const (
	watchInterval = 500 * time.Millisecond
	sweepEvery    = 10 // watches
	firstBackoff  = 50 * time.Millisecond
	lastBackoff   = 5 * time.Second
	fullBackoff   = time.Second // while the disk is full
)

// loop is the one goroutine that writes: step after step while there is something urgent, so that whatever came up during a transaction goes
// with the next one, and otherwise when the flush interval is over or a poll is due.
func (t *Tracker) loop() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var polled time.Time
	for {
		wait := time.Hour
		t.mu.Lock()
		now := time.Now()
		due := t.flushAt
		if t.first != nil {
			if poll := polled.Add(pollInterval); due.IsZero() || poll.Before(due) {
				due = poll
			}
		}
		if t.urgent || t.cur == nil {
			due = now
		}
		if !due.IsZero() {
			if due.Before(t.retryAt) {
				due = t.retryAt
			}
			wait = due.Sub(now)
		}
		t.mu.Unlock()
		if wait > 0 {
			timer.Reset(wait)
			select {
			case <-t.stop:
				return
			case <-t.kick:
			case <-timer.C:
			}
			continue
		}
		select {
		case <-t.stop:
			return
		default:
		}
		polled = now
		t.step(now)
	}
}

// step is one round with everything around it.
func (t *Tracker) step(now time.Time) {
	t.applying.lock()
	defer t.applying.unlock()
	if t.unresolved != nil && !t.resolve() {
		return
	}
	if !t.settleLate() {
		return
	}
	t.mu.Lock()
	t.urgent = false
	if t.cur == nil {
		t.mu.Unlock()
		t.rejoin()
		return
	}
	t.steps++
	step := t.steps
	t.serve(now)
	r := t.build(now)
	t.mu.Unlock()
	if r != nil && !t.apply(r) {
		return
	}
	if !t.look(step) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cur == nil {
		return
	}
	now = time.Now()
	t.serve(now)
	if t.idle++; r != nil {
		t.idle = 0
	}
	if t.judge(step, now) && t.idle < 3 { // or the next poll tries again
		t.urgent = true
	}
	t.flushAt = time.Time{}
	if len(t.cur.pending) > 0 {
		// Ends that came during the round wait for the interval, unless they are urgent themselves.
		t.flushAt = now.Add(t.o.FlushInterval)
		if r != nil && len(r.ends) >= t.cur.limit {
			t.urgent = true
		}
	}
	t.tidy(t.cur)
	if t.closing && t.empty() {
		select {
		case <-t.drained:
		default:
			close(t.drained)
		}
	}
}

// empty reports whether everything has ended, is written and given back. Under mu.
func (t *Tracker) empty() bool {
	for _, r := range t.runs() {
		if r.open > 0 || len(r.pending) > 0 || r.fenced && len(r.aside) == 0 {
			return false
		}
	}
	if t.cur == nil {
		return false
	}
	for _, l := range t.cur.leases {
		if l.stuck == 0 {
			return false
		}
	}
	return true
}

// look reads the accounts that waiters lack money on and this step's round did not touch.
func (t *Tracker) look(step int64) bool {
	t.mu.Lock()
	var leases []*lease
	var ids []store.CounterID
	for w := t.first; w != nil; w = w.next {
		for _, l := range w.leases {
			if l.seen != step && l.step != -step && (l.usable() < w.amount || w.arrived >= l.seen) {
				l.step = -step // once
				leases, ids = append(leases, l), append(ids, l.ref.id)
			}
		}
	}
	t.mu.Unlock()
	if len(ids) == 0 {
		return true
	}
	return t.read(leases, ids, step)
}

// read takes fresh snapshots of accounts.
func (t *Tracker) read(leases []*lease, ids []store.CounterID, step int64) bool {
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.ctx, roundTimeout)
	defer cancel()
	var counters []store.Counter
	for part := range slices.Chunk(ids, 1000) {
		c, err := t.st.Counters(ctx, part...)
		if err != nil {
			t.failed(fmt.Errorf("read accounts: %w", err))
			return false
		}
		counters = append(counters, c...)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answered(began)
	for i, l := range leases {
		l.see(counters[i])
		if step > 0 {
			l.seen = step
		}
	}
	return true
}

// failed notes that the store did not do what it was asked, so that the next try waits a little longer, and after
// a minute without an answer refuses those who wait.
func (t *Tracker) failed(cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.stop:
		return
	default:
	}
	now, full := time.Now(), errors.Is(cause, store.ErrFull)
	wait := min(firstBackoff<<min(t.failures, 10), lastBackoff)
	switch {
	case !full:
		t.o.Logger.Warn("budget: store: trying again", "error", cause, "in", wait)
	case !t.full:
		t.full = true
		t.o.Logger.Warn("budget: paused: there is no room to write; what has ended is kept, and is written when there is", "error", cause)
	}
	if full {
		wait = fullBackoff
	}
	t.failures++
	t.retryAt = now.Add(wait)
	t.urgent = true
	// A full disk is waited for: whoever asked to wait for money does so until there is room. Damage does not go away.
	out := errors.Is(cause, store.ErrDamaged) || !full && !t.inContact(now)
	for w := t.first; w != nil; {
		next := w.next
		if out || w.ask.MaxWait == 0 {
			t.answer(w, unavailable(cause))
		}
		w = next
	}
}

func unavailable(cause error) error {
	if errors.Is(cause, ErrUnavailable) {
		return fmt.Errorf("budget: nothing can be held: %w", cause)
	}
	return fmt.Errorf("budget: nothing can be held: %w: %w", ErrUnavailable, cause)
}

// watch looks every half second at the accounts this owner has leases on: whether others want money, limits
// were lowered, jobs cancelled, windows ended, leases are idle. Every few seconds it settles owners that died.
func (t *Tracker) watch() {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-t.stop:
			return
		case <-tick.C:
		}
		t.inspect()
		if n%sweepEvery == 0 {
			t.mu.Lock()
			var self store.OwnerID
			if t.cur != nil {
				self = t.cur.id
			}
			t.mu.Unlock()
			if err := t.sweep(t.ctx, self); err != nil && t.ctx.Err() == nil {
				t.o.Logger.Warn("budget: settling dead processes", "error", err)
			}
		}
	}
}

func (t *Tracker) inspect() {
	t.applying.lock() // or a snapshot could be older than a round's
	defer t.applying.unlock()
	t.mu.Lock()
	run := t.cur
	if run == nil || time.Now().Before(t.retryAt) {
		t.mu.Unlock()
		return
	}
	var leases []*lease
	var ids []store.CounterID
	for id, l := range run.leases {
		leases, ids = append(leases, l), append(ids, id)
	}
	t.mu.Unlock()
	switch o, err := t.st.Owner(t.ctx, run.id); {
	case err != nil:
		t.failed(fmt.Errorf("read this process's row: %w", err))
		return
	case o.State != store.OwnerLive || o.Epoch != run.epoch:
		if t.unresolved == nil {
			t.fence(run)
		}
		return
	}
	if len(ids) == 0 || !t.read(leases, ids, 0) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now, wall := time.Now(), t.o.Now()
	for _, l := range leases {
		l.idle = l.waiting == 0 && now.Sub(l.used) >= stock
		free := l.free() > 0 || l.seq > 0 && l.open == 0
		if l.idle && (free || l.seq == 0 && l.open == 0) ||
			free && (l.over() || l.account.Closed || now.Before(l.wantedTill) || l.windowOver(wall)) {
			l.mark()
			t.hurry()
		}
	}
}
