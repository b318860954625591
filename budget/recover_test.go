package budget

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// dying leaves a killed tracker behind: one call written, one ended but not written, with an item, one on the wire, one sent and released,
// one held and never sent, and one item claimed only. Limit $10.
func dying(t *testing.T, st *testStore) (owner store.OwnerID, path []store.CounterID) {
	t.Helper()
	ctx := t.Context()
	tr := mustOpen(t, st)
	if _, _, err := st.CreateJob(ctx, store.Job{ID: "local/a", Batch: true}, sum("10")); err != nil {
		t.Fatal(err)
	}
	if _, err := st.AddItems(ctx, "local/a", []store.Item{{Seq: 1, CustomID: "one", Lane: "m"}, {Seq: 2, CustomID: "two", Lane: "m"}}); err != nil {
		t.Fatal(err)
	}
	if err := st.Accept(ctx, "local/a", "f", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := st.AcquireRunner(ctx, "local/a", tr.Owner(), time.Now()); err != nil {
		t.Fatal(err)
	}
	items, err := st.Claim(ctx, "local/a", "m", tr.Owner(), 2, time.Now())
	if err != nil || len(items) != 2 {
		t.Fatal(items, err)
	}
	p := mustPath(t, tr, spec("job:local/a", "10"), spec("key:local", ""))
	hold := func(id string) *Hold {
		h, err := tr.Hold(ctx, p, Ask{Call: store.Call{ID: id, Job: "local/a"}, Amount: usd("1")})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	sent := func(id string) *Hold {
		h := hold(id)
		if err := h.Sent(); err != nil {
			t.Fatal(err)
		}
		return h
	}
	<-sent("written").End(End{Cost: usd("0.1")}).Done()
	unwritten, wire, released := sent("unwritten"), sent("wire"), sent("released")
	hold("held")
	_ = wire
	released.Release()
	if err := tr.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	tr.halt() // from now on nothing is written to the store
	unwritten.End(End{Cost: usd("0.2"), Doubt: usd("0.03"), Completion: &store.Completion{
		Job: "local/a", Seq: 1, Attempt: items[0].Attempt, State: store.ItemDone,
		Result: &store.Result{Seq: 1, Status: 200, Body: []byte("{}"), CallID: "unwritten", FinishedAt: time.Now()},
	}})
	tr.abandon()
	return tr.Owner(), p.ids
}

func checkSettled(t *testing.T, st *testStore) {
	t.Helper()
	for _, account := range []string{"job:local/a", "key:local"} {
		c := counterOf(t, st, account)
		if c.Spent != sum("0.3") || c.Doubt != sum("1.03") || c.Committed != sum("1.33") {
			t.Errorf("%s: spent %v, doubt %v, committed %v", account, c.Spent, c.Doubt, c.Committed)
		}
	}
	if n, err := st.CountItems(t.Context(), "local/a"); err != nil || n.Done != 1 || n.Pending != 1 || n.Running != 0 {
		t.Errorf("items %+v, %v", n, err)
	}
}

func TestRecoverSettlesTheDead(t *testing.T) {
	t.Parallel()
	st := newTestStore(t)
	id, path := dying(t, st)
	found, err := Recover(t.Context(), st, time.Now())
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	if r := found[0]; r.Owner.ID != id || r.Ended != 2 || r.OnTheWire != 1 || r.Items != 1 || r.Unproven != nil {
		t.Errorf("%+v", r)
	}
	checkSettled(t, st)
	doubts, err := st.Doubts(t.Context(), path[0])
	if err != nil || len(doubts) != 2 {
		t.Errorf("doubts %+v, %v", doubts, err)
	}
	if _, err := os.Stat(st.JournalPath(id)); !os.IsNotExist(err) {
		t.Error("the journal is still there:", err)
	}
	if again, err := Recover(t.Context(), st, time.Now()); err != nil || len(again) != 0 {
		t.Error("found again:", again, err)
	}
	got, err := Reconcile(t.Context(), st, path, "local/a", true, time.Now(), 0)
	if err != nil || got != sum("1.03") {
		t.Error(got, err)
	}
	for _, account := range []string{"job:local/a", "key:local"} {
		if c := counterOf(t, st, account); c.Spent != sum("1.33") || c.Committed != c.Spent {
			t.Errorf("reconciled: %+v", c)
		}
	}
}

// crashing makes the n-th call to the store fail, before or after it took effect, and every one after it.
type crashing struct {
	*testStore
	left  int
	after bool
}

var errCrash = errors.New("crashed")

func (c *crashing) do(f func() error) error {
	c.left--
	if c.left > 0 {
		return f()
	}
	if c.left == 0 && c.after {
		_ = f()
	}
	return errCrash
}

func (c *crashing) Declare(ctx context.Context, id store.OwnerID, now time.Time) error {
	return c.do(func() error { return c.testStore.Declare(ctx, id, now) })
}

func (c *crashing) SettleDead(ctx context.Context, p store.PostMortem) (r store.RoundResult, err error) {
	err = c.do(func() error { r, err = c.testStore.SettleDead(ctx, p); return err })
	return r, err
}

func (c *crashing) ReleaseItems(ctx context.Context, id store.OwnerID) (n int, err error) {
	err = c.do(func() error { n, err = c.testStore.ReleaseItems(ctx, id); return err })
	return n, err
}

func (c *crashing) Forget(id store.OwnerID) error {
	return c.do(func() error { return c.testStore.Forget(id) })
}

func TestRecoveryMayCrashAnywhere(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for n, done := 1, false; !done; n++ {
			st := newTestStore(t)
			dying(t, st)
			_, err := Recover(t.Context(), &crashing{testStore: st, left: n, after: after}, time.Now())
			if done = err == nil; !done && !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			if _, err := Recover(t.Context(), st, time.Now()); err != nil {
				t.Fatal(err)
			}
			checkSettled(t, st)
			if t.Failed() {
				t.Fatalf("crashed at access %d (took effect: %v)", n, after)
			}
		}
	}
}

// Without a journal that proves something, all that was leased stays unconfirmed, until somebody says what became of it.
func TestWithoutProofAllStaysInDoubt(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string) error{
		"missing": os.Remove,
		"damaged": func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b[len(journalMagic)+100] ^= 1
			return os.WriteFile(path, b, 0o600)
		},
		"of another start": func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			r, err := parseJournal(b)
			if err != nil {
				return err
			}
			j, err := createJournal(path, r.owner, "another boot")
			j.close()
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := newTestStore(t)
			id, path := dying(t, st)
			if err := spoil(st.JournalPath(id)); err != nil {
				t.Fatal(err)
			}
			found, err := Recover(t.Context(), st, time.Now())
			if err != nil || len(found) != 1 || found[0].Unproven == nil {
				t.Fatal(found, err)
			}
			c := counterOf(t, st, "job:local/a")
			if c.Spent != sum("0.1") || c.Committed.Cmp(sum("3.1")) < 0 || c.Committed != c.Spent.Plus(c.Doubt) {
				t.Errorf("%+v", c)
			}
			if n, err := st.CountItems(t.Context(), "local/a"); err != nil || n.Pending != 2 {
				t.Errorf("items %+v, %v", n, err)
			}
			if _, err := Reconcile(t.Context(), st, path, "local/a", false, time.Now(), 0); err != nil {
				t.Fatal(err)
			}
			for _, account := range []string{"job:local/a", "key:local"} {
				if c := counterOf(t, st, account); c.Committed != sum("0.1") || c.Spent != c.Committed {
					t.Errorf("released: %+v", c)
				}
			}
		})
	}
}

