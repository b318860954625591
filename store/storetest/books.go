package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// RunBooks tests what [store.Books] says. [Run] does so for stores that have it.
func RunBooks(t *testing.T, open func(t testing.TB) store.Store) {
	t.Helper()
	for name, test := range map[string]func(*bench, store.Books){
		"ListJobs": testListJobs, "ListCalls": testListCalls, "SpendSums": testSpendSums, "Trail": testTrail,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, open(t))
			books, _ := b.st.(store.Books)
			test(b, books)
		})
	}
}

func testListJobs(b *bench, books store.Books) {
	const n = 11
	var want []string
	for i := range n {
		j := store.Job{ID: fmt.Sprintf("local/j%d", i), Created: b.now.Add(time.Duration(n-i) * time.Second), State: store.JobPending}
		if i%3 == 1 {
			j.Parent = "local/j0"
		}
		_, _, err := b.st.CreateJob(b.ctx, j, money.Sum{Dollars: 1})
		b.ok(err)
		if i%2 == 1 {
			b.ok(b.st.SetJobState(b.ctx, j.ID, store.JobDone, "", b.now))
		}
		want = append([]string{j.ID}, want...)
	}
	list := func(f store.JobFilter, limit int) (ids []string) {
		for after := int64(0); ; {
			jobs, next, err := books.ListJobs(b.ctx, f, after, limit)
			b.ok(err)
			if len(jobs) > limit {
				b.Fatalf("%d jobs on a page of %d", len(jobs), limit)
			}
			for _, j := range jobs {
				ids = append(ids, j.ID)
			}
			if after = next; next == 0 {
				return ids
			}
		}
	}
	for _, limit := range []int{1, 3, n, n + 1} {
		b.same("all jobs", want, list(store.JobFilter{}, limit))
		b.same("done", []string{"local/j9", "local/j7", "local/j5", "local/j3", "local/j1"}, list(store.JobFilter{States: []store.JobState{store.JobDone, store.JobFailed}}, limit))
		b.same("below", []string{"local/j10", "local/j7", "local/j4", "local/j1"}, list(store.JobFilter{Parent: "local/j0"}, limit))
		b.same("done and below", []string{"local/j7", "local/j1"}, list(store.JobFilter{Parent: "local/j0", States: []store.JobState{store.JobDone}}, limit))
		b.same("none", []string(nil), list(store.JobFilter{Parent: "local/j1"}, limit))
	}
}

// rows writes some calls of two jobs, two models and three days, out of order, and returns them newest first.
func (b *bench) rows() []store.Call {
	b.Helper()
	b.join("a")
	job := b.account("job:local/x", money.Dollar)
	b.round("a", ops(store.LeaseOp{Counter: job, Wants: wants(10_000)}))
	var entries []store.Entry
	var total money.USD
	for i := range 40 {
		e := b.call(money.USD(i), 0, job)
		c := &e.Call
		c.Started = b.now.Add(time.Duration(i*7%40) * 2 * time.Hour)
		if i == 5 {
			c.Started = time.Time{}
		}
		if i%11 == 0 {
			c.Started = b.now // several at one moment
		}
		c.Ended, c.Job, c.Model, c.Status = b.now.Add(100*time.Hour), []string{"local/x", "local/y"}[i%2], []string{"m", "n"}[i/2%2], []int{200, 429, 500}[i%3]
		c.InputTokens, c.CacheReadTokens, c.CacheWriteTokens, c.OutputTokens = 1, 10, 100, 1000
		if i%4 == 0 {
			c.Outcome = "expected"
		}
		if i%5 == 0 {
			c.Provider = "q"
		}
		entries, total = append(entries, e), total+c.Cost
	}
	b.round("a", ops(store.LeaseOp{Counter: job, Seq: 1, Spent: total}), entries...)
	all, _, err := b.st.Calls(b.ctx, "", 0, 100)
	b.ok(err)
	slices.Reverse(all)
	return all
}

func testListCalls(b *bench, books store.Books) {
	all := b.rows()
	rapid.Check(b.T, func(r *rapid.T) {
		f := anyFilter(r, b.now)
		var want, got []store.Call
		for _, c := range all {
			if f.Has(&c) {
				want = append(want, c)
			}
		}
		if f.Job == "" {
			slices.SortStableFunc(want, func(a, c store.Call) int { return c.Started.Compare(a.Started) })
		}
		limit := rapid.IntRange(1, 45).Draw(r, "limit")
		for after := (store.CallMark{}); ; {
			calls, next, err := books.ListCalls(b.ctx, f, after, limit)
			b.ok(err)
			if len(calls) > limit {
				r.Fatalf("%d calls on a page of %d", len(calls), limit)
			}
			got = append(got, calls...)
			if after = next; next == (store.CallMark{}) {
				break
			}
		}
		b.same(fmt.Sprintf("calls of %+v by %d", f, limit), want, got)
	})
}

