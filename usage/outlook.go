package usage

import (
	"strings"

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

// Foresee returns the outlook of a request as it will be sent, with an output cap per choice, which putIn says is none of its own. The price is not changed. The
// errors are those of [Bound].
func Foresee(p *pricing.Price, r *Request, outputCap int64, putIn bool, e Expectation) (o Outlook, err error) {
	if o.Most, _, err = bound(p, r, outputCap); err != nil {
		return Outlook{}, err
	}
	in, ok, _ := inputBound(p, r)
	if !ok {
		in.Text = max(in.Text, window(p))
		in.Text = product(in.Text, max(r.Rounds, 1))
	}
	o.MostIn, o.MostOut = in.Total(), output(r, outputCap)
	o.expectTokens(p, r, outputCap, putIn, e.withDefaults())
	if p.Free {
		return o, nil
	}
	tier, _ := tierOf(r.Tier)
	if o.Least, err = least(p, tier, o.LeastIn); err != nil {
		return o, err
	}
	if o.Expected, err = expect(p, r, tier, o); err != nil {
		return o, err
	}
	o.Expected = max(min(o.Expected, o.Most), o.Least)
	o.Batch, o.Flex = o.Expected, o.Expected
	if tier != pricing.Standard {
		return o, nil
	}
	for _, cheaper := range []struct {
		tier string
		cost *money.USD
	}{{pricing.Batch, &o.Batch}, {pricing.Flex, &o.Flex}} {
		if !sells(p, cheaper.tier) {
			continue
		}
		cost, err := expect(p, r, cheaper.tier, o)
		if err != nil {
			return o, err
		}
		*cheaper.cost = min(cost, o.Expected)
	}
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
func expect(p *pricing.Price, r *Request, tier string, o Outlook) (cost money.USD, err error) {
	cost, err = tokenCost(p.For(tier, o.ExpectedIn), &Usage{Input: o.ExpectedIn, Output: o.ExpectedOut})
	if err != nil {
		return 0, err
	}
	if r.Geo != "" {
		if cost, err = p.Geo[strings.ToLower(r.Geo)].Of(cost); err != nil {
			return 0, err
		}
	}
	if r.Fast {
		if cost, err = fastFactor(p).Of(cost); err != nil {
			return 0, err
		}
	}
	return fees(p, cost, min(r.WebSearches, 1), min(r.FileSearches, 1))
}

// least returns the least that some tokens of input can cost.
func least(p *pricing.Price, tier string, tokens int64) (money.USD, error) {
	if p.Reports() {
		return 0, nil
	}
	var cheapest money.USD
	found := false
	for _, tier := range []string{pricing.Standard, tier} {
		rates := p.For(tier, 0)
		for _, d := range []pricing.Dimension{pricing.Input, pricing.CacheRead, pricing.CacheWrite, pricing.CacheWrite1h, pricing.AudioIn, pricing.ImageIn} {
			if rate, ok := rates.Get(d); ok && (!found || rate < cheapest) {
				cheapest, found = rate, true
			}
		}
	}
	cost, err := cheapest.Mul(tokens)
	if err != nil {
		return 0, err
	}
	for _, factor := range p.Geo { // none that is known is below one
		there, err := factor.Of(cost)
		if err != nil {
			return 0, err
		}
		cost = min(cost, there)
	}
	return fees(p, cost, 0, 0)
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
