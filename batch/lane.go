package batch

import (
	"context"
	"sync"
	"time"

	"github.com/andres20980/aurea-orchestrator/store"
)

const (
	// maxClaim is the most items one claim takes; more would only wait in memory.
	maxClaim = 512
	// minRest is the shortest rest after an open circuit.
	minRest = 100 * time.Millisecond
	// roomEvery is how often a run that is paused by a full disk looks for room.
	roomEvery = time.Second
	// oldClaim is when what was claimed is given back instead of started: this process stood still, and others may have taken it for dead and the items for theirs.
	oldClaim = 8 * time.Second
)

// lane works on the items of one model. It claims no more than can start within about a second, so that a slow model does not
// fill the places of a fast one, and a crash leaves little to put back.
type lane struct {
	r    *Runner
	name string
	pace float64 // items that can start per second, 0 for any number

	mu       sync.Mutex
	queue    []store.Item // claimed, not started
	claimed  time.Time    // when the queue was
	waiting  int          // started, not sent
	inFlight int          // started, not ended
	recent   rate         // starts per second
	restTill time.Time
	changed  chan struct{} // signalled when something above changes for the better
}

func (r *Runner) newLane(name string) *lane {
	return &lane{r: r, name: name, pace: r.cfg.Orchestrator.Pace(name), changed: make(chan struct{}, 1)}
}

func (l *lane) wake() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// run works until the lane is empty or the run ends.
func (l *lane) run() {
	var items sync.WaitGroup
	defer func() {
		items.Wait()
		l.putBackAll()
	}()
	for {
		item, ok := l.next()
		if !ok {
			return
		}
		if l.r.slots.Acquire(l.r.waits, 1) != nil {
			l.putBack(item)
			return
		}
		if l.stale() { // after a long wait for the slot
			l.r.slots.Release(1)
			l.putBack(item)
			continue
		}
		l.mu.Lock()
		l.waiting++
		l.inFlight++
		l.recent.add(time.Now())
		l.mu.Unlock()
		items.Go(func() { l.r.do(l, item) })
	}
}

// next returns the next item to start; false when nothing is left or the run ends.
func (l *lane) next() (store.Item, bool) {
	for l.r.waits.Err() == nil {
		if l.old() {
			l.putBackAll()
		}
		item, wait, ok := l.take()
		if ok {
			return item, true
		}
		if wait == 0 {
			claimed, err := l.claim()
			if err != nil && l.r.noRoom(err) {
				l.hold(err)
				continue
			}
			if err != nil {
				l.r.end(Broken, err)
				break
			}
			l.r.goOn()
			if claimed {
				continue
			}
			if wait, ok = l.idle(); !ok {
				return store.Item{}, false
			}
		}
		l.pause(wait)
	}
	return store.Item{}, false
}

// old reports whether the queue was claimed long ago, by either clock: the monotonic one stands still while a machine sleeps.
func (l *lane) old() bool {
	l.mu.Lock()
	waits := len(l.queue) > 0
	l.mu.Unlock()
	return waits && l.stale()
}

// stale reports whether the last claim was long ago.
func (l *lane) stale() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.claimed) > oldClaim || time.Now().Round(0).Sub(l.claimed.Round(0)) > oldClaim
}

// take takes an item from the queue. wait is how long there is a reason to take none, 0 if the queue is just empty.
func (l *lane) take() (item store.Item, wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rest := time.Until(l.restTill); rest > 0 {
		return item, rest, false
	}
	if l.waiting >= l.allowed() {
		return item, time.Second, false
	}
	if len(l.queue) == 0 {
		return item, 0, false
	}
	item, l.queue = l.queue[0], l.queue[1:]
	return item, 0, true
}

// allowed is how many items may wait for money and the provider's allowance at once.
func (l *lane) allowed() int {
	if l.pace <= 0 || l.pace > float64(l.r.cfg.Concurrency) {
		return l.r.cfg.Concurrency
	}
	return int(l.pace) + 1
}

