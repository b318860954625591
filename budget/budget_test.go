package budget

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

func TestHoldAndEnd(t *testing.T) {
	t.Parallel()
	st := newTestStore(t)
	tr := mustOpen(t, st)
	p := mustPath(t, tr, spec("job:local/a", "1.00"), spec("key:local", ""))
	h, err := tr.Hold(t.Context(), p, Ask{Call: store.Call{ID: "c1", Job: "local/a"}, Amount: usd("0.40")})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Sent(); err != nil {
		t.Fatal(err)
	}
	s, err := tr.Standing(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if s[0].Held != sum("0.4") || s[0].InFlight != 1 || s[0].Free() != sum("0.6") {
		t.Errorf("standing while held: %+v", s[0])
	}
	e := h.End(End{Call: store.Call{Outcome: "ok", Status: 200}, Cost: usd("0.10"), Doubt: usd("0.05")})
	<-e.Done()
	if e.Err() != nil || e.Rejected() {
		t.Error(e.Err(), e.Rejected())
	}
	if again := h.End(End{Cost: usd("0.40")}); again != e {
		t.Error("a second End is another ending")
	}
	h.Release()
	if err := h.Sent(); !errors.Is(err, ErrClosed) {
		t.Errorf("sent after its end: %v", err)
	}
	mustClose(t, tr)
	for _, account := range []string{"job:local/a", "key:local"} {
		c := counterOf(t, st, account)
		if c.Spent != sum("0.1") || c.Doubt != sum("0.05") || c.Committed != sum("0.15") {
			t.Errorf("%s after close: %+v", account, c)
		}
	}
	if _, err := tr.Hold(t.Context(), p, Ask{Amount: 1}); !errors.Is(err, ErrClosed) {
		t.Errorf("hold after close: %v", err)
	}
	if err := tr.Close(t.Context()); err != nil {
		t.Error("second close:", err)
	}
}

func TestRefusalNamesTheAccount(t *testing.T) {
	t.Parallel()
	st := newTestStore(t)
	tr := mustOpen(t, st)
	defer mustClose(t, tr)
	p := mustPath(t, tr, spec("job:local/a", "1"), spec("job:local/parent", "0.30"), spec("key:local", ""))
	h, err := tr.Hold(t.Context(), p, Ask{Amount: usd("0.20"), MaxWait: -1})
	if err != nil {
		t.Fatal(err)
	}
	<-h.End(End{Cost: usd("0.11"), Doubt: usd("0.04")}).Done()
	_, err = tr.Hold(t.Context(), p, Ask{Amount: usd("0.16"), MaxWait: -1})
	var ex *ExceededError
	if !errors.As(err, &ex) || !errors.Is(err, ErrExceeded) {
		t.Fatal(err)
	}
	if ex.Account != "job:local/parent" || ex.Left() != sum("0.15") || ex.Spent != sum("0.11") || ex.Unconfirmed != sum("0.04") || ex.Need != usd("0.16") {
		t.Errorf("%+v", ex)
	}
	if h, err = tr.Hold(t.Context(), p, Ask{Amount: usd("0.15")}); err != nil {
		t.Fatal("the last cent is refused:", err)
	}
	h.Release()
}

// 64 goroutines with random costs: the limit is never exceeded, and in the end less is left than the smallest refused bound.
func TestLimitHoldsUnderLoad(t *testing.T) {
	t.Parallel()
	for _, trackers := range []int{1, 2} {
		st := newTestStore(t)
		var all []*Tracker
		var paths []*Path
		for range trackers {
			tr := mustOpen(t, st)
			all = append(all, tr)
			paths = append(paths, mustPath(t, tr, spec("job:local/a", "2.00"), spec("job:local/p", "100"), spec("key:local", "")))
		}
		var spent, smallest atomic.Int64
		smallest.Store(int64(money.Max))
		var wg sync.WaitGroup
		for g := range 64 {
			rng := rand.New(rand.NewPCG(1, uint64(g)))
			wg.Go(func() {
				tr, p := all[g%trackers], paths[g%trackers]
				for {
					bound := money.USD(rng.Int64N(int64(usd("0.01")))) + money.Micro
					h, err := tr.Hold(context.Background(), p, Ask{Amount: bound, MaxWait: -1})
					if err != nil {
						if !errors.Is(err, ErrExceeded) {
							t.Error(err)
						}
						for {
							old := smallest.Load()
							if old <= int64(bound) || smallest.CompareAndSwap(old, int64(bound)) {
								return
							}
						}
					}
					if err := h.Sent(); err != nil {
						t.Error(err)
					}
					cost := money.USD(rng.Int64N(int64(bound)) + 1)
					spent.Add(int64(cost))
					h.End(End{Cost: cost})
				}
			})
		}
		wg.Wait()
		for _, tr := range all {
			mustClose(t, tr)
		}
		c := counterOf(t, st, "job:local/a")
		if c.Spent != money.SumOf(money.USD(spent.Load())) || c.Spent.Cmp(c.Limit) > 0 || c.Committed != c.Spent {
			t.Errorf("spent %v, should be %v; committed %v", c.Spent, money.USD(spent.Load()), c.Committed)
		}
		if left := c.Remaining(); left.Cmp(money.SumOf(money.USD(smallest.Load()))) >= 0 {
			t.Errorf("%v left, but %v was refused", left, money.USD(smallest.Load()))
		}
		t.Logf("%d trackers: %d rounds, %d reads", trackers, st.rounds, st.reads)
	}
}

func TestEndHappensOnce(t *testing.T) {
	t.Parallel()
	st := newTestStore(t)
	tr := mustOpen(t, st)
	p := mustPath(t, tr, spec("job:local/a", "1"))
	for range 50 {
		h, err := tr.Hold(t.Context(), p, Ask{Amount: money.Cent})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if i == 7 {
					_ = h.Sent()
					return
				}
				<-h.End(End{Cost: money.Cent / 2}).Done()
			})
		}
		wg.Wait()
	}
	mustClose(t, tr)
	if c := counterOf(t, st, "job:local/a"); c.Spent != sum("0.25") || c.Committed != c.Spent {
		t.Errorf("%+v", c)
	}
}

