package memory_test

import (
	"context"
	"fmt"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/memory"
)

// One owner takes a lease of an account, books a call on it, and gives the rest back.
func Example() {
	ctx := context.Background()
	st := memory.New(memory.Options{})
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

	account, _ := st.OpenCounter(ctx, store.CounterSpec{Account: "job:local/nightly", Limit: money.SumOf(money.Dollar)})
	_ = st.Join(ctx, store.Owner{ID: "one", Joined: now})

	round, _ := st.Apply(ctx, store.Round{Owner: "one", Epoch: 1, Now: now, Leases: []store.LeaseOp{
		{Counter: account.ID, Wants: []money.USD{40 * money.Cent, 70 * money.Cent}},
	}})
	lease := round.Leases[0]
	fmt.Println("granted", lease.Granted, "of the first", lease.Wants, "of 2")

	call := store.Call{ID: "call-1", Attempt: 1, Path: []store.CounterID{account.ID}, Cost: 25 * money.Cent}
	round, _ = st.Apply(ctx, store.Round{
		Owner: "one", Epoch: 1, Now: now,
		Leases:  []store.LeaseOp{{Counter: account.ID, Seq: lease.Seq, Spent: 25 * money.Cent, Close: true}},
		Entries: []store.Entry{{Call: call}},
	})
	fmt.Println("spent", round.Leases[0].Account.Spent, "remaining", round.Leases[0].Account.Remaining())
	// Output:
	// granted 0.4 of the first 1 of 2
	// spent 0.25 remaining 0.75
}
