package pricing

import (
	"errors"
	"strings"
	"testing"
	"time"
)

const sampleFile = `{
 "sample_spec": {"input_cost_per_token": "a description"},
 "own-chat": {"litellm_provider": "openai", "mode": "chat", "max_tokens": 4000, "max_input_tokens": "32000",
   "input_cost_per_token": 1.5e-07, "output_cost_per_token": 0.0000006, "cache_read_input_token_cost": 7.5e-8,
   "input_cost_per_token_batches": 7.5e-08, "input_cost_per_token_priority": 2.5e-07, "output_cost_per_token_priority": 1e-6,
   "input_cost_per_token_above_200k_tokens": 3e-07, "output_cost_per_token_above_200k_tokens": 9e-07,
   "cache_creation_input_token_cost": 0.0, "supports_reasoning": true, "supports_vision": null,
   "search_context_cost_per_query": {"search_context_size_low": 0.025, "search_context_size_high": 0.03}},
 "gpt-4o": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 7e-06, "output_cost_per_token": 8e-06},
 "own/prefixed": {"litellm_provider": "own", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06},
 "free": {"litellm_provider": "local", "mode": "chat", "input_cost_per_token": 0, "output_cost_per_token": 0.0},
 "half": {"litellm_provider": "local", "mode": "chat", "input_cost_per_token": 1e-06},
 "no-input": {"litellm_provider": "local", "mode": "chat", "output_cost_per_token": 1e-06},
 "vectors": {"litellm_provider": "openai", "mode": "embedding", "input_cost_per_token": 2e-08, "output_cost_per_token": 0.0},
 "xai/long": {"litellm_provider": "xai", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06,
   "input_cost_per_token_above_200k_tokens": 2e-06, "output_cost_per_token_above_200k_tokens": 4e-06},
 "claude-own": {"litellm_provider": "anthropic", "mode": "chat", "input_cost_per_token": 5e-06, "output_cost_per_token": 2.5e-05,
   "cache_creation_input_token_cost": 6.25e-06, "cache_creation_input_token_cost_above_1hr": 1e-05,
   "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 2e-05, "cache_read_input_token_cost_above_200k_tokens_priority": 1e-06,
   "provider_specific_entry": {"us": 1.1, "fast": 6.0}}
}`

