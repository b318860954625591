package usage_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/usage"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// table has rows whose prices the tests below multiply by hand.
var table = func() *pricing.Table {
	t, err := pricing.Embedded().WithFile(strings.NewReader(`{
	 "tiered": {"litellm_provider":"openai","mode":"chat","max_input_tokens":1000000,"max_output_tokens":100000,
	   "input_cost_per_token":5e-06,"output_cost_per_token":3e-05,"cache_read_input_token_cost":5e-07,"cache_creation_input_token_cost":6.25e-06,
	   "input_cost_per_token_flex":2.5e-06,"output_cost_per_token_flex":1.5e-05,
	   "input_cost_per_token_priority":1.25e-05,"output_cost_per_token_priority":7.5e-05,
	   "input_cost_per_token_above_272k_tokens":1e-05,"output_cost_per_token_above_272k_tokens":4.5e-05,"cache_read_input_token_cost_above_272k_tokens":1e-06,
	   "search_context_cost_per_query":{"search_context_size_medium":0.01}},
	 "plain": {"litellm_provider":"openai","mode":"chat","max_input_tokens":128000,"max_output_tokens":16384,"input_cost_per_token":1e-06,"output_cost_per_token":4e-06},
	 "sound": {"litellm_provider":"openai","mode":"chat","max_input_tokens":128000,"max_output_tokens":16384,"input_cost_per_token":2.5e-06,"output_cost_per_token":1e-05,
	   "input_cost_per_audio_token":4e-05,"output_cost_per_audio_token":8e-05,"output_cost_per_reasoning_token":2e-05},
	 "claude-fast": {"litellm_provider":"anthropic","mode":"chat","max_input_tokens":1000000,"max_output_tokens":128000,"input_cost_per_token":5e-06,"output_cost_per_token":2.5e-05,
	   "cache_read_input_token_cost":5e-07,"cache_creation_input_token_cost":6.25e-06,"cache_creation_input_token_cost_above_1hr":1e-05,
	   "provider_specific_entry":{"us":1.1,"fast":6.0},"search_context_cost_per_query":{"search_context_size_medium":0.01}},
	 "openrouter/vendor/model": {"litellm_provider":"openrouter","mode":"chat","input_cost_per_token":1e-06,"output_cost_per_token":4e-06},
	 "vectors": {"litellm_provider":"openai","mode":"embedding","max_input_tokens":8191,"input_cost_per_token":2e-08}}`))
	if err != nil {
		panic(err)
	}
	return t
}()

