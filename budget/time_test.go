package budget

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
)

// bubble runs a test in a bubble of fake time, with a store in it.
func bubble(t *testing.T, f func(t *testing.T, st *testStore)) {
	t.Helper()
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { f(t, newTestStoreIn(dir)) })
}

func mustHold(tb testing.TB, tr *Tracker, p *Path, amount string, wait time.Duration) *Hold {
	tb.Helper()
	h, err := tr.Hold(tb.Context(), p, Ask{Amount: usd(amount), MaxWait: wait})
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// warm gives the path's leases a stock, by spending the amount in small calls.
func warm(tb testing.TB, tr *Tracker, p *Path, amount string) {
	tb.Helper()
	for range 50 {
		h, err := tr.Hold(tb.Context(), p, Ask{Amount: usd(amount) / 50})
		if err != nil {
			tb.Fatal(err)
		}
		h.End(End{Cost: usd(amount) / 50})
	}
	if err := tr.Flush(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

func TestEndsAreWrittenWithinTheInterval(t *testing.T) {
	bubble(t, func(t *testing.T, st *testStore) {
		tr := mustOpen(t, st)
		p := mustPath(t, tr, spec("job:local/a", "1000"), spec("key:local", ""))
		warm(t, tr, p, "1")
		mustHold(t, tr, p, "0.0001", 0).End(End{Cost: usd("0.0001")})
		if err := tr.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := counterOf(t, st, "job:local/a").Spent
		rounds := st.rounds
		e := mustHold(t, tr, p, "0.0001", 0).End(End{Cost: usd("0.0001")})
		time.Sleep(99 * time.Millisecond)
		if c := counterOf(t, st, "job:local/a"); c.Spent != before || st.rounds != rounds {
			t.Errorf("written early: %v, %d rounds", c.Spent, st.rounds-rounds)
		}
		s, err := tr.Standing(t.Context(), p)
		if err != nil || s[0].Spent != before.Add(usd("0.0001")) {
			t.Errorf("standing without what is not written: %+v, %v", s, err)
		}
		if g := tr.Glance(p); g[0].Spent != s[0].Spent {
			t.Errorf("a glance differs: %+v", g)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		select {
		case <-e.Done():
		default:
			t.Error("not written after 100 ms")
		}
		mustClose(t, tr)
	})
}

func TestIdleLeasesGoBack(t *testing.T) {
	bubble(t, func(t *testing.T, st *testStore) {
		tr := mustOpen(t, st)
		p := mustPath(t, tr, spec("job:local/a", "1000"), spec("key:local", ""))
		warm(t, tr, p, "1")
		if c := counterOf(t, st, "job:local/a"); c.Leased() == (money.Sum{}) {
			t.Error("no stock:", c)
		}
		time.Sleep(6 * time.Second)
		for _, a := range []string{"job:local/a", "key:local"} {
			if c := counterOf(t, st, a); c.Committed != c.Spent {
				t.Errorf("%s still leases %v", a, c.Leased())
			}
		}
		mustHold(t, tr, p, "0.5", 0).Release()
		mustClose(t, tr)
	})
}

// What one needs others give back within a second, whatever the clocks of the two say, and afterwards they keep a stock again.
func TestOthersGiveBackWhatIsWanted(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"one clock": 0, "behind": -time.Hour, "ahead": time.Hour} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, st *testStore) {
				a := mustOpen(t, st)
				b, err := Open(t.Context(), st, Options{Now: func() time.Time { return time.Now().Add(ahead) }})
				if err != nil {
					t.Fatal(err)
				}
				specs := []AccountSpec{spec("job:local/a", "100"), spec("key:local", "")}
				pa, pb := mustPath(t, a, specs...), mustPath(t, b, specs...)
				warm(t, a, pa, "1")
				began := time.Now()
				h := mustHold(t, b, pb, "99", -1) // all there is, but a's stock is in the way
				if d := time.Since(began); d > 1100*time.Millisecond {
					t.Errorf("took %v", d)
				}
				h.Release()
				time.Sleep(3 * time.Second)
				warm(t, a, pa, "1")
				if c := counterOf(t, st, "job:local/a"); c.Leased() == (money.Sum{}) {
					t.Error("no stock seconds later: ", c)
				}
				mustClose(t, a)
				mustClose(t, b)
			})
		})
	}
}

