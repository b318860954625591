package pricing

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/andres20980/aurea-orchestrator/money"
)

// maxFile is far above any price table: LiteLLM's own has 1.6 MB.
const maxFile = 64 << 20

// WithFile returns a table with the rows of a JSON file in LiteLLM's format (an object of models; see
// https://docs.litellm.ai/docs/provider_registration) above the built-in ones. Numbers are read as the decimal text they are. Rows replace whole rows; a
// field that is not about prices or limits is ignored, a price that is no number is an error that names the model and the field.
func (t *Table) WithFile(r io.Reader) (*Table, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the price file: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("the price file is larger than %d MiB", maxFile>>20)
	}
	var models map[string]map[string]jsontext.Value
	if err := json.Unmarshal(data, &models); err != nil {
		return nil, fmt.Errorf("the price file is not a JSON object of models: %w", err)
	}
	c := *t
	c.file = make(layer, len(models))
	for name, fields := range models {
		if name == "sample_spec" { // the format's own documentation
			continue
		}
		p, err := litellmRow(name, fields)
		if err != nil {
			return nil, fmt.Errorf("the price file: model %q: %w", name, err)
		}
		c.file[name] = []Price{p}
	}
	c.memo = newMemo(c.file, c.builtin)
	return &c, nil
}

// litellmPrices are the fields of a price per token. Each may carry a suffix for a tier, a band, or both.
var litellmPrices = map[string]Dimension{
	"input_cost_per_token": Input, "output_cost_per_token": Output,
	"cache_read_input_token_cost": CacheRead, "input_cost_per_token_cache_hit": CacheRead,
	"cache_creation_input_token_cost": CacheWrite, "cache_creation_input_token_cost_above_1hr": CacheWrite1h,
	"input_cost_per_audio_token": AudioIn, "output_cost_per_audio_token": AudioOut,
	"cache_read_input_audio_token_cost": CacheReadAudio, "cache_read_input_token_cost_per_audio_token": CacheReadAudio,
	"input_cost_per_image_token": ImageIn, "output_cost_per_image_token": ImageOut,
	"output_cost_per_reasoning_token": Reasoning,
}

var litellmTiers = map[string]string{"_batches": Batch, "_batch_requests": Batch, "_flex": Flex, "_priority": Priority, "_ultrafast": Ultrafast}

func litellmRow(name string, fields map[string]jsontext.Value) (Price, error) {
	p := Price{Name: name, Origin: OriginFile, Match: matchExact}
	bands := make(map[int64]*Band)
	names := make([]string, 0, len(fields))
	for field := range fields {
		names = append(names, field)
	}
	sort.Strings(names)
	sum := sha256.New()
	for _, field := range names {
		raw := fields[field]
		fmt.Fprintf(sum, "%s=%s\n", field, raw)
		if err := p.litellmField(field, raw, bands); err != nil {
			return p, fmt.Errorf("%s: %w", field, err)
		}
	}
	p.Hash = hex.EncodeToString(sum.Sum(nil))[:hashDigits]
	for _, b := range bands {
		b.Inclusive = canonical(p.Provider) == "xai" // xAI: "at or above 200K", https://docs.x.ai/docs/models
		p.Bands = append(p.Bands, *b)
	}
	sort.Slice(p.Bands, func(i, j int) bool { return p.Bands[i].Over < p.Bands[j].Over })
	p.litellmLimits(fields)
	mode, _ := text(fields["mode"])
	if mode != "embedding" && mode != "rerank" {
		if _, ok := p.Rates.Get(Output); !ok {
			p.Rates = p.Rates.Without(Input) // half a price is none
		}
	}
	if p.usable() {
		p.Refused = p.litellmRefusals(fields, mode)
	}
	return p, nil
}

