package budget

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/andres20980/aurea-orchestrator/store"
)

// A run is this tracker as one owner: from joining until it leaves or is declared dead. Its fields but for gate and journal are guarded by
// Tracker.mu.
type run struct {
	id      store.OwnerID
	epoch   int64
	release func() error // of the presence
	journal *journal
	// gate is held shared from a journal record until the state it tells of has changed, and alone to write the journal anew.
	gate sync.RWMutex

	leases   map[store.CounterID]*lease
	dirty    []*lease  // to be looked at by the next round
	pending  []*Ending // ended, not yet written, in order
	aside    []*Ending // refused by the store
	limit    int       // entries per round; fewer while a bad one is looked for
	tries    int       // of a round that the store refused
	open     int       // holds
	holds    *Hold
	lastHold uint64
	fenced   bool // declared dead by another process
}

// join becomes a new owner: seen as alive first, then with a journal, then on the store, so that whoever finds the owner's row
// finds its journal too.
func (t *Tracker) join(ctx context.Context) (*run, error) {
	r := &run{id: store.OwnerID(rand.Text()), epoch: 1, leases: map[store.CounterID]*lease{}, limit: entriesPerRound}
	var err error
	if r.release, err = t.st.Announce(ctx, r.id); err != nil {
		return nil, fmt.Errorf("budget: join: %w", err)
	}
	boot := bootID()
	if r.journal, err = createJournal(t.st.JournalPath(r.id), r.id, boot); err != nil {
		_ = r.release()
		return nil, fmt.Errorf("budget: join: %w: %w", ErrJournal, err)
	}
	host, _ := os.Hostname()
	err = t.st.Join(ctx, store.Owner{
		ID: r.id, Epoch: 1, State: store.OwnerLive, PID: os.Getpid(), Host: host, BootID: boot, Joined: t.o.Now(),
	})
	if err != nil {
		r.journal.close()
		_ = t.st.Forget(r.id)
		_ = r.release()
		return nil, fmt.Errorf("budget: join: %w", err)
	}
	return r, nil
}

// fence takes in that this owner was declared dead. Its leases are gone; its attempts in flight end as a late owner's, and it joins anew.
func (t *Tracker) fence(run *run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if run.fenced {
		return
	}
	t.o.Logger.Warn("budget: this process was declared dead by another; it settles its calls and joins again", "owner", run.id)
	run.fenced = true
	run.limit, run.tries = entriesPerRound, 0
	t.late = append(t.late, run)
	t.cur = nil
	t.failures, t.retryAt = 0, time.Time{}
	for w := t.first; w != nil; w = w.next {
		for _, l := range w.leases {
			l.waiting--
		}
		w.leases = nil
	}
	for _, l := range run.leases {
		l.gone = true
	}
	t.hurry()
}

// rejoin becomes a new owner after a fence; those who wait go on with it.
func (t *Tracker) rejoin() {
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.ctx, roundTimeout)
	defer cancel()
	r, err := t.join(ctx)
	if err != nil {
		t.failed(err)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cur, t.owner = r, r.id
	t.wrote(began)
	for t.first != nil {
		t.answer(t.first, errAgain)
	}
	t.hurry()
}

// settleLate writes what ended in runs that were declared dead, and ends those runs when nothing of them is in flight.
func (t *Tracker) settleLate() bool {
	t.mu.Lock()
	late := slices.Clone(t.late)
	t.mu.Unlock()
	for _, r := range late {
		if !t.settle(r) {
			return false
		}
	}
	return true
}

func (t *Tracker) settle(r *run) bool {
	t.mu.Lock()
	ends := slices.Clone(r.pending)
	last := r.open == 0
	sent := r.sentHolds()
	t.mu.Unlock()
	if len(ends) == 0 && !last {
		return true
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.ctx, roundTimeout)
	defer cancel()
	for len(ends) > 0 {
		part := ends[:min(len(ends), r.limit)]
		pm := store.PostMortem{Owner: r.id, Now: t.o.Now(), Sent: sent}
		for _, e := range part {
			pm.Entries = append(pm.Entries, e.entry)
		}
		res, err := t.st.SettleDead(ctx, pm)
		gone := errors.Is(err, store.ErrNotFound)
		switch {
		case err == nil || gone:
		case errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil:
			t.failed(err)
			return false
		case len(part) > 1:
			r.limit = 1 // one of them is a row that the store does not take
			continue
		default:
			part[0].err = fmt.Errorf("budget: the store does not take this record; its money stays unconfirmed and the record in the journal: %w", err)
			t.o.Logger.Error("budget: a record is refused by the store", "call", part[0].entry.Call.ID, "error", err)
			t.mu.Lock()
			r.aside = append(r.aside, part[0])
			t.mu.Unlock()
		}
		t.mu.Lock()
		t.wrote(began)
		r.pending = slices.Delete(r.pending, 0, len(part))
		t.mu.Unlock()
		for i, e := range part {
			err := e.err
			if gone {
				err = fmt.Errorf("budget: this process was declared dead and settled by another before the call ended; its cost of $%s stays unconfirmed until it is reconciled", e.entry.Call.Cost)
				t.o.Logger.Error("budget: late call not booked", "call", e.entry.Call.ID, "error", err)
			}
			e.finish(err, slices.Contains(res.Rejected, i))
		}
		ends = ends[len(part):]
	}
	if !last || len(r.aside) > 0 {
		return true
	}
	// Items first: once the owner is gone no one looks for them.
	_, err := t.st.ReleaseItems(ctx, r.id)
	if err == nil {
		_, err = t.st.SettleDead(ctx, store.PostMortem{Owner: r.id, Now: t.o.Now(), Final: true})
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.failed(err)
		return false
	}
	r.journal.close()
	if err := errors.Join(t.st.Forget(r.id), r.release()); err != nil {
		t.o.Logger.Warn("budget: cleaning up after a late owner", "error", err)
	}
	t.mu.Lock()
	t.late = slices.DeleteFunc(t.late, func(o *run) bool { return o == r })
	t.mu.Unlock()
	return true
}

// sentHolds returns the holds that are on the wire. Under Tracker.mu.
func (r *run) sentHolds() []store.OpenHold {
	var sent []store.OpenHold
	for h := r.holds; h != nil; h = h.next {
		if h.sent.Load() {
			sent = append(sent, h.open())
		}
	}
	return sent
}

// tidy writes the journal anew, with only what is open or not yet in the store, when it has grown. Under Tracker.mu, which it lets
// go for a moment.
func (t *Tracker) tidy(r *run) {
	if !r.journal.large(r.open == 0 && len(r.pending) == 0) {
		return
	}
	t.mu.Unlock()
	r.gate.Lock()
	t.mu.Lock()
	err := r.journal.renew(func(put func(kind byte, id uint64, payload []byte)) {
		for h := r.holds; h != nil; h = h.next { // with their numbers, which the end of each will name
			if h.sent.Load() {
				put(recordSent, h.id, appendOpen(nil, h.open()))
			}
		}
		for _, e := range slices.Concat(r.aside, r.pending) {
			put(recordEnded, e.id, appendEntry(nil, e.entry))
		}
	})
	r.gate.Unlock()
	if err != nil {
		t.o.Logger.Warn("budget: journal: cannot be made smaller", "error", err)
	}
}
