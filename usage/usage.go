package usage

import (
	"errors"

	"github.com/andres20980/aurea-orchestrator/money"
)

// Usage is what a provider counted, in tokens. Each token of the call is in exactly one of the counts, except for Reasoning, which is a part of
// Output. It is a plain value and safe to share.
type Usage struct {
	// Input is read for the first time, CacheRead from the cache; CacheWrite and CacheWrite1h are written to it, for minutes or
	// an hour. AudioIn is sound.
	Input, CacheRead, CacheWrite, CacheWrite1h, AudioIn int64
	// Output is text, thought included; AudioOut and ImageOut are sound and pictures.
	Output, AudioOut, ImageOut int64
	// Reasoning is how much of Output was thought, where the provider says so.
	Reasoning int64
	// WebSearches and FileSearches are uses of the provider's tools, which have a fee.
	WebSearches, FileSearches int64
	// Tier, Geo and Speed are how and where the call was served, Model by which model, in the provider's words.
	Tier, Geo, Speed, Model string
	// Reported is what the provider says that he charged, if HasReported. OpenRouter does.
	Reported    money.USD
	HasReported bool
	// Complete says that these are the final counts.
	Complete bool
}

// InputTokens returns all tokens that the model read, cached ones included: what long-context prices go by.
func (u Usage) InputTokens() int64 {
	return u.Input + u.CacheRead + u.CacheWrite + u.CacheWrite1h + u.AudioIn
}

// OutputTokens returns all tokens that the model wrote.
func (u Usage) OutputTokens() int64 { return u.Output + u.AudioOut + u.ImageOut }

// ErrMissing says that an answer carries no usage: neither counts nor null is a count.
var ErrMissing = errors.New("the answer carries no usage")

// ErrInvalid says that an answer's counts cannot be true: negative, fractional, beyond 1e12, no numbers, or parts larger than their whole.
var ErrInvalid = errors.New("the answer's usage is impossible")
