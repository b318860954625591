package storetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Run runs the whole suite. open returns an empty store each time, which the suite does not close; it must
// be a [store.Auditor] too.
func Run(t *testing.T, open func(t testing.TB) store.Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, *bench){
		"Counters":            testCounters,
		"CountersNotFound":    testNotFound,
		"Owners":              testOwners,
		"Grant":               testGrant,
		"Force":               testForce,
		"LostAcknowledgement": testLostAcknowledgement,
		"Unbalanced":          testUnbalanced,
		"LargeSums":           testLargeSums,
		"Calls":               testCalls,
		"Death":               testDeath,
		"Settle":              testSettle,
		"SettleAgain":         testSettleAgain,
		"LateOwner":           testLateOwner,
		"ReconcileReleased":   testReconcileReleased,
		"ReconcileSpent":      testReconcileSpent,
		"ReconcileCalls":      testReconcileCalls,
		"ReconcileLive":       testReconcileLive,
		"SettleCall":          testSettleCall,
		"SettleRefused":       testSettleRefused,
		"DaySums":             testDaySums,
		"UseModel":            testUseModel,
		"UseModelAtOnce":      testUseModelAtOnce,
		"TakeDay":             testTakeDay,
		"Presence":            testPresence,
		"Jobs":                testJobs,
		"JobRemoval":          testJobRemoval,
		"DetachedRemoval":     testDetachedRemoval,
		"Runner":              testRunner,
		"Items":               testItems,
		"ItemsKnown":          testItemsKnown,
		"Loading":             testLoading,
		"Claim":               testClaim,
		"ClaimLater":          testClaimLater,
		"Complete":            testComplete,
		"CompleteFenced":      testCompleteFenced,
		"Reset":               testReset,
		"LargeBodies":         testLargeBodies,
		"Cancelled":           testCancelled,
		"ContextEnds":         testContext,
		"Concurrent":          testConcurrent,
		"ConcurrentQueue":     testConcurrentQueue,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newBench(t, open(t)))
		})
	}
	if _, ok := open(t).(store.Books); ok {
		t.Run("Books", func(t *testing.T) {
			t.Parallel()
			RunBooks(t, open)
		})
	}
	t.Run("Machine", func(t *testing.T) {
		t.Parallel()
		testMachine(t, open)
	})
}

// bench is what one test needs: a fresh store, and helpers that fail the test.
type bench struct {
	*testing.T
	st  store.Store
	ctx context.Context
	now time.Time
	ids atomic.Int64
}

func newBench(t *testing.T, st store.Store) *bench {
	return &bench{T: t, st: st, ctx: t.Context(), now: time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)}
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// same fails the test unless want and got are equal.
func (b *bench) same(what string, want, got any) {
	b.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateErrors()); d != "" {
		b.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

// invariants checks what must hold at any time.
func (b *bench) invariants() {
	b.Helper()
	b.ok(CheckInvariants(b.ctx, b.st))
}

// account opens a counter and returns its id.
func (b *bench) account(name string, limit money.USD) store.CounterID {
	b.Helper()
	c, err := b.st.OpenCounter(b.ctx, store.CounterSpec{Account: name, Limit: money.SumOf(limit)})
	b.ok(err)
	return c.ID
}

func (b *bench) counter(id store.CounterID) store.Counter {
	b.Helper()
	all, err := b.st.Counters(b.ctx, id)
	b.ok(err)
	return all[0]
}

// figures are a counter's amounts in pico-dollars, for tests that count in small numbers.
type figures struct{ Committed, Spent, Doubt money.USD }

func (b *bench) figures(id store.CounterID, want figures) {
	b.Helper()
	c := b.counter(id)
	b.same(fmt.Sprintf("figures of counter %d", id), want, figures{c.Committed.Clamp(), c.Spent.Clamp(), c.Doubt.Clamp()})
	b.invariants()
}

func (b *bench) join(id store.OwnerID) {
	b.Helper()
	b.ok(b.st.Join(b.ctx, store.Owner{ID: id, PID: 7, Host: "host", BootID: "boot", Joined: b.now}))
}

// round writes a round of an owner at epoch 1.
func (b *bench) round(owner store.OwnerID, ops []store.LeaseOp, entries ...store.Entry) store.RoundResult {
	b.Helper()
	res, err := b.st.Apply(b.ctx, store.Round{Owner: owner, Epoch: 1, Now: b.now, Leases: ops, Entries: entries})
	b.ok(err)
	b.invariants()
	return res
}

// call returns an entry of a new call.
func (b *bench) call(cost, doubt money.USD, path ...store.CounterID) store.Entry {
	return store.Entry{Call: store.Call{
		ID: fmt.Sprintf("call-%d", b.ids.Add(1)), Attempt: 1, Path: path, Cost: cost, Doubt: doubt, Bound: cost + doubt, Outcome: "ok",
		Model: "m", Provider: "p", Started: b.now, Ended: b.now.Add(time.Second),
	}}
}

func ops(o ...store.LeaseOp) []store.LeaseOp { return o }

func wants(u ...money.USD) []money.USD { return u }
