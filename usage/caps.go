package usage

import (
	"fmt"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
)

// CapRule says which output cap a request gets that has none. All are tokens. The zero value stands for [DefaultCaps].
type CapRule struct {
	// Default is the largest cap that is put in, Floor the smallest.
	Default, Floor int64
	// ReasoningDefault and ReasoningFloor are the same for models that think, whose thoughts count as output.
	ReasoningDefault, ReasoningFloor int64
}

// DefaultCaps are the caps in force where the operator sets none.
var DefaultCaps = CapRule{Default: 4096, Floor: 1024, ReasoningDefault: 32768, ReasoningFloor: 8192}

// completionsCap is what OpenAI's completions take where the request says nothing
// (https://platform.openai.com/docs/api-reference/completions/create).
const completionsCap = 16

// WithDefaults returns the rule with its zero fields replaced by those of [DefaultCaps]. A floor above its default is lowered to it.
func (c CapRule) WithDefaults() CapRule {
	for _, f := range []struct {
		field *int64
		def   int64
	}{
		{&c.Default, DefaultCaps.Default},
		{&c.Floor, DefaultCaps.Floor},
		{&c.ReasoningDefault, DefaultCaps.ReasoningDefault},
		{&c.ReasoningFloor, DefaultCaps.ReasoningFloor},
	} {
		if *f.field <= 0 {
			*f.field = f.def
		}
	}
	c.Floor, c.ReasoningFloor = min(c.Floor, c.Default), min(c.ReasoningFloor, c.ReasoningDefault)
	return c
}

// CapChoice is what the choice of a cap depends on besides the request.
type CapChoice struct {
	// Batch asks for the fixed default: the items of a batch must not depend on the order in which they run.
	Batch bool
	// Free is what the account has left, Calls how many of its calls are in flight or waiting.
	Free  money.USD
	Calls int
}

// Choose returns the output cap that bounds a request, and whether it has to be put into it. A cap in the request stands.
//
// Without one, a request whose bound with the model's maximum fits its share of the money, free ÷ (8 + calls), is left alone. Else it gets
// what the share pays for, between floor and default; a floor that the share does not pay for is for the hold to refuse. Embeddings
// have no output. Completions get their documented default, and messages always a cap, because Anthropic requires one.
func (c CapRule) Choose(p pricing.Price, r Request, choice CapChoice) (outputCap int64, inject bool, err error) {
	switch {
	case r.API == Embeddings:
		return 0, false, nil
	case r.HasCap:
		return r.OutputCap, false, nil
	case r.API == Completions:
		return completionsCap, true, nil
	}
	c = c.WithDefaults()
	def, floor := c.Default, c.Floor
	if p.Reasoning || r.Reasoning {
		def, floor = c.ReasoningDefault, c.ReasoningFloor
	}
	most := p.MaxOutput
	if most > 0 {
		def, floor = min(def, most), min(floor, most)
	}
	if choice.Batch {
		return def, true, nil
	}
	share := max(choice.Free, 0) / money.USD(8+max(choice.Calls, 0))
	if most > 0 {
		if worst, _, err := bound(&p, &r, most); err == nil && worst <= share {
			return most, r.API == Messages, nil
		}
	}
	return affordable(&p, &r, share, floor, def)
}

// affordable finds the largest cap from floor to def whose bound fits the share, or floor. The bound rises with the cap, so halving
// the range finds it whatever the price is made of.
func affordable(p *pricing.Price, r *Request, share money.USD, floor, def int64) (outputCap int64, inject bool, err error) {
	if _, _, err := bound(p, r, floor); err != nil {
		return 0, false, fmt.Errorf("no output cap can be chosen: %w", err)
	}
	low, high := floor, def
	for low < high {
		middle := low + (high-low+1)/2
		if worst, _, err := bound(p, r, middle); err == nil && worst <= share {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low, true, nil
}
