package storetest

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// testSettleCall ends the doubts of single attempts, of a living owner and of a dead one.
func testSettleCall(_ *testing.T, b *bench) {
	job, global := b.estate("a")
	sent := b.call(0, 0, job, global).Call
	sent.Upstream = "big-1"
	b.settle(store.PostMortem{Owner: "a", Sent: []store.OpenHold{{Call: sent, Amount: 9}}, Final: true})
	b.join("b")
	b.round("b", ops(store.LeaseOp{Counter: job, Wants: wants(30)}, store.LeaseOp{Counter: global, Wants: wants(30)}))
	cut, lost := b.call(2, 5, job, global), b.call(0, 7, job, global)
	b.round("b", ops(
		store.LeaseOp{Counter: job, Seq: 1, Spent: 2, Doubt: 12, Give: 16}, store.LeaseOp{Counter: global, Seq: 1, Spent: 2, Doubt: 12, Give: 16},
	), cut, lost)
	b.figures(job, figures{Committed: 43, Spent: 22, Doubt: 21})
	open, err := b.st.OpenDoubts(b.ctx)
	b.ok(err)
	b.same("open", []store.OpenDoubt{
		{Owner: "a", Call: sent.ID, Attempt: 1, Provider: "p", Model: "m", Upstream: "big-1", Started: b.now, Since: b.now, Path: []store.CounterID{job, global}, Amount: 9, Least: 9},
		{Owner: "b", Call: cut.Call.ID, Attempt: 1, Provider: "p", Model: "m", Started: b.now, Since: b.now, Path: []store.CounterID{job, global}, Amount: 5, Least: 5},
		{Owner: "b", Call: lost.Call.ID, Attempt: 1, Provider: "p", Model: "m", Started: b.now, Since: b.now, Path: []store.CounterID{job, global}, Amount: 7, Least: 7},
	}, open)
	settlements := []store.Settlement{
		{Owner: "a", Call: sent.ID, Attempt: 1, Doubt: 9, Cost: 4, Outcome: store.OutcomeVerified, InputTokens: 3, OutputTokens: 1},
		{Owner: "b", Call: cut.Call.ID, Attempt: 1, Doubt: 5, Cost: 5, Outcome: store.OutcomeExpected},
		{Owner: "b", Call: lost.Call.ID, Attempt: 1, Doubt: 7, Outcome: store.OutcomeVerified},
		{Owner: "b", Call: "unknown", Attempt: 1, Doubt: 7, Outcome: store.OutcomeVerified},
	}
	stale := slices.Clone(settlements)
	for i := range stale {
		stale[i].Doubt++
	}
	later := b.now.Add(time.Hour)
	for _, step := range []struct {
		all  []store.Settlement
		want []bool
		fig  figures
	}{
		{stale, []bool{false, false, false, false}, figures{Committed: 43, Spent: 22, Doubt: 21}},
		{settlements, []bool{true, true, true, false}, figures{Committed: 31, Spent: 31}},
		{settlements, []bool{false, false, false, false}, figures{Committed: 31, Spent: 31}},
	} {
		done, err := b.st.Settle(b.ctx, step.all, later)
		b.ok(err)
		b.same("done", step.want, done)
		b.figures(job, step.fig)
		b.figures(global, step.fig)
	}
	calls, _, err := b.st.Calls(b.ctx, "", 3, 10)
	b.ok(err)
	path := []store.CounterID{job, global}
	b.same("rows", []store.Call{
		{ID: sent.ID, Attempt: 1, Path: path, Provider: "p", Model: "m", Upstream: "big-1", Outcome: "verified", Cost: 4, InputTokens: 3, OutputTokens: 1, Started: b.now, Ended: later},
		{ID: cut.Call.ID, Attempt: ^1, Path: path, Provider: "p", Model: "m", Outcome: "expected", Cost: 5, Started: b.now, Ended: later},
		{ID: lost.Call.ID, Attempt: ^1, Path: path, Provider: "p", Model: "m", Outcome: "verified", Started: b.now, Ended: later},
	}, calls)
	// The word of one that lived after all: what was booked for it is not booked again.
	sent.Cost = 6
	b.settle(store.PostMortem{Owner: "a", Entries: []store.Entry{{Call: sent}}})
	b.figures(job, figures{Committed: 31, Spent: 31})
}

func testSettleRefused(_ *testing.T, b *bench) {
	b.join("a")
	job, global := b.account("job:a", 100), b.account("global", 100)
	b.round("a", ops(store.LeaseOp{Counter: job, Wants: wants(30)}, store.LeaseOp{Counter: global, Wants: wants(30)}))
	cut, other := b.call(0, 5, job, global), b.call(0, 5, job, global)
	b.round("a", ops(store.LeaseOp{Counter: job, Seq: 1, Doubt: 10}, store.LeaseOp{Counter: global, Seq: 1, Doubt: 10}), cut, other)
	good := store.Settlement{Owner: "a", Call: cut.Call.ID, Attempt: 1, Doubt: 5, Cost: 1, Outcome: store.OutcomeVerified}
	for what, change := range map[string]func(*store.Settlement){
		"more than is open":    func(s *store.Settlement) { s.Cost = 6 },
		"less than nothing":    func(s *store.Settlement) { s.Cost = -1 },
		"negative tokens":      func(s *store.Settlement) { s.OutputTokens = -1 },
		"no call":              func(s *store.Settlement) { s.Call = "" },
		"an attempt after one": func(s *store.Settlement) { s.Attempt = ^1 },
		"another outcome":      func(s *store.Settlement) { s.Outcome = "ok" },
	} {
		bad := good
		bad.Call = other.Call.ID
		change(&bad)
		_, err := b.st.Settle(b.ctx, []store.Settlement{good, bad}, b.now)
		b.same(what, store.ErrUnbalanced, err)
		b.figures(job, figures{Committed: 30, Doubt: 10})
	}
}

