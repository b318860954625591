package memory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// CreateJob implements [store.Queue].
func (s *Store) CreateJob(ctx context.Context, in store.Job, limit money.Sum) (_ store.Job, created bool, err error) {
	if err := s.begin(ctx); err != nil {
		return store.Job{}, false, err
	}
	defer s.end(&err)
	if j, ok := s.jobs[in.ID]; ok {
		return j.Job, false, nil
	}
	if in.ID == "" {
		return store.Job{}, false, errors.New("store: a job needs an id")
	}
	if in.Parent != "" {
		if _, err := s.job(in.Parent); err != nil {
			return store.Job{}, false, fmt.Errorf("parent %w", err)
		}
	}
	c, err := s.open(store.CounterSpec{Account: store.JobPrefix + in.ID, Limit: limit})
	if err != nil {
		return store.Job{}, false, err
	}
	c.Limit, c.Closed = limit, false
	in.State = cmp.Or(in.State, store.JobPending)
	in.Created = wall(in.Created)
	in.Updated = in.Created
	j := &job{Job: in, serial: len(s.jobs)}
	for _, other := range s.jobs {
		j.serial = max(j.serial, other.serial+1)
	}
	j.empty()
	s.jobs[in.ID] = j
	return in, true, nil
}

// Job implements [store.Queue].
func (s *Store) Job(ctx context.Context, id string) (_ store.Job, err error) {
	if err := s.begin(ctx); err != nil {
		return store.Job{}, err
	}
	defer s.end(&err)
	j, err := s.job(id)
	if err != nil {
		return store.Job{}, err
	}
	return j.Job, nil
}

// Jobs implements [store.Queue].
func (s *Store) Jobs(ctx context.Context, state store.JobState) (all []store.Job, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end(&err)
	var found []*job
	for _, j := range s.jobs {
		if state == "" || j.State == state {
			found = append(found, j)
		}
	}
	slices.SortFunc(found, func(a, b *job) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.serial, a.serial)) })
	for _, j := range found {
		all = append(all, j.Job)
	}
	return all, nil
}

// Detached implements [store.Queue].
func (s *Store) Detached(ctx context.Context) (all []store.Job, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end(&err)
	var found []*job
	for _, j := range s.jobs {
		if j.Detached && (j.State == store.JobPending || j.State == store.JobRunning) {
			found = append(found, j)
		}
	}
	slices.SortFunc(found, func(a, b *job) int { return cmp.Compare(a.serial, b.serial) })
	for _, j := range found {
		all = append(all, j.Job)
	}
	return all, nil
}

// SetJobState implements [store.Queue].
func (s *Store) SetJobState(ctx context.Context, id string, state store.JobState, reason string, now time.Time) (err error) {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end(&err)
	j, err := s.job(id)
	if err != nil {
		return err
	}
	if j.State == store.JobCancelled {
		if state == store.JobCancelled {
			return nil
		}
		return fmt.Errorf("job %q: %w", id, store.ErrCancelled)
	}
	j.State, j.Reason, j.Updated = state, reason, wall(now)
	if state == store.JobCancelled {
		for _, c := range s.counters {
			if c.Account == store.JobPrefix+id {
				c.Closed = true
			}
		}
	}
	return nil
}

// RemoveJob implements [store.Queue].
func (s *Store) RemoveJob(ctx context.Context, id string) (err error) {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end(&err)
	j, err := s.job(id)
	if err != nil {
		return err
	}
	if o, ok := s.owners[j.Runner]; ok && o.State == store.OwnerLive {
		return &store.BusyError{Runner: o.Owner}
	}
	for _, it := range j.items {
		if o, ok := s.owners[it.owner]; j.Detached && it.state == store.ItemRunning && ok && o.State == store.OwnerLive {
			return &store.BusyError{Runner: o.Owner}
		}
	}
	for _, other := range s.jobs {
		if other.Parent == id {
			return fmt.Errorf("store: job %q is the parent of %q; remove that first", id, other.ID)
		}
	}
	number := s.calls.intern(id)
	for i := range s.calls.len() {
		if r := s.calls.row(i); r.job == number {
			r.item = 0
		}
	}
	delete(s.jobs, id)
	return nil
}

// AcquireRunner implements [store.Queue].
func (s *Store) AcquireRunner(ctx context.Context, id string, by store.OwnerID, now time.Time) (err error) {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end(&err)
	j, err := s.job(id)
	if err != nil {
		return err
	}
	if o, ok := s.owners[j.Runner]; ok && o.State == store.OwnerLive && j.Runner != by {
		return &store.BusyError{Runner: o.Owner}
	}
	if o, ok := s.owners[by]; !ok || o.State != store.OwnerLive {
		return fmt.Errorf("owner %s: %w", by, store.ErrFenced)
	}
	if j.State == store.JobCancelled {
		return fmt.Errorf("job %q: %w", id, store.ErrCancelled)
	}
	j.Runner, j.Updated = by, wall(now)
	s.putBack(j, func(it *item) bool {
		o, ok := s.owners[it.owner]
		return !ok || o.State != store.OwnerLive
	})
	return nil
}

