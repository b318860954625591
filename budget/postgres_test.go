package budget_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/internal/pgtest"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/postgres"
	"github.com/andres20980/aurea-orchestrator/store/storetest"
)

// A job of $0.50 shared by sixteen replicas leaves less than one bound unspent: what one has leased and does not need goes to those that want it.
func TestSharedBySixteen(t *testing.T) {
	t.Parallel()
	const replicas, bound = 16, 5 * money.Milli
	url := pgtest.Database(t)
	limit, _ := money.ParseSum("0.50")
	ctx := t.Context()
	var trackers []*budget.Tracker
	var paths []*budget.Path
	for i := range replicas {
		db, err := postgres.Open(ctx, url, postgres.Options{MaxConns: 3})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		tr, err := budget.Open(ctx, db, budget.Options{Logger: slog.New(slog.DiscardHandler), Now: func() time.Time {
			return time.Now().Add(time.Duration(i-replicas/2) * 10 * time.Minute)
		}})
		if err != nil {
			t.Fatal(err)
		}
		p, err := tr.Path(ctx, budget.AccountSpec{Name: "job:local/a", Limit: limit}, budget.AccountSpec{Name: "key:local", Limit: money.Unlimited})
		if err != nil {
			t.Fatal(err)
		}
		trackers, paths = append(trackers, tr), append(paths, p)
	}
	var wg sync.WaitGroup
	for i, tr := range trackers {
		wg.Go(func() {
			for {
				h, err := tr.Hold(ctx, paths[i], budget.Ask{Amount: bound, MaxWait: -1, Call: store.Call{Job: "local/a"}})
				if errors.Is(err, budget.ErrExceeded) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				if err := h.Sent(); err != nil {
					t.Error(err)
				}
				h.End(budget.End{Cost: bound/2 + money.USD(i)})
			}
		})
	}
	wg.Wait()
	for _, tr := range trackers {
		if err := tr.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}
	db, err := postgres.Open(ctx, url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := storetest.CheckInvariants(ctx, db); err != nil {
		t.Error(err)
	}
	c, err := db.FindCounter(ctx, "job:local/a", time.Time{})
	if err != nil || c.Committed != c.Spent || c.Committed.Cmp(c.Limit) > 0 || c.Limit.Minus(c.Spent).Cmp(money.SumOf(bound)) >= 0 {
		t.Errorf("%+v, %v", c, err)
	}
	t.Logf("spent %v of %v", c.Spent, c.Limit)
}

// Sixteen callers in each of four replicas on one account: what admits/s a replica's lease gives, what calls/s the ledger books, and what one guarded UPDATE for
// each admission would give instead, on the same server.
func BenchmarkPostgres(b *testing.B) {
	const replicas, callers = 4, 16
	trackers := func(b *testing.B) (all []*budget.Tracker, paths []*budget.Path) {
		url := pgtest.Database(b)
		for range replicas {
			db, err := postgres.Open(b.Context(), url, postgres.Options{StateDir: b.TempDir(), MaxConns: 4})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = db.Close() })
			tr, err := budget.Open(b.Context(), db, budget.Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() {
				if err := tr.Close(context.Background()); err != nil {
					b.Error(err)
				}
			})
			sum, _ := money.ParseSum("1000000")
			p, err := tr.Path(b.Context(), budget.AccountSpec{Name: "job:local/a", Limit: sum}, budget.AccountSpec{Name: "key:local", Limit: money.Unlimited})
			if err != nil {
				b.Fatal(err)
			}
			all, paths = append(all, tr), append(paths, p)
		}
		return all, paths
	}
	each := func(b *testing.B, do func(replica int) error) {
		var next atomic.Int64
		var wg sync.WaitGroup
		b.ResetTimer()
		for i := range replicas * callers {
			wg.Go(func() {
				for next.Add(1) <= int64(b.N) {
					if err := do(i % replicas); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	b.Run("admits", func(b *testing.B) {
		all, paths := trackers(b)
		each(b, func(i int) error {
			h, err := all[i].Hold(b.Context(), paths[i], budget.Ask{Amount: money.Micro, MaxWait: -1})
			if err == nil {
				h.Release()
			}
			return err
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "admits/s")
	})
	for _, ratio := range []money.USD{1, 100, 1000} { // of what is held to what the call costs
		b.Run(fmt.Sprintf("calls/%d", ratio), func(b *testing.B) {
			all, paths := trackers(b)
			each(b, func(i int) error {
				h, err := all[i].Hold(b.Context(), paths[i], budget.Ask{Amount: ratio * money.Micro, MaxWait: -1})
				if err != nil {
					return err
				}
				if err := h.Sent(); err != nil {
					return err
				}
				h.End(budget.End{Cost: money.Micro})
				return nil
			})
			for _, tr := range all {
				if err := tr.Flush(b.Context()); err != nil {
					b.Error(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
	b.Run("naive", func(b *testing.B) {
		pool, err := pgxpool.New(b.Context(), fmt.Sprint(pgtest.Database(b), "&pool_max_conns=16"))
		if err != nil {
			b.Fatal(err)
		}
		defer pool.Close()
		if _, err := pool.Exec(b.Context(), "CREATE TABLE account AS SELECT 1 AS id, 0::bigint AS spent, 1000000000000 AS most"); err != nil {
			b.Fatal(err)
		}
		each(b, func(int) error {
			tag, err := pool.Exec(b.Context(), "UPDATE account SET spent = spent + 1 WHERE id = 1 AND spent + 1 <= most")
			if err == nil && tag.RowsAffected() != 1 {
				err = budget.ErrExceeded
			}
			return err
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "admits/s")
	})
}
