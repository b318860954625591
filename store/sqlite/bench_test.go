package sqlite_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

const benchJob = "local/bench"

// benchItems are n items of 540 bytes each.
func benchItems(from, n int) []store.Item {
	body := bytes.Repeat([]byte("x"), 540)
	all := make([]store.Item, n)
	for i := range all {
		all[i] = store.Item{
			Seq: int64(from + i), CustomID: fmt.Sprintf("request-%d", from+i), URL: "/v1/chat/completions", Body: body, Lane: "m",
		}
	}
	return all
}

func benchBatch(b *testing.B, n int) store.Store {
	b.Helper()
	st := open(b, filepath.Join(b.TempDir(), "aurea.db"))
	ctx, now := b.Context(), time.Now()
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	check(st.Join(ctx, store.Owner{ID: "a", Joined: now}))
	_, _, err := st.CreateJob(ctx, store.Job{ID: benchJob, State: store.JobLoading, Batch: true, Created: now}, money.Unlimited)
	check(err)
	for from := 1; from <= n; from += 1000 {
		_, err := st.AddItems(ctx, benchJob, benchItems(from, min(1000, n-from+1)))
		check(err)
	}
	check(st.Accept(ctx, benchJob, "", now))
	return st
}

func BenchmarkAddItems(b *testing.B) {
	st := benchBatch(b, 1)
	b.ResetTimer()
	for i := range b.N {
		if _, err := st.AddItems(b.Context(), benchJob, benchItems(2+i*1000, 1000)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "items/s")
}

// BenchmarkComplete claims and completes: calls, costs, results and item states in one transaction per round.
func BenchmarkComplete(b *testing.B) {
	for _, size := range []int{100, 1000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			st := benchBatch(b, b.N*size)
			ctx := b.Context()
			c, err := st.FindCounter(ctx, "job:"+benchJob, time.Time{})
			if err != nil {
				b.Fatal(err)
			}
			lease := store.LeaseOp{Counter: c.ID, Wants: []money.USD{1 << 60}}
			if _, err := st.Apply(ctx, store.Round{Owner: "a", Epoch: 1, Leases: []store.LeaseOp{lease}}); err != nil {
				b.Fatal(err)
			}
			lease.Wants, lease.Seq = nil, 1
			var claims time.Duration
			b.ResetTimer()
			for range b.N {
				start := time.Now()
				items, err := st.Claim(ctx, benchJob, "m", "a", size, start)
				claims += time.Since(start)
				if err != nil || len(items) != size {
					b.Fatal(len(items), err)
				}
				r := store.Round{Owner: "a", Epoch: 1, Now: start}
				for _, it := range items {
					lease.Spent += 54_399
					r.Entries = append(r.Entries, store.Entry{
						Call: store.Call{
							ID: fmt.Sprintf("0192f3a1-7b2c-4d5e-8f60-%012d", it.Seq), Attempt: 1, Job: benchJob, Path: []store.CounterID{c.ID}, Item: it.Seq,
							Provider: "openai", Model: "gpt-4o-mini", Upstream: "gpt-4o-mini-2024-07-18", API: "chat", Status: 200, Outcome: "ok",
							InputTokens: 120, OutputTokens: 80, Cost: 54_399, Bound: 100_000, BoundKind: "bytes", PriceHash: "0123456789abcdef",
							PriceFrom: "table", RequestID: "req_0123456789", Started: start, Ended: start,
						},
						Completion: &store.Completion{
							Job: benchJob, Seq: it.Seq, Attempt: it.Attempt, State: store.ItemDone,
							Result: &store.Result{Status: 200, RequestID: "req_0123456789", Body: it.Body, FinishedAt: start},
						},
					})
				}
				r.Leases = []store.LeaseOp{lease}
				if _, err := st.Apply(ctx, r); err != nil {
					b.Fatal(err)
				}
				lease.Seq++
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "items/s")
			b.ReportMetric(float64(b.N*size)/(b.Elapsed()-claims).Seconds(), "entries/s")
		})
	}
}

// BenchmarkMillion claims, counts and looks for lanes among a million items, half of them done.
func BenchmarkMillion(b *testing.B) {
	if testing.Short() {
		b.Skip("loads a million items")
	}
	st := benchBatch(b, 1_000_000)
	ctx := b.Context()
	b.Run("Claim50", func(b *testing.B) {
		for range b.N {
			items, err := st.Claim(ctx, benchJob, "m", "a", 50, time.Now())
			if err != nil || len(items) != 50 {
				b.Fatal(len(items), err)
			}
			seqs := make([]int64, len(items))
			for i := range items {
				seqs[i] = items[i].Seq
			}
			if err := st.Unclaim(ctx, benchJob, "a", seqs, time.Time{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("CountItems", func(b *testing.B) {
		for range b.N {
			if _, err := st.CountItems(ctx, benchJob); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Lanes", func(b *testing.B) {
		for range b.N {
			if _, err := st.Lanes(ctx, benchJob); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("NextDue", func(b *testing.B) {
		for range b.N {
			if _, _, err := st.NextDue(ctx, benchJob, "m"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
