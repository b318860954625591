package budget_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/sqlite"
)

// 64 callers on a SQLite file, each waiting until its call is on disk.
func BenchmarkDurableCalls(b *testing.B) {
	for name, limit := range map[string]string{"roomy": "100000", "exact": "0.01"} {
		b.Run(name, func(b *testing.B) {
			ctx := b.Context()
			db, err := sqlite.Open(ctx, filepath.Join(b.TempDir(), "a.db"), sqlite.Options{AnyFilesystem: true})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			tr, err := budget.Open(ctx, db, budget.Options{})
			if err != nil {
				b.Fatal(err)
			}
			sum, _ := money.ParseSum(limit)
			p, err := tr.Path(ctx, budget.AccountSpec{Name: "job:local/a", Limit: sum}, budget.AccountSpec{Name: "key:local", Limit: money.Unlimited})
			if err != nil {
				b.Fatal(err)
			}
			var refused atomic.Int64
			b.SetParallelism(32)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					h, err := tr.Hold(ctx, p, budget.Ask{Amount: 100 * money.Micro, MaxWait: -1})
					if err != nil {
						refused.Add(1)
						continue
					}
					if err := h.Sent(); err != nil {
						b.Error(err)
					}
					// The completion of an item that nobody has: what matters is that it is written at once.
					<-h.End(budget.End{Cost: money.Nano, Completion: &store.Completion{Job: "none", State: store.ItemPending}}).Done()
				}
			})
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
			if n := refused.Load(); n > 0 {
				b.Errorf("%d refused", n)
			}
			if err := tr.Close(context.WithoutCancel(ctx)); err != nil {
				b.Fatal(err)
			}
		})
	}
}
