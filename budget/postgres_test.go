package budget_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/internal/pgtest"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store/postgres"
)

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
	b.Run("calls", func(b *testing.B) {
		all, paths := trackers(b)
		each(b, func(i int) error {
			h, err := all[i].Hold(b.Context(), paths[i], budget.Ask{Amount: money.Micro, MaxWait: -1})
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
