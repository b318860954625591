package usage

import (
	"errors"
	"fmt"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
)

// ErrTierPrice says that a call was served in a dearer tier than the model has prices for. [Cost] returns an upper estimate with it.
var ErrTierPrice = errors.New("the model has no price for the tier of service that the answer names")

// ErrNoPrice says that an answer counts tokens of a kind for which the model has no price, nor one to take instead.
var ErrNoPrice = errors.New("the model has no price for a kind of token in the answer")

// dearestTier is how much dearer than the ordinary price a tier may be for which there is no price: three times. OpenAI's own
// priority prices are 1.6 to 2.5 times the ordinary ones (https://openai.com/api-priority-processing/). fastMode is the dearest
// factor of a fast mode (https://docs.claude.com/en/docs/build-with-claude/fast-mode).
var (
	dearestTier = pricing.Ratio{Num: 3, Den: 1}
	fastMode    = pricing.Ratio{Num: 6, Den: 1}
)

// Cost returns what a call cost: each count times its price in the tier and the context band of the call, times the factors for place
// and speed, plus the fees of tools. A cost that OpenRouter reports is what it charged, and is returned as it is; see [Own] for
// our own figure.
//
// It returns an error matching [ErrInvalid] for counts outside 0 to 1e12, [money.ErrOverflow] for a cost that no amount can hold,
// and [ErrTierPrice], with an upper estimate, when the price of the tier is not known.
func Cost(p pricing.Price, u Usage) (money.USD, error) {
	if u.HasReported && p.Reports() {
		return u.Reported, nil
	}
	return own(&p, &u)
}

// Own is [Cost] by the price table alone, whatever the provider reports.
func Own(p pricing.Price, u Usage) (money.USD, error) { return own(&p, &u) }

func own(p *pricing.Price, u *Usage) (money.USD, error) {
	for _, n := range []int64{
		u.Input, u.CacheRead, u.CacheWrite, u.CacheWrite1h, u.AudioIn, u.Output, u.AudioOut, u.ImageOut, u.Reasoning, u.WebSearches, u.FileSearches,
	} {
		if n < 0 || n > maxCount {
			return 0, fmt.Errorf("%w: %d tokens", ErrInvalid, n)
		}
	}
	if u.Reasoning > u.Output {
		return 0, fmt.Errorf("%w: more thought than output", ErrInvalid)
	}
	tier, known := tierOf(u.Tier), true
	if tier == pricing.Priority && !p.HasTier(tier) && !p.Claude() && !p.Free {
		known = false
	}
	tokens, err := tokenCost(p.For(tier, u.InputTokens()), u)
	if err != nil {
		return 0, err
	}
	if geo, ok := p.Geo[u.Geo]; ok {
		if tokens, err = geo.Of(tokens); err != nil {
			return 0, err
		}
	}
	if u.Speed == "fast" {
		if tokens, err = fastFactor(p).Of(tokens); err != nil {
			return 0, err
		}
	}
	if !known {
		if tokens, err = dearestTier.Of(tokens); err != nil {
			return 0, err
		}
	}
	total, err := fees(p, tokens, u.WebSearches, u.FileSearches)
	if err == nil && !known {
		err = fmt.Errorf("%w: %s in tier %s", ErrTierPrice, p.Name, clip(u.Tier))
	}
	return total, err
}

// tierOf returns the table's name of a tier that a provider names. "fast" is priority's name in requests.
func tierOf(name string) string {
	switch name {
	case "batch", "flex", "priority":
		return name
	case "fast":
		return pricing.Priority
	default: // default, standard, scale, on_demand and nothing at all
		return pricing.Standard
	}
}

func fastFactor(p *pricing.Price) pricing.Ratio {
	if p.Fast.Known() {
		return p.Fast
	}
	if p.Free {
		return pricing.Ratio{}
	}
	return fastMode
}

func tokenCost(rates pricing.Rates, u *Usage) (total money.USD, err error) {
	for _, part := range []struct {
		dimension pricing.Dimension
		tokens    int64
	}{
		{pricing.Input, u.Input},
		{pricing.CacheRead, u.CacheRead},
		{pricing.CacheWrite, u.CacheWrite},
		{pricing.CacheWrite1h, u.CacheWrite1h},
		{pricing.AudioIn, u.AudioIn},
		{pricing.Output, u.Output - u.Reasoning},
		{pricing.Reasoning, u.Reasoning},
		{pricing.AudioOut, u.AudioOut},
		{pricing.ImageOut, u.ImageOut},
	} {
		if part.tokens == 0 {
			continue
		}
		rate, ok := rates.Get(part.dimension)
		if !ok {
			return 0, fmt.Errorf("%w: %s", ErrNoPrice, part.dimension)
		}
		cost, err := rate.Mul(part.tokens)
		if err != nil {
			return 0, err
		}
		if total, err = total.Add(cost); err != nil {
			return 0, err
		}
	}
	return total, nil
}

// fees adds what is charged by use to the price of the tokens.
func fees(p *pricing.Price, tokens money.USD, webSearches, fileSearches int64) (money.USD, error) {
	total, err := tokens.Add(p.Request)
	if err != nil {
		return 0, err
	}
	for _, fee := range []struct {
		price money.USD
		uses  int64
	}{{p.WebSearch, webSearches}, {p.FileSearch, fileSearches}} {
		cost, err := fee.price.Mul(fee.uses)
		if err != nil {
			return 0, err
		}
		if total, err = total.Add(cost); err != nil {
			return 0, err
		}
	}
	return total, nil
}
