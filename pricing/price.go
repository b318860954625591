package pricing

import (
	"math/big"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
)

// Where a price comes from, in [Price.Origin].
const (
	OriginEmbedded = "embedded" // the generated table
	OriginOverlay  = "overlay"  // the hand-kept part of the built-in table had a say
	OriginFile     = "file"     // an imported file
	OriginOverride = "override" // the operator's configuration
)

// Tiers of service with prices of their own. The ordinary tier is [Standard].
const (
	Standard = ""
	Batch    = "batch"
	Flex     = "flex"
	Priority = "priority"
	// Ultrafast is dearer than priority (https://platform.openai.com/docs/pricing). Where a row has no price for it, no other stands in.
	Ultrafast = "ultrafast"
)

// Price is what a model costs. It is a value; its maps and slices are shared and must not be changed. The zero value prices nothing.
type Price struct {
	Provider string // who sells it, as the table names him
	Name     string // the key that matched
	Origin   string // one of the Origin constants
	Hash     string // names the row's content, 12 hex digits
	// Match is "exact", or "alias" when a date was taken off the name.
	Match string
	// ValidFrom is the first day of this price, zero for always.
	ValidFrom time.Time

	// MaxOutput is the most tokens the model writes in one answer, and ContextWindow the most it reads (where the source gives only
	// the window of both together, that). 0 is unknown.
	MaxOutput, ContextWindow int64
	// Reasoning says that the model thinks before it answers, and bills it as output.
	Reasoning bool
	// ImageTokens is the most that one picture counts as input. 0 is unknown.
	ImageTokens int64
	// Free says that the operator declared the model free.
	Free bool

	// Rates are the ordinary prices, Tiers those of other tiers of service.
	Rates Rates
	Tiers map[string]Rates
	// Bands are dearer prices of the whole call when its input is long, by rising threshold.
	Bands []Band
	// Geo multiplies the price of all tokens by the place where the call ran, Fast by the fast mode's factor. Zero is none.
	Geo  map[string]Ratio
	Fast Ratio
	// Fees per use: a web search, a search in stored files, the request itself.
	WebSearch, FileSearch, Request money.USD
	// SearchSizes are the prices of a web search by how much it reads, low, medium or high, where they differ; WebSearch is the dearest then.
	SearchSizes map[string]money.USD
	// Refused says why the row prices nothing although it has prices: the provider bills also by something that answers do not count. Empty is none.
	Refused string

	// plain is For(Standard, 0), worked out once, as long as Rates are plainOf.
	plain, plainOf Rates
}

// Band is a price for long inputs. It holds for the whole call, output included.
type Band struct {
	// Over is the number of input tokens, cached ones included, above which the band holds; with Inclusive, from which.
	Over      int64
	Inclusive bool
	Rates     Rates
	Tiers     map[string]Rates
}

// Covers reports whether an input of that many tokens falls into the band.
func (b Band) Covers(input int64) bool { return input > b.Over || b.Inclusive && input == b.Over }

// Ratio is an exact factor, Num ÷ Den. The zero value means no factor is known.
type Ratio struct{ Num, Den int64 }

// Known reports whether there is a factor.
func (r Ratio) Known() bool { return r.Den != 0 }

// Of returns u times the factor, rounded up; u itself when none is known.
func (r Ratio) Of(u money.USD) (money.USD, error) {
	if !r.Known() {
		return u, nil
	}
	return u.MulRatio(r.Num, r.Den)
}

// Above reports whether the factor is more than another one; both are known.
func (r Ratio) Above(other Ratio) bool {
	high, low := bits.Mul64(uint64(r.Num), uint64(other.Den))   // #nosec G115 -- factors are above zero
	least, rest := bits.Mul64(uint64(other.Num), uint64(r.Den)) // #nosec G115 -- the same
	return high > least || high == least && low > rest
}

// String returns the factor as decimal text, or as a fraction where that does not end.
func (r Ratio) String() string {
	whole := big.NewRat(r.Num, max(r.Den, 1))
	if digits, exact := whole.FloatPrec(); exact {
		return whole.FloatString(digits)
	}
	return whole.RatString()
}

// HasTier reports whether the model has prices for a tier of service, if only for long calls.
func (p *Price) HasTier(tier string) bool {
	if _, ok := p.Tiers[tier]; ok || tier == Standard {
		return true
	}
	for _, b := range p.Bands {
		if _, ok := b.Tiers[tier]; ok {
			return true
		}
	}
	_, ok := tierRates(p.Tiers, tier)
	return ok || tier == Batch && p.anthropic()
}

