package budget

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Thousands of callers that all fit only a few at a time get through, none is forgotten, and none waits at the processor's expense.
func TestManyWaiters(t *testing.T) {
	t.Parallel()
	st := newTestStore(t)
	tr := mustOpen(t, st)
	p := mustPath(t, tr, spec("job:local/a", "0.20"), spec("key:local", ""))
	began := time.Now()
	var wg sync.WaitGroup
	for range 3000 {
		wg.Go(func() {
			h, err := tr.Hold(context.Background(), p, Ask{Amount: usd("0.01"), MaxWait: -1})
			if err != nil {
				t.Error(err)
				return
			}
			h.End(End{Cost: 10 * money.Micro})
		})
	}
	wg.Wait()
	took := time.Since(began)
	mustClose(t, tr)
	t.Logf("%v, %d rounds, %d reads", took, st.rounds, st.reads)
	if c := counterOf(t, st, "job:local/a"); c.Spent != sum("0.03") || c.Committed != c.Spent {
		t.Errorf("%+v", c)
	}
}

// Waiters that give up leave nothing behind.
func TestWaitersThatLeave(t *testing.T) {
	t.Parallel()
	st := newTestStore(t)
	tr := mustOpen(t, st)
	p := mustPath(t, tr, spec("job:local/a", "1"), spec("key:local", ""))
	first := mustHold(t, tr, p, "1", 0)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			if _, err := tr.Hold(ctx, p, Ask{Amount: usd("0.5"), MaxWait: -1}); err == nil {
				t.Error("held what another holds")
			}
		})
	}
	for tr.Glance(p)[0].Waiting < 1000 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	wg.Wait()
	if s := tr.Glance(p)[0]; s.Waiting != 0 || s.InFlight != 1 || s.Held != sum("1") {
		t.Errorf("%+v", s)
	}
	first.Release()
	mustHold(t, tr, p, "1", -1).Release()
	mustClose(t, tr)
}

// A path per call, on many jobs, leaves no lease behind when they are idle.
func TestManyJobs(t *testing.T) {
	bubble(t, func(t *testing.T, st *testStore) {
		tr := mustOpen(t, st)
		for i := range 300 {
			p := mustPath(t, tr, spec("job:local/"+string(rune('a'+i)), "1"), spec("key:local", ""))
			h, err := tr.Hold(t.Context(), p, Ask{Call: store.Call{Job: "x"}, Amount: usd("0.5")})
			if err != nil {
				t.Fatal(err)
			}
			h.End(End{Cost: usd("0.1")})
		}
		time.Sleep(7 * time.Second)
		tr.mu.Lock()
		n := len(tr.cur.leases)
		tr.mu.Unlock()
		if n != 0 {
			t.Errorf("%d leases are kept", n)
		}
		mustClose(t, tr)
		if c := counterOf(t, st, "key:local"); c.Spent != sum("30") || c.Committed != c.Spent {
			t.Errorf("%+v", c)
		}
	})
}