func TestWaitsEnd(t *testing.T) {
	bubble(t, func(t *testing.T, st *testStore) {
		tr := mustOpen(t, st)
		p := mustPath(t, tr, spec("job:local/a", "1"), spec("key:local", ""))
		first := mustHold(t, tr, p, "0.9", 0)
		refused := func(ctx context.Context, wait, took time.Duration, want error, enclosing ...*Hold) {
			t.Helper()
			began := time.Now()
			_, err := tr.Hold(ctx, p, Ask{Amount: usd("0.2"), MaxWait: wait, Enclosing: enclosing})
			if d := time.Since(began); !errors.Is(err, want) || d != took {
				t.Errorf("wait %v ended after %v with %v", wait, d, err)
			}
			var ex *ExceededError
			if errors.As(err, &ex) && (ex.Held != sum("0.9") || ex.Account != "job:local/a" || ex.Waited != took) {
				t.Errorf("%+v", ex)
			}
		}
		refused(t.Context(), 0, 0, ErrExceeded)
		refused(t.Context(), 3*time.Second, 3*time.Second, ErrExceeded)
		refused(t.Context(), -1, 0, ErrExceeded, first)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		refused(ctx, -1, 2*time.Second, context.DeadlineExceeded)
		cancel()
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		refused(ctx, -1, time.Second, context.Canceled)
		time.AfterFunc(7*time.Second, func() { first.End(End{Cost: usd("0.1")}) })
		began := time.Now()
		h := mustHold(t, tr, p, "0.9", -1)
		if d := time.Since(began); d != 7*time.Second {
			t.Errorf("served after %v", d)
		}
		time.AfterFunc(time.Second, func() {
			if _, err := st.SetLimit(context.Background(), p.ids[0], sum("2")); err != nil {
				t.Error(err)
			}
		})
		began = time.Now()
		second := mustHold(t, tr, p, "0.9", -1) // has to wait, and the limit is raised meanwhile
		if d := time.Since(began); d > 1250*time.Millisecond {
			t.Errorf("after a raise served after %v", d)
		}
		h.Release()
		second.Release()
		mustClose(t, tr)
	})
}

// Calls that wait for one another's money through the calls they enclose would wait for ever.
func TestEnclosedCallsDoNotDeadlock(t *testing.T) {
	bubble(t, func(t *testing.T, st *testStore) {
		tr := mustOpen(t, st)
		p := mustPath(t, tr, spec("job:local/a", "1"))
		results := make(chan error, 2)
		var parents []*Hold
		for range 2 {
			parents = append(parents, mustHold(t, tr, p, "0.4", 0))
		}
		for _, parent := range parents {
			go func() {
				h, err := tr.Hold(t.Context(), p, Ask{Amount: usd("0.3"), MaxWait: -1, Enclosing: []*Hold{parent}})
				if err == nil {
					h.Release()
				}
				results <- err
				parent.Release()
			}()
		}
		synctest.Wait()
		if a, b := <-results, <-results; (a == nil) == (b == nil) || !errors.Is(errors.Join(a, b), ErrExceeded) {
			t.Errorf("want one served and one refused, got %v and %v", a, b)
		}
		// One that encloses a waiter's only hope goes first, past those in line.
		parent := mustHold(t, tr, p, "0.5", 0)
		line := make(chan error, 1)
		go func() {
			h, err := tr.Hold(t.Context(), p, Ask{Amount: usd("0.9"), MaxWait: -1})
			if err == nil {
				h.Release()
			}
			line <- err
		}()
		synctest.Wait()
		inner, err := tr.Hold(t.Context(), p, Ask{Amount: usd("0.2"), MaxWait: -1, Enclosing: []*Hold{parent}})
		if err != nil {
			t.Fatal(err)
		}
		inner.Release()
		parent.Release()
		if err := <-line; err != nil {
			t.Error(err)
		}
		mustClose(t, tr)
	})
}

func TestWaitersAreServedInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, st *testStore) {
		tr := mustOpen(t, st)
		p := mustPath(t, tr, spec("job:local/a", "1"))
		q := mustPath(t, tr, spec("job:local/b", "1"))
		first := mustHold(t, tr, p, "1", 0)
		order := make(chan string, 10)
		for _, amount := range []string{"0.6", "0.5", "0.1"} {
			go func() {
				h := mustHold(t, tr, p, amount, -1)
				order <- amount
				time.Sleep(time.Second)
				h.Release()
			}()
			synctest.Wait()
		}
		mustHold(t, tr, q, "1", 0).Release() // another job is not in this line
		first.Release()
		synctest.Wait()
		if got := <-order; got != "0.6" || len(order) != 0 {
			t.Errorf("%s first, %d more", got, len(order))
		}
		if a, b := <-order, <-order; a == b {
			t.Errorf("then %s, %s", a, b)
		}
		time.Sleep(2 * time.Second)
		mustClose(t, tr)
	})
}

