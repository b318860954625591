package memory

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/store"
)

// item is an item with its state. Its index in its lane is where the lane's cursor finds it.
type item struct {
	store.Item
	state  store.ItemState
	owner  store.OwnerID
	result *store.Result
	index  int
}

// lane holds the items of one lane in input order.
type lane struct {
	items []*item
	first int // no item before it is pending
}

type job struct {
	store.Job
	serial int
	items  []*item // by Seq
	bySeq  map[int64]*item
	byID   map[string]*item
	lanes  map[string]*lane
	counts store.ItemCounts
}

func (j *job) count(state store.ItemState) *int64 {
	switch state {
	case store.ItemPending:
		return &j.counts.Pending
	case store.ItemRunning:
		return &j.counts.Running
	case store.ItemDone:
		return &j.counts.Done
	default:
		return &j.counts.Failed
	}
}

// move changes an item, its job's counts and its lane's cursor.
func (s *Store) move(j *job, it *item, next item) {
	from, to := j.count(it.state), j.count(next.state)
	set(s, from, *from-1)
	set(s, to, *to+1)
	if l := j.lanes[it.Lane]; next.state == store.ItemPending && it.index < l.first {
		l.first = it.index // too low is only slow, so no undo
	}
	set(s, it, next)
}

// putBack makes the running items pending again that match.
func (s *Store) putBack(j *job, match func(*item) bool) int {
	n := 0
	for _, it := range j.items {
		if it.state != store.ItemRunning || !match(it) {
			continue
		}
		next := *it
		next.state, next.owner = store.ItemPending, ""
		s.move(j, it, next)
		n++
	}
	return n
}

func (s *Store) job(id string) (*job, error) {
	j, ok := s.jobs[id]
	if !ok {
		return nil, fmt.Errorf("job %q: %w", id, store.ErrNotFound)
	}
	return j, nil
}

// AddItems implements [store.Queue].
func (s *Store) AddItems(ctx context.Context, id string, items []store.Item) (known []store.KnownItem, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end(&err)
	j, err := s.job(id)
	if err != nil {
		return nil, err
	}
	if j.State == store.JobCancelled {
		return nil, fmt.Errorf("job %q: %w", id, store.ErrCancelled)
	}
	for i := range items {
		in := &items[i]
		if have := j.byID[in.CustomID]; have != nil {
			if have.URL != in.URL || !bytes.Equal(have.Body, in.Body) {
				return nil, &store.ConflictError{CustomID: in.CustomID}
			}
			known = append(known, store.KnownItem{Index: i, Seq: have.Seq})
			continue
		}
		if in.Seq < 1 || j.bySeq[in.Seq] != nil {
			return nil, fmt.Errorf("store: item %q cannot be number %d of job %q", in.CustomID, in.Seq, id)
		}
		s.addItem(j, *in)
	}
	return known, nil
}

func (s *Store) addItem(j *job, in store.Item) {
	in.Body, in.Attempt, in.Tries, in.NotBefore = slices.Clone(in.Body), 0, 0, wall(in.NotBefore)
	it := &item{Item: in, state: store.ItemPending}
	put(s, j.bySeq, in.Seq, it)
	put(s, j.byID, in.CustomID, it)
	set(s, &j.counts.Pending, j.counts.Pending+1)
	l := j.lanes[in.Lane]
	if l == nil {
		l = &lane{}
		put(s, j.lanes, in.Lane, l)
	}
	set(s, &j.items, insert(j.items, it))
	set(s, &l.items, insert(l.items, it))
	it.index = len(l.items) - 1
	if l.items[it.index] != it {
		for i, other := range l.items {
			other.index = i
		}
		l.first = 0
	}
}

// insert adds an item by Seq; at the end it does not copy.
func insert(items []*item, it *item) []*item {
	if n := len(items); n == 0 || items[n-1].Seq < it.Seq {
		return append(items, it)
	}
	at, _ := slices.BinarySearchFunc(items, it.Seq, func(a *item, seq int64) int { return cmp.Compare(a.Seq, seq) })
	return slices.Concat(items[:at], []*item{it}, items[at:])
}

// DropItems implements [store.Queue].
func (s *Store) DropItems(ctx context.Context, id string) (err error) {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end(&err)
	j, err := s.job(id)
	if err != nil {
		return err
	}
	if j.State != store.JobLoading {
		return fmt.Errorf("store: job %q was accepted; its items stay", id)
	}
	j.empty()
	return nil
}

func (j *job) empty() {
	j.items, j.counts = nil, store.ItemCounts{}
	j.bySeq, j.byID, j.lanes = map[int64]*item{}, map[string]*item{}, map[string]*lane{}
}