// ReleaseRunner implements [store.Queue].
func (s *Store) ReleaseRunner(ctx context.Context, id string, by store.OwnerID, now time.Time) (err error) {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end(&err)
	j, err := s.job(id)
	if err != nil {
		return err
	}
	if j.Runner == by {
		j.Runner, j.Updated = "", wall(now)
	}
	s.putBack(j, func(it *item) bool { return it.owner == by })
	return nil
}

// Accept implements [store.Queue].
func (s *Store) Accept(ctx context.Context, id, fingerprint string, now time.Time) (err error) {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end(&err)
	j, err := s.job(id)
	if err != nil {
		return err
	}
	if j.State == store.JobCancelled {
		return fmt.Errorf("job %q: %w", id, store.ErrCancelled)
	}
	if j.State == store.JobLoading {
		j.State = store.JobPending
	}
	j.Fingerprint, j.Updated = fingerprint, wall(now)
	return nil
}

// Calls implements [store.Ledger].
func (s *Store) Calls(ctx context.Context, id string, after int64, limit int) (calls []store.Call, next int64, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, 0, err
	}
	defer s.end(&err)
	number := s.calls.intern(id)
	for i := int(max(after, 0)); i < s.calls.len(); i++ {
		if id != "" && s.calls.row(i).job != number {
			continue
		}
		if len(calls) >= limit {
			return calls, next, nil
		}
		calls, next = append(calls, s.calls.call(i)), int64(i)+1
	}
	return calls, 0, nil
}

// ModelSums implements [store.Ledger].
func (s *Store) ModelSums(ctx context.Context, id string) (c store.Counter, _ map[string]store.ModelSum, err error) {
	if err := s.begin(ctx); err != nil {
		return c, nil, err
	}
	defer s.end(&err)
	if id, ok := s.accounts[account{name: store.JobPrefix + id, window: instant(time.Time{})}]; ok {
		c = s.shown(s.counters[id-1])
	}
	type key struct {
		model uint32
		call  string
	}
	sums, seen, number := map[string]store.ModelSum{}, map[key]bool{}, s.calls.intern(id)
	for i := range s.calls.len() {
		r := s.calls.row(i)
		if r.job != number {
			continue
		}
		model := s.calls.named(r.model)
		m := sums[model]
		if k := (key{r.model, s.calls.at(r.id)}); !seen[k] {
			seen[k] = true
			m.Calls++
		}
		if r.attempt >= 0 {
			m.Attempts++
		}
		m.InputTokens += r.input + r.cacheRead + r.cacheWrite
		m.OutputTokens += r.output
		m.Cost = m.Cost.Add(r.cost)
		m.Own = m.Own.Add(cmp.Or(r.own, r.cost))
		sums[model] = m
	}
	return c, sums, nil
}

// UseModel implements [store.Ledger].
func (s *Store) UseModel(ctx context.Context, use store.ModelUse) (u store.ModelUsers, err error) {
	if err := s.begin(ctx); err != nil {
		return u, err
	}
	defer s.end(&err)
	if s.models[use.Key] == nil {
		s.models[use.Key] = map[store.OwnerID]time.Time{}
	}
	u.Now = wall(use.Now)
	s.models[use.Key][use.Owner] = u.Now
	for id, at := range s.models[use.Key] {
		switch o, ok := s.owners[id]; {
		case !ok || o.State != store.OwnerLive:
			if at.After(u.Left) {
				u.Left = at
			}
			delete(s.models[use.Key], id)
		case !at.Before(u.Now.Add(-use.Window)):
			u.Owners++
			if u.Oldest.IsZero() || at.Before(u.Oldest) {
				u.Oldest = at
			}
		}
	}
	if until := u.Now.Add(use.Held); use.Held > 0 && until.After(s.held[use.Key]) {
		s.held[use.Key] = until
	}
	u.Held = max(0, s.held[use.Key].Sub(u.Now))
	return u, nil
}

// TakeDay implements [store.Ledger].
func (s *Store) TakeDay(ctx context.Context, model string, begin time.Time, want, limit store.DayUse) (got, taken store.DayUse, err error) {
	if err := s.begin(ctx); err != nil {
		return got, taken, err
	}
	defer s.end(&err)
	d := s.days[model]
	if !d.begin.Equal(begin) {
		d = day{begin: wall(begin)}
	}
	got = d.taken.Take(want, limit)
	d.taken.Requests += got.Requests
	d.taken.Tokens += got.Tokens
	s.days[model] = d
	return got, d.taken, nil
}