// twins are the tiers that cost the same (https://platform.openai.com/docs/guides/flex-processing).
var twins = map[string]string{Batch: Flex, Flex: Batch}

// tierRates returns the entry of a tier; batch and flex stand in for each other, also for a single kind of token where they agree on the input.
func tierRates(tiers map[string]Rates, tier string) (Rates, bool) {
	r, ok := tiers[tier]
	twin := twins[tier]
	if twin == "" {
		return r, ok
	}
	other, has := tiers[twin]
	switch {
	case !has:
		return r, ok
	case !ok:
		return other, true
	case r.pico[Input] != other.pico[Input]:
		return r, true
	}
	for d := range dimensions {
		if v, known := other.Get(d); known {
			if _, own := r.Get(d); !own {
				r = r.With(d, v)
			}
		}
	}
	return r, true
}

// For returns the prices for a tier of service and a number of input tokens, cached ones included. Every dimension that can be
// priced has a price:
//
//   - A dimension that a long-context band or a tier does not price changes in proportion to the input, or the output, that it prices: providers
//     sell long calls, batch, flex and priority at a factor of everything, cached input included
//     (https://platform.openai.com/docs/pricing, https://docs.claude.com/en/docs/build-with-claude/batch-processing,
//     https://ai.google.dev/gemini-api/docs/pricing). Priority is never below the ordinary price, nor by proportion above three times that.
//   - Batch and flex cost the same where only one of them has an entry (https://platform.openai.com/docs/guides/flex-processing). Google's discounts for them do
//     not hold for cached input.
//   - A tier without any price costs the ordinary one. Ask [Price.HasTier] before using that for a dearer tier.
//   - Cached and sound input without a price cost what plain input costs, sound and thought that come out what text costs; a cache write
//     at a Claude model costs 1.25 of the input, and for an hour 2 (https://docs.claude.com/en/docs/about-claude/pricing).
//   - A catalogue's price of a cache write below that of the input is a surcharge on it: so OpenRouter lists the storage of
//     Gemini's cache (https://openrouter.ai/docs/features/prompt-caching).
func (p *Price) For(tier string, input int64) Rates {
	if tier == Standard && p.plain.known != 0 && p.plainOf == p.Rates && !slices.ContainsFunc(p.Bands, func(b Band) bool { return b.Covers(input) }) {
		return p.plain
	}
	rates, tiers := p.surcharged(p.Rates), p.Tiers
	for _, b := range p.Bands {
		if b.Covers(input) {
			rates, tiers = inBand(rates, b.Rates), b.Tiers // those of short calls do not hold for long ones
		}
	}
	return p.fill(p.inTier(rates, tiers, tier))
}

func (p *Price) surcharged(r Rates) Rates {
	in, _ := r.Get(Input)
	write, writes := r.Get(CacheWrite)
	if !writes || write >= in || p.Origin == OriginOverride {
		return r
	}
	if sum, err := write.Add(in); err == nil {
		r = r.With(CacheWrite, sum)
	}
	return r
}

// inBand puts the prices of a band over the short ones, which change in proportion where the band has none.
func inBand(short, long Rates) Rates {
	factors := [2]Ratio{
		proportion(long, short, Input).between(1, mostInBand), proportion(long, short, Output).between(1, mostInBand),
	}
	for d := range dimensions {
		plain, has := short.Get(d)
		own, ok := long.Get(d)
		switch {
		case ok:
			short = short.With(d, own)
		case has:
			if v, err := factors[d.side()].Of(plain); err == nil {
				short = short.With(d, v)
			}
		}
	}
	return short
}

// What is taken for a mistake of a catalogue where prices have to be derived: a band more than ten times as dear as the short price, and a
// dearer tier of more than three times (OpenAI's priority is 1.6 to 2.5 times, https://openai.com/api-priority-processing/).
const (
	mostInBand = 10
	mostInTier = 3
	// Ultrafast is 6 times the ordinary price of the first model that has it.
	mostInUltrafast = 10
)

// between returns the factor, or the nearest one from least to most.
func (r Ratio) between(least, most int64) Ratio {
	switch {
	case !r.Known():
		return r
	case r.Num/most > r.Den || r.Num/most == r.Den && r.Num%most > 0:
		return Ratio{Num: most, Den: 1}
	case r.Num/least < r.Den:
		return Ratio{Num: least, Den: 1}
	}
	return r
}

