package pricing

import (
	"slices"
	"sync"
	"time"
)

// memo remembers what was looked up: a call asks for the price of its model several times, and the search tries many spellings. Prices change at known
// moments only, so what was found holds for all of a stretch between two of them. Safe for concurrent use.
type memo struct {
	changes []time.Time // when any price begins, in order

	mu    sync.RWMutex
	found map[question]*Price
}

type question struct {
	provider, model string
	stretch         int
}

// mostRemembered bounds the memory that callers' spellings can take.
const mostRemembered = 4096

func newMemo(layers ...layer) *memo {
	m := &memo{found: make(map[question]*Price)}
	for _, l := range layers {
		for _, rows := range l {
			for _, r := range rows {
				if !r.ValidFrom.IsZero() {
					m.changes = append(m.changes, r.ValidFrom)
				}
			}
		}
	}
	slices.SortFunc(m.changes, time.Time.Compare)
	m.changes = slices.CompactFunc(m.changes, time.Time.Equal)
	return m
}

// lookup returns what find returns, asking it once per stretch of time.
func (m *memo) lookup(provider, model string, at time.Time, find func(provider, model string, at time.Time) (Price, error)) (*Price, error) {
	if m == nil {
		p, err := find(provider, model, at)
		return &p, err
	}
	stretch, _ := slices.BinarySearchFunc(m.changes, at, func(change, at time.Time) int {
		if change.After(at) {
			return 1
		}
		return -1
	})
	q := question{provider, model, stretch}
	m.mu.RLock()
	p, ok := m.found[q]
	m.mu.RUnlock()
	if ok {
		return p, nil
	}
	row, err := find(provider, model, at)
	if err != nil {
		return nil, err
	}
	p = &row
	p.plain, p.plainOf = p.For(Standard, 0), p.Rates
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.found) >= mostRemembered {
		clear(m.found)
	}
	m.found[q] = p
	return p, nil
}