func TestReconcileWaitsForWhoMayLive(t *testing.T) {
	t.Parallel()
	st := newTestStore(t)
	tr := mustOpen(t, st)
	defer mustClose(t, tr)
	p := mustPath(t, tr, spec("job:local/a", "1"))
	h := mustHold(t, tr, p, "0.5", 0)
	if err := st.Declare(t.Context(), tr.Owner(), time.Now()); err != nil { // by mistake: it lives
		t.Fatal(err)
	}
	if _, err := Reconcile(t.Context(), st, p.ids, "local/a", false, time.Now(), time.Hour); !errors.Is(err, ErrOwnerMayLive) {
		t.Error("reconciled what may still be spent:", err)
	}
	<-h.End(End{Cost: usd("0.5")}).Done()
}

func TestLivingTrackerSettlesTheDead(t *testing.T) {
	bubble(t, func(t *testing.T, st *testStore) {
		tr := mustOpen(t, st)
		dying(t, st)
		time.Sleep(6 * time.Second)
		checkSettled(t, st)
		mustClose(t, tr)
	})
}

func TestNothingIsSentWithoutItsMark(t *testing.T) {
	t.Parallel()
	st := newTestStore(t)
	tr := mustOpen(t, st)
	p := mustPath(t, tr, spec("job:local/a", "1"))
	h := mustHold(t, tr, p, "0.5", 0)
	j := tr.cur.journal
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no /dev/full here:", err)
	}
	j.mu.Lock()
	good := j.f
	j.f = full
	j.mu.Unlock()
	if err := h.Sent(); !errors.Is(err, ErrJournal) {
		t.Errorf("sent without a mark: %v", err)
	}
	e := h.End(End{Cost: usd("0.1")}) // kept in memory and flushed
	<-e.Done()
	if e.Err() != nil {
		t.Error(e.Err())
	}
	j.mu.Lock()
	j.f, j.broken = good, nil
	j.mu.Unlock()
	_ = full.Close()
	mustClose(t, tr)
	if c := counterOf(t, st, "job:local/a"); c.Spent != sum("0.1") || c.Committed != c.Spent {
		t.Errorf("%+v", c)
	}
	if _, err := createJournal(t.TempDir()+"/none/j", "o", "b"); err == nil {
		t.Error("a journal in no folder")
	}
}

func TestJournalStaysSmall(t *testing.T) {
	t.Parallel()
	st := newTestStore(t)
	tr := mustOpen(t, st)
	p := mustPath(t, tr, spec("job:local/a", "1000"), spec("key:local", ""))
	long := mustHold(t, tr, p, "1", 0)
	if err := long.Sent(); err != nil {
		t.Fatal(err)
	}
	body := []byte(strings.Repeat("x", 64<<10))
	for range 400 {
		h := mustHold(t, tr, p, "0.01", 0)
		if err := h.Sent(); err != nil {
			t.Fatal(err)
		}
		h.End(End{Cost: usd("0.001"), Completion: &store.Completion{
			Job: "none", State: store.ItemDone, Result: &store.Result{Body: body},
		}})
	}
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(st.JournalPath(tr.Owner()))
	if err != nil || info.Size() > 2*journalLarge {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	tr.kill()
	if _, err := Recover(t.Context(), st, time.Now()); err != nil {
		t.Fatal(err)
	}
	if c := counterOf(t, st, "job:local/a"); c.Spent != sum("0.4") || c.Doubt != money.SumOf(usd("1")) || c.Committed != sum("1.4") {
		t.Errorf("%+v", c)
	}
}