// claim takes what can start soon.
func (l *lane) claim() (bool, error) {
	l.mu.Lock()
	n := min(max(l.allowed()-l.waiting, int(l.recent.perSecond(time.Now())/4), 1), maxClaim)
	l.mu.Unlock()
	asked := time.Now()
	items, err := l.r.cfg.Store.Claim(l.r.waits, l.r.job.ID, l.name, l.r.cfg.Owner(), n, time.Now())
	if err != nil {
		if l.r.waits.Err() != nil {
			return false, nil
		}
		return false, err
	}
	l.mu.Lock()
	l.queue, l.claimed = append(l.queue, items...), asked
	l.mu.Unlock()
	return len(items) > 0, nil
}

// idle says how long to wait when no item is due; false when the lane is empty. What is under way is looked at first: an item that goes
// back meanwhile is then either seen as pending or as still under way.
func (l *lane) idle() (time.Duration, bool) {
	l.mu.Lock()
	busy := l.inFlight > 0 || len(l.queue) > 0
	l.mu.Unlock()
	due, pending, err := l.r.cfg.Store.NextDue(l.r.waits, l.r.job.ID, l.name)
	switch {
	case err != nil && l.r.waits.Err() == nil:
		l.r.end(Broken, err)
		return 0, false
	case err != nil:
		return 0, false
	case pending:
		return max(time.Until(due), time.Millisecond), true
	default:
		return time.Second, busy
	}
}

func (l *lane) pause(d time.Duration) {
	timer := time.NewTimer(min(d, time.Second))
	defer timer.Stop()
	select {
	case <-l.r.waits.Done():
	case <-l.changed:
	case <-timer.C:
	}
}

// started notes that an item no longer waits.
func (l *lane) started() {
	l.mu.Lock()
	l.waiting--
	l.mu.Unlock()
	l.wake()
}

func (l *lane) finished() {
	l.mu.Lock()
	l.inFlight--
	l.mu.Unlock()
	l.wake()
}

// hold takes nothing up for a second, because there is no room to write down what would happen.
func (l *lane) hold(err error) {
	l.r.pause(err)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.restTill = time.Now().Add(roomEvery)
}

// keep puts an item that was not sent in front of the queue: giving it back to the store would need room.
func (l *lane) keep(item store.Item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append([]store.Item{item}, l.queue...)
}

// rest keeps an item, and the lane, back while the model's circuit is open.
func (l *lane) rest(item store.Item, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, item)
	l.restTill = time.Now().Add(max(d, minRest))
}

// putBack returns an item that was not sent.
func (l *lane) putBack(item store.Item) { l.unclaim([]int64{item.Seq}) }

func (l *lane) putBackAll() {
	l.mu.Lock()
	seqs := make([]int64, len(l.queue))
	for i, item := range l.queue {
		seqs[i] = item.Seq
	}
	l.queue = nil
	l.mu.Unlock()
	if len(seqs) > 0 {
		l.unclaim(seqs)
	}
}

func (l *lane) unclaim(seqs []int64) {
	ctx := context.WithoutCancel(l.r.calls)
	if err := l.r.cfg.Store.Unclaim(ctx, l.r.job.ID, l.r.cfg.Owner(), seqs, time.Time{}); err != nil {
		l.r.cfg.Logger.Warn("items could not be put back; the next run does it", "lane", l.name, "items", len(seqs), "error", err)
	}
}

// rate is a count of starts over about the last second.
type rate struct {
	since     time.Time
	now, last float64
}

func (r *rate) add(t time.Time) {
	r.roll(t)
	r.now++
}

func (r *rate) perSecond(t time.Time) float64 {
	r.roll(t)
	return max(r.now, r.last)
}

func (r *rate) roll(t time.Time) {
	switch passed := t.Sub(r.since); {
	case passed >= 2*time.Second:
		r.since, r.last, r.now = t, 0, 0
	case passed >= time.Second:
		r.since, r.last, r.now = r.since.Add(time.Second), r.now, 0
	}
}
