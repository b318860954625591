package cli

import (
	"errors"
	"maps"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// usageView is a usage as --json writes it, in tokens and uses. Each token is in one of the counts, but for those of reasoning, which are within the output.
type usageView struct {
	Input        int64  `json:"input_tokens"`
	CacheRead    int64  `json:"cache_read_tokens"`
	CacheWrite   int64  `json:"cache_write_tokens"`
	CacheWrite1h int64  `json:"cache_write_1h_tokens"`
	AudioIn      int64  `json:"audio_input_tokens"`
	ImageIn      int64  `json:"image_input_tokens"`
	Output       int64  `json:"output_tokens"`
	Reasoning    int64  `json:"reasoning_tokens"`
	AudioOut     int64  `json:"audio_output_tokens"`
	ImageOut     int64  `json:"image_output_tokens"`
	WebSearches  int64  `json:"web_searches"`
	FileSearches int64  `json:"file_searches"`
	Tier         string `json:"tier"`
	Geo          string `json:"geo"`
	Speed        string `json:"speed"`
	Model        string `json:"model"`
}

func viewUsage(u usage.Usage) *usageView {
	return &usageView{
		Input: u.Input, CacheRead: u.CacheRead, CacheWrite: u.CacheWrite, CacheWrite1h: u.CacheWrite1h, AudioIn: u.AudioIn, ImageIn: u.ImageIn,
		Output: u.Output, Reasoning: u.Reasoning, AudioOut: u.AudioOut, ImageOut: u.ImageOut, WebSearches: u.WebSearches, FileSearches: u.FileSearches,
		Tier: u.Tier, Geo: u.Geo, Speed: u.Speed, Model: u.Model,
	}
}

// priceView is a price as --json writes it: dollars per token by kind, and per use.
type priceView struct {
	Model     string `json:"model"` // the key of its row
	Provider  string `json:"provider"`
	Origin    string `json:"origin"`
	Match     string `json:"match"`
	Hash      string `json:"hash"`
	ValidFrom string `json:"valid_from,omitempty"`
	Free      bool   `json:"free,omitempty"`
	// PerToken are the prices that held for this call, its tier and length considered.
	PerToken map[string]money.USD            `json:"usd_per_token"`
	Tiers    map[string]map[string]money.USD `json:"tiers,omitempty"`
	Bands    []bandView                      `json:"long_context,omitempty"`
	Geo      map[string]string               `json:"geo_factors,omitempty"`
	Fast     string                          `json:"fast_factor,omitempty"`

	WebSearch  *money.USD `json:"usd_per_web_search,omitempty"`
	FileSearch *money.USD `json:"usd_per_file_search,omitempty"`
	Request    *money.USD `json:"usd_per_request,omitempty"`

	MaxOutput     int64 `json:"max_output_tokens,omitempty"`
	ContextWindow int64 `json:"context_window_tokens,omitempty"`
}

type bandView struct {
	Over      int64                `json:"above_tokens"`
	Inclusive bool                 `json:"inclusive,omitempty"`
	PerToken  map[string]money.USD `json:"usd_per_token"`
}

// viewPrice shows the price as it held for a usage.
func viewPrice(p pricing.Price, u usage.Usage) *priceView {
	v := &priceView{
		Model: p.Name, Provider: p.Provider, Origin: p.Origin, Match: p.Match, Hash: p.Hash, Free: p.Free,
		PerToken: viewRates(p.For(usage.Tier(u.Tier), u.InputTokens())), MaxOutput: p.MaxOutput, ContextWindow: p.ContextWindow,
	}
	if !p.ValidFrom.IsZero() {
		v.ValidFrom = p.ValidFrom.Format(time.DateOnly)
	}
	for _, fee := range []struct {
		to  **money.USD
		usd money.USD
	}{{&v.WebSearch, p.WebSearch}, {&v.FileSearch, p.FileSearch}, {&v.Request, p.Request}} {
		if fee.usd != 0 {
			*fee.to = &fee.usd
		}
	}
	return v
}

// viewRow shows a whole row: the ordinary price, other tiers, long inputs, factors.
func viewRow(p pricing.Price) *priceView {
	v := viewPrice(p, usage.Usage{})
	for _, tier := range []string{pricing.Batch, pricing.Flex, pricing.Priority, pricing.Ultrafast} {
		if p.HasTier(tier) && !p.Free {
			if v.Tiers == nil {
				v.Tiers = make(map[string]map[string]money.USD)
			}
			v.Tiers[tier] = viewRates(p.For(tier, 0))
		}
	}
	for _, b := range p.Bands {
		v.Bands = append(v.Bands, bandView{Over: b.Over, Inclusive: b.Inclusive, PerToken: viewRates(p.For(pricing.Standard, b.Over+1))})
	}
	if len(p.Geo) > 0 {
		v.Geo = make(map[string]string)
		for place, factor := range maps.All(p.Geo) {
			v.Geo[place] = factor.String()
		}
	}
	if p.Fast.Known() {
		v.Fast = p.Fast.String()
	}
	return v
}

func viewRates(r pricing.Rates) map[string]money.USD {
	m := make(map[string]money.USD)
	for _, d := range pricing.Dimensions() {
		if usd, ok := r.Get(d); ok {
			m[d.String()] = usd
		}
	}
	return m
}

// noPrice makes an error of ours of a price that is not known.
func noPrice(err error) error {
	var unknown *pricing.UnknownPriceError
	if !errors.As(err, &unknown) {
		return err
	}
	return &aurea.Error{Code: aurea.CodePriceUnknown, Message: err.Error(), Hint: unknown.Hint(), Err: err}
}
