package aurea

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// CostTracker counts what the calls of one job cost, by itself and in memory: for programs that want the count and the limit, and nothing else of Aurea. It is
// safe for concurrent use.
//
// Counting after the call, as [CostTracker.TrackUsage] does, notices that a limit was passed when the money is spent. A limit that holds takes
// [CostTracker.Reserve] before each call, and a limit that outlives the process takes a [Job].
type CostTracker struct {
	id     string
	limit  money.Sum
	prices *pricing.Table

	mu      sync.Mutex
	spent   money.Sum
	held    money.Sum
	byModel map[string]ModelUsage
}

// NewCostTracker returns a tracker for a job with a limit. prices are those to go by; nil stands for [pricing.Embedded].
func NewCostTracker(jobID string, maxCost USD, prices *pricing.Table) *CostTracker {
	if prices == nil {
		prices = pricing.Embedded()
	}
	return &CostTracker{id: jobID, limit: money.SumOf(maxCost), prices: prices, byModel: make(map[string]ModelUsage)}
}

// EstimateCost returns what a call with so many tokens costs at the ordinary prices. A model without a price is [CodePriceUnknown]: there is no made-up one.
func (c *CostTracker) EstimateCost(model string, inputTokens, outputTokens int64) (USD, error) {
	return c.cost(model, Usage{Input: inputTokens, Output: outputTokens})
}

func (c *CostTracker) cost(model string, u Usage) (USD, error) {
	price, err := c.price(model)
	if err != nil {
		return 0, err
	}
	cost, err := usage.Cost(*price, u)
	switch {
	case err == nil, errors.Is(err, usage.ErrTierPrice): // an upper estimate
		return cost, nil
	case errors.Is(err, usage.ErrUnpriced): // a part of it
	default:
		cost = 0
	}
	return cost, &Error{Code: CodeInvalidRequest, Message: model + ": " + err.Error(), Err: err}
}

func (c *CostTracker) price(model string) (*pricing.Price, error) {
	price, err := c.prices.Row("", model, time.Now())
	if err != nil {
		return nil, priceUnknown(err)
	}
	return price, nil
}

// TrackUsage books what a call used, and returns what it cost. If that puts the job above its limit, the cost is booked all the same, and the error matches
// [ErrBudgetExceeded]. A call that was served in a tier without a price is booked at an upper estimate; what has no price is an error; of a call that was billed for more than its tokens, their
// price is booked and returned with it.
func (c *CostTracker) TrackUsage(model string, u Usage) (USD, error) {
	cost, unpriced := c.cost(model, u)
	if unpriced != nil && cost == 0 {
		return 0, unpriced
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return cost, cmp.Or(c.book(model, u, cost), unpriced)
}

// book adds a call, and says if the limit is passed. Under mu.
func (c *CostTracker) book(model string, u Usage, cost USD) error {
	c.spent = c.spent.Add(cost)
	m := c.byModel[model]
	m.Calls, m.Attempts = m.Calls+1, m.Attempts+1
	m.InputTokens += u.InputTokens()
	m.OutputTokens += u.OutputTokens()
	m.Cost = m.Cost.Add(cost)
	c.byModel[model] = m
	if c.spent.Cmp(c.limit) > 0 {
		return c.exceeded("has spent %s USD, and its limit is %s USD", c.spent, c.limit)
	}
	return nil
}

func (c *CostTracker) exceeded(format string, args ...any) error {
	return &Error{Code: CodeBudgetExceeded, Message: fmt.Sprintf("job %q ", c.id) + fmt.Sprintf(format, args...), Hint: "raise the limit, or make fewer or smaller calls"}
}

// Reserve holds the worst that a call with so many tokens of input and an output cap can cost, before it is made. It holds nothing and returns an error that
// matches [ErrBudgetExceeded] if that and what is held and spent would pass the limit.
func (c *CostTracker) Reserve(model string, inputTokens, outputCap int64) (*Reservation, error) {
	price, err := c.price(model)
	if err != nil {
		return nil, err
	}
	worst, err := usage.BoundTokens(*price, inputTokens, outputCap)
	if err != nil {
		return nil, &Error{Code: CodeInvalidRequest, Message: model + ": " + err.Error(), Err: err}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spent.Plus(c.held).Add(worst).Cmp(c.limit) > 0 {
		return nil, c.exceeded("has %s USD left, and the call can cost %s USD", c.left(), worst)
	}
	c.held = c.held.Add(worst)
	return &Reservation{c: c, model: model, worst: worst}, nil
}

// left is what can still be reserved. Under mu.
func (c *CostTracker) left() money.Sum {
	if left := c.limit.Minus(c.spent).Minus(c.held); !left.Negative() {
		return left
	}
	return money.Sum{}
}

// Summary returns what was spent so far.
func (c *CostTracker) Summary() CostSummary {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := CostSummary{JobID: c.id, TotalCost: c.spent, MaxCost: c.limit, UsageByModel: make(map[string]ModelUsage, len(c.byModel))}
	if s.RemainingBudget = c.limit.Minus(c.spent); s.RemainingBudget.Negative() {
		s.RemainingBudget = money.Sum{}
	}
	maps.Copy(s.UsageByModel, c.byModel)
	return s
}

// Reservation is money held for one call. End it once, with Settle or Release; after the first both do nothing. It is safe for concurrent use.
type Reservation struct {
	c     *CostTracker
	model string
	worst USD
	ended bool // under c.mu
}

// Amount returns what is held.
func (r *Reservation) Amount() USD { return r.worst }

// Settle books what the call used in the place of what was held, and returns it. All that was held is booked for a zero Usage, which says that the call was made and
// nobody knows what it cost, and, with an error, at least that for a usage that cannot be priced or was billed for more than its tokens. A call that cost more than was held is booked at what it cost; the error matches
// [ErrBudgetExceeded] if the job is then above its limit.
func (r *Reservation) Settle(u Usage) (USD, error) {
	cost, unpriced := r.worst, error(nil)
	if u != (Usage{}) {
		if cost, unpriced = r.c.cost(r.model, u); unpriced != nil {
			cost = max(cost, r.worst)
		}
		if errors.Is(unpriced, usage.ErrInvalid) {
			u = Usage{}
		}
	}
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if r.ended {
		return 0, nil
	}
	r.ended = true
	r.c.held = r.c.held.Sub(r.worst)
	err := r.c.book(r.model, u, cost)
	return cost, cmp.Or(unpriced, err)
}

// Release gives the money back: the call was not made.
func (r *Reservation) Release() {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if !r.ended {
		r.ended = true
		r.c.held = r.c.held.Sub(r.worst)
	}
}
