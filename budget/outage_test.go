package budget

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

func TestStoreOutage(t *testing.T) {
	bubble(t, func(t *testing.T, st *testStore) {
		tr := mustOpen(t, st)
		p := mustPath(t, tr, spec("job:local/a", "1000"), spec("key:local", ""))
		warm(t, tr, p, "1")
		st.set(func() { st.down = true })
		var ends []*Ending
		for began := time.Now(); time.Since(began) < 55*time.Second; time.Sleep(time.Second) {
			h := mustHold(t, tr, p, "0.0001", 0) // from the lease
			if err := h.Sent(); err != nil {
				t.Fatal(err)
			}
			ends = append(ends, h.End(End{Cost: usd("0.0001")}))
		}
		last := mustHold(t, tr, p, "0.0001", 0)
		time.Sleep(10 * time.Second)
		if _, err := tr.Hold(t.Context(), p, Ask{Amount: usd("0.0001"), MaxWait: 20 * time.Second}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("held without a store for over a minute: %v", err)
		}
		if err := last.Sent(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("sent without a store for over a minute: %v", err)
		}
		last.Release()
		st.set(func() { st.down = false })
		time.Sleep(6 * time.Second)
		for _, e := range ends {
			<-e.Done()
			if e.Err() != nil {
				t.Fatal(e.Err())
			}
		}
		mustHold(t, tr, p, "0.0001", 0).Release()
		mustClose(t, tr)
		if c := counterOf(t, st, "job:local/a"); c.Committed != c.Spent || c.Spent != sum("1").Add(usd("0.0001")*money.USD(len(ends))) {
			t.Errorf("%+v", c)
		}
	})
}

// A full disk is said once, whatever ended is kept, who waits for money goes on waiting, and all of it is written when there is room.
func TestFullDisk(t *testing.T) {
	bubble(t, func(t *testing.T, st *testStore) {
		var log bytes.Buffer
		tr, err := Open(t.Context(), st, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		p := mustPath(t, tr, spec("job:local/a", "10"))
		warm(t, tr, p, "1")
		st.set(func() { st.full = true; st.rounds = 0 })
		h := mustHold(t, tr, p, "0.1", 0) // from the lease
		if err := h.Sent(); err != nil {
			t.Fatal(err)
		}
		ending := h.End(End{Cost: usd("0.1")})
		waits := make(chan error)
		go func() {
			h, err := tr.Hold(t.Context(), p, Ask{Amount: usd("5"), MaxWait: time.Hour})
			if err == nil {
				h.Release()
			}
			waits <- err
		}()
		time.Sleep(10 * time.Minute)
		select {
		case <-ending.Done():
			t.Errorf("ended on a full disk: %v", ending.Err())
		case err := <-waits:
			t.Errorf("did not wait: %v", err)
		default:
		}
		st.set(func() {
			if st.rounds < 500 || st.rounds > 1300 {
				t.Errorf("%d rounds in ten minutes", st.rounds)
			}
			st.full = false
		})
		if err := <-waits; err != nil {
			t.Error(err)
		}
		if <-ending.Done(); ending.Err() != nil {
			t.Error(ending.Err())
		}
		mustClose(t, tr)
		if c := counterOf(t, st, "job:local/a"); c.Spent != sum("1.1") || c.Committed != c.Spent {
			t.Errorf("%+v", c)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 2 || !strings.Contains(log.String(), "there is room again") {
			t.Errorf("%d warnings:\n%s", n, log.String())
		}
	})
}

// A row that the store never takes must not keep the others, nor let its money be spent again.
func TestPoisonedRow(t *testing.T) {
	bubble(t, func(t *testing.T, st *testStore) {
		tr := mustOpen(t, st)
		p := mustPath(t, tr, spec("job:local/a", "1"))
		st.set(func() { st.refuse = "bad" })
		var holds []*Hold
		for i := range 20 {
			id := fmt.Sprint("good", i)
			if i == 7 {
				id = "bad"
			}
			h, err := tr.Hold(t.Context(), p, Ask{Call: store.Call{ID: id}, Amount: usd("0.04")})
			if err != nil {
				t.Fatal(err)
			}
			holds = append(holds, h)
		}
		for i, h := range holds {
			h.End(End{Cost: usd("0.03")})
			if i == 15 {
				synctest.Wait()
			}
		}
		time.Sleep(10 * time.Second)
		for i, h := range holds {
			<-h.ending.Done()
			if err := h.ending.Err(); (err != nil) != (i == 7) {
				t.Errorf("end %d: %v", i, err)
			}
		}
		c := counterOf(t, st, "job:local/a")
		if c.Spent != sum("0.57") || c.Committed.Cmp(sum("0.60")) < 0 {
			t.Errorf("%+v", c)
		}
		if _, err := tr.Hold(t.Context(), p, Ask{Amount: usd("0.41"), MaxWait: -1}); !errors.Is(err, ErrExceeded) {
			t.Errorf("its money was held again: %v", err)
		}
		if err := tr.Close(t.Context()); err == nil {
			t.Error("closed as if nothing were left")
		}
	})
}

func TestDuplicateAttemptIsStillBooked(t *testing.T) {
	bubble(t, func(t *testing.T, st *testStore) {
		tr := mustOpen(t, st)
		p := mustPath(t, tr, spec("job:local/a", "1"))
		for range 2 {
			h, err := tr.Hold(t.Context(), p, Ask{Call: store.Call{ID: "same"}, Amount: usd("0.1")})
			if err != nil {
				t.Fatal(err)
			}
			h.End(End{Cost: usd("0.1")})
		}
		time.Sleep(5 * time.Second)
		mustClose(t, tr)
		if c := counterOf(t, st, "job:local/a"); c.Spent != sum("0.2") || c.Committed != c.Spent {
			t.Errorf("%+v", c)
		}
	})
}
