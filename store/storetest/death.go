package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// estate lets an owner die with 60 of 100 leased on a job, 80 on the account above, and 20 spent, and returns both.
func (b *bench) estate(owner store.OwnerID) (job, global store.CounterID) {
	b.Helper()
	b.join(owner)
	job, global = b.account("job:a", 100), b.account("global", 1000)
	b.round(owner, ops(store.LeaseOp{Counter: job, Wants: wants(60)}, store.LeaseOp{Counter: global, Wants: wants(80)}))
	b.round(owner, ops(store.LeaseOp{Counter: job, Seq: 1, Spent: 20}, store.LeaseOp{Counter: global, Seq: 1, Spent: 20}), b.call(20, 0, job, global))
	b.ok(b.st.Declare(b.ctx, owner, b.now))
	b.figures(job, figures{Committed: 60, Spent: 20, Doubt: 40})
	b.figures(global, figures{Committed: 80, Spent: 20, Doubt: 60})
	return job, global
}

func (b *bench) settle(p store.PostMortem) store.RoundResult {
	b.Helper()
	p.Now = b.now
	res, err := b.st.SettleDead(b.ctx, p)
	b.ok(err)
	b.invariants()
	return res
}

func testDeath(_ *testing.T, b *bench) {
	job, _ := b.estate("a")
	o, err := b.st.Owner(b.ctx, "a")
	b.ok(err)
	b.same("dead", []any{store.OwnerDead, int64(2), b.now}, []any{o.State, o.Epoch, o.Died})
	_, err = b.st.Apply(b.ctx, store.Round{Owner: "a", Epoch: 1, Now: b.now, Leases: ops(store.LeaseOp{Counter: job, Seq: 2, Spent: 20})})
	b.same("its rounds are fenced", store.ErrFenced, err)
	_, err = b.st.Apply(b.ctx, store.Round{Owner: "a", Epoch: 2, Now: b.now, Leases: ops(store.LeaseOp{Counter: job, Wants: wants(1)})})
	b.same("at any epoch", store.ErrFenced, err)
	_, err = b.st.Lease(b.ctx, "a", job)
	b.same("its lease is gone", store.ErrNotFound, err)
	b.ok(b.st.Declare(b.ctx, "a", b.now.Add(time.Hour)))
	b.figures(job, figures{Committed: 60, Spent: 20, Doubt: 40})
	again, err := b.st.Owner(b.ctx, "a")
	b.ok(err)
	b.same("declared again", o, again)
	b.join("b")
	res := b.round("b", ops(store.LeaseOp{Counter: job, Wants: wants(40), Extra: 1}))
	b.same("doubt is not granted", []any{1, false}, []any{res.Leases[0].Wants, res.Leases[0].Extra})
	_, err = b.st.SettleDead(b.ctx, store.PostMortem{Owner: "b", Now: b.now})
	b.same("the living are not settled", store.ErrNotFound, err)
}

func testSettle(_ *testing.T, b *bench) {
	job, global := b.estate("a")
	ended, cut := b.call(7, 0, job, global), b.call(3, 2, job, global)
	sent := b.call(0, 0, job, global).Call
	b.settle(store.PostMortem{
		Owner: "a", Entries: []store.Entry{ended, cut}, Sent: []store.OpenHold{{Call: sent, Amount: 9}, {Call: cut.Call, Amount: 5}},
	})
	b.figures(job, figures{Committed: 60, Spent: 30, Doubt: 30})
	b.figures(global, figures{Committed: 80, Spent: 30, Doubt: 50})
	final := store.PostMortem{Owner: "a", Entries: []store.Entry{cut}, Sent: []store.OpenHold{{Call: sent, Amount: 9}}, Final: true}
	for range 2 {
		b.settle(final)
		b.figures(job, figures{Committed: 41, Spent: 30, Doubt: 11})
		b.figures(global, figures{Committed: 41, Spent: 30, Doubt: 11})
	}
	o, err := b.st.Owner(b.ctx, "a")
	b.ok(err)
	b.same("state", store.OwnerGone, o.State)
	doubts, err := b.st.Doubts(b.ctx, job)
	b.ok(err)
	byCall := map[string]money.USD{}
	for _, d := range doubts {
		byCall[d.Call] = d.Amount
	}
	b.same("doubts", map[string]money.USD{sent.ID: 9, cut.Call.ID: 2}, byCall)
}

