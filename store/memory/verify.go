package memory

import (
	"context"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/internal/protocol"
)

// OpenDoubts implements [store.Ledger].
func (s *Store) OpenDoubts(ctx context.Context) (_ []store.OpenDoubt, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end(&err)
	return protocol.OpenDoubts(tx{s}.doubtsWhere(func(*store.Doubt) bool { return true })), nil
}

// Settle implements [store.Ledger].
func (s *Store) Settle(ctx context.Context, all []store.Settlement, now time.Time) (_ []bool, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end(&err)
	return protocol.Settle(tx{s}, all, now)
}

// DaySums implements [store.Ledger].
func (s *Store) DaySums(ctx context.Context, from, to time.Time, without ...store.CounterID) (_ []store.DaySum, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end(&err)
	out := make([]bool, len(s.calls.paths))
	for i, path := range s.calls.paths {
		out[i] = slices.ContainsFunc(path, func(id store.CounterID) bool { return slices.Contains(without, id) })
	}
	sums := map[protocol.DayKey]*store.DaySum{}
	for i := range s.calls.len() {
		r := s.calls.row(i)
		if out[r.path] || r.started <= 0 || r.started < instant(from) || (!to.IsZero() && r.started >= instant(to)) {
			continue
		}
		sent := r.upstream
		if sent == 0 {
			sent = r.model
		}
		day := r.started / int64(24*time.Hour)
		k := protocol.DayKey{Day: day, Provider: s.calls.named(r.provider), Upstream: s.calls.named(sent)}
		if sums[k] == nil {
			sums[k] = &store.DaySum{}
		}
		s.addDay(sums[k], r, r.ended/int64(24*time.Hour) > day)
	}
	return protocol.SortedDays(sums), nil
}

func (s *Store) addDay(d *store.DaySum, r *callRow, over bool) {
	outcome := s.calls.named(r.outcome)
	switch outcome {
	case "ok":
		d.Complete++
		d.CompleteCost, d.CompleteBound = d.CompleteCost.Add(r.cost), d.CompleteBound.Add(r.worst)
	case "estimated":
		d.Estimated++
	case "cut":
		d.Cut++
	case "error", "unsent":
		d.Failed++
	case "reconciled", store.OutcomeExpected:
		d.Booked++
	case store.OutcomeVerified:
		d.Verified++
	}
	if over && (outcome == "ok" || outcome == "estimated" || outcome == "cut" || outcome == "error") {
		d.Over++
	}
	d.InputTokens += r.input
	d.CacheReadTokens += r.cacheRead
	d.CacheWriteTokens += r.cacheWrite
	d.OutputTokens += r.output
	d.Cost = d.Cost.Add(r.cost)
}