// Lanes implements [store.Queue].
func (s *Store) Lanes(ctx context.Context, id string) (names []string, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end(&err)
	j, err := s.job(id)
	if err != nil {
		return nil, err
	}
	for name, l := range j.lanes {
		if slices.ContainsFunc(l.items, func(it *item) bool {
			return it.state == store.ItemPending || it.state == store.ItemRunning
		}) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Claim implements [store.Queue].
func (s *Store) Claim(
	ctx context.Context, id, laneName string, by store.OwnerID, limit int, now time.Time,
) (claimed []store.Item, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end(&err)
	j, err := s.job(id)
	if err != nil {
		return nil, err
	}
	if err := s.mayRun(j, by); err != nil {
		return nil, err
	}
	l := j.lanes[laneName]
	if l == nil {
		return nil, nil
	}
	for l.first < len(l.items) && l.items[l.first].state != store.ItemPending {
		l.first++
	}
	for _, it := range l.items[l.first:] {
		if len(claimed) >= limit {
			break
		}
		if it.state != store.ItemPending || it.NotBefore.After(now) {
			continue
		}
		next := *it
		next.state, next.owner, next.NotBefore = store.ItemRunning, by, time.Time{}
		next.Attempt++
		s.move(j, it, next)
		out := it.Item
		out.Body = slices.Clone(out.Body)
		claimed = append(claimed, out)
	}
	return claimed, nil
}

// mayRun refuses work to owners that are not live and from jobs that give none.
func (s *Store) mayRun(j *job, by store.OwnerID) error {
	o, ok := s.owners[by]
	switch {
	case !ok || o.State != store.OwnerLive:
		return fmt.Errorf("owner %s: %w", by, store.ErrFenced)
	case j.State == store.JobCancelled:
		return fmt.Errorf("job %q: %w", j.ID, store.ErrCancelled)
	case j.State == store.JobLoading:
		return fmt.Errorf("store: job %q was never accepted", j.ID)
	}
	return nil
}

// Unclaim implements [store.Queue].
func (s *Store) Unclaim(ctx context.Context, id string, by store.OwnerID, seqs []int64, notBefore time.Time) (err error) {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end(&err)
	j, err := s.job(id)
	if err != nil {
		return err
	}
	for _, seq := range seqs {
		it := j.bySeq[seq]
		if it == nil || it.state != store.ItemRunning || it.owner != by {
			continue
		}
		next := *it
		next.state, next.owner, next.NotBefore = store.ItemPending, "", wall(notBefore)
		s.move(j, it, next)
	}
	return nil
}

// ReleaseItems implements [store.Queue].
func (s *Store) ReleaseItems(ctx context.Context, by store.OwnerID) (n int, err error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.end(&err)
	if o, ok := s.owners[by]; ok && o.State == store.OwnerLive {
		return 0, fmt.Errorf("%w: owner %s", store.ErrOwnerLive, by)
	}
	for _, j := range s.jobs {
		n += s.putBack(j, func(it *item) bool { return it.owner == by })
	}
	return n, nil
}

// NextDue implements [store.Queue].
func (s *Store) NextDue(ctx context.Context, id, laneName string) (due time.Time, ok bool, err error) {
	if err := s.begin(ctx); err != nil {
		return time.Time{}, false, err
	}
	defer s.end(&err)
	j, err := s.job(id)
	if err != nil || j.lanes[laneName] == nil {
		return time.Time{}, false, err
	}
	l := j.lanes[laneName]
	for _, it := range l.items[l.first:] {
		if it.state == store.ItemPending && (!ok || it.NotBefore.Before(due)) {
			due, ok = it.NotBefore, true
		}
		if ok && due.IsZero() {
			break
		}
	}
	return due, ok, nil
}

// CountItems implements [store.Queue].
func (s *Store) CountItems(ctx context.Context, id string) (_ store.ItemCounts, err error) {
	if err := s.begin(ctx); err != nil {
		return store.ItemCounts{}, err
	}
	defer s.end(&err)
	j, err := s.job(id)
	if err != nil {
		return store.ItemCounts{}, err
	}
	return j.counts, nil
}

// LastItem implements [store.Queue].
func (s *Store) LastItem(ctx context.Context, id string) (seq int64, err error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.end(&err)
	j, err := s.job(id)
	if err != nil {
		return 0, err
	}
	for n := range j.bySeq {
		seq = max(seq, n)
	}
	return seq, nil
}

// ResetItems implements [store.Queue].
func (s *Store) ResetItems(ctx context.Context, id string, f store.ResetFilter) (n int, err error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.end(&err)
	j, err := s.job(id)
	if err != nil {
		return 0, err
	}
	if j.State == store.JobCancelled {
		return 0, fmt.Errorf("job %q: %w", id, store.ErrCancelled)
	}
	for _, it := range j.items {
		switch {
		case f == store.ResetFailed && it.state == store.ItemFailed:
		case f == store.ResetTruncated && it.state == store.ItemDone && it.result.Truncated:
		case f != store.ResetFailed && f != store.ResetTruncated:
			return 0, fmt.Errorf("store: unknown filter %q", f)
		default:
			continue
		}
		next := *it
		next.state, next.Tries, next.NotBefore, next.result = store.ItemPending, 0, time.Time{}, nil
		s.move(j, it, next)
		n++
	}
	return n, nil
}

// Results implements [store.Queue].
func (s *Store) Results(ctx context.Context, id string, failed bool, after int64, limit int) (all []store.Result, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end(&err)
	j, err := s.job(id)
	if err != nil {
		return nil, err
	}
	want := store.ItemDone
	if failed {
		want = store.ItemFailed
	}
	at, _ := slices.BinarySearchFunc(j.items, after+1, func(a *item, seq int64) int { return cmp.Compare(a.Seq, seq) })
	for _, it := range j.items[at:] {
		if len(all) >= limit {
			break
		}
		if it.state == want {
			r := *it.result
			r.Body = slices.Clone(r.Body)
			all = append(all, r)
		}
	}
	return all, nil
}
