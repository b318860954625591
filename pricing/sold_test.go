package pricing

import (
	"strings"
	"testing"
)

func TestSold(t *testing.T) {
	t.Parallel()
	table, err := Empty().WithFile(strings.NewReader(`{
	 "half": {"litellm_provider": "openai", "input_cost_per_token": 5e-08, "output_cost_per_token": 4e-07, "cache_read_input_token_cost": 5e-09, "input_cost_per_token_priority": 1e-07},
	 "long": {"litellm_provider": "openai", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06, "input_cost_per_token_batches": 5e-07, "output_cost_per_token_batches": 1e-06,
	  "input_cost_per_token_priority": 2e-06, "output_cost_per_token_priority": 4e-06, "input_cost_per_token_above_200k_tokens": 2e-06, "output_cost_per_token_above_200k_tokens": 3e-06},
	 "claude-x": {"litellm_provider": "anthropic", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		model, tier string
		input       int64
		d           Dimension
		want        bool
	}{
		{"half", Standard, 1, Output, true},
		{"half", Priority, 1, Input, true},
		{"half", Priority, 1, CacheWrite, true},
		{"half", Priority, 1, CacheRead, false},
		{"half", Priority, 1, Output, false},
		{"half", Priority, 1, Reasoning, false},
		{"half", Batch, 1, Input, false},
		{"long", Priority, 200_000, Output, true},
		{"long", Priority, 200_000, AudioOut, true},
		{"long", Priority, 200_001, Output, false},
		{"long", Batch, 300_000, CacheRead, true},
		{"claude-x", Batch, 1, Output, true},
	} {
		p := must(table.Lookup("", c.model, now))
		if got := p.Sold(c.tier, c.input, c.d); got != c.want {
			t.Errorf("%s, %q, %d tokens, %s: %t", c.model, c.tier, c.input, c.d, got)
		}
	}
}

func TestUltrafast(t *testing.T) {
	t.Parallel()
	table, err := Empty().WithFile(strings.NewReader(`{"m": {"litellm_provider": "openai", "input_cost_per_token": 1e-05, "output_cost_per_token": 5e-05, "cache_read_input_token_cost": 1e-06,
	 "input_cost_per_token_ultrafast": 6e-05, "output_cost_per_token_ultrafast": 3e-04, "input_cost_per_token_above_272k_tokens": 2e-05, "input_cost_per_token_above_272k_tokens_ultrafast": 1.2e-04}}`))
	if err != nil {
		t.Fatal(err)
	}
	p := must(table.Lookup("", "m", now))
	for d, want := range map[Dimension]int64{Input: 60_000_000, Output: 300_000_000, CacheRead: 6_000_000} {
		if got, _ := p.For(Ultrafast, 1).Get(d); int64(got) != want {
			t.Errorf("%s: %d, want %d", d, got, want)
		}
	}
	if got, _ := p.For(Ultrafast, 300_000).Get(Input); got != 120_000_000 {
		t.Errorf("a long call: %d", got)
	}
	if !p.Sold(Ultrafast, 1, Output) || p.Sold(Ultrafast, 1, CacheRead) || len(table.Lint()) > 0 {
		t.Error(table.Lint())
	}
}

func TestBatchAndFlexStandInForEachOther(t *testing.T) {
	t.Parallel()
	table, err := Empty().WithFile(strings.NewReader(`{"m": {"litellm_provider": "openai", "input_cost_per_token": 2.5e-06, "output_cost_per_token": 1.5e-05, "cache_read_input_token_cost": 2.5e-07,
	 "input_cost_per_token_batches": 1.25e-06, "output_cost_per_token_batches": 7.5e-06, "input_cost_per_token_flex": 1.25e-06, "output_cost_per_token_flex": 7.5e-06, "cache_read_input_token_cost_flex": 1.3e-07}}`))
	if err != nil {
		t.Fatal(err)
	}
	p := must(table.Lookup("", "m", now))
	for _, tier := range []string{Batch, Flex} {
		if got, _ := p.For(tier, 1).Get(CacheRead); got != 130_000 {
			t.Errorf("%s: a cache read costs %d", tier, got)
		}
	}
}