func ownTable(t testing.TB) *Table {
	t.Helper()
	table, err := Embedded().WithFile(strings.NewReader(sampleFile))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestWithFile(t *testing.T) {
	t.Parallel()
	table := ownTable(t)
	p := must(table.Lookup("anyone", "own-chat", now))
	if p.Origin != OriginFile || p.MaxOutput != 4000 || p.ContextWindow != 32000 || !p.Reasoning || p.WebSearch.String() != "0.03" {
		t.Errorf("own-chat: %+v", p)
	}
	for _, c := range []struct {
		tier  string
		input int64
		want  map[Dimension]int64
	}{
		{Standard, 200_000, map[Dimension]int64{Input: 150_000, Output: 600_000, CacheRead: 75_000, CacheWrite: 150_000, AudioIn: 150_000, AudioOut: 600_000}},
		{Standard, 200_001, map[Dimension]int64{Input: 300_000, Output: 900_000, CacheRead: 150_000}},
		{Batch, 1, map[Dimension]int64{Input: 75_000, Output: 300_000, CacheRead: 37_500}},
		{Flex, 1, map[Dimension]int64{Input: 75_000, Output: 300_000}},
		{Priority, 1, map[Dimension]int64{Input: 250_000, Output: 1_000_000, CacheRead: 125_000}},
		{Batch, 300_000, map[Dimension]int64{Input: 150_000, Output: 450_000}},
		{Priority, 300_000, map[Dimension]int64{Input: 500_000, Output: 1_500_000}}, // in proportion, as OpenAI sells it (https://openai.com/api-fast-mode/)
	} {
		for d, want := range c.want {
			if got, ok := p.For(c.tier, c.input).Get(d); !ok || int64(got) != want {
				t.Errorf("own-chat, tier %q, %d tokens: %s = %d, want %d", c.tier, c.input, d, got, want)
			}
		}
	}
	if got := perM(must(table.Lookup("openai", "gpt-4o", now)), CacheRead); got != "7" {
		t.Errorf("a row of the file replaces the whole row: cache_read is %s, want 7", got)
	}
	if got := must(table.Lookup("openai", "gpt-4o-mini", now)); got.Origin == OriginFile {
		t.Error("gpt-4o-mini is not in the file")
	}
	if got := must(table.Lookup("own", "prefixed", now)); got.Name != "own/prefixed" {
		t.Errorf("PROVIDER/NAME was not found: %+v", got)
	}
	long := must(table.Lookup("x-ai", "long", now))
	if in, _ := long.For(Standard, 200_000).Get(Input); in != 2_000_000 {
		t.Errorf("xAI's threshold is inclusive; input is %d", in)
	}
	claude := must(table.Lookup("anthropic", "claude-own", now))
	if claude.Geo["us"] != (Ratio{11, 10}) || claude.Fast.Num/claude.Fast.Den != 6 {
		t.Errorf("factors: %v, %v", claude.Geo, claude.Fast)
	}
	if write, _ := claude.For(Standard, 300_000).Get(CacheWrite1h); write != 20_000_000 {
		t.Errorf("an hour's write of a long call costs %d", write)
	}
	if in, _ := claude.For(Batch, 1).Get(Input); in != 2_500_000 || !claude.HasTier(Batch) {
		t.Errorf("Anthropic's batch costs half, not %d", in)
	}
	if vectors := must(table.Lookup("openai", "vectors", now)); perM(vectors, Input) != "0.02" || perM(vectors, Output) != "none" {
		t.Errorf("vectors: %+v", vectors)
	}
}

func TestZeroIsUnknown(t *testing.T) {
	t.Parallel()
	table := ownTable(t)
	for _, model := range []string{"free", "half", "no-input"} {
		_, err := table.Lookup("local", model, now)
		var unknown *UnknownPriceError
		if !errors.As(err, &unknown) || unknown.Zero == "" {
			t.Errorf("%s: %v; want it unknown, with the row named", model, err)
		}
	}
	said := table.WithOverrides(map[string]Override{"free": {Free: true}})
	if p, err := said.Lookup("local", "free", now); err != nil || !p.Free {
		t.Errorf("the operator said it is free: %v", err)
	}
}

func TestWithFileRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{`[]`, "not a JSON object"},
		{`{"m": 1}`, "not a JSON object"},
		{`{"m": {"input_cost_per_token": -1e-06}}`, `"m": input_cost_per_token`},
		{`{"m": {"input_cost_per_token": true}}`, `"m": input_cost_per_token`},
		{`{"m": {"input_cost_per_token": "cheap"}}`, `"m": input_cost_per_token`},
		{`{"m": {"input_cost_per_token": 1e999}}`, `"m": input_cost_per_token`},
		{`{"m": {"input_cost_per_token": 1e-6, "input_cost_per_token": 1e-9}}`, "not a JSON object"}, // which one would hold?
		{`{"m": {"input_cost_per_token": 1e-6}`, "not a JSON object"},
		{``, "not a JSON object"},
	} {
		if _, err := Embedded().WithFile(strings.NewReader(c[0])); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v; want %q", c[0], err, c[1])
		}
	}
}

func FuzzWithFile(f *testing.F) {
	f.Add(sampleFile)
	f.Add(`{"m":{"input_cost_per_token":1e-06,"output_cost_per_token":"2e-6","mode":null}}`)
	f.Fuzz(func(t *testing.T, text string) {
		table, err := Empty().WithFile(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, key := range table.Models("") {
			p, err := table.Lookup("", key, time.Time{})
			if err != nil {
				continue
			}
			for _, tier := range []string{Standard, Batch, Flex, Priority} {
				for d := range dimensions {
					if v, ok := p.For(tier, 1e6).Get(d); ok && v < 0 {
						t.Fatalf("%s: negative price of %s", key, d)
					}
				}
			}
		}
	})
}