// What a settlement finds out later replaces what an earlier one assumed, and what was assumed twice counts once.
func testSettleAgain(_ *testing.T, b *bench) {
	job, global := b.estate("a")
	late := b.call(4, 1, job, global)
	b.settle(store.PostMortem{Owner: "a", Sent: []store.OpenHold{{Call: late.Call, Amount: 9}, {Call: late.Call, Amount: 9}}, Final: true})
	b.figures(job, figures{Committed: 29, Spent: 20, Doubt: 9})
	b.settle(store.PostMortem{Owner: "a", Entries: []store.Entry{late}})
	b.figures(job, figures{Committed: 25, Spent: 24, Doubt: 1})
	b.figures(global, figures{Committed: 25, Spent: 24, Doubt: 1})
	b.settle(store.PostMortem{Owner: "a", Entries: []store.Entry{late}, Sent: []store.OpenHold{{Call: late.Call, Amount: 9}}})
	b.figures(job, figures{Committed: 25, Spent: 24, Doubt: 1})
}

// A process that was declared dead and lived books what its calls cost, beyond its doubt if need be.
func testLateOwner(_ *testing.T, b *bench) {
	job, global := b.estate("a")
	b.settle(store.PostMortem{Owner: "a", Entries: []store.Entry{b.call(30, 0, job, global)}})
	b.figures(job, figures{Committed: 60, Spent: 50, Doubt: 10})
	b.settle(store.PostMortem{Owner: "a", Entries: []store.Entry{b.call(25, 0, job, global)}})
	b.figures(job, figures{Committed: 75, Spent: 75})
	b.figures(global, figures{Committed: 80, Spent: 75, Doubt: 5})
	b.settle(store.PostMortem{Owner: "a", Final: true})
	b.figures(global, figures{Committed: 75, Spent: 75})
	b.settle(store.PostMortem{Owner: "a", Entries: []store.Entry{b.call(1, 0, job, global)}})
	b.figures(job, figures{Committed: 76, Spent: 76})
	b.figures(global, figures{Committed: 76, Spent: 76})
}

func (b *bench) reconcile(path []store.CounterID, spent bool, want money.USD) {
	b.Helper()
	got, err := b.st.Reconcile(b.ctx, path, "local/a", spent, b.now)
	b.ok(err)
	b.same("ended", money.SumOf(want), got)
	b.invariants()
}

func testReconcileReleased(_ *testing.T, b *bench) {
	job, global := b.estate("a")
	b.reconcile([]store.CounterID{job, global}, false, 40)
	b.figures(job, figures{Committed: 20, Spent: 20})
	b.figures(global, figures{Committed: 20, Spent: 20})
	b.gone("a")
	b.reconcile([]store.CounterID{job, global}, false, 0)
}

func testReconcileSpent(_ *testing.T, b *bench) {
	job, global := b.estate("a")
	b.reconcile([]store.CounterID{job, global}, true, 40)
	b.figures(job, figures{Committed: 60, Spent: 60})
	b.figures(global, figures{Committed: 60, Spent: 60})
	b.gone("a")
	calls, _, err := b.st.Calls(b.ctx, "local/a", 0, 10)
	b.ok(err)
	b.same("its row", []any{1, "reconciled", money.USD(40)}, []any{len(calls), calls[0].Outcome, calls[0].Cost})
}

// gone checks that nothing of an owner is open any more.
func (b *bench) gone(id store.OwnerID) {
	b.Helper()
	o, err := b.st.Owner(b.ctx, id)
	b.ok(err)
	b.same("state of "+string(id), store.OwnerGone, o.State)
}

// A parent's rest, which calls of its other children may have spent, stays until the parent itself is reconciled; what
// lies above all jobs goes with the last of them.
func testReconcileCalls(_ *testing.T, b *bench) {
	b.join("a")
	job, parent, global := b.account("job:child", 100), b.account("job:parent", 100), b.account("global", 100)
	b.round("a", ops(
		store.LeaseOp{Counter: job, Wants: wants(10)}, store.LeaseOp{Counter: parent, Wants: wants(30)}, store.LeaseOp{Counter: global, Wants: wants(50)},
	))
	cut := b.call(2, 3, job, parent, global)
	b.round("a", ops(
		store.LeaseOp{Counter: job, Seq: 1, Spent: 2, Doubt: 3}, store.LeaseOp{Counter: parent, Seq: 1, Spent: 2, Doubt: 3},
		store.LeaseOp{Counter: global, Seq: 1, Spent: 2, Doubt: 3},
	), cut)
	b.ok(b.st.Declare(b.ctx, "a", b.now))
	b.figures(parent, figures{Committed: 30, Spent: 2, Doubt: 28})
	b.reconcile([]store.CounterID{job, parent, global}, true, 8)
	b.figures(job, figures{Committed: 10, Spent: 10})
	b.figures(parent, figures{Committed: 30, Spent: 10, Doubt: 20})
	b.figures(global, figures{Committed: 50, Spent: 10, Doubt: 40})
	b.reconcile([]store.CounterID{parent, global}, false, 20)
	b.figures(parent, figures{Committed: 10, Spent: 10})
	b.figures(global, figures{Committed: 10, Spent: 10})
	b.settle(store.PostMortem{Owner: "a", Entries: []store.Entry{cut}})
	b.figures(global, figures{Committed: 10, Spent: 10})
	_, sums, err := b.st.ModelSums(b.ctx, cut.Call.Job)
	b.ok(err)
	b.same("the model's sum has both halves", money.SumOf(2), sums["m"].Cost)
}