// testDaySums compares sums by day with the rows, over more of them than a store sums at a time.
func testDaySums(_ *testing.T, b *bench) {
	b.join("a")
	job, play := b.account("job:a", money.Dollar), b.account("key:simulated", money.Dollar)
	midnight := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	row := func(outcome string, started time.Time, took time.Duration, cost, doubt money.USD, path ...store.CounterID) store.Entry {
		e := b.call(cost, doubt, path...)
		e.Call.Outcome, e.Call.Upstream, e.Call.Started, e.Call.Ended = outcome, "u", started, started.Add(took)
		e.Call.InputTokens, e.Call.CacheReadTokens, e.Call.CacheWriteTokens, e.Call.OutputTokens = 1, 10, 100, 1000
		return e
	}
	b.round("a", ops(store.LeaseOp{Counter: job, Wants: wants(100)}, store.LeaseOp{Counter: play, Wants: wants(100)}))
	asked := row("error", midnight, 0, 0, 0)
	asked.Call.Upstream = ""
	b.round("a", ops(store.LeaseOp{Counter: job, Seq: 1, Spent: 19, Doubt: 2}, store.LeaseOp{Counter: play, Seq: 1, Spent: 50}),
		row("ok", midnight.Add(-time.Nanosecond), time.Second, 5, 0, job),
		row("ok", midnight, time.Second, 6, 0, job),
		row("estimated", midnight.Add(time.Hour), time.Second, 7, 0, job),
		row("cut", midnight.Add(24*time.Hour-time.Nanosecond), time.Nanosecond, 1, 2, job),
		row("ok", midnight.Add(24*time.Hour), time.Second, 0, 0, job),
		row("ok", midnight, time.Second, 50, 0, play), asked,
		row("ok", time.Time{}, 0, 0, 0, job),
	)
	one := store.DaySum{Provider: "p", Upstream: "u", InputTokens: 1, CacheReadTokens: 10, CacheWriteTokens: 100, OutputTokens: 1000, Complete: 1}
	first, second, failed, third := one, one, one, one
	first.Day, first.Over, first.Cost, first.CompleteCost, first.CompleteBound = midnight.AddDate(0, 0, -1), 1, money.SumOf(5), money.SumOf(5), money.SumOf(5)
	failed.Day, failed.Upstream, failed.Complete, failed.Failed = midnight, "m", 0, 1
	second.Add(one)
	second.Add(one)
	second.Day, second.Complete, second.Estimated, second.Cut, second.Over = midnight, 1, 1, 1, 1
	second.Cost, second.CompleteCost, second.CompleteBound = money.SumOf(14), money.SumOf(6), money.SumOf(6)
	third.Day = midnight.AddDate(0, 0, 1)
	got, err := b.st.DaySums(b.ctx, time.Time{}, time.Time{}, play)
	b.ok(err)
	b.same("without rehearsals", []store.DaySum{first, failed, second, third}, got)
	got, err = b.st.DaySums(b.ctx, midnight, midnight.AddDate(0, 0, 1), play)
	b.ok(err)
	b.same("of one day", []store.DaySum{failed, second}, got)
	second.Add(one)
	second.Cost, second.CompleteCost, second.CompleteBound = money.SumOf(64), money.SumOf(56), money.SumOf(56)
	got, err = b.st.DaySums(b.ctx, midnight, midnight.AddDate(0, 0, 1))
	b.ok(err)
	b.same("all of one day", []store.DaySum{failed, second}, got)
}

// verify ends some of the doubts with costs that a provider's books may say, perhaps twice. As with reconcile, those who may still speak are settled
// first.
func (m *machine) verify(r *rapid.T) {
	for _, p := range slices.Clone(m.procs) {
		if m.model.owners[p.id].state != store.OwnerLive {
			p.holds = nil
			m.settleLate(r, p)
		}
	}
	open, err := m.st.OpenDoubts(m.t.Context())
	m.ok(r, err)
	var all []store.Settlement
	var want []bool
	for _, d := range open {
		if d.Call == "" || !rapid.Bool().Draw(r, "settle") {
			continue
		}
		s := store.Settlement{
			Owner: d.Owner, Call: d.Call, Attempt: d.Attempt, Doubt: d.Amount, Cost: m.amount(r, "cost", d.Least), Outcome: store.OutcomeVerified,
		}
		if rapid.IntRange(0, 4).Draw(r, "stale") == 0 {
			s.Doubt++
		}
		all, want = append(all, s), append(want, s.Doubt == d.Amount)
	}
	for range rapid.IntRange(1, 2).Draw(r, "times") {
		done, err := m.st.Settle(m.t.Context(), all, m.now)
		m.ok(r, err)
		if !slices.Equal(done, want) {
			r.Fatalf("done %v, want %v", done, want)
		}
		for i, s := range all {
			if want[i] {
				m.model.verify(s)
			}
			want[i] = false
		}
		m.check(r)
	}
}

func (m *model) verify(s store.Settlement) {
	key := mCall{s.Call, s.Attempt}
	for _, id := range slices.Sorted(maps.Keys(m.counters)) {
		c, d := m.counters[id], mDoubt{s.Owner, key}
		if c.doubts[d] > 0 {
			c.setDoubt(d, 0)
			c.spent += s.Cost
		}
	}
	if s.Cost > 0 {
		m.rows[key] = true
	}
}