func TestOverrunIsBookedAndShown(t *testing.T) {
	t.Parallel()
	st := newTestStore(t)
	tr := mustOpen(t, st)
	p := mustPath(t, tr, spec("job:local/a", "0.10"), spec("key:local", ""))
	h, err := tr.Hold(t.Context(), p, Ask{Amount: usd("0.10")})
	if err != nil {
		t.Fatal(err)
	}
	e := h.End(End{Cost: usd("0.13")})
	<-e.Done()
	if e.Err() != nil || e.Excess() != usd("0.03") {
		t.Error(e.Err(), e.Excess())
	}
	if _, err := tr.Hold(t.Context(), p, Ask{Amount: 0}); !errors.Is(err, ErrExceeded) {
		t.Errorf("hold on an overdrawn account: %v", err)
	}
	mustClose(t, tr)
	if c := counterOf(t, st, "job:local/a"); c.Spent != sum("0.13") || c.Committed != c.Spent {
		t.Errorf("%+v", c)
	}
}

func TestRecordNeedsNoMoney(t *testing.T) {
	t.Parallel()
	st := newTestStore(t)
	tr := mustOpen(t, st)
	p := mustPath(t, tr, spec("job:local/a", "0"), spec("key:local", ""))
	if _, err := tr.Hold(t.Context(), p, Ask{Amount: 1, MaxWait: -1}); !errors.Is(err, ErrExceeded) {
		t.Errorf("hold on a limit of nothing: %v", err)
	}
	if _, err := st.SetClosed(t.Context(), p.ids[0], true); err != nil {
		t.Fatal(err)
	}
	e, err := tr.Record(t.Context(), p, store.Call{Outcome: "unsent", Error: "model_not_allowed"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-e.Done()
	if e.Err() != nil {
		t.Error(e.Err())
	}
	mustClose(t, tr)
	if calls, _, err := st.Calls(t.Context(), "", 0, 10); err != nil || len(calls) != 1 || calls[0].Error != "model_not_allowed" {
		t.Errorf("%+v, %v", calls, err)
	}
	if _, err := tr.Record(t.Context(), p, store.Call{}, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

// A hold from the lease and its release, as every call takes them.
func BenchmarkHoldRelease(b *testing.B) {
	benchmark(b, func(h *Hold) { h.Release() })
}

// A whole call: hold, mark in the journal, end, and the flush behind it.
func BenchmarkHoldSentEnd(b *testing.B) {
	benchmark(b, func(h *Hold) {
		if err := h.Sent(); err != nil {
			b.Error(err)
		}
		h.End(End{Cost: money.Nano})
	})
}

func benchmark(b *testing.B, end func(*Hold)) {
	b.Helper()
	st := newTestStore(b)
	tr := mustOpen(b, st)
	p := mustPath(b, tr, spec("job:local/a", "1000000"), spec("job:local/p", "1000000"), spec("key:local", ""))
	warm(b, tr, p, "1000")
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h, err := tr.Hold(context.Background(), p, Ask{Amount: money.Micro, MaxWait: -1})
			if err != nil {
				b.Error(err)
				return
			}
			end(h)
		}
	})
	b.StopTimer()
	mustClose(b, tr)
	b.ReportMetric(float64(st.rounds), "rounds")
}
