package simulate

import "strings"

// model is what the simulator knows of a model: the dated name it answers with, and list prices per token as published by OpenAI
// (https://platform.openai.com/docs/pricing) and Anthropic (https://docs.anthropic.com/en/docs/about-claude/pricing).
type model struct {
	dated string
	price Price
}

var models = map[string]model{
	"gpt-4o":                 {"gpt-4o-2024-08-06", Price{Input: 2_500_000, Output: 10_000_000, CacheRead: 1_250_000}},
	"gpt-4o-mini":            {"gpt-4o-mini-2024-07-18", Price{Input: 150_000, Output: 600_000, CacheRead: 75_000}},
	"gpt-4.1":                {"gpt-4.1-2025-04-14", Price{Input: 2_000_000, Output: 8_000_000, CacheRead: 500_000}},
	"gpt-4.1-mini":           {"gpt-4.1-mini-2025-04-14", Price{Input: 400_000, Output: 1_600_000, CacheRead: 100_000}},
	"gpt-4.1-nano":           {"gpt-4.1-nano-2025-04-14", Price{Input: 100_000, Output: 400_000, CacheRead: 25_000}},
	"gpt-5":                  {"gpt-5-2025-08-07", Price{Input: 1_250_000, Output: 10_000_000, CacheRead: 125_000}},
	"gpt-5-mini":             {"gpt-5-mini-2025-08-07", Price{Input: 250_000, Output: 2_000_000, CacheRead: 25_000}},
	"gpt-5-nano":             {"gpt-5-nano-2025-08-07", Price{Input: 50_000, Output: 400_000, CacheRead: 5_000}},
	"gpt-3.5-turbo-instruct": {"", Price{Input: 1_500_000, Output: 2_000_000}},
	"text-embedding-3-small": {"", Price{Input: 20_000}},
	"text-embedding-3-large": {"", Price{Input: 130_000}},
	"claude-sonnet-4-5":      {"claude-sonnet-4-5-20250929", Price{Input: 3_000_000, Output: 15_000_000, CacheRead: 300_000, CacheWrite: 3_750_000}},
	"claude-haiku-4-5":       {"claude-haiku-4-5-20251001", Price{Input: 1_000_000, Output: 5_000_000, CacheRead: 100_000, CacheWrite: 1_250_000}},
}

// dated holds the same models by their dated names.
var dated = func() map[string]model {
	m := make(map[string]model)
	for _, known := range models {
		if known.dated != "" {
			m[known.dated] = model{known.dated, known.price}
		}
	}
	return m
}()

// listPrice is the price of a model that Options.Prices does not name.
func listPrice(name string) (Price, bool) {
	if m, ok := models[name]; ok {
		return m.price, true
	}
	m, ok := dated[name]
	return m.price, ok
}

// answers returns the name a model answers with: its dated one, if it has one.
func answers(name string) string {
	if m := models[name]; m.dated != "" {
		return m.dated
	}
	return name
}

// reasons reports whether a model's output is reasoning in part.
func reasons(name string) bool {
	for _, family := range [...]string{"gpt-5", "o1", "o3", "o4"} {
		if rest, ok := strings.CutPrefix(name, family); ok && (rest == "" || rest[0] == '-') {
			return true
		}
	}
	return false
}