// proportion is how many times a price is another one.
func proportion(of, to Rates, d Dimension) Ratio {
	a, ok := of.Get(d)
	b, has := to.Get(d)
	if !ok || !has || b == 0 {
		return Ratio{}
	}
	return Ratio{Num: int64(a), Den: int64(b)}
}

// dear reports whether a tier costs more than the ordinary one.
func dear(tier string) bool { return tier == Priority || tier == Ultrafast }

func (p *Price) inTier(rates Rates, tiers map[string]Rates, tier string) Rates {
	if tier == Standard || p.Free {
		return rates
	}
	own, _ := tierRates(tiers, tier)
	factors := p.tierFactors(tier)
	for d := range dimensions {
		plain, has := rates.Get(d)
		price, priced := own.Get(d)
		if (d == CacheRead || d == CacheReadAudio) && !p.cheapensReads(tiers, tier, d) {
			continue
		}
		if has && !priced {
			v, err := factors[d.side()].Of(plain)
			price, priced = v, err == nil
		}
		if dear(tier) {
			price = max(price, plain)
		}
		if priced {
			rates = rates.With(d, price)
		}
	}
	return rates
}

// cheapensReads reports whether a discount of a tier is one on cached input too. At Google the two do not add up: cached tokens of a batch cost what they cost otherwise
// (https://ai.google.dev/gemini-api/docs/batch-api, https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-gemini). For flex nothing is published
// of them, and the same is taken. A row's own price of the tier stands.
func (p *Price) cheapensReads(tiers map[string]Rates, tier string, d Dimension) bool {
	if tier != Batch && tier != Flex || !p.google() {
		return true
	}
	_, own := tiers[tier].Get(d)
	return own
}

// google reports whether the model is one of Google's, wherever it is sold.
func (p *Price) google() bool {
	return canonical(p.Provider) == "gemini" || strings.Contains(p.Name, "gemini")
}

// tierFactors are how many times the ordinary input and output a tier costs, as its prices for short calls show it.
func (p *Price) tierFactors(tier string) (factors [2]Ratio) {
	own, ok := tierRates(p.Tiers, tier)
	if !ok && tier == Batch && p.anthropic() {
		half := Ratio{Num: 1, Den: 2}
		return [2]Ratio{half, half}
	}
	in, out := proportion(own, p.Rates, Input), proportion(own, p.Rates, Output)
	if !out.Known() {
		out = in
	}
	if dear(tier) {
		most := int64(mostInTier)
		if tier == Ultrafast {
			most = mostInUltrafast
		}
		return [2]Ratio{in.between(1, most), out.between(1, most)}
	}
	for i, f := range [2]Ratio{in, out} {
		if f.Num <= f.Den { // a discount
			factors[i] = f
		}
	}
	return factors
}

// fill gives a price to every dimension that follows from another one.
func (p *Price) fill(r Rates) Rates {
	follow := func(d, from Dimension, num, den int64) {
		base, ok := r.Get(from)
		if _, has := r.Get(d); has || !ok {
			return
		}
		if v, err := base.MulRatio(num, den); err == nil {
			r = r.With(d, v)
		}
	}
	follow(CacheRead, Input, 1, 1)
	if p.anthropic() {
		follow(CacheWrite, Input, 5, 4)
	}
	if _, writes := r.Get(CacheWrite); writes {
		follow(CacheWrite1h, Input, 2, 1)
	}
	follow(CacheWrite, Input, 1, 1)
	follow(CacheWrite1h, CacheWrite, 1, 1)
	follow(AudioIn, Input, 1, 1)
	follow(ImageIn, Input, 1, 1)
	follow(Reasoning, Output, 1, 1)
	follow(AudioOut, Output, 1, 1)
	follow(ImageOut, Output, 1, 1)
	return r
}

func (p *Price) anthropic() bool {
	return p.Provider == "anthropic" || strings.Contains(p.Name, "claude")
}

// Claude reports whether the model is one of Anthropic's, wherever it is sold.
func (p *Price) Claude() bool { return p.anthropic() }

// Reports reports whether the model's provider says in its answers what it charged, and is believed: OpenRouter
// (https://openrouter.ai/docs/use-cases/usage-accounting).
func (p *Price) Reports() bool { return p.Provider == "openrouter" }

// usable reports whether the row can price a call. A catalogue's zero is not a price; the operator's is.
func (p *Price) usable() bool {
	if p.Refused != "" {
		return false
	}
	in, hasIn := p.Rates.Get(Input)
	if p.Free || p.Origin == OriginOverride {
		return hasIn
	}
	out, hasOut := p.Rates.Get(Output)
	return in > 0 && (!hasOut || out > 0)
}
