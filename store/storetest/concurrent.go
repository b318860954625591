package storetest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Many owners draw on one counter at once: the limit holds, and at the end every figure adds up.
func testConcurrent(t *testing.T, b *bench) {
	const owners, rounds, limit = 6, 25, 500
	id, global := b.account("job:local/a", limit), b.account("global", 10_000)
	var wg sync.WaitGroup
	for n := range owners {
		wg.Go(func() {
			if err := draw(b, store.OwnerID(fmt.Sprint("owner-", n)), []store.CounterID{id, global}, rounds); err != nil {
				t.Error(err)
			}
		})
	}
	for range rounds { // snapshots in between
		if err := CheckInvariants(b.ctx, b.st); err != nil {
			t.Error(err)
		}
		if c, err := b.st.Counters(b.ctx, id); err != nil || c[0].Committed.Cmp(c[0].Limit) > 0 {
			t.Error("above the limit: ", c, err)
		}
		if c, sums, err := b.st.ModelSums(b.ctx, "local/a"); err != nil || sums["m"].Cost.Cmp(c.Spent) != 0 {
			t.Errorf("the models' costs make %s, spent is %s: %v", sums["m"].Cost, c.Spent, err)
		}
	}
	wg.Wait()
	c := b.counter(id)
	b.same("all was given back", c.Spent, c.Committed)
	b.same("above", c.Spent, b.counter(global).Committed)
	b.invariants()
}

// draw takes leases, spends two thirds of what it gets, and closes them.
func draw(b *bench, owner store.OwnerID, path []store.CounterID, rounds int) error {
	if err := b.st.Join(b.ctx, store.Owner{ID: owner, Joined: b.now}); err != nil {
		return err
	}
	for i := range rounds {
		take := store.Round{Owner: owner, Epoch: 1, Now: b.now}
		for _, id := range path {
			take.Leases = append(take.Leases, store.LeaseOp{Counter: id, Wants: wants(3)})
		}
		res, err := b.st.Apply(b.ctx, take)
		if err != nil {
			return err
		}
		end := store.Round{Owner: owner, Epoch: 1, Now: b.now}
		var cost money.USD = 2
		for _, l := range res.Leases {
			if l.Wants == 0 {
				cost = 0
			}
		}
		for _, id := range path {
			end.Leases = append(end.Leases, store.LeaseOp{Counter: id, Seq: 1, Spent: cost, Close: true})
		}
		if cost > 0 {
			end.Entries = []store.Entry{{Call: store.Call{ID: fmt.Sprint(owner, "-", i), Job: "local/a", Model: "m", Path: path, Cost: cost}}}
		}
		if _, err := b.st.Apply(b.ctx, end); err != nil {
			return err
		}
	}
	return b.st.Leave(b.ctx, owner, 1)
}

// Many claim and complete at once: every item is done exactly once.
func testConcurrentQueue(t *testing.T, b *bench) {
	const n, workers = 300, 6
	b.batch(n)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				got, err := b.st.Claim(b.ctx, batchID, "m", "a", 7, b.now)
				if err != nil {
					t.Error(err)
					return
				}
				if len(got) == 0 {
					return
				}
				r := store.Round{Owner: "a", Epoch: 1, Now: b.now}
				for _, it := range got {
					e := b.call(0, 0)
					e.Completion = &store.Completion{
						Job: batchID, Seq: it.Seq, Attempt: it.Attempt, State: store.ItemDone, Result: &store.Result{Body: it.Body},
					}
					r.Entries = append(r.Entries, e)
				}
				if res, err := b.st.Apply(b.ctx, r); err != nil || len(res.Rejected) > 0 {
					t.Error("completion: ", res.Rejected, err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.counts(store.ItemCounts{Done: n})
	b.ok(CheckItems(b.ctx, b.st, batchID))
	b.invariants()
}
