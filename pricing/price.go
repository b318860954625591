package pricing

import (
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

// HasTier reports whether the model has prices for a tier of service.
func (p Price) HasTier(tier string) bool {
	_, ok := p.Tiers[tier]
	return tier == Standard || ok || tier == Flex && p.HasTier(Batch) || tier == Batch && p.anthropic()
}

// For returns the prices for a tier of service and a number of input tokens, cached ones included. Every dimension that can be
// priced has a price:
//
//   - Flex costs what batch costs where it has no entry of its own; both providers and catalogues treat them alike.
//   - A dimension that a tier does not price costs its ordinary price, cut in proportion for the discount tiers: OpenAI, Anthropic and
//     Gemini sell batch and flex at half of everything, discounts for cached input included
//     (https://platform.openai.com/docs/pricing, https://docs.claude.com/en/docs/build-with-claude/batch-processing).
//   - A tier without any price costs the ordinary one. Ask [Price.HasTier] before using that for a dearer tier.
//   - Cached and sound input without a price cost what plain input costs, sound and thought that come out what text costs; a cache write
//     at a Claude model costs 1.25 of the input, and for an hour 2 (https://docs.claude.com/en/docs/about-claude/pricing).
//   - A catalogue's price of a cache write below that of the input is a surcharge on it: so OpenRouter lists the storage of
//     Gemini's cache (https://openrouter.ai/docs/features/prompt-caching).
func (p Price) For(tier string, input int64) Rates {
	rates, tiers := p.Rates, p.Tiers
	for _, b := range p.Bands {
		if b.Covers(input) {
			rates, tiers = rates.over(b.Rates), bandTiers(tiers, b.Tiers)
		}
	}
	return p.fill(p.inTier(rates, tiers, tier))
}

// bandTiers returns the entries of the tiers for a long call. Those of short calls do not hold for it: the band's ordinary prices are
// cut in proportion instead. Only priority keeps them, as the least it can cost.
func bandTiers(short, long map[string]Rates) map[string]Rates {
	if len(short) == 0 {
		return long
	}
	merged := make(map[string]Rates, len(short))
	for name, r := range short {
		if own, ok := long[name]; ok {
			merged[name] = own
		} else if name == Priority {
			merged[name] = r
		}
	}
	for name, r := range long {
		merged[name] = r
	}
	return merged
}

func (p Price) inTier(rates Rates, tiers map[string]Rates, tier string) Rates {
	if tier == Standard || p.Free {
		return rates
	}
	own, ok := tiers[tier]
	cut := p.discount(tier)
	if !ok && tier == Flex {
		own = tiers[Batch]
	}
	for d := range dimensions {
		plain, has := rates.Get(d)
		price, priced := own.Get(d)
		switch {
		case priced && tier == Priority && has:
			rates = rates.With(d, max(price, plain)) // a dearer tier is never cheaper
		case priced:
			rates = rates.With(d, price)
		case has && cut.Known():
			if less, err := cut.Of(plain); err == nil {
				rates = rates.With(d, less)
			}
		}
	}
	return rates
}

// discount is the part of the ordinary price that a discount tier costs, as its short input price shows it.
func (p Price) discount(tier string) Ratio {
	if tier != Batch && tier != Flex {
		return Ratio{}
	}
	own, ok := p.Tiers[tier]
	if !ok && tier == Flex {
		own, ok = p.Tiers[Batch]
	}
	if !ok && tier == Batch && p.anthropic() {
		return Ratio{Num: 1, Den: 2}
	}
	less, has := own.Get(Input)
	plain, known := p.Rates.Get(Input)
	if !has || !known || plain == 0 || less > plain {
		return Ratio{}
	}
	return Ratio{Num: int64(less), Den: int64(plain)}
}

// fill gives a price to every dimension that follows from another one.
func (p Price) fill(r Rates) Rates {
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
	write, writes := r.Get(CacheWrite)
	if in, _ := r.Get(Input); writes && write < in && p.Origin != OriginOverride {
		if sum, err := write.Add(in); err == nil {
			r = r.With(CacheWrite, sum)
		}
	}
	if writes {
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

// WritesCache reports whether the model has a price for cache writes, which newer models make unasked.
func (p Price) WritesCache() bool {
	_, ok := p.Rates.Get(CacheWrite)
	return ok
}

func (p Price) anthropic() bool {
	return p.Provider == "anthropic" || strings.Contains(p.Name, "claude")
}

// Claude reports whether the model is one of Anthropic's, wherever it is sold.
func (p Price) Claude() bool { return p.anthropic() }

// Reports reports whether the model's provider says in its answers what it charged, and is believed: OpenRouter
// (https://openrouter.ai/docs/use-cases/usage-accounting).
func (p Price) Reports() bool { return p.Provider == "openrouter" }

// usable reports whether the row can price a call. A catalogue's zero is not a price.
func (p Price) usable() bool {
	if p.Free || p.Origin == OriginOverride {
		return true
	}
	in, _ := p.Rates.Get(Input)
	out, hasOut := p.Rates.Get(Output)
	return in > 0 && (!hasOut || out > 0)
}
