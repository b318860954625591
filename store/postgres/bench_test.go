package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/andres20980/aurea-orchestrator/internal/pgtest"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/postgres"
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

func benchBatch(b *testing.B, st store.Store, n int) {
	b.Helper()
	ctx, now := b.Context(), time.Now()
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	_, _, err := st.CreateJob(ctx, store.Job{ID: benchJob, State: store.JobLoading, Batch: true, Created: now}, money.Unlimited)
	check(err)
	for from := 1; from <= n; from += 1000 {
		_, err := st.AddItems(ctx, benchJob, benchItems(from, min(1000, n-from+1)))
		check(err)
	}
	check(st.Accept(ctx, benchJob, "", now))
}

func BenchmarkAddItems(b *testing.B) {
	st := open(b, pgtest.Database(b), postgres.Options{})
	benchBatch(b, st, 1)
	b.ResetTimer()
	for i := range b.N {
		if _, err := st.AddItems(b.Context(), benchJob, benchItems(2+i*1000, 1000)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "items/s")
}

// BenchmarkComplete claims and completes with one, two and four replicas: calls, costs, results and item states in one transaction per round of 250.
func BenchmarkComplete(b *testing.B) {
	for _, replicas := range []int{1, 2, 4} {
		b.Run(fmt.Sprint(replicas), func(b *testing.B) {
			const round = 250
			db := pgtest.Database(b)
			stores := make([]*postgres.Store, replicas)
			for i := range stores {
				stores[i] = open(b, db, postgres.Options{})
			}
			benchBatch(b, stores[0], b.N*round)
			c, err := stores[0].FindCounter(b.Context(), store.JobPrefix+benchJob, time.Time{})
			if err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			var wg sync.WaitGroup
			for i, st := range stores {
				wg.Go(func() {
					if err := work(b.Context(), st, store.OwnerID(fmt.Sprint("replica-", i)), c.ID, round); err != nil {
						b.Error(err)
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			counts, err := stores[0].CountItems(b.Context(), benchJob)
			if err != nil || counts.Done != int64(b.N*round) {
				b.Errorf("%+v, %v", counts, err)
			}
			b.ReportMetric(float64(b.N)*round/b.Elapsed().Seconds(), "items/s")
		})
	}
}

// work claims and completes until nothing is left.
func work(ctx context.Context, st store.Store, id store.OwnerID, counter store.CounterID, round int) error {
	if err := st.Join(ctx, store.Owner{ID: id, Joined: time.Now()}); err != nil {
		return err
	}
	r := store.Round{Owner: id, Epoch: 1, Leases: []store.LeaseOp{{Counter: counter, Wants: []money.USD{money.Dollar}}}}
	if _, err := st.Apply(ctx, r); err != nil {
		return err
	}
	spent := money.USD(0)
	for seq := int64(1); ; seq++ {
		items, err := st.Claim(ctx, benchJob, "m", id, round, time.Now())
		if err != nil || len(items) == 0 {
			return err
		}
		spent += money.USD(len(items))
		r := store.Round{Owner: id, Epoch: 1, Now: time.Now(), Leases: []store.LeaseOp{{Counter: counter, Seq: seq, Spent: spent}}}
		for _, it := range items {
			r.Entries = append(r.Entries, store.Entry{
				Call: store.Call{ID: fmt.Sprint(id, "-", it.Seq), Attempt: it.Attempt, Job: benchJob, Path: []store.CounterID{counter}, Cost: 1},
				Completion: &store.Completion{
					Job: benchJob, Seq: it.Seq, Attempt: it.Attempt, State: store.ItemDone, Result: &store.Result{Body: it.Body},
				},
			})
		}
		if res, err := st.Apply(ctx, r); err != nil || len(res.Rejected) > 0 {
			return fmt.Errorf("rejected %v: %w", res.Rejected, err)
		}
	}
}

// BenchmarkFlush writes rows of calls, 1000 per round, with four replicas on one account.
func BenchmarkFlush(b *testing.B) {
	const replicas, rows = 4, 1000
	db := pgtest.Database(b)
	stores := make([]*postgres.Store, replicas)
	for i := range stores {
		stores[i] = open(b, db, postgres.Options{})
		if err := stores[i].Join(b.Context(), store.Owner{ID: store.OwnerID(fmt.Sprint("replica-", i))}); err != nil {
			b.Fatal(err)
		}
	}
	c, err := stores[0].OpenCounter(b.Context(), store.CounterSpec{Account: "job:a", Limit: money.Unlimited})
	if err != nil {
		b.Fatal(err)
	}
	var next atomic.Int64
	b.ResetTimer()
	var wg sync.WaitGroup
	for i, st := range stores {
		wg.Go(func() {
			id, spent := store.OwnerID(fmt.Sprint("replica-", i)), money.USD(0)
			for seq := int64(0); next.Add(1) <= int64(b.N); seq++ {
				spent += rows
				r := store.Round{Owner: id, Epoch: 1, Leases: []store.LeaseOp{{Counter: c.ID, Seq: seq, Spent: spent, Force: rows}}}
				for n := range rows {
					r.Entries = append(r.Entries, store.Entry{Call: store.Call{
						ID: fmt.Sprintf("%s-%d-%d", id, seq, n), Job: "a", Path: []store.CounterID{c.ID}, Cost: 1, Provider: "openai", Model: "gpt", Outcome: "ok",
					}})
				}
				if _, err := st.Apply(b.Context(), r); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)*rows/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkHotRow is what Aurea does not do: one guarded UPDATE for each call, on one row, over 16 connections.
func BenchmarkHotRow(b *testing.B) {
	db := pgtest.Database(b)
	sql(b, db, "CREATE TABLE account (id int PRIMARY KEY, spent bigint NOT NULL, most bigint NOT NULL)")
	sql(b, db, "INSERT INTO account VALUES (1, 0, 1000000000000)")
	pool, err := pgxpool.New(b.Context(), with(b, db, "pool_max_conns", "16"))
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	var next atomic.Int64
	b.ResetTimer()
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for next.Add(1) <= int64(b.N) {
				tag, err := pool.Exec(b.Context(), "UPDATE account SET spent = spent + 1 WHERE id = 1 AND spent + 1 <= most")
				if err != nil || tag.RowsAffected() != 1 {
					b.Error(tag, err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "admits/s")
}
