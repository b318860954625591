package protocol

import (
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// CheckSpec refuses an account that has no name or a limit below zero.
func CheckSpec(spec store.CounterSpec) error {
	if spec.Account == "" {
		return unbalanced("an account needs a name")
	}
	return CheckLimit(spec.Limit)
}

// CheckLimit refuses a limit that is below zero or not in normal form, and one above [money.Unlimited], which sums could overflow.
func CheckLimit(limit money.Sum) error {
	if limit.Negative() || limit.Pico < 0 || limit.Pico >= int64(money.Dollar) || limit.Cmp(money.Unlimited) > 0 {
		return unbalanced("%d dollars and %d pico-dollars is no limit", limit.Dollars, limit.Pico)
	}
	return nil
}
