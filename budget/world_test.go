package budget

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/memory"
)

var quiet = Options{Logger: slog.New(slog.DiscardHandler)}

// testStore is a store in memory with journals on disk that fails when told to.
type testStore struct {
	store.Store

	mu     sync.Mutex
	faults []fault // for the next rounds
	down   bool    // nothing can be reached
	full   bool    // nothing can be written
	refuse string  // the id of a call whose row is not taken, whatever else is in it
	rounds int
	reads  int
	late   func() // a round that was given up and arrives yet
	last   bool   // after the next one, not before
}

type fault int

const (
	lostAnswer  fault = iota // written, but the writer is not told
	lostRequest              // not written, and the writer cannot know
	outage                   // not written
	noRoom                   // not written
	lateFirst                // on its way for so long that it arrives just before the next round
	lateLast                 // on its way for so long that it arrives just after the next round
)

func newTestStore(tb testing.TB) *testStore {
	tb.Helper()
	return newTestStoreIn(tb.TempDir())
}

func newTestStoreIn(dir string) *testStore {
	return &testStore{Store: memory.New(memory.Options{Dir: dir})}
}

func (s *testStore) Apply(ctx context.Context, r store.Round) (store.RoundResult, error) {
	s.mu.Lock()
	s.rounds++
	f := fault(-1)
	if s.down {
		f = outage
	}
	if s.full {
		f = noRoom
	}
	for _, e := range r.Entries {
		if s.refuse != "" && (e.Call.ID == s.refuse || strings.HasPrefix(e.Call.ID, s.refuse+"+")) {
			s.mu.Unlock()
			return store.RoundResult{}, errors.New("row violates a constraint")
		}
	}
	if len(s.faults) > 0 {
		f, s.faults = s.faults[0], s.faults[1:]
	}
	late, last := s.late, s.last
	s.late = nil
	s.mu.Unlock()
	if late != nil {
		if last {
			defer late()
		} else {
			late()
		}
	}
	switch f {
	case lateFirst, lateLast:
		s.mu.Lock()
		defer s.mu.Unlock()
		r.Entries, r.Leases = slices.Clone(r.Entries), slices.Clone(r.Leases)
		s.last = f == lateLast
		s.late = func() { _, _ = s.Store.Apply(context.WithoutCancel(ctx), r) }
		return store.RoundResult{}, context.DeadlineExceeded
	case lostRequest:
		return store.RoundResult{}, context.DeadlineExceeded
	case outage:
		return store.RoundResult{}, store.ErrUnavailable
	case noRoom:
		return store.RoundResult{}, fmt.Errorf("%w: %w", store.ErrUnavailable, store.ErrFull)
	case lostAnswer:
		if _, err := s.Store.Apply(ctx, r); err != nil {
			return store.RoundResult{}, err
		}
		return store.RoundResult{}, errors.New("connection reset")
	}
	return s.Store.Apply(ctx, r)
}

func (s *testStore) Counters(ctx context.Context, ids ...store.CounterID) ([]store.Counter, error) {
	s.mu.Lock()
	s.reads++
	down := s.down
	s.mu.Unlock()
	if down {
		return nil, store.ErrUnavailable
	}
	return s.Store.Counters(ctx, ids...)
}

func (s *testStore) Owner(ctx context.Context, id store.OwnerID) (store.Owner, error) {
	s.mu.Lock()
	down := s.down
	s.mu.Unlock()
	if down {
		return store.Owner{}, store.ErrUnavailable
	}
	return s.Store.Owner(ctx, id)
}

func (s *testStore) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// check asserts what must hold of the store after every step: I1, I2 unless over is true, and I4.
func (s *testStore) check(ctx context.Context, trackers []*Tracker, over bool, ids ...store.CounterID) error {
	live, err := s.Owners(ctx, store.OwnerLive)
	if err != nil {
		return err
	}
	counters, err := s.Store.Counters(ctx, ids...)
	if err != nil {
		return err
	}
	calls, _, err := s.Calls(ctx, "", 0, 1<<30)
	if err != nil {
		return err
	}
	for _, c := range counters {
		var leased, rows money.Sum
		for _, o := range live {
			l, err := s.Lease(ctx, o.ID, c.ID)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			leased = leased.Add(l.Granted - l.Spent)
		}
		for _, call := range calls {
			if slices.Contains(call.Path, c.ID) {
				rows = rows.Add(call.Cost)
			}
		}
		if c.Leased() != leased {
			return fmt.Errorf("I1: %s: committed %v − spent %v − doubt %v ≠ leased %v", c.Account, c.Committed, c.Spent, c.Doubt, leased)
		}
		if !over && c.Committed.Cmp(c.Limit) > 0 {
			return fmt.Errorf("I2: %s: committed %v > limit %v", c.Account, c.Committed, c.Limit)
		}
		if c.Spent != rows {
			return fmt.Errorf("I4: %s: spent %v ≠ calls %v", c.Account, c.Spent, rows)
		}
	}
	for _, t := range trackers {
		if err := t.checkLeases(over); err != nil {
			return err
		}
	}
	return nil
}

// checkLeases asserts I3: what is spent and held here is covered by what was granted.
func (t *Tracker) checkLeases(over bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cur == nil {
		return nil
	}
	for _, l := range t.cur.leases {
		var held money.USD
		for h := t.cur.holds; h != nil; h = h.next {
			if slices.Contains(h.leases, l) {
				held += h.amount
			}
		}
		if held != l.holds || l.giving != 0 && t.unresolved == nil || l.spent < 0 || l.doubt < 0 || (!over && l.free() < 0) {
			return fmt.Errorf("I3: %s: holds %v sum to %v, free %v, giving %v", l.ref.account, l.holds, held, l.free(), l.giving)
		}
	}
	return nil
}

func mustOpen(tb testing.TB, st store.Store) *Tracker {
	tb.Helper()
	tr, err := Open(tb.Context(), st, quiet)
	if err != nil {
		tb.Fatal(err)
	}
	return tr
}

func mustClose(tb testing.TB, tr *Tracker) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := tr.Close(ctx); err != nil {
		tb.Fatal(err)
	}
}

func mustPath(tb testing.TB, tr *Tracker, specs ...AccountSpec) *Path {
	tb.Helper()
	p, err := tr.Path(tb.Context(), specs...)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func spec(name, limit string) AccountSpec {
	if limit == "" {
		return AccountSpec{Name: name, Limit: money.Unlimited}
	}
	s, err := money.ParseSum(limit)
	if err != nil {
		panic(err)
	}
	return AccountSpec{Name: name, Limit: s}
}

func usd(s string) money.USD { return money.MustParse(s) }

func sum(s string) money.Sum {
	v, err := money.ParseSum(s)
	if err != nil {
		panic(err)
	}
	return v
}

// kill ends the tracker as a kill −9 of its process would: nothing is written or given back any more.
func (t *Tracker) kill() {
	t.halt()
	t.abandon()
}

func counterOf(tb testing.TB, st store.Store, account string) store.Counter {
	tb.Helper()
	c, err := st.FindCounter(tb.Context(), account, time.Time{})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}
