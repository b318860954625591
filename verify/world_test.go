package verify_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/memory"
	"github.com/andres20980/aurea-orchestrator/store/storetest"
	"github.com/andres20980/aurea-orchestrator/verify"
)

// Prices of every model here, in pico-dollars per token.
const (
	priceIn, priceOut = 2_500_000, 10_000_001
	limitOf           = money.Dollar
)

var firstDay = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// truth is a request as the provider knows it.
type truth struct {
	at      time.Time
	model   string // as billed
	in, out int64
	job     string // empty: somebody else's
}

func (t truth) cost() money.USD { return money.USD(t.in*priceIn + t.out*priceOut) }

// world is a ledger, and what the provider knows.
type world struct {
	testing.TB
	st       store.Store
	owner    store.OwnerID
	n        int
	provider string
	leases   map[store.CounterID]*store.LeaseOp
	truths   []truth
}

func newWorld(t testing.TB, provider string) *world {
	w := &world{TB: t, st: memory.New(memory.Options{}), provider: provider}
	w.join()
	return w
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) join() {
	w.n++
	w.owner, w.leases = store.OwnerID(fmt.Sprint("owner-", w.n)), map[store.CounterID]*store.LeaseOp{}
	w.ok(w.st.Join(context.Background(), store.Owner{ID: w.owner, Joined: firstDay}))
}

func (w *world) counter(account string) store.Counter {
	c, err := w.st.OpenCounter(context.Background(), store.CounterSpec{Account: account, Limit: money.SumOf(limitOf)})
	w.ok(err)
	return c
}

func (w *world) path(job string) []store.CounterID {
	return []store.CounterID{w.counter(store.JobPrefix + job).ID, w.counter(store.AccountGlobal).ID}
}

// call is a new call, named and sent as models are.
func (w *world) call(job, model string, at time.Time) store.Call {
	w.n++
	return store.Call{
		ID: fmt.Sprint("call-", w.n), Attempt: 1, Job: job, Path: w.path(job), Provider: w.provider, Model: "asked", Upstream: model, API: "chat",
		Started: at, Ended: at.Add(time.Second),
	}
}

// write writes an ended call.
func (w *world) write(c store.Call) {
	w.Helper()
	r := store.Round{Owner: w.owner, Epoch: 1, Now: c.Ended, Entries: []store.Entry{{Call: c}}}
	for _, id := range c.Path {
		op := w.leases[id]
		if op == nil {
			op = &store.LeaseOp{Counter: id}
			w.leases[id] = op
		}
		op.Force, op.Doubt = c.Cost+c.Doubt, c.Doubt
		op.Spent += c.Cost
		r.Leases = append(r.Leases, *op)
		op.Seq++
	}
	_, err := w.st.Apply(context.Background(), r)
	w.ok(err)
}

// complete is a call whose usage was in the answer.
func (w *world) complete(job, model, billedAs string, at time.Time, in, out int64) {
	c := w.call(job, model, at)
	t := truth{at, billedAs, in, out, job}
	c.Outcome, c.Status, c.InputTokens, c.OutputTokens, c.Cost, c.Bound = "ok", 200, in, out, t.cost(), 2*t.cost()
	w.write(c)
	w.truths = append(w.truths, t)
}

// cut is a call whose answer was lost after what proven says, and billed as tokens say (0, 0: not at all).
func (w *world) cut(job, model, billedAs string, at time.Time, proven bool, in, out int64) store.Call {
	c := w.call(job, model, at)
	t := truth{at, billedAs, in, out, job}
	c.Outcome, c.Bound = "cut", t.cost()+money.Milli
	if proven && in > 0 {
		c.InputTokens, c.Cost = in, money.USD(in*priceIn)
	}
	c.Doubt = c.Bound - c.Cost
	w.write(c)
	if in > 0 {
		w.truths = append(w.truths, t)
	}
	return c
}

// die ends the process with calls on the wire, and settles what it left, much later.
func (w *world) die(wire []store.Call, amounts []money.USD) {
	w.Helper()
	ctx := context.Background()
	for i, c := range wire {
		for _, id := range c.Path {
			op := w.leases[id]
			if op == nil {
				op = &store.LeaseOp{Counter: id}
				w.leases[id] = op
			}
			op.Doubt, op.Force = 0, amounts[i]
			one := store.Round{Owner: w.owner, Epoch: 1, Now: firstDay, Leases: []store.LeaseOp{*op}}
			_, err := w.st.Apply(ctx, one)
			w.ok(err)
			op.Seq++
			op.Force = 0
		}
	}
	now := firstDay.AddDate(0, 1, 0)
	w.ok(w.st.Declare(ctx, w.owner, now))
	pm := store.PostMortem{Owner: w.owner, Now: now, Final: true}
	for i, c := range wire {
		pm.Sent = append(pm.Sent, store.OpenHold{Call: c, Amount: amounts[i]})
	}
	_, err := w.st.SettleDead(ctx, pm)
	w.ok(err)
	w.join()
}

func (w *world) ledger() verify.Ledger {
	w.Helper()
	days, err := w.st.DaySums(context.Background(), time.Time{}, time.Time{})
	w.ok(err)
	open, err := w.st.OpenDoubts(context.Background())
	w.ok(err)
	return verify.Ledger{Days: days, Doubts: open}
}

// compare reads exports and compares them, long after.
func (w *world) compare(exports ...[]byte) *verify.Report {
	w.Helper()
	return verify.Compare(w.books(exports...), w.ledger(), verify.Options{Now: firstDay.AddDate(1, 0, 0), Lag: time.Hour, MaxCall: 10 * time.Minute})
}

func (w *world) books(exports ...[]byte) *verify.Books {
	w.Helper()
	var b verify.Books
	for i, e := range exports {
		if err := b.Read(bytes.NewReader(e), fmt.Sprint("export ", i), ""); err != nil {
			w.Fatalf("%v\n%s", err, e)
		}
	}
	return &b
}

// settle writes what is proven, twice.
func (w *world) settle(r *verify.Report) {
	w.Helper()
	var all []store.Settlement
	for _, p := range r.Proven {
		all = append(all, p.Settlement)
	}
	for _, want := range []bool{true, false} {
		done, err := w.st.Settle(context.Background(), all, firstDay.AddDate(1, 0, 0))
		w.ok(err)
		if slices.Contains(done, !want) {
			w.Fatalf("settled: %v, want all %v", done, want)
		}
	}
	w.ok(storetest.CheckInvariants(context.Background(), w.st))
}

// spent is what a job's calls cost in truth.
func (w *world) spent(job string) (sum money.Sum) {
	for _, t := range w.truths {
		if t.job != "" && (t.job == job || job == "") {
			sum = sum.Add(t.cost())
		}
	}
	return sum
}