func TestCancelAndLowerTakeEffectWithinASecond(t *testing.T) {
	bubble(t, func(t *testing.T, st *testStore) {
		tr := mustOpen(t, st)
		p := mustPath(t, tr, spec("job:local/a", "100"), spec("key:local", ""))
		warm(t, tr, p, "1")
		open := mustHold(t, tr, p, "0.01", 0)
		c := counterOf(t, st, "job:local/a")
		if _, err := st.SetLimit(t.Context(), p.ids[0], c.Spent); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if _, err := tr.Hold(t.Context(), p, Ask{Amount: usd("0.01"), MaxWait: -1}); !errors.Is(err, ErrExceeded) {
			t.Errorf("after lowering: %v", err)
		}
		if c := counterOf(t, st, "job:local/a"); c.Leased() != sum("0.01") {
			t.Errorf("lowered, and still leased: %v", c.Leased())
		}
		open.Release()
		if _, err := st.SetLimit(t.Context(), p.ids[0], sum("100")); err != nil {
			t.Fatal(err)
		}
		mustHold(t, tr, p, "0.01", -1).Release()
		if _, err := st.SetClosed(t.Context(), p.ids[0], true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if _, err := tr.Hold(t.Context(), p, Ask{MaxWait: -1}); !errors.Is(err, ErrCancelled) {
			t.Errorf("after cancel: %v", err)
		}
		if c := counterOf(t, st, "job:local/a"); c.Leased() != (money.Sum{}) {
			t.Errorf("cancelled, and still leased: %v", c.Leased())
		}
		mustClose(t, tr)
	})
}

func TestWindowsRollOver(t *testing.T) {
	bubble(t, func(t *testing.T, st *testStore) { // a bubble begins at midnight UTC
		tr := mustOpen(t, st)
		day := spec("key:local", "1")
		day.Period = Day
		p := mustPath(t, tr, spec("job:local/a", "100"), day)
		began := time.Now()
		time.Sleep(24*time.Hour - 2*time.Second)
		h := mustHold(t, tr, p, "0.8", 0)
		_, err := tr.Hold(t.Context(), p, Ask{Amount: usd("0.9")})
		var ex *ExceededError
		if !errors.As(err, &ex) || !ex.ResetAt.Equal(began.Add(24*time.Hour)) {
			t.Errorf("reset at: %+v", err)
		}
		next := mustHold(t, tr, p, "0.9", -1) // waits for midnight, if the first does not end before
		if d := time.Since(began); d < 24*time.Hour || d > 24*time.Hour+200*time.Millisecond {
			t.Errorf("served %v after midnight", d-24*time.Hour)
		}
		h.End(End{Cost: usd("0.7")})
		next.End(End{Cost: usd("0.6")})
		time.Sleep(2 * time.Second)
		for i, want := range []string{"0.7", "0.6"} {
			c, err := st.FindCounter(t.Context(), "key:local", began.Add(time.Duration(i)*24*time.Hour))
			if err != nil || c.Spent != sum(want) {
				t.Errorf("day %d: %+v, %v", i, c, err)
			}
			if i == 0 && c.Committed != c.Spent {
				t.Errorf("yesterday still leases %v", c.Leased())
			}
		}
		mustClose(t, tr)
	})
}

// Closing right after a call ended must not wait until its lease counts as idle: the last row and the lease's end go in one round.
func TestCloseDoesNotWait(t *testing.T) {
	bubble(t, func(t *testing.T, st *testStore) {
		for n := range 50 {
			tr := mustOpen(t, st)
			p := mustPath(t, tr, spec("job:local/a", "1000"), spec("key:local", ""))
			h := mustHold(t, tr, p, "0.01", 0)
			if n%2 == 0 {
				h.End(End{Cost: usd("0.01")})
			} else {
				h.End(End{Doubt: usd("0.01")})
			}
			began := time.Now()
			mustClose(t, tr)
			if took := time.Since(began); took > time.Second {
				t.Fatalf("close %d took %v", n, took)
			}
		}
	})
}
