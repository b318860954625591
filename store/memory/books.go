package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/internal/protocol"
)

var _ store.Books = (*Store)(nil)

// ListJobs implements [store.Books].
func (s *Store) ListJobs(ctx context.Context, f store.JobFilter, after int64, limit int) (jobs []store.Job, next int64, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, 0, err
	}
	defer s.end(&err)
	var found []*job
	for _, j := range s.jobs {
		if (after == 0 || int64(j.serial)+1 < after) && (len(f.States) == 0 || slices.Contains(f.States, j.State)) && (f.Parent == "" || f.Parent == j.Parent) {
			found = append(found, j)
		}
	}
	slices.SortFunc(found, func(a, b *job) int { return cmp.Compare(b.serial, a.serial) })
	if len(found) > limit {
		found = found[:limit]
		next = int64(found[limit-1].serial) + 1
	}
	for _, j := range found {
		jobs = append(jobs, j.Job)
	}
	return jobs, next, nil
}

// ListCalls implements [store.Books].
func (s *Store) ListCalls(ctx context.Context, f store.CallFilter, after store.CallMark, limit int) (calls []store.Call, next store.CallMark, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, store.CallMark{}, err
	}
	defer s.end(&err)
	var found []store.CallMark
	newer := func(a, b store.CallMark) int {
		if f.Job != "" {
			return cmp.Compare(b.Row, a.Row)
		}
		return cmp.Or(b.Started.Compare(a.Started), cmp.Compare(b.Row, a.Row))
	}
	for i := range s.calls.len() {
		c := s.calls.call(i)
		m := store.CallMark{Started: c.Started, Row: int64(i) + 1}
		if f.Has(&c) && (after == store.CallMark{} || newer(m, after) > 0) {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, newer)
	if len(found) > limit {
		found = found[:limit]
		next = found[limit-1]
	}
	for _, m := range found {
		calls = append(calls, s.calls.call(int(m.Row-1)))
	}
	return calls, next, nil
}

// SpendSums implements [store.Books].
func (s *Store) SpendSums(ctx context.Context, f store.CallFilter, by store.SpendBy, most int) (_ []store.SpendSum, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end(&err)
	sums := protocol.NewSpending(most)
	for i := range s.calls.len() {
		c := s.calls.call(i)
		if !f.Has(&c) {
			continue
		}
		one := store.SpendSum{
			InputTokens: c.InputTokens, CacheReadTokens: c.CacheReadTokens, CacheWriteTokens: c.CacheWriteTokens, OutputTokens: c.OutputTokens, Cost: money.SumOf(c.Cost),
		}
		if c.Attempt >= 0 {
			one.Attempts = 1
		}
		if by.Day {
			one.Day = c.Day()
		}
		if by.Job {
			one.Job = c.Job
		}
		if by.Model {
			one.Model = c.Model
		}
		if err := sums.Add(one); err != nil {
			return nil, err
		}
	}
	return sums.Sorted(), nil
}

// PutChange implements [store.Books].
func (s *Store) PutChange(ctx context.Context, c store.Change) (id int64, err error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.end(&err)
	if c.ID == 0 {
		c.ID, c.At = int64(len(s.changes))+1, wall(c.At)
		s.changes = append(s.changes, c)
		return c.ID, nil
	}
	if c.ID < 1 || c.ID > int64(len(s.changes)) {
		return 0, store.ErrNotFound
	}
	have := &s.changes[c.ID-1]
	have.After, have.Outcome = c.After, c.Outcome
	return c.ID, nil
}

// Changes implements [store.Books].
func (s *Store) Changes(ctx context.Context, after int64, limit int) (all []store.Change, next int64, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, 0, err
	}
	defer s.end(&err)
	for _, c := range slices.Backward(s.changes) {
		if after > 0 && c.ID >= after {
			continue
		}
		if len(all) == limit {
			return all, all[limit-1].ID, nil
		}
		all = append(all, c)
	}
	return all, 0, nil
}
