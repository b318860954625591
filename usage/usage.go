package usage

import (
	"errors"

	"github.com/andres20980/aurea-orchestrator/money"
)

// Usage is what a provider counted, in tokens. Each token of the call is in exactly one of the counts, except for Reasoning, which is a part of
// Output, and CacheReadAudio, which is a part of CacheRead. It is a plain value and safe to share.
type Usage struct {
	// Input is read for the first time, CacheRead from the cache; CacheWrite and CacheWrite1h are written to it, for minutes or
	// for an hour and longer. AudioIn is sound, ImageIn pictures, where the provider counts them apart.
	Input, CacheRead, CacheWrite, CacheWrite1h, AudioIn, ImageIn int64
	// CacheReadAudio is how much of CacheRead was sound, where the provider says so.
	CacheReadAudio int64
	// Output is text, thought included; AudioOut and ImageOut are sound and pictures.
	Output, AudioOut, ImageOut int64
	// Reasoning is how much of Output was thought, where the provider says so.
	Reasoning int64
	// WebSearches and FileSearches are uses of the provider's tools, which have a fee.
	WebSearches, FileSearches int64
	// Unpriced names something that the answer is billed for besides, or billed differently for, and that these counts do not tell; "" for nothing.
	Unpriced string
	// Tier, Geo and Speed are how and where the call was served, Model by which model, in the provider's words.
	Tier, Geo, Speed, Model string
	// Reported is what the answer says that was charged, if HasReported, and ReportedBy the provider who speaks like that: nobody else is
	// believed. An amount that cannot be true is below zero.
	Reported    money.USD
	HasReported bool
	ReportedBy  string
	// Fee is what ReportedBy charged on top of what another provider takes from the customer's own account, where that is not told and our own figure stands for it.
	Fee money.USD
	// Complete says that these are the final counts.
	Complete bool
}

// InputTokens returns all tokens that the model read, cached ones included: what long-context prices go by.
func (u Usage) InputTokens() int64 {
	return u.Input + u.CacheRead + u.CacheWrite + u.CacheWrite1h + u.AudioIn + u.ImageIn
}

// OutputTokens returns all tokens that the model wrote.
func (u Usage) OutputTokens() int64 { return u.Output + u.AudioOut + u.ImageOut }

// ErrMissing says that an answer carries no usage: neither counts nor null is a count.
var ErrMissing = errors.New("the answer carries no usage")

// ErrInvalid says that an answer's counts cannot be true: negative, fractional, beyond 1e12, no numbers, or parts larger than their whole.
var ErrInvalid = errors.New("the answer's usage is impossible")
