package budget

import (
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/store"
)

// A process that was declared dead and lives books its calls, completes its items, gives back those it had only claimed, and goes on as
// another owner.
func TestLateOwnerSettlesItsDebts(t *testing.T) {
	bubble(t, func(t *testing.T, st *testStore) {
		ctx := t.Context()
		tr := mustOpen(t, st)
		if _, _, err := st.CreateJob(ctx, store.Job{ID: "local/a", Batch: true}, sum("1")); err != nil {
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
		p := mustPath(t, tr, spec("job:local/a", "1"), spec("key:local", ""))
		h := mustHold(t, tr, p, "0.6", 0)
		if err := h.Sent(); err != nil {
			t.Fatal(err)
		}
		unsent := mustHold(t, tr, p, "0.1", 0)
		old := tr.Owner()
		if err := st.Declare(ctx, old, time.Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if tr.Owner() == old {
			t.Error("did not notice")
		}
		if c := counterOf(t, st, "job:local/a"); c.Doubt.Cmp(sum("0.7")) < 0 {
			t.Errorf("what is on the wire is not in doubt: %+v", c)
		}
		if err := unsent.Sent(); err == nil {
			t.Error("sent what another process may have released")
		}
		unsent.Release()
		again := mustHold(t, tr, p, "0.3", 0) // as the new owner, beside the old one's call
		again.End(End{Cost: usd("0.3")})
		e := h.End(End{Cost: usd("0.5"), Completion: &store.Completion{
			Job: "local/a", Seq: 1, Attempt: items[0].Attempt, State: store.ItemDone,
			Result: &store.Result{Seq: 1, Status: 200, Body: []byte("{}"), FinishedAt: time.Now()},
		}})
		<-e.Done()
		if e.Err() != nil || e.Rejected() {
			t.Error(e.Err(), e.Rejected())
		}
		time.Sleep(time.Second)
		if n, err := st.CountItems(ctx, "local/a"); err != nil || n.Done != 1 || n.Pending != 1 {
			t.Errorf("%+v, %v", n, err)
		}
		if o, err := st.Store.Owner(ctx, old); err != nil || o.State != store.OwnerGone {
			t.Errorf("%+v, %v", o, err)
		}
		mustClose(t, tr)
		if c := counterOf(t, st, "job:local/a"); c.Spent != sum("0.8") || c.Committed != c.Spent {
			t.Errorf("%+v", c)
		}
	})
}
