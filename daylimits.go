package aurea

import (
	"context"
	"sync"

	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/store"
)

// dayShare keeps a limiter's share of limits per day, which all processes on a store have together and which outlive them. What a process may let through it
// takes from the store before: one that is killed has taken at most a hundredth of the limit too much. Safe for concurrent use.
type dayShare struct {
	mu   sync.Mutex
	used ratelimit.DayCount // when it was last renewed
}

// renew takes what the process will need until the next time, and gives back what it does not. Without an answer of the store the share stays as it is.
func (s *dayShare) renew(ctx context.Context, st store.Ledger, id limitID, lim *ratelimit.Limiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := lim.Day()
	if !ok {
		return
	}
	want := store.DayUse{
		Requests: more(d.Limits.Requests, d.Used.Requests, d.Share.Requests, d.Lack.Requests, d.Used.Requests-s.used.Requests),
		Tokens:   more(d.Limits.Tokens, d.Used.Tokens, d.Share.Tokens, d.Lack.Tokens, d.Used.Tokens-s.used.Tokens),
	}
	s.used = d.Used
	if want == (store.DayUse{}) && d.Lack == (ratelimit.DayCount{}) && d.Share != (ratelimit.DayCount{}) {
		return
	}
	back := lim.ReturnDay(d.Begin, ratelimit.DayCount{Requests: max(-want.Requests, 0), Tokens: max(-want.Tokens, 0)}) // first, or calls that go meanwhile use it
	d.Share.Requests, d.Share.Tokens = d.Share.Requests-back.Requests, d.Share.Tokens-back.Tokens
	want = store.DayUse{Requests: max(want.Requests, 0) - back.Requests, Tokens: max(want.Tokens, 0) - back.Tokens}
	got, taken, err := st.TakeDay(ctx, id.String(), d.Begin, want, store.DayUse(d.Limits))
	left := ratelimit.DayCount{Requests: d.Limits.Requests - taken.Requests, Tokens: d.Limits.Tokens - taken.Tokens}
	if err != nil {
		left = ratelimit.DayCount{Requests: 1, Tokens: 1} // nobody knows; it is asked again
	}
	lim.ShareDay(d.Begin, ratelimit.DayCount{Requests: d.Share.Requests + max(got.Requests, 0), Tokens: d.Share.Tokens + max(got.Tokens, 0)}, left)
}

// more is how much a share should grow: enough for twice the last second, for the calls that wait, and for a hundredth of the limit while there are calls, a
// thousandth while there are none. Below zero, it is too large.
func more(limit, used, share, lack, lately int64) int64 {
	if limit <= 0 {
		return 0
	}
	ahead := max(limit/1000, 1)
	if lately > 0 || share == 0 {
		ahead = max(limit/100, 2*lately, 1)
	}
	switch free := share - used; {
	case lack > 0 || 2*free < ahead:
		return max(ahead-free, lack)
	case free > 2*ahead:
		return ahead - free
	}
	return 0
}

// giveBack returns what the process took and did not use.
func (s *dayShare) giveBack(ctx context.Context, st store.Ledger, id limitID, lim *ratelimit.Limiter) {
	d, ok := lim.Day()
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	back := lim.ReturnDay(d.Begin, d.Share)
	unused := store.DayUse{Requests: -back.Requests, Tokens: -back.Tokens}
	if unused == (store.DayUse{}) {
		return
	}
	_, _, _ = st.TakeDay(ctx, id.String(), d.Begin, unused, store.DayUse(d.Limits)) // what stays taken is only not used
}

// day returns the share of a limit, nil if it has none.
func (l *limits) day(id limitID) *dayShare {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.days[id]
}

// shareOf returns the share of a limit, begun now if need be; nil if it has no limits per day.
func (l *limits) shareOf(id limitID, lim *ratelimit.Limiter) *dayShare {
	if _, ok := lim.Day(); !ok {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.days[id] == nil {
		l.days[id] = &dayShare{}
	}
	return l.days[id]
}
