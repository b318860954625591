package budget

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/andres20980/aurea-orchestrator/store"
)

const (
	flushInterval = 100 * time.Millisecond
	maxCall       = 10 * time.Minute
	outOfContact  = time.Minute
	notReady      = 10 * time.Second
)

// Options are a tracker's options; the zero value is good.
type Options struct {
	// Now is the wall clock, for windows and rows; nil is time.Now.
	Now func() time.Time
	// Logger gets what no caller can be told; nil is slog.Default.
	Logger *slog.Logger
	// FlushInterval is how long an ended attempt may wait to be written when nothing else needs a transaction; 0 is 100 ms.
	FlushInterval time.Duration
	// MaxCall is the longest time-out of a call: for that long after its death a process may still be spending. 0 is 10 minutes.
	MaxCall time.Duration

	ownClock bool // Now is the caller's
}

func (o Options) withDefaults() Options {
	if o.ownClock = o.Now != nil; !o.ownClock {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.FlushInterval <= 0 {
		o.FlushInterval = flushInterval
	}
	if o.MaxCall <= 0 {
		o.MaxCall = maxCall
	}
	return o
}

// wall is the wall clock's time at a moment that was just read.
func (o Options) wall(now time.Time) time.Time {
	if o.ownClock {
		return o.Now()
	}
	return now
}

// Tracker holds and books money as one owner on a store. It is safe for concurrent use.
type Tracker struct {
	st store.Store
	o  Options

	ctx      context.Context // of everything sent to the store in the background
	cancel   context.CancelFunc
	stop     chan struct{} // ends the goroutines
	stopped  sync.WaitGroup
	kick     chan struct{} // something to do, or to set an alarm for
	applying gate          // held while leases and store may differ: from a round's departure until it is taken in

	// Only in steps, which follow one another.
	entries    []store.Entry // of the round, used again
	unresolved *round        // its outcome is unknown
	cause      error         // why

	closeOnce sync.Once
	closed    chan struct{}
	closeErr  error

	mu       sync.Mutex
	owner    store.OwnerID
	cur      *run   // nil after this process was declared dead, until it has joined again
	late     []*run // declared dead, with attempts in flight
	urgent   bool
	idle     int       // steps in a row that had nothing to write
	flushAt  time.Time // when pending ends are written at the latest; zero: none
	steps    int64
	contact  time.Time // the last time the store answered: wall and monotonic
	failures int
	retryAt  time.Time
	full     bool // the last write found no room
	owners   int  // that live, at least 1
	closing  bool
	halted   bool // the goroutines are gone: ends are no longer written
	drained  chan struct{}

	first, last *waiter
	arrivals    int64
	settled     map[store.OwnerID]bool // dead owners of whom nothing more can be learnt
}

// Open joins the store as a new owner, after settling owners that died, and starts two goroutines that Close ends.
func Open(ctx context.Context, st store.Store, o Options) (*Tracker, error) {
	t := &Tracker{
		applying: make(gate, 1),
		st:       st, o: o.withDefaults(), owners: 1,
		stop: make(chan struct{}), kick: make(chan struct{}, 1), closed: make(chan struct{}), drained: make(chan struct{}),
		settled: map[store.OwnerID]bool{},
	}
	began := time.Now()
	run, err := t.join(ctx)
	if err != nil {
		return nil, err
	}
	if err := t.sweep(ctx, run.id); err != nil {
		t.o.Logger.Warn("budget: settling dead processes", "error", err)
	}
	t.cur, t.owner, t.contact = run, run.id, began
	t.ctx, t.cancel = context.WithCancel(context.WithoutCancel(ctx))
	t.stopped.Go(t.loop)
	t.stopped.Go(t.watch)
	return t, nil
}

// Owner returns the owner that this tracker is now. It changes if another process declared this one dead.
func (t *Tracker) Owner() store.OwnerID {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.owner
}

// Flush returns when everything that ended before is in the store, or has finally been refused by it.
func (t *Tracker) Flush(ctx context.Context) error {
	t.mu.Lock()
	var ends []*Ending
	for _, r := range t.runs() {
		ends = append(ends, r.pending...)
	}
	t.hurry()
	t.mu.Unlock()
	var err error
	for _, e := range ends {
		select {
		case <-e.Done():
			if err == nil {
				err = e.err
			}
		case <-ctx.Done():
			return fmt.Errorf("budget: flush: %w", context.Cause(ctx))
		}
	}
	return err
}

// Close refuses new holds, waits until those in flight have ended and are written, gives everything back and leaves. If the
// context ends before that, what is left is settled by whoever opens the store next. Later calls return the first one's result.
func (t *Tracker) Close(ctx context.Context) error {
	t.closeOnce.Do(func() {
		t.closeErr = t.shut(ctx)
		close(t.closed)
	})
	<-t.closed
	return t.closeErr
}

func (t *Tracker) shut(ctx context.Context) error {
	t.mu.Lock()
	t.closing = true
	for t.first != nil {
		t.answer(t.first, ErrClosed)
	}
	if t.cur != nil {
		for _, l := range t.cur.leases {
			l.mark()
		}
	}
	t.hurry()
	t.mu.Unlock()
	var err error
	select {
	case <-t.drained:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	t.halt()
	t.mu.Lock()
	cur, inFlight, aside := t.cur, 0, 0
	for _, r := range t.runs() {
		inFlight += r.open
		aside += len(r.aside)
	}
	t.mu.Unlock()
	switch {
	case err != nil:
		t.abandon()
		return fmt.Errorf("budget: close: %d calls were still in flight; whoever opens the store next settles them: %w", inFlight, err)
	case aside > 0:
		t.abandon()
		return fmt.Errorf("budget: close: the store refused %d records; they are in the journal and their money stays unconfirmed", aside)
	}
	if err := t.leaveStore(context.WithoutCancel(ctx), cur); err != nil {
		t.abandon()
		return fmt.Errorf("budget: close: leave: %w", err)
	}
	cur.journal.close()
	ferr := t.st.Forget(cur.id)
	if err := cur.release(); err != nil {
		return fmt.Errorf("budget: close: %w", err)
	}
	if ferr != nil {
		return fmt.Errorf("budget: close: %w", ferr)
	}
	return nil
}

// leaveStore marks the run gone. It has no lease, so it does not matter if another declared it dead meanwhile.
func (t *Tracker) leaveStore(ctx context.Context, r *run) error {
	err := t.st.Leave(ctx, r.id, r.epoch)
	if errors.Is(err, store.ErrFenced) {
		_, err = t.st.SettleDead(ctx, store.PostMortem{Owner: r.id, Now: t.o.Now(), Final: true})
	}
	return err
}

// halt ends the goroutines; ends that come later, or were not written, are finished as failed.
func (t *Tracker) halt() {
	close(t.stop)
	t.cancel()
	t.stopped.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.halted = true
	for _, r := range t.runs() {
		for _, e := range r.pending {
			e.finish(fmt.Errorf("budget: closed before it was written; it is in the journal: %w", ErrClosed), false)
		}
		r.pending = nil
	}
	for t.first != nil {
		t.answer(t.first, ErrClosed)
	}
}

// abandon stops being alive without leaving, so that others find and settle this owner as if it had been killed.
func (t *Tracker) abandon() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.runs() {
		r.journal.close()
		_ = r.release()
	}
}

// runs returns the present run, if any, and the late ones. Under mu.
func (t *Tracker) runs() []*run {
	runs := slices.Clone(t.late)
	if t.cur != nil {
		runs = append(runs, t.cur)
	}
	return runs
}

// hurry asks for a step now. Under mu.
func (t *Tracker) hurry() {
	t.urgent = true
	t.wake()
}

func (t *Tracker) wake() {
	select {
	case t.kick <- struct{}{}:
	default:
	}
}

// Ready returns nil when money can be held and booked, else why not: the store has not answered for ten seconds, or its disk is full. Calls may go on for a while
// on what is leased, but more of them should go elsewhere.
func (t *Tracker) Ready() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closing:
		return ErrClosed
	case t.full:
		return fmt.Errorf("budget: %w", store.ErrFull)
	case t.cur == nil || time.Since(t.contact) > notReady || !t.inContact(time.Now()):
		return fmt.Errorf("budget: %w", ErrUnavailable)
	}
	return nil
}

// inContact reports whether the store answered within a minute by both clocks, so that no one can have settled this owner. Under mu.
func (t *Tracker) inContact(now time.Time) bool {
	return now.Sub(t.contact) < outOfContact && now.UnixNano()-t.contact.UnixNano() < int64(outOfContact)
}

// answered notes that the store answered a question asked at began. Under mu.
func (t *Tracker) answered(began time.Time) {
	if began.After(t.contact) {
		t.contact = began
	}
	if !t.full { // a disk that is full is read as ever
		t.failures, t.retryAt = 0, time.Time{}
	}
}

// wrote notes that the store wrote what it was given at began. Under mu.
func (t *Tracker) wrote(began time.Time) {
	if t.full {
		t.full = false
		t.o.Logger.Warn("budget: there is room again")
	}
	t.answered(began)
}
