package usage

import (
	"errors"
	"fmt"
	"strings"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
)

// ErrTierPrice says that a call was served in a dearer tier, or faster, than the model has prices for. [Cost] returns an upper estimate with it.
var ErrTierPrice = errors.New("the model has no price for the tier of service that the answer names")

// ErrUnpriced says that an answer was billed for something besides its tokens that has no price here. [Cost] returns the price of the rest with it, which is
// less than the bill, or, where [Usage.Unpriced] lowers a price, more.
var ErrUnpriced = errors.New("the answer was billed for something that has no price here")

// ErrNoPrice says that an answer counts tokens of a kind for which the model has no price, nor one to take instead.
var ErrNoPrice = errors.New("the model has no price for a kind of token in the answer")

// dearestTier is how much dearer than the ordinary price a tier may be for which there is no price: three times. OpenAI's own
// priority prices are 1.6 to 2.5 times the ordinary ones (https://openai.com/api-priority-processing/). fastMode is the dearest
// factor of a fast mode (https://docs.claude.com/en/docs/build-with-claude/fast-mode).
var (
	dearestTier = pricing.Ratio{Num: 3, Den: 1}
	fastMode    = pricing.Ratio{Num: 6, Den: 1}
	// unknownPlace is the only factor for a place that Anthropic has (https://docs.claude.com/en/docs/build-with-claude/data-residency): taken for places without one.
	unknownPlace = pricing.Ratio{Num: 11, Den: 10}
	// unknownTier is how much dearer than priority a tier may be that is not known, or than the ordinary price ultrafast where that has no price: OpenAI sells ultrafast at
	// six times the ordinary price (https://platform.openai.com/docs/pricing), and previewed it at ten times.
	unknownTier = pricing.Ratio{Num: 10, Den: 1}
)

// Cost returns what a call cost: each count times its price in the tier and the context band of the call, times the factors for place
// and speed, plus the fees of tools. A cost that the model's provider reports is what was charged, and is returned as it is; see [Own] for
// our own figure. A provider is believed only in the field that he is known for ([Usage.ReportedBy]).
//
// It returns an error matching [ErrInvalid] for counts outside 0 to 1e12 and for a reported cost that cannot be true, [money.ErrOverflow] for a cost that no
// amount can hold, [ErrNoPrice] for tokens without a price, and, with an amount that is no bill, [ErrTierPrice] or [ErrUnpriced].
func Cost(p pricing.Price, u Usage) (money.USD, error) {
	if u.HasReported && u.ReportedBy == p.Provider {
		return believed(&p, &u)
	}
	if u.HasReported && u.InputTokens() == 0 {
		return 0, errNothingRead
	}
	cost, err := own(&p, &u)
	if u.Fee == 0 || u.ReportedBy != p.Provider || cost == 0 && err != nil {
		return cost, err
	}
	sum, tooMuch := cost.Add(u.Fee)
	if tooMuch != nil {
		return 0, tooMuch
	}
	return sum, err
}

// believed returns what a provider reports, if it can be true: an amount far above our own figure cannot.
func believed(p *pricing.Price, u *Usage) (money.USD, error) {
	if u.Reported < 0 {
		return 0, fmt.Errorf("%w: the cost that it reports", ErrInvalid)
	}
	figure, err := own(p, u)
	if err != nil {
		return u.Reported, nil //nolint:nilerr // there is nothing to hold it against
	}
	most, err := figure.Mul(mostTimesOwn)
	if err == nil {
		most, err = most.Add(mostBesides)
	}
	if err == nil && u.Reported > most {
		return 0, fmt.Errorf("%w: it reports a cost of %s dollars, and its counts cost %s", ErrInvalid, u.Reported, figure)
	}
	return u.Reported, nil
}

// A reported cost above a hundred times our own figure and a hundred dollars besides, for tools that have no price here, is not taken for real.
const (
	mostTimesOwn = 100
	mostBesides  = 100 * money.Dollar
)

// Own is [Cost] by the price table alone, whatever the provider reports.
func Own(p pricing.Price, u Usage) (money.USD, error) { return own(&p, &u) }

func own(p *pricing.Price, u *Usage) (money.USD, error) {
	for _, n := range []int64{
		u.Input, u.CacheRead, u.CacheWrite, u.CacheWrite1h, u.AudioIn, u.ImageIn, u.CacheReadAudio,
		u.Output, u.AudioOut, u.ImageOut, u.Reasoning, u.WebSearches, u.FileSearches,
	} {
		if n < 0 || n > maxCount {
			return 0, fmt.Errorf("%w: %d tokens", ErrInvalid, n)
		}
	}
	if u.Reasoning > u.Output || u.CacheReadAudio > u.CacheRead {
		return 0, fmt.Errorf("%w: more thought than output, or more cached sound than cached tokens", ErrInvalid)
	}
	tier, known := tierOf(u.Tier)
	dearest := unpricedTier(p, tier, known)
	known = !dearest.Known()
	known = known || p.Free
	tokens, err := tokenCost(p.For(tier, u.InputTokens()), u)
	if err != nil {
		return 0, err
	}
	geo, placed := placeFactor(p, u.Geo)
	if tokens, err = geo.Of(tokens); err != nil {
		return 0, err
	}
	slow := u.Speed == "" || strings.EqualFold(u.Speed, "standard")
	if !slow {
		if tokens, err = fastFactor(p).Of(tokens); err != nil {
			return 0, err
		}
	}
	if !known {
		if tokens, err = dearest.Of(tokens); err != nil {
			return 0, err
		}
	}
	total, err := fees(p, tokens, u.WebSearches, u.FileSearches)
	switch {
	case err != nil || p.Free:
	case !known:
		err = fmt.Errorf("%w: %s in tier %s", ErrTierPrice, p.Name, clip(u.Tier))
	case !placed:
		err = fmt.Errorf("%w: %s in place %s", ErrTierPrice, p.Name, clip(u.Geo))
	case !slow && !p.Fast.Known():
		err = fmt.Errorf("%w: %s at speed %s", ErrTierPrice, p.Name, clip(u.Speed))
	case u.Unpriced != "":
		err = fmt.Errorf("%w: %s", ErrUnpriced, u.Unpriced)
	case u.WebSearches > 0 && p.WebSearch == 0:
		err = fmt.Errorf("%w: web searches of %s", ErrUnpriced, p.Name)
	case u.FileSearches > 0 && p.FileSearch == 0:
		err = fmt.Errorf("%w: file searches of %s", ErrUnpriced, p.Name)
	}
	return total, err
}

