package pricing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/andres20980/aurea-orchestrator/money"
)

// The fields of LiteLLM's format that are about money and are no price per token of a kind that answers count. The format's list is ModelInfoBase in
// https://github.com/BerriAI/litellm/blob/main/litellm/types/utils.py and "sample_spec" in its price file. None may make a call cheaper than it is:
// a field either cannot raise a bill that is counted in tokens, or [Price.litellmRefusals] takes the price from the model.

// litellmAside are beginnings of fields that change no bill that is counted in tokens.
var litellmAside = []struct{ prefix, reason string }{
	{"vector_store_cost_per_gb_per_day", "storage is billed apart from calls"},
	{"file_search_cost_per_gb_per_day", "storage is billed apart from calls"},
	{"code_interpreter_cost_per_session", "an answer does not count sessions; one that used the tool is marked as not wholly priced"},
	{"computer_use_input_cost_per_1k_tokens", "the price of the computer use tool's own model, which has a row of its own"},
	{"computer_use_output_cost_per_1k_tokens", "the price of the computer use tool's own model, which has a row of its own"},
	{"input_dbu_cost_per_token", "the price in dollars beside it is the same, in another unit"},
	{"output_dbu_cost_per_token", "the price in dollars beside it is the same, in another unit"},
	{"output_db_cost_per_token", "the price in dollars beside it is the same, in another unit"},
	{"dbu_cost_per_token", "the price in dollars beside it is the same, in another unit"},
	{"input_cost_per_character", "another unit for the text that the tokens count"},
	{"output_cost_per_character", "another unit for the text that the tokens count"},
	{"input_cost_per_audio_per_second", "another unit for the sound that the tokens count"},
	{"output_cost_per_audio_per_second", "another unit for the sound that the tokens count"},
	{"input_cost_per_video_per_second", "another unit for the pictures that the tokens count"},
	{"off_peak_cost_multiplier", "a discount; the ordinary price is the most"},
	{"search_cost_per_", "the price of a search service, which is no model"},
}

// litellmUnits are beginnings of fields that price something no answer counts in tokens. A model that has one is not priced, unless it is the input
// pictures of a chat model, which every chat API counts as tokens.
var litellmUnits = []struct{ prefix, unit string }{
	{"input_cost_per_image", "pictures"},
	{"output_cost_per_image", "pictures"},
	{"input_cost_per_pixel", "pixels"},
	{"output_cost_per_pixel", "pixels"},
	{"input_cost_per_second", "seconds"},
	{"output_cost_per_second", "seconds"},
	{"output_cost_per_video_per_second", "seconds of video"},
	{"input_cost_per_query", "queries"},
	{"output_cost_per_query", "queries"},
	{"ocr_cost_per_", "pages"},
	{"annotation_cost_per_", "pages"},
	{"citation_cost_per_token", "tokens of citations"},
}

// litellmInstead are prices per token of a kind that is counted as another kind. They are not used; a dearer one takes the price from the model.
var litellmInstead = map[string]Dimension{
	"input_cost_per_video_token": Input, "output_cost_per_video_token": Output,
	"cache_creation_input_audio_token_cost": CacheWrite, "cache_creation_input_image_token_cost": CacheWrite,
	"cache_read_input_image_token_cost": CacheRead, "cache_creation_input_video_token_cost": CacheWrite, "cache_read_input_video_token_cost": CacheRead,
}

// litellmRefusals says why a row cannot price its model though it has prices per token: something of what the provider bills by is not counted.
// Empty is good.
func (p *Price) litellmRefusals(fields map[string]jsontext.Value, mode string) string {
	names := make([]string, 0, len(fields))
	for name, raw := range fields {
		if positive(raw) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if reason := p.litellmRefusal(name, fields[name], mode); reason != "" {
			return name + ": " + reason
		}
	}
	return ""
}

