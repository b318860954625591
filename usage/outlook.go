package usage

import (
	"fmt"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
)

// Outlook is what a request costs at least, as far as can be told, and at most. Inputs and outputs are tokens, outputs of all choices together.
type Outlook struct {
	// Most is the [Bound]; MostIn and MostOut are the tokens it is made of.
	Most            money.USD
	MostIn, MostOut int64
	// Expected rests on experience: see [Expectation]. It is never above Most nor below Least.
	Expected                money.USD
	ExpectedIn, ExpectedOut int64
	// Least is the price of one token of input for each message, read from a cache where the model has one, in the cheapest tier that the request may be served in, and of no
	// output. It is a bound too, if the request is answered: nothing is said about one that the provider refuses. It is 0 where the provider says himself what he charges.
	Least   money.USD
	LeastIn int64
	// Batch and Flex are what Expected would be at the provider's prices for batches and for flexible processing, where he sells them and the request asks
	// for no tier; else Expected itself.
	Batch, Flex money.USD
}

// Expectation says what is expected of requests of which nothing is known yet.
type Expectation struct {
	// BytesPerToken is how many bytes of a body, pictures and sound apart, are one token of input. Default: 4, which English text and JSON
	// have with the vocabularies in use.
	BytesPerToken int64
	// OwnCap is by how many an output cap that the request has is divided for the expected output, and PutIn the same for a cap that it was given: nobody chose that
	// for the answer at hand. Default: 2 and 8.
	OwnCap, PutIn int64
}

func (e Expectation) withDefaults() Expectation {
	for _, f := range []struct {
		field *int64
		def   int64
	}{{&e.BytesPerToken, 4}, {&e.OwnCap, 2}, {&e.PutIn, 8}} {
		if *f.field <= 0 {
			*f.field = f.def
		}
	}
	return e
}

const (
	// typicalImage is a picture of a megapixel: 765 tokens at OpenAI, 1,334 at Anthropic by their rules.
	typicalImage = 1000
	// bytesPerSecondOfSound is the base64 of speech at 64 kbit/s; tokensPerSecondOfSound is between OpenAI's ten and Gemini's 32.
	bytesPerSecondOfSound, tokensPerSecondOfSound = 10_667, 20
	// elsewhere is what is expected of input that the body only refers to.
	elsewhere = 4000
)

// Foreseer finds outlooks at one price. It is not changed after [NewForeseer], and safe for concurrent use.
type Foreseer struct {
	price       *pricing.Price
	expectation Expectation
	// What the price comes to for short inputs.
	plain, batch, flex pricing.Rates
	sellsBatch         bool
	sellsFlex          bool
	cheapest           money.USD // of any input in the ordinary tier
	least              bool      // whether it says anything
}

// NewForeseer returns a Foreseer at a price, which must not be changed after.
func NewForeseer(p *pricing.Price, e Expectation) *Foreseer {
	f := &Foreseer{price: p, expectation: e.withDefaults(), sellsBatch: sells(p, pricing.Batch), sellsFlex: sells(p, pricing.Flex), least: !p.Reports()}
	f.plain, f.batch, f.flex = p.For(pricing.Standard, 0), p.For(pricing.Batch, 0), p.For(pricing.Flex, 0)
	f.cheapest = cheapestInput(f.plain)
	return f
}

// rates are those of the price in a tier.
func (f *Foreseer) rates(tier string, input int64) pricing.Rates {
	for i := range f.price.Bands {
		if f.price.Bands[i].Covers(input) {
			return f.price.For(tier, input)
		}
	}
	switch tier {
	case pricing.Standard:
		return f.plain
	case pricing.Batch:
		return f.batch
	case pricing.Flex:
		return f.flex
	}
	return f.price.For(tier, input)
}