// unpricedTier returns by how much more than its price in the table a tier may cost; nothing where the table prices it. Anthropic's priority is paid for in advance.
func unpricedTier(p *pricing.Price, tier string, known bool) pricing.Ratio {
	switch {
	case !known, tier == pricing.Ultrafast && !p.HasTier(tier):
		return unknownTier
	case tier == pricing.Priority && !p.HasTier(tier) && !p.Claude():
		return dearestTier
	}
	return pricing.Ratio{}
}

// placeFactor returns by how much a place changes the price of the tokens, and whether the table, or the provider's rule, says so. A place at a Claude model that nobody
// has a factor for may be as dear as the dearest.
func placeFactor(p *pricing.Price, place string) (factor pricing.Ratio, known bool) {
	place = strings.ToLower(place)
	if factor, known = p.Geo[place]; known {
		return factor, true
	}
	switch place {
	case "", "global", "not_available", "default", "unspecified":
		return factor, true
	}
	if p.Free || !p.Claude() && len(p.Geo) == 0 {
		return factor, true
	}
	factor = unknownPlace
	for _, there := range p.Geo {
		if there.Above(factor) {
			factor = there
		}
	}
	return factor, false
}

// tierOf returns the table's name of a tier that a provider names, and whether the name is known: one that is not may be dearer than all others.
//
//   - OpenAI: default, flex, priority, scale, which is paid for in advance, and auto, which stands for default unless the project says otherwise; "fast" is a
//     request's word for priority (https://platform.openai.com/docs/api-reference/responses/object).
//   - Anthropic: standard, batch, and priority, which is paid for in advance (https://docs.claude.com/en/api/service-tiers).
//   - Groq: on_demand, flex, auto (https://console.groq.com/docs/service-tiers).
//   - Gemini: serviceTier, and trafficType with Vertex AI (https://ai.google.dev/api/generate-content#UsageMetadata,
//     https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse).
func tierOf(name string) (tier string, known bool) {
	name = strings.ToLower(name)
	name = strings.TrimPrefix(name, "service_tier_")
	if name != "on_demand" {
		name = strings.TrimPrefix(name, "on_demand_")
	}
	switch name {
	case "batch", "flex", "priority", "ultrafast":
		return name, true
	case "fast":
		return pricing.Priority, true
	case "", "default", "standard", "standard_only", "auto", "scale", "on_demand", "unspecified", "traffic_type_unspecified", "provisioned_throughput", "offpeak":
		return pricing.Standard, true
	default:
		return pricing.Priority, false
	}
}

// Tier returns the table's name of a tier that a provider or a request names; the ordinary one, "", for a name that says nothing of a price.
func Tier(name string) string {
	tier, _ := tierOf(name)
	return tier
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
	if u.CacheReadAudio > 0 {
		if total, err = cachedSoundCost(rates, u.CacheReadAudio); err != nil {
			return 0, err
		}
	}
	for _, part := range []struct {
		dimension pricing.Dimension
		tokens    int64
	}{
		{pricing.Input, u.Input},
		{pricing.CacheRead, u.CacheRead - u.CacheReadAudio},
		{pricing.CacheWrite, u.CacheWrite},
		{pricing.CacheWrite1h, u.CacheWrite1h},
		{pricing.AudioIn, u.AudioIn},
		{pricing.ImageIn, u.ImageIn},
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

// cachedSoundCost prices sound that was read from the cache by its own price, or at the discount that text has there: so Gemini sells it
// (https://ai.google.dev/gemini-api/docs/pricing).
func cachedSoundCost(rates pricing.Rates, tokens int64) (money.USD, error) {
	if own, has := rates.Get(pricing.CacheReadAudio); has {
		return own.Mul(tokens)
	}
	sound, ok := rates.Get(pricing.AudioIn)
	text, has := rates.Get(pricing.Input)
	read, reads := rates.Get(pricing.CacheRead)
	if !ok || !has || !reads {
		return 0, fmt.Errorf("%w: %s", ErrNoPrice, pricing.AudioIn)
	}
	rate := sound
	if text > 0 {
		var err error
		if rate, err = sound.MulRatio(int64(read), int64(text)); err != nil {
			return 0, err
		}
	}
	return rate.Mul(tokens)
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