func (p *Price) litellmRefusal(name string, raw jsontext.Value, mode string) string {
	if !strings.Contains(name, "cost") || litellmKnown(name) {
		return ""
	}
	rates := p.For(Standard, 0)
	if d, ok := litellmInstead[name]; ok {
		return dearer(raw, rates, d)
	}
	for _, aside := range litellmAside {
		if strings.HasPrefix(name, aside.prefix) {
			return ""
		}
	}
	for _, unit := range litellmUnits {
		if !strings.HasPrefix(name, unit.prefix) {
			continue
		}
		_, drawn := p.Rates.Get(ImageOut)
		switch {
		case unit.prefix == "input_cost_per_image" && mode != "embedding", unit.prefix == "output_cost_per_image" && drawn:
			return "" // its tokens are counted and priced
		}
		return "answers do not count " + unit.unit
	}
	return "it is not known what this price is for"
}

// litellmKnown reports whether a field is read as a price elsewhere.
func litellmKnown(name string) bool {
	if _, _, _, ok := litellmName(name); ok {
		return true
	}
	switch name {
	case "search_context_cost_per_query", "file_search_cost_per_1k_calls", "input_cost_per_request", "cost_per_request":
		return true
	}
	return false
}

func dearer(raw jsontext.Value, rates Rates, d Dimension) string {
	price, err := number(raw, perUnit)
	if taken, ok := rates.Get(d); err == nil && ok && price <= taken {
		return ""
	}
	return fmt.Sprintf("answers count these tokens as %s, which is cheaper", d)
}

func positive(raw jsontext.Value) bool {
	if raw.Kind() != '0' && raw.Kind() != '"' {
		return false
	}
	price, err := number(raw, perUnit)
	return err == nil && price > 0
}

// litellmSteps reads tiered_pricing: prices by the length of the input, as Alibaba sells Qwen. Each step has a range, [from, to] in tokens, and holds
// for inputs above its beginning (https://www.alibabacloud.com/help/en/model-studio/model-pricing: "0 < tokens ≤ 32K").
func (p *Price) litellmSteps(raw jsontext.Value, bands map[int64]*Band) error {
	var steps []map[string]jsontext.Value
	if raw.Kind() != '[' || json.Unmarshal(raw, &steps) != nil {
		return nil
	}
	for _, step := range steps {
		var span []jsontext.Value
		if json.Unmarshal(step["range"], &span) != nil || len(span) == 0 {
			continue // by the number of results, of a search service
		}
		from := whole(span[0])
		rates := &p.Rates
		if from > 0 {
			if bands[from] == nil {
				bands[from] = &Band{Over: from}
			}
			rates = &bands[from].Rates
		}
		for field, d := range litellmPrices {
			if value, ok := step[field]; ok && value.Kind() != 'n' {
				price, err := number(value, perUnit)
				if err != nil {
					return fmt.Errorf("%s: %w", field, err)
				}
				if price > 0 {
					*rates = rates.With(d, price)
				}
			}
		}
	}
	return nil
}

// litellmUplift reads a factor for a place in a field of its own, such as regional_processing_uplift_multiplier_eu.
func (p *Price) litellmUplift(field string, raw jsontext.Value) (is bool, err error) {
	place, is := strings.CutPrefix(field, "regional_processing_uplift_multiplier_")
	if !is {
		place, is = strings.CutPrefix(field, "inference_geo_")
		if is {
			place, is = strings.CutSuffix(place, "_multiplier")
		}
	}
	if !is || raw.Kind() != '0' {
		return is, nil
	}
	factor, err := ratio(string(raw))
	if err != nil || factor.Num == 0 {
		return true, err
	}
	if p.Geo == nil {
		p.Geo = make(map[string]Ratio)
	}
	p.Geo[strings.ToLower(place)] = factor
	return true, nil
}

// SearchPrice returns the price of one web search that reads as much of each page as size says: low, medium or high. Empty is medium, which is the default
// (https://platform.openai.com/docs/guides/tools-web-search). Where the row has one price for all, or does not know the size, that is [Price.WebSearch], the dearest.
func (p *Price) SearchPrice(size string) money.USD {
	if size == "" {
		size = "medium"
	}
	if price, ok := p.SearchSizes[size]; ok {
		return price
	}
	return p.WebSearch
}