func price(t testing.TB, model string) pricing.Price {
	t.Helper()
	p, err := table.Lookup("", model, now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, model string
		usage       usage.Usage
		want        string
	}{
		{"a bill of Anthropic's console", "claude-3-7-sonnet-20250219", usage.Usage{Input: 3, CacheWrite: 12304, Output: 550}, "0.054399"},
		{"plain", "gpt-4o-mini", usage.Usage{Input: 1000, Output: 500}, "0.00045"},
		{"cache", "gpt-4o", usage.Usage{Input: 86, CacheRead: 1920, Output: 300}, "0.005615"},
		{"nothing", "plain", usage.Usage{}, "0"},
		{"embeddings", "vectors", usage.Usage{Input: 8}, "0.00000016"},
		{"smallest price", "gpt-5-nano", usage.Usage{CacheRead: 1, Tier: "flex"}, "0.0000000025"},
		{"writes, as newer models make", "tiered", usage.Usage{Input: 1, CacheRead: 10, CacheWrite: 100, Output: 1000}, "0.030635"},
		{"writes at a model without their price are input", "plain", usage.Usage{CacheWrite: 100}, "0.0001"},
		{"flex", "tiered", usage.Usage{Input: 100, Output: 10, Tier: "flex"}, "0.0004"},
		{"flex and cache", "tiered", usage.Usage{CacheRead: 100, Tier: "flex"}, "0.000025"},
		{"priority", "tiered", usage.Usage{Input: 100, Output: 10, Tier: "priority"}, "0.002"},
		{"default is no tier", "tiered", usage.Usage{Input: 100, Tier: "default"}, "0.0005"},
		{"at the threshold", "tiered", usage.Usage{Input: 72_000, CacheRead: 200_000, Output: 10}, "0.4603"},
		{"above it all is dearer", "tiered", usage.Usage{Input: 72_001, CacheRead: 200_000, Output: 10}, "0.92046"},
		{"a long call in flex", "tiered", usage.Usage{Input: 300_000, Output: 10, Tier: "flex"}, "1.500225"},
		{"sound", "sound", usage.Usage{Input: 50, AudioIn: 100, Output: 40, AudioOut: 180}, "0.018925"},
		{"thought with its own price", "sound", usage.Usage{Output: 30, Reasoning: 20}, "0.0005"},
		{"an hour's cache", "claude-fast", usage.Usage{CacheWrite: 40, CacheWrite1h: 60}, "0.00085"},
		{"place", "claude-fast", usage.Usage{Input: 100, Output: 10, Geo: "us"}, "0.000825"},
		{"another place", "claude-fast", usage.Usage{Input: 100, Output: 10, Geo: "global"}, "0.00075"},
		{"speed", "claude-fast", usage.Usage{Input: 100, Output: 10, Speed: "fast"}, "0.0045"},
		{"place and speed", "claude-fast", usage.Usage{Input: 100, Output: 10, Geo: "us", Speed: "fast"}, "0.00495"},
		{"batch at Anthropic", "claude-fast", usage.Usage{Input: 100, CacheRead: 100, Output: 10, Tier: "batch"}, "0.0004"},
		{"its priority is paid for in advance", "claude-fast", usage.Usage{Input: 100, Tier: "priority"}, "0.0005"},
		{"searches", "claude-fast", usage.Usage{Input: 100, WebSearches: 3, Geo: "us"}, "0.03055"},
		{"OpenRouter's own figure", "openrouter/vendor/model", usage.Usage{Input: 100, Reported: money.MustParse("0.00009"), HasReported: true, ReportedBy: "openrouter"}, "0.00009"},
		{"nobody else's", "plain", usage.Usage{Input: 100, Reported: 0, HasReported: true, ReportedBy: "openrouter"}, "0.0001"},
	} {
		got, err := usage.Cost(price(t, c.model), c.usage)
		if err != nil || got.String() != c.want {
			t.Errorf("%s: %s, %v; want %s", c.name, got, err, c.want)
		}
	}
}

func TestCostRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		model string
		usage usage.Usage
		want  error
	}{
		{"plain", usage.Usage{Input: -1}, usage.ErrInvalid},
		{"plain", usage.Usage{Output: 1e12 + 1}, usage.ErrInvalid},
		{"plain", usage.Usage{Output: 1, Reasoning: 2}, usage.ErrInvalid},
		{"gpt-5", usage.Usage{Input: 1e12, Output: 1e12, AudioIn: 1e12}, money.ErrOverflow},
		{"vectors", usage.Usage{Output: 1}, usage.ErrNoPrice},
	} {
		if got, err := usage.Cost(price(t, c.model), c.usage); !errors.Is(err, c.want) || got != 0 {
			t.Errorf("%s %+v: %s, %v; want %v", c.model, c.usage, got, err, c.want)
		}
	}
	got, err := usage.Cost(price(t, "plain"), usage.Usage{Input: 100, Tier: "priority"})
	if !errors.Is(err, usage.ErrTierPrice) || got.String() != "0.0003" {
		t.Errorf("priority without a price: %s, %v; want an estimate of three times the ordinary price", got, err)
	}
}

func TestFreeCostsNothing(t *testing.T) {
	t.Parallel()
	p, err := pricing.Embedded().WithOverrides(map[string]pricing.Override{"own": {Free: true}}).Lookup("local", "own", now)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := usage.Cost(p, usage.Usage{Input: 1e6, Output: 1e6, Tier: "priority", Speed: "fast", WebSearches: 5}); got != 0 || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	if got, _, err := usage.Bound(p, usage.Request{API: usage.Chat, BodyBytes: 1e6}, 1e6); got != 0 || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}
