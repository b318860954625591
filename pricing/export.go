package pricing

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/andres20980/aurea-orchestrator/money"
)

// WriteFile writes the prices that hold at a moment as a JSON file in LiteLLM's format, which [Table.WithFile] reads: every row of the table, the operator's included. Rows without a
// price are left out. What the format cannot say is lost: whether a band holds from its threshold or above it, and factors that are no decimals.
func (t *Table) WriteFile(w io.Writer, at time.Time) error {
	names := make(map[string]Price)
	for _, l := range []layer{t.builtin, t.file} {
		for key := range l {
			if p, ok := l.at(key, at); ok && p.usable() {
				names[key] = p
			}
		}
	}
	for key := range t.overrides {
		if p, err := t.Lookup("", key, at); err == nil {
			names[key] = p
		}
	}
	rows := make(map[string]map[string]any, len(names))
	for key, p := range names {
		rows[key] = p.litellm()
	}
	err := json.MarshalWrite(w, rows, json.Deterministic(true), jsontext.WithIndent(" "))
	if err == nil {
		_, err = io.WriteString(w, "\n")
	}
	return err
}

// litellmNames are the fields of the dimensions, as they are written.
var litellmNames = map[Dimension]string{
	Input: "input_cost_per_token", Output: "output_cost_per_token", CacheRead: "cache_read_input_token_cost", CacheWrite: "cache_creation_input_token_cost",
	CacheWrite1h: "cache_creation_input_token_cost_above_1hr", AudioIn: "input_cost_per_audio_token", CacheReadAudio: "cache_read_input_audio_token_cost", AudioOut: "output_cost_per_audio_token",
	ImageIn: "input_cost_per_image_token", ImageOut: "output_cost_per_image_token", Reasoning: "output_cost_per_reasoning_token",
}

func (p *Price) litellm() map[string]any {
	m := map[string]any{"litellm_provider": p.Provider}
	put := func(r Rates, suffix string) {
		for d, name := range litellmNames {
			if usd, ok := r.Get(d); ok && (usd > 0 || p.Free) {
				m[name+suffix] = jsontext.Value(decimalText(usd))
			}
		}
	}
	put(p.Rates, "")
	for tier, suffix := range map[string]string{Batch: "_batches", Flex: "_flex", Priority: "_priority", Ultrafast: "_ultrafast"} {
		put(p.Tiers[tier], suffix)
		for _, b := range p.Bands {
			put(b.Tiers[tier], b.suffix()+suffix)
		}
	}
	for _, b := range p.Bands {
		put(b.Rates, b.suffix())
	}
	if p.MaxOutput > 0 {
		m["max_output_tokens"] = p.MaxOutput
	}
	if p.ContextWindow > 0 {
		m["max_input_tokens"] = p.ContextWindow
	}
	if _, writes := p.Rates.Get(Output); !writes {
		m["mode"] = "embedding" // or half a price is none
	}
	if p.Reasoning {
		m["supports_reasoning"] = true
	}
	if p.FileSearch > 0 {
		if thousand, err := p.FileSearch.Mul(1000); err == nil {
			m["file_search_cost_per_1k_calls"] = jsontext.Value(decimalText(thousand))
		}
	}
	if p.Request > 0 {
		m["input_cost_per_request"] = jsontext.Value(decimalText(p.Request))
	}
	if p.WebSearch > 0 {
		sizes := map[string]jsontext.Value{"search_context_size_medium": jsontext.Value(decimalText(p.WebSearch))}
		for size, price := range p.SearchSizes {
			sizes["search_context_size_"+size] = jsontext.Value(decimalText(price))
		}
		m["search_context_cost_per_query"] = sizes
	}
	if factors := p.litellmSpecific(); len(factors) > 0 {
		m["provider_specific_entry"] = factors
	}
	return m
}

func (p *Price) litellmSpecific() map[string]jsontext.Value {
	factors := make(map[string]jsontext.Value)
	for place, r := range maps.All(p.Geo) {
		if text := r.String(); !strings.Contains(text, "/") {
			factors[place] = jsontext.Value(text)
		}
	}
	if p.Fast.Known() && !strings.Contains(p.Fast.String(), "/") {
		factors["fast"] = jsontext.Value(p.Fast.String())
	}
	return factors
}

func (b Band) suffix() string { return fmt.Sprintf("_above_%dk_tokens", b.Over/1000) }

// decimalText is an amount as a JSON number.
func decimalText(usd money.USD) string { return usd.String() }

// Change is a difference between two tables.
type Change struct {
	Model string
	// Field is a kind of token in a tier or above a length, a limit, or a fee; empty where the whole row came or went.
	Field string
	// Old and New are dollars per token or use, or tokens, as decimal text; empty where there was or is none.
	Old, New string
}

// Diff returns what differs between the files of two tables, by model and field.
func Diff(from, to *Table) []Change {
	var changes []Change
	for _, key := range slices.Sorted(maps.Keys(union(from.file, to.file))) {
		before, had := from.file[key]
		after, has := to.file[key]
		switch {
		case !had:
			changes = append(changes, Change{Model: key, New: "added"})
		case !has:
			changes = append(changes, Change{Model: key, Old: "removed"})
		default:
			a, b := before[0].fields(), after[0].fields()
			for _, field := range slices.Sorted(maps.Keys(union(a, b))) {
				if a[field] != b[field] {
					changes = append(changes, Change{Model: key, Field: field, Old: a[field], New: b[field]})
				}
			}
		}
	}
	return changes
}

func union[V any](a, b map[string]V) map[string]V {
	all := maps.Clone(a)
	if all == nil {
		all = make(map[string]V)
	}
	maps.Copy(all, b)
	return all
}

// fields are the figures of a row by name.
func (p *Price) fields() map[string]string {
	m := make(map[string]string)
	for name, v := range p.litellm() {
		switch v := v.(type) {
		case jsontext.Value:
			m[name] = string(v)
		case map[string]jsontext.Value:
			for inner, one := range v {
				m[name+"."+inner] = string(one)
			}
		default:
			m[name] = fmt.Sprint(v)
		}
	}
	return m
}
