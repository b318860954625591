package protocol

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/store"
)

// SpendKey is what spending is summed by.
type SpendKey struct {
	Day        time.Time
	Job, Model string
}

// Spending are sums of call rows, of which there may be only so many.
type Spending struct {
	sums map[SpendKey]*store.SpendSum
	most int
}

// NewSpending returns sums of nothing.
func NewSpending(most int) *Spending {
	return &Spending{sums: map[SpendKey]*store.SpendSum{}, most: most}
}

// Add adds to the sum with the same key.
func (s *Spending) Add(one store.SpendSum) error {
	k := SpendKey{one.Day, one.Job, one.Model}
	if have := s.sums[k]; have != nil {
		have.Add(one)
		return nil
	}
	if len(s.sums) == s.most {
		return fmt.Errorf("%w: more than %d sums", store.ErrTooMany, s.most)
	}
	s.sums[k] = &one
	return nil
}

// Sorted returns the sums by day, job and model.
func (s *Spending) Sorted() []store.SpendSum {
	all := make([]store.SpendSum, 0, len(s.sums))
	for _, one := range s.sums {
		all = append(all, *one)
	}
	slices.SortFunc(all, func(a, b store.SpendSum) int {
		return cmp.Or(a.Day.Compare(b.Day), cmp.Compare(a.Job, b.Job), cmp.Compare(a.Model, b.Model))
	})
	return all
}
