package store

import (
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
)

// Outcomes of rows that a [Settlement] writes.
const (
	// OutcomeVerified: the provider's own books say so.
	OutcomeVerified = "verified"
	// OutcomeExpected: nobody knows; it is the model's mean share of the bound.
	OutcomeExpected = "expected"
)

// DaySum is the sum over the calls that began on one UTC day, at one provider's model.
type DaySum struct {
	Day      time.Time // midnight in UTC
	Provider string
	Upstream string // the model as sent, or as asked for where a row does not say

	// Rows by how they ended: Complete with usage, Estimated without, Cut after sending, Failed with an error status or
	// unsent. Booked were written later by [Ledger.Reconcile] or as expected, Verified by a proof.
	Complete, Estimated, Cut, Failed, Booked, Verified int64
	// Over is how many of the attempts ended on a later day.
	Over int64

	InputTokens, CacheReadTokens, CacheWriteTokens, OutputTokens int64 // input without what the cache read and wrote

	Cost money.Sum
	// CompleteCost and CompleteBound are of the Complete rows alone: what such calls cost, of what was held for them.
	CompleteCost, CompleteBound money.Sum
}

// Add adds the counts and amounts of another sum.
func (s *DaySum) Add(o DaySum) {
	s.Complete += o.Complete
	s.Estimated += o.Estimated
	s.Cut += o.Cut
	s.Failed += o.Failed
	s.Booked += o.Booked
	s.Verified += o.Verified
	s.Over += o.Over
	s.InputTokens += o.InputTokens
	s.CacheReadTokens += o.CacheReadTokens
	s.CacheWriteTokens += o.CacheWriteTokens
	s.OutputTokens += o.OutputTokens
	s.Cost = s.Cost.Plus(o.Cost)
	s.CompleteCost = s.CompleteCost.Plus(o.CompleteCost)
	s.CompleteBound = s.CompleteBound.Plus(o.CompleteBound)
}

// OpenDoubt is what one attempt may have cost, on all counters that it drew on.
type OpenDoubt struct {
	Owner   OwnerID
	Call    string // empty: what a dead owner had leased and cannot explain, on one counter
	Attempt int
	// Job, Provider, Model and Upstream are those of the call, where there is one.
	Job, Provider, Model, Upstream string
	// Started is when the attempt began, zero where that is not known; Since when the doubt was written down.
	Started, Since time.Time
	Path           []CounterID // the counters that have it, ascending
	Amount         money.USD   // the most that it is on one of them
	Least          money.USD   // the least
}

// Settlement ends the doubt of one attempt: Cost of it was spent, the rest was not.
type Settlement struct {
	Owner   OwnerID
	Call    string
	Attempt int
	// Doubt is the Amount that the caller saw. If the doubt is another one by now, nothing is changed.
	Doubt money.USD
	// Cost was spent; it is at most what is in doubt on every counter of the attempt.
	Cost money.USD
	// Outcome of the row that says so: [OutcomeVerified] or [OutcomeExpected].
	Outcome string
	// Tokens that Cost is for, as far as they are known.
	InputTokens, CacheReadTokens, CacheWriteTokens, OutputTokens int64
}
