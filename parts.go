package aurea

import (
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// USD is an amount of money in pico-dollars (1e-12 dollars): see [money.USD].
type USD = money.USD

// Amounts to multiply, as in 5*aurea.Dollar.
const (
	Dollar = money.Dollar
	Cent   = money.Dollar / 100
)

// Usage is what a provider counted for one call, in tokens: see [usage.Usage].
type Usage = usage.Usage
