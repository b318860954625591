package memory

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/internal/protocol"
)

// Options of a [Store]. The zero value is usable.
type Options struct {
	// Dir is where the journals of owners are said to lie; empty: owners keep no journal.
	Dir string
}

// Store is a database in memory. It is safe for concurrent use.
type Store struct {
	dir string

	mu       sync.Mutex
	counters []*protocol.Counter // by ID − 1
	accounts map[account]store.CounterID
	owners   map[store.OwnerID]*owner
	calls    callLog
	doubts   []store.Doubt // by ID − 1; ended ones have no amount
	jobs     map[string]*job
	models   map[string]map[store.OwnerID]time.Time
	held     map[string]time.Time // until when providers have told those who use a model to send nothing
	days     map[string]day
	changes  []store.Change // by ID − 1

	living  map[store.OwnerID]bool
	claimed map[store.OwnerID]bool

	undo []func()
}

type account struct {
	name   string
	window int64
}

type day struct {
	begin time.Time
	taken store.DayUse
}

type owner struct {
	store.Owner
	leases map[store.CounterID]protocol.Lease
}

var _ store.Store = (*Store)(nil)

// New returns an empty store.
func New(o Options) *Store {
	return &Store{
		dir:      o.Dir,
		accounts: map[account]store.CounterID{},
		owners:   map[store.OwnerID]*owner{},
		calls:    newCallLog(),
		jobs:     map[string]*job{},
		models:   map[string]map[store.OwnerID]time.Time{},
		held:     map[string]time.Time{},
		days:     map[string]day{},
		living:   map[store.OwnerID]bool{},
		claimed:  map[store.OwnerID]bool{},
	}
}

// Describe returns "memory".
func (s *Store) Describe() string { return "memory" }

// Close does nothing: others may share the store, and there is nothing to release.
func (s *Store) Close() error { return nil }

// begin locks the store for one transaction. The caller defers end with the address of its error.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	return nil
}

// end unlocks the store, and takes back what the transaction changed if it failed.
func (s *Store) end(err *error) {
	if *err != nil {
		for _, undo := range slices.Backward(s.undo) {
			undo()
		}
	}
	clear(s.undo)
	s.undo = s.undo[:0]
	s.mu.Unlock()
}

// set changes a value so that a failing transaction takes it back.
func set[T any](s *Store, p *T, v T) {
	old := *p
	*p = v
	s.undo = append(s.undo, func() { *p = old })
}

// put changes an entry of a map so that a failing transaction takes it back.
func put[K comparable, V any](s *Store, m map[K]V, k K, v V) {
	old, was := m[k]
	m[k] = v
	s.undo = append(s.undo, func() {
		if was {
			m[k] = old
		} else {
			delete(m, k)
		}
	})
}

// drop deletes an entry of a map so that a failing transaction puts it back.
func drop[K comparable, V any](s *Store, m map[K]V, k K) {
	if old, was := m[k]; was {
		delete(m, k)
		s.undo = append(s.undo, func() { m[k] = old })
	}
}

// wall strips what a database would not keep of a time: its monotonic reading and its zone.
func wall(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Round(0)
}

func instant(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func (s *Store) shown(c *protocol.Counter) store.Counter {
	return c.Shown(s.leaseSpent(c.ID))
}

func (s *Store) leaseSpent(id store.CounterID) money.Sum {
	var sum money.Sum
	for _, o := range s.owners {
		sum = sum.Add(o.leases[id].Spent)
	}
	return sum
}

func (s *Store) counter(id store.CounterID) (*protocol.Counter, error) {
	if id < 1 || int(id) > len(s.counters) {
		return nil, store.ErrNotFound
	}
	return s.counters[id-1], nil
}

func (s *Store) owner(id store.OwnerID) (*owner, error) {
	o, ok := s.owners[id]
	if !ok {
		return nil, store.ErrNotFound
	}
	return o, nil
}

func byJoined(a, b store.Owner) int {
	return cmp.Or(a.Joined.Compare(b.Joined), cmp.Compare(a.ID, b.ID))
}