// Foresee returns the outlook of a request as it will be sent, with an output cap per choice, which putIn says is none of its own. The errors are those of
// [Bound].
func (f *Foreseer) Foresee(r *Request, outputCap int64, putIn bool) (o Outlook, err error) {
	p := f.price
	if o.Most, _, err = bound(p, r, outputCap); err != nil {
		return Outlook{}, err
	}
	in, ok, _ := inputBound(p, r)
	if !ok {
		in.Text = max(in.Text, window(p))
		in.Text = product(in.Text, max(r.Rounds, 1))
	}
	o.MostIn, o.MostOut = in.Total(), output(r, outputCap)
	o.expectTokens(p, r, outputCap, putIn, f.expectation)
	if p.Free {
		return o, nil
	}
	tier, _ := tierOf(r.Tier)
	if o.Least, err = f.leastCost(tier, o.LeastIn); err != nil {
		return o, err
	}
	if o.Expected, err = f.expect(r, tier, &o); err != nil {
		return o, err
	}
	o.Expected = max(min(o.Expected, o.Most), o.Least)
	o.Batch, o.Flex = o.Expected, o.Expected
	if tier != pricing.Standard {
		return o, nil
	}
	if f.sellsBatch {
		if o.Batch, err = f.expect(r, pricing.Batch, &o); err != nil {
			return o, err
		}
	}
	if f.sellsFlex {
		if o.Flex, err = f.expect(r, pricing.Flex, &o); err != nil {
			return o, err
		}
	}
	o.Batch, o.Flex = min(o.Batch, o.Expected), min(o.Flex, o.Expected)
	return o, nil
}

func (o *Outlook) expectTokens(p *pricing.Price, r *Request, outputCap int64, putIn bool, e Expectation) {
	images := imageTokens(p)
	in := (r.BodyBytes-r.MediaBytes+e.BytesPerToken-1)/e.BytesPerToken + min(images, typicalImage)*r.Images
	in += r.AudioBytes / bytesPerSecondOfSound * tokensPerSecondOfSound
	in += elsewhere * int64(len(r.Unbounded))
	if r.InputTokens > 0 {
		in = r.InputTokens
	}
	o.ExpectedIn = min(in, o.MostIn)
	share := e.OwnCap
	if putIn {
		share = e.PutIn
	}
	o.ExpectedOut = min(product((outputCap+share-1)/share, max(r.Choices, 1)), o.MostOut)
	o.LeastIn = r.Messages
	if r.API == Responses {
		o.LeastIn-- // counted for instructions that may not be there
	}
	o.LeastIn = min(max(o.LeastIn, 1), o.ExpectedIn)
}

// expect returns what the expected tokens cost in a tier.
func (f *Foreseer) expect(r *Request, tier string, o *Outlook) (cost money.USD, err error) {
	rates := f.rates(tier, o.ExpectedIn)
	for _, part := range [2]struct {
		dimension pricing.Dimension
		tokens    int64
	}{{pricing.Input, o.ExpectedIn}, {pricing.Output, o.ExpectedOut}} {
		rate, ok := rates.Get(part.dimension)
		if !ok && part.tokens > 0 {
			return 0, fmt.Errorf("%w: %s has no price of %s", ErrNoBound, f.price.Name, part.dimension)
		}
		more, err := rate.Mul(part.tokens)
		if err != nil {
			return 0, err
		}
		if cost, err = cost.Add(more); err != nil {
			return 0, err
		}
	}
	place, _ := placeFactor(f.price, r.Geo)
	if cost, err = place.Of(cost); err != nil {
		return 0, err
	}
	if r.Fast {
		if cost, err = fastFactor(f.price).Of(cost); err != nil {
			return 0, err
		}
	}
	return fees(f.price, cost, min(r.WebSearches, 1), min(r.FileSearches, 1))
}

// leastCost returns the least that some tokens of input can cost, if the request may be served in a tier.
func (f *Foreseer) leastCost(tier string, tokens int64) (money.USD, error) {
	if !f.least {
		return 0, nil
	}
	rate := f.cheapest
	if tier != pricing.Standard {
		rate = min(rate, cheapestInput(f.rates(tier, 0)))
	}
	cost, err := rate.Mul(tokens)
	if err != nil {
		return 0, err
	}
	cheapest := cost
	for _, factor := range f.price.Geo { // none that is known is below one
		there, err := factor.Of(cost)
		if err != nil {
			return 0, err
		}
		cheapest = min(cheapest, there)
	}
	return fees(f.price, cheapest, 0, 0)
}

func cheapestInput(rates pricing.Rates) (cheapest money.USD) {
	found := false
	for d := range pricing.Output { // the dimensions of input come first
		if rate, ok := rates.Get(d); ok && (!found || rate < cheapest) {
			cheapest, found = rate, true
		}
	}
	return cheapest
}

// sells reports whether a model has a price of its own for a tier: [pricing.Price.For] would also take the price of batches for flex, and the other way round.
func sells(p *pricing.Price, tier string) bool {
	if _, ok := p.Tiers[tier]; ok {
		return true
	}
	for _, b := range p.Bands {
		if _, ok := b.Tiers[tier]; ok {
			return true
		}
	}
	return tier == pricing.Batch && p.Claude()
}
