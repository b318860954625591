package budget_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/memory"
)

func Example() {
	ctx := context.Background()
	tracker, err := budget.Open(ctx, memory.New(memory.Options{}), budget.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	limit, _ := money.ParseSum("0.10")
	path, err := tracker.Path(ctx,
		budget.AccountSpec{Name: store.JobPrefix + "local/nightly", Limit: limit},
		budget.AccountSpec{Name: store.KeyPrefix + "local", Limit: money.Unlimited})
	if err != nil {
		fmt.Println(err)
		return
	}
	ask := budget.Ask{Call: store.Call{ID: "call-1", Job: "local/nightly"}, Amount: 6 * money.Cent}
	hold, err := tracker.Hold(ctx, path, ask)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := hold.Sent(); err != nil { // before the first byte leaves
		fmt.Println(err)
		return
	}
	ending := hold.End(budget.End{Call: store.Call{Outcome: "ok", Status: 200}, Cost: 5 * money.Cent})
	<-ending.Done() // only to know that it is on disk

	ask.Call.ID = "call-2"
	_, err = tracker.Hold(ctx, path, ask)
	fmt.Println(errors.Is(err, budget.ErrExceeded))
	fmt.Println(err)
	fmt.Println(tracker.Close(ctx))
	// Output:
	// true
	// budget of job:local/nightly exceeded: the call may cost $0.06, $0.05 of $0.1 is left ($0.05 spent); raise its limit
	// <nil>
}
