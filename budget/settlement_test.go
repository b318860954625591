package budget_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/memory"
	"github.com/andres20980/aurea-orchestrator/store/storetest"
)

// settled is a ledger with calls of one owner, each written at its end.
type settled struct {
	testing.TB
	st     store.Store
	leases map[store.CounterID]*store.LeaseOp
	n      int
}

func newSettled(t testing.TB) *settled {
	s := &settled{TB: t, st: memory.New(memory.Options{}), leases: map[store.CounterID]*store.LeaseOp{}}
	s.ok(s.st.Join(context.Background(), store.Owner{ID: "a"}))
	return s
}

func (s *settled) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *settled) counter(account string) store.Counter {
	c, err := s.st.OpenCounter(context.Background(), store.CounterSpec{Account: account, Limit: money.Sum{Dollars: 1}})
	s.ok(err)
	return c
}

func (s *settled) call(account, model, outcome string, cost, doubt, bound money.USD, at time.Time) {
	s.Helper()
	s.n++
	id := s.counter(account).ID
	op := s.leases[id]
	if op == nil {
		op = &store.LeaseOp{Counter: id}
		s.leases[id] = op
	}
	op.Spent, op.Force, op.Doubt = op.Spent+cost, cost+doubt, doubt
	_, err := s.st.Apply(context.Background(), store.Round{Owner: "a", Epoch: 1, Now: at, Leases: []store.LeaseOp{*op}, Entries: []store.Entry{{Call: store.Call{
		ID: fmt.Sprint("call-", s.n), Attempt: 1, Path: []store.CounterID{id}, Provider: "p", Upstream: model, Outcome: outcome, Cost: cost, Doubt: doubt, Bound: bound,
		Started: at, Ended: at,
	}}}})
	s.ok(err)
	op.Seq++
}

func TestExpect(t *testing.T) {
	t.Parallel()
	s := newSettled(t)
	now := time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)
	old, young := now.Add(-24*time.Hour), now.Add(-24*time.Hour+1)
	s.call("job:a", "m", "ok", 100, 0, 1000, old)
	s.call("job:a", "m", "ok", 400, 0, 1000, old)
	s.call("key:play", "m", "ok", 1000, 0, 1000, old) // a rehearsal, which costs what it likes
	s.call("key:play", "m", "cut", 0, 10, 10, old)
	s.call("job:a", "m", "cut", 0, 1000, 1000, old)
	s.call("job:a", "m", "cut", 0, 500, 500, young)
	s.call("job:a", "never answered", "cut", 0, 70, 70, old)
	for range 2 {
		booked, released, err := budget.Expect(context.Background(), s.st, now, 0, s.counter("key:play").ID)
		s.ok(err)
		if c := s.counter("job:a"); c.Spent != money.SumOf(750) || c.Doubt != money.SumOf(570) {
			t.Fatalf("%+v", c)
		}
		if s.counter("key:play").Doubt != money.SumOf(10) {
			t.Error("a rehearsal was settled")
		}
		if booked != money.SumOf(250) && booked != (money.Sum{}) || booked.Plus(released) != money.SumOf(1000) && released != (money.Sum{}) {
			t.Errorf("booked %s, released %s", booked, released)
		}
	}
	s.ok(storetest.CheckInvariants(context.Background(), s.st))
	calls, _, err := s.st.Calls(context.Background(), "", 7, 10)
	if err != nil || len(calls) != 1 || calls[0].Outcome != store.OutcomeExpected || calls[0].Cost != 250 || calls[0].Attempt != ^1 {
		t.Errorf("%+v %v", calls, err)
	}
	if _, _, err := budget.Expect(context.Background(), s.st, now.Add(time.Hour), 0); err != nil {
		t.Fatal(err)
	}
}

// Who was declared dead and may live has the last word on its calls.
func TestSettleWaitsForTheDead(t *testing.T) {
	t.Parallel()
	s := newSettled(t)
	ctx, now := context.Background(), time.Now()
	s.call("job:a", "m", "cut", 0, 50, 50, now)
	release, err := s.st.Announce(ctx, "a")
	s.ok(err)
	s.ok(s.st.Declare(ctx, "a", now))
	all := []store.Settlement{{Owner: "a", Call: "call-1", Attempt: 1, Doubt: 50, Cost: 20, Outcome: store.OutcomeVerified}}
	if _, err := budget.Settle(ctx, s.st, all, now, time.Minute); !errors.Is(err, budget.ErrOwnerMayLive) {
		t.Errorf("it lives: %v", err)
	}
	s.ok(release())
	done, err := budget.Settle(ctx, s.st, all, now, time.Minute)
	if err != nil || !done[0] {
		t.Errorf("it ended: %v %v", done, err)
	}
	if c := s.counter("job:a"); c.Spent != money.SumOf(20) || c.Doubt != (money.Sum{}) {
		t.Errorf("%+v", c)
	}
}
