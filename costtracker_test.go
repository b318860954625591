package aurea_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
)

func ExampleCostTracker() {
	tracker := aurea.NewCostTracker("job-1", 10*aurea.Dollar, nil)
	cost, err := tracker.TrackUsage("gpt-3.5-turbo", aurea.Usage{Input: 1000, Output: 500})
	fmt.Println(cost, err)

	s := tracker.Summary()
	fmt.Println(s.TotalCost, "of", s.MaxCost, "spent,", s.RemainingBudget, "left")
	// Output:
	// 0.00125 <nil>
	// 0.00125 of 10 spent, 9.99875 left
}

// A limit that holds: reserve before the call, settle after it.
func ExampleCostTracker_Reserve() {
	tracker := aurea.NewCostTracker("job-1", aurea.Cent, nil)
	r, err := tracker.Reserve("gpt-4o-mini", 10_000, 10_000)
	fmt.Println(r.Amount(), err)
	_, err = tracker.Reserve("gpt-4o-mini", 10_000, 10_000)
	fmt.Println(errors.Is(err, aurea.ErrBudgetExceeded), err)
	cost, err := r.Settle(aurea.Usage{Input: 9_000, Output: 800})
	fmt.Println(cost, err)
	// Output:
	// 0.0075 <nil>
	// true job "job-1" has 0.0025 USD left, and the call can cost 0.0075 USD (raise the limit, or make fewer or smaller calls)
	// 0.00183 <nil>
}

func TestCostTracker(t *testing.T) {
	t.Parallel()
	one, two := money.MustParse("1"), money.MustParse("2")
	prices := pricing.Empty().WithOverrides(map[string]pricing.Override{"m": {Input: &one, Output: &two}})
	c := aurea.NewCostTracker("j", 100*money.Micro, prices)
	if got, err := c.EstimateCost("m", 10, 20); err != nil || got != 50*money.Micro {
		t.Errorf("%s, %v", got, err)
	}
	for _, err := range []error{
		second(c.EstimateCost("nobody", 1, 1)), second(c.TrackUsage("nobody", aurea.Usage{Input: 1})), second(c.Reserve("nobody", 1, 1)),
	} {
		if e, is := errors.AsType[*aurea.Error](err); !is || e.Code != aurea.CodePriceUnknown || e.Hint == "" {
			t.Errorf("%#v", err)
		}
	}
	for _, err := range []error{second(c.EstimateCost("m", -1, 1)), second(c.TrackUsage("m", aurea.Usage{Output: -1})), second(c.Reserve("m", 1, -1))} {
		if !errors.Is(err, aurea.ErrInvalidRequest) {
			t.Errorf("%v", err)
		}
	}
	if _, err := c.TrackUsage("m", aurea.Usage{Input: 60, Output: 30}); !errors.Is(err, aurea.ErrBudgetExceeded) {
		t.Errorf("past the limit: %v", err)
	}
	s := c.Summary()
	if s.TotalCost != money.SumOf(120*money.Micro) || s.RemainingBudget != (money.Sum{}) || s.UsageByModel["m"].OutputTokens != 30 {
		t.Errorf("%+v", s)
	}
	text, err := json.Marshal(s)
	if err != nil || string(text) != `{"job_id":"j","total_cost":"0.00012","max_cost":"0.0001","remaining_budget":"0","unconfirmed":"0",`+
		`"usage_by_model":{"m":{"calls":1,"attempts":1,"input_tokens":60,"output_tokens":30,"cost":"0.00012"}}}` {
		t.Errorf("%s, %v", text, err)
	}
}

// A call that was made is never lost: not one that cost more than was held, not one whose usage is nonsense, not one in a tier without a price.
func TestSettleBooksEveryCall(t *testing.T) {
	t.Parallel()
	one := money.MustParse("1")
	prices := pricing.Empty().WithOverrides(map[string]pricing.Override{"m": {Input: &one, Output: &one}})
	for name, test := range map[string]struct {
		used  aurea.Usage
		spent string
		is    error
	}{
		"as counted":       {used: aurea.Usage{Input: 10, Output: 5}, spent: "0.000015"},
		"counted as free":  {used: aurea.Usage{Complete: true}, spent: "0"},
		"not counted":      {spent: "0.0001"},
		"impossible":       {used: aurea.Usage{Input: -1}, spent: "0.0001", is: aurea.ErrInvalidRequest},
		"more than held":   {used: aurea.Usage{Input: 150}, spent: "0.00015"},
		"past the limit":   {used: aurea.Usage{Input: 300}, spent: "0.0003", is: aurea.ErrBudgetExceeded},
		"an unknown tier":  {used: aurea.Usage{Input: 10, Tier: "priority"}, spent: "", is: nil},
		"a dearer unknown": {used: aurea.Usage{Output: 10, Tier: "priority"}, spent: "", is: nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := aurea.NewCostTracker("j", 200*money.Micro, prices)
			r, err := c.Reserve("m", 50, 50)
			if err != nil {
				t.Fatal(err)
			}
			cost, err := r.Settle(test.used)
			if !errors.Is(err, test.is) {
				t.Errorf("%v", err)
			}
			s := c.Summary()
			if s.TotalCost != money.SumOf(cost) || test.spent != "" && s.TotalCost.String() != test.spent || test.spent == "" && cost < 10*money.Micro {
				t.Errorf("booked %s, returned %s, want %s", s.TotalCost, cost, test.spent)
			}
			if n := s.UsageByModel["m"].Calls; n != 1 {
				t.Errorf("%d calls", n)
			}
			if again, err := r.Settle(test.used); again != 0 || err != nil {
				t.Errorf("settled twice: %s, %v", again, err)
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

// Reservations from everywhere never pass the limit together, and the sum is exact.
func TestReservationsKeepTheLimit(t *testing.T) {
	t.Parallel()
	one := money.MustParse("1")
	c := aurea.NewCostTracker("j", 10_000*money.Micro, pricing.Empty().WithOverrides(map[string]pricing.Override{"m": {Input: &one, Output: &one}}))
	var mu sync.Mutex
	var spent aurea.USD
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for {
				r, err := c.Reserve("m", 50, 50)
				if err != nil {
					return
				}
				if rand.IntN(5) == 0 {
					r.Release()
					_, _ = r.Settle(aurea.Usage{Input: 1 << 30})
					continue
				}
				cost, err := r.Settle(aurea.Usage{Input: rand.Int64N(51), Output: rand.Int64N(51), Complete: true})
				if err != nil {
					t.Error(err)
				}
				r.Release()
				mu.Lock()
				spent += cost
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	s := c.Summary()
	if s.TotalCost != money.SumOf(spent) || s.TotalCost.Cmp(s.MaxCost) > 0 || s.RemainingBudget.Cmp(money.SumOf(100*money.Micro)) >= 0 {
		t.Errorf("spent %s: %+v", spent, s)
	}
}