func testReconcileLive(_ *testing.T, b *bench) {
	b.join("a")
	id := b.account("job:a", 100)
	b.round("a", ops(store.LeaseOp{Counter: id, Wants: wants(10)}))
	cut := b.call(1, 4, id)
	b.round("a", ops(store.LeaseOp{Counter: id, Seq: 1, Spent: 1, Doubt: 4, Close: true}), cut)
	b.figures(id, figures{Committed: 5, Spent: 1, Doubt: 4})
	b.reconcile([]store.CounterID{id}, true, 4) // of one that lives
	b.figures(id, figures{Committed: 5, Spent: 5})
	b.round("a", ops(store.LeaseOp{Counter: id, Wants: wants(10)}))
	b.round("a", ops(store.LeaseOp{Counter: id, Seq: 1, Spent: 2}), b.call(2, 0, id))
	b.figures(id, figures{Committed: 15, Spent: 7})
	b.round("a", ops(store.LeaseOp{Counter: id, Seq: 2, Spent: 2, Doubt: 3, Close: true}), b.call(0, 3, id))
	b.figures(id, figures{Committed: 10, Spent: 7, Doubt: 3})
	b.ok(b.st.Declare(b.ctx, "a", b.now)) // by mistake; it brings again what it has written
	_, err := b.st.SettleDead(b.ctx, store.PostMortem{Owner: "a", Now: b.now, Entries: []store.Entry{cut}, Final: true})
	b.ok(err)
	b.figures(id, figures{Committed: 10, Spent: 7, Doubt: 3})
	b.reconcile([]store.CounterID{id}, false, 3)
	b.figures(id, figures{Committed: 7, Spent: 7})
	calls, _, err := b.st.Calls(b.ctx, "", 0, 10)
	b.ok(err)
	b.same("rows", 4, len(calls))
	b.same("the later row", []any{cut.Call.ID, ^cut.Call.Attempt, "reconciled", money.USD(4), "m"},
		[]any{calls[1].ID, calls[1].Attempt, calls[1].Outcome, calls[1].Cost, calls[1].Model})
}

func testPresence(_ *testing.T, b *bench) {
	release, err := b.st.Announce(b.ctx, "a")
	b.ok(err)
	if _, err := b.st.Announce(b.ctx, "a"); err == nil {
		b.Fatal("one owner was announced twice")
	}
	_, dead, err := b.st.ClaimDead(b.ctx, "a")
	b.ok(err)
	b.same("while it lives", false, dead)
	b.join("a")
	b.ok(release())
	b.ok(release())
	claim, dead, err := b.st.ClaimDead(b.ctx, "a")
	b.ok(err)
	b.same("after", true, dead)
	_, second, err := b.st.ClaimDead(b.ctx, "a")
	b.ok(err)
	b.same("one settles", false, second)
	b.ok(claim())
	claim, dead, err = b.st.ClaimDead(b.ctx, "a")
	b.ok(err)
	b.same("after a claim was given back", true, dead)
	b.ok(claim())
	b.ok(b.st.Forget("a"))
	b.ok(b.st.Forget("a"))
}

// A call on a context that has ended writes nothing and says so.
func testContext(_ *testing.T, b *bench) {
	b.join("a")
	id := b.account("job:a", 100)
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	_, apply := b.st.Apply(ctx, store.Round{Owner: "a", Epoch: 1, Now: b.now, Leases: ops(store.LeaseOp{Counter: id, Wants: wants(1)})})
	_, counters := b.st.Counters(ctx, id)
	_, limit := b.st.SetLimit(ctx, id, money.SumOf(1))
	_, create, created := b.st.CreateJob(ctx, store.Job{ID: "local/x"}, money.Sum{})
	_, _, claim := b.st.ClaimDead(ctx, "a")
	for what, err := range map[string]error{"Apply": apply, "Counters": counters, "SetLimit": limit, "CreateJob": created, "ClaimDead": claim} {
		b.same(what, context.Canceled, err)
	}
	b.same("not created", false, create)
	b.figures(id, figures{})
	b.same("limit", money.SumOf(100), b.counter(id).Limit)
}