func anyFilter(r *rapid.T, now time.Time) store.CallFilter {
	at := func(what string) time.Time {
		if rapid.Bool().Draw(r, what+"?") {
			return time.Time{}
		}
		return now.Add(time.Duration(rapid.IntRange(-1, 40).Draw(r, what)) * 2 * time.Hour)
	}
	return store.CallFilter{
		Job: rapid.SampledFrom([]string{"", "", "local/x", "local/none"}).Draw(r, "job"), Model: rapid.SampledFrom([]string{"", "m"}).Draw(r, "model"),
		Provider: rapid.SampledFrom([]string{"", "", "q"}).Draw(r, "provider"), Status: rapid.SampledFrom([]int{0, 0, 429}).Draw(r, "status"),
		Outcome: rapid.SampledFrom([]string{"", "", "expected"}).Draw(r, "outcome"), From: at("from"), To: at("to"),
	}
}

func testSpendSums(b *bench, books store.Books) {
	all := b.rows()
	rapid.Check(b.T, func(r *rapid.T) {
		f := anyFilter(r, b.now)
		by := store.SpendBy{Job: rapid.Bool().Draw(r, "by job"), Model: rapid.Bool().Draw(r, "by model"), Day: rapid.Bool().Draw(r, "by day")}
		type key struct {
			day        time.Time
			job, model string
		}
		want := map[key]store.SpendSum{}
		for _, c := range all {
			if !f.Has(&c) {
				continue
			}
			var k key
			if by.Day {
				k.day = c.Day()
			}
			if by.Job {
				k.job = c.Job
			}
			if by.Model {
				k.model = c.Model
			}
			s := want[k]
			s.Day, s.Job, s.Model = k.day, k.job, k.model
			one := store.SpendSum{InputTokens: 1, CacheReadTokens: 10, CacheWriteTokens: 100, OutputTokens: 1000, Cost: money.SumOf(c.Cost)}
			if c.Attempt >= 0 {
				one.Attempts = 1
			}
			s.Add(one)
			want[k] = s
		}
		got, err := books.SpendSums(b.ctx, f, by, 1000)
		b.ok(err)
		if len(got) != len(want) {
			r.Fatalf("%d sums of %+v by %+v, want %d", len(got), f, by, len(want))
		}
		for _, s := range got {
			b.same(fmt.Sprintf("sum of %+v by %+v", f, by), want[key{s.Day, s.Job, s.Model}], s)
		}
		if len(want) > 1 {
			_, err := books.SpendSums(b.ctx, f, by, len(want)-1)
			b.same("one too many", store.ErrTooMany, err)
		}
	})
}

func testTrail(b *bench, books store.Books) {
	var want []store.Change
	for i := range 5 {
		c := store.Change{
			At: b.now.Add(-time.Duration(i) * time.Hour), Actor: "local", Remote: "127.0.0.1", Action: "job.raise", Subject: fmt.Sprintf("local/j%d", i),
			Before: `{"limit_usd":"1"}`, After: `{"limit_usd":"2"}`, Outcome: store.ChangeBegun,
		}
		id, err := books.PutChange(b.ctx, c)
		b.ok(err)
		c.ID = id
		want = append([]store.Change{c}, want...)
	}
	_, err := books.PutChange(b.ctx, store.Change{ID: want[1].ID, Actor: "nobody", After: `{}`, Outcome: store.ChangeDone})
	b.ok(err)
	want[1].After, want[1].Outcome = `{}`, store.ChangeDone
	for _, limit := range []int{1, 2, 5, 6} {
		var got []store.Change
		for after := int64(0); ; {
			page, next, err := books.Changes(b.ctx, after, limit)
			b.ok(err)
			got = append(got, page...)
			if after = next; next == 0 {
				break
			}
		}
		b.same("trail", want, got)
	}
	_, err = books.PutChange(b.ctx, store.Change{ID: 99})
	b.same("of a change that is not there", store.ErrNotFound, err)
	b.invariants()
}