// litellmField reads one field. A zero is not a price: the format uses it for "not applicable" and "not known" alike.
func (p *Price) litellmField(field string, raw jsontext.Value, bands map[int64]*Band) error {
	switch field {
	case "litellm_provider":
		p.Provider, _ = text(raw)
		return nil
	case "supports_reasoning":
		p.Reasoning = string(raw) == "true"
		return nil
	case "search_context_cost_per_query":
		return p.litellmSearch(raw)
	case "file_search_cost_per_1k_calls":
		return litellmFee(raw, perThousand, &p.FileSearch)
	case "input_cost_per_request", "cost_per_request":
		return litellmFee(raw, perUnit, &p.Request)
	case "tiered_pricing":
		return p.litellmSteps(raw, bands)
	case "provider_specific_entry":
		return p.litellmFactors(raw)
	}
	if is, err := p.litellmUplift(field, raw); is {
		return err
	}
	dimension, tier, over, ok := litellmName(field)
	if !ok || raw.Kind() == 'n' {
		return nil
	}
	price, err := number(raw, perUnit)
	if err != nil || price == 0 {
		return err
	}
	rates, tiers := &p.Rates, &p.Tiers
	if over > 0 {
		if bands[over] == nil {
			bands[over] = &Band{Over: over}
		}
		rates, tiers = &bands[over].Rates, &bands[over].Tiers
	}
	if tier == Standard {
		*rates = rates.With(dimension, price)
		return nil
	}
	if *tiers == nil {
		*tiers = make(map[string]Rates)
	}
	(*tiers)[tier] = (*tiers)[tier].With(dimension, price)
	return nil
}

// litellmFee reads a price per use.
func litellmFee(raw jsontext.Value, shift int, into *money.USD) error {
	if raw.Kind() == 'n' {
		return nil
	}
	fee, err := number(raw, shift)
	if err == nil {
		*into = fee
	}
	return err
}

// litellmName takes a field name such as cache_read_input_token_cost_above_200k_tokens_priority apart.
func litellmName(field string) (d Dimension, tier string, over int64, ok bool) {
	for suffix, name := range litellmTiers {
		if rest, has := strings.CutSuffix(field, suffix); has {
			field, tier = rest, name
		}
	}
	if rest, has := strings.CutSuffix(field, "_tokens"); has {
		at := strings.LastIndex(rest, "_above_")
		if at < 0 {
			return 0, "", 0, false
		}
		thousands, k := strings.CutSuffix(rest[at+len("_above_"):], "k")
		n, err := strconv.ParseInt(thousands, 10, 32)
		if !k || err != nil || n <= 0 {
			return 0, "", 0, false
		}
		field, over = rest[:at], n*1000
		for suffix, name := range litellmTiers { // some write the tier before the band
			if rest, has := strings.CutSuffix(field, suffix); has {
				field, tier = rest, name
			}
		}
	}
	d, ok = litellmPrices[field]
	return d, tier, over, ok
}

// litellmSearch reads the price of one web search, which depends on how much of each page is read: the dearest counts.
func (p *Price) litellmSearch(raw jsontext.Value) error {
	var sizes map[string]jsontext.Value
	if err := json.Unmarshal(raw, &sizes); err != nil {
		return nil //nolint:nilerr // not about money
	}
	least := money.Max
	for name, v := range sizes {
		price, err := number(v, perUnit)
		if err != nil {
			return err
		}
		if size, ok := strings.CutPrefix(name, "search_context_size_"); ok {
			if p.SearchSizes == nil {
				p.SearchSizes = make(map[string]money.USD)
			}
			p.SearchSizes[size] = price
		}
		p.WebSearch, least = max(p.WebSearch, price), min(least, price)
	}
	if least == p.WebSearch {
		p.SearchSizes = nil
	}
	return nil
}

// litellmFactors reads the factors for places ("us": 1.1) and for the fast mode.
func (p *Price) litellmFactors(raw jsontext.Value) error {
	var factors map[string]jsontext.Value
	if err := json.Unmarshal(raw, &factors); err != nil {
		return nil //nolint:nilerr // not about money
	}
	for name, v := range factors {
		if v.Kind() != '0' {
			continue
		}
		r, err := ratio(string(v))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if name == "fast" {
			p.Fast = r
			continue
		}
		if p.Geo == nil {
			p.Geo = make(map[string]Ratio)
		}
		p.Geo[strings.ToLower(name)] = r
	}
	return nil
}

// litellmLimits reads the model's limits. max_tokens is the format's old name, for the output where the input is given too.
func (p *Price) litellmLimits(fields map[string]jsontext.Value) {
	p.ContextWindow = whole(fields["max_input_tokens"])
	p.MaxOutput = whole(fields["max_output_tokens"])
	if legacy := whole(fields["max_tokens"]); p.MaxOutput == 0 && legacy > 0 {
		p.MaxOutput = legacy
	}
}

func text(raw jsontext.Value) (string, bool) {
	var s string
	if raw.Kind() != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}
