package pricing

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func perM(p Price, d Dimension) string {
	v, ok := p.For(Standard, 0).Get(d)
	if !ok {
		return "none"
	}
	m, err := v.Mul(1_000_000)
	if err != nil {
		return err.Error()
	}
	return m.String()
}

func TestLookup(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ provider, model, key, match, in, out string }{
		{"openai", "gpt-4o", "gpt-4o", "exact", "2.5", "10"},
		{"openai", "gpt-4o-mini", "gpt-4o-mini", "exact", "0.15", "0.6"},
		{"openai", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13", "exact", "5", "15"}, // dearer than the plain name
		{"openai", "openai/gpt-4o", "gpt-4o", "exact", "2.5", "10"},
		{"local", "gpt-4o", "gpt-4o", "exact", "2.5", "10"}, // a proxy of the operator's
		{"", "gpt-4o", "gpt-4o", "exact", "2.5", "10"},
		{"openai", "gpt-4.1-2031-01-02", "gpt-4.1", "alias", "2", "8"},
		{"anthropic", "claude-sonnet-4-20250514", "claude-sonnet-4", "alias", "3", "15"},
		{"anthropic", "claude-haiku-4-5-20251001", "claude-haiku-4-5", "alias", "1", "5"},
		{"anthropic", "anthropic/claude-3-5-sonnet-20241022", "claude-3-5-sonnet", "alias", "3", "15"},
		{"anthropic", "claude-sonnet-4@20250514", "claude-sonnet-4", "alias", "3", "15"},
		{"gemini", "gemini-2.5-flash", "gemini-2.5-flash", "exact", "0.3", "2.5"},
		{"gemini", "gemini/gemini-2.5-flash", "gemini-2.5-flash", "exact", "0.3", "2.5"},
		{"google", "models/gemini-2.5-flash", "gemini-2.5-flash", "exact", "0.3", "2.5"},
		{"openrouter", "openai/gpt-4o-mini", "openrouter/openai/gpt-4o-mini", "exact", "0.15", "0.6"},
		{"groq", "openai/gpt-oss-20b", "groq/openai/gpt-oss-20b", "exact", "0.075", "0.3"},
		{"groq", "llama-3.3-70b-versatile", "groq/llama-3.3-70b-versatile", "exact", "0.59", "0.79"},
		{"fireworks", "deepseek-v4-pro", "fireworks_ai/deepseek-v4-pro", "exact", "1.74", "3.48"}, // his own price, not DeepSeek's
		{"openai", "ft:gpt-4o-2024-08-06:org::id", "ft:gpt-4o-2024-08-06", "exact", "3.75", "15"},
		{"openai", "ft:gpt-4o-2024-11-20:org:name:id", "ft:gpt-4o", "alias", "3.75", "15"},
		{"openai", "text-embedding-3-small", "text-embedding-3-small", "exact", "0.02", "none"},
	} {
		p, err := Embedded().Lookup(c.provider, c.model, now)
		if err != nil {
			t.Errorf("%s at %q: %v", c.model, c.provider, err)
			continue
		}
		if p.Name != c.key || p.Match != c.match || perM(p, Input) != c.in || perM(p, Output) != c.out {
			t.Errorf("%s at %q: key %s (%s), in %s, out %s; want %+v", c.model, c.provider, p.Name, p.Match, perM(p, Input), perM(p, Output), c)
		}
		if len(p.Hash) != hashDigits || p.Provider == "" {
			t.Errorf("%s: hash %q, provider %q", c.model, p.Hash, p.Provider)
		}
	}
}

func TestLookupRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{"openai", "gpt-4o-min"},
		{"openai", "gpt-4o-mini-x"},
		{"openai", "GPT-4o"},
		{"openai", "gpt"},
		{"openai", ""},
		{"openai", "ft:gpt-9:org::id"},
		{"openai", "ft:gpt-4-turbo:org::id"}, // never the base model's price
		{"openai", "gpt-4o-2024-13-01"},      // not a date
		{"openai", "gpt-4o-2024-08-06-2024-08-06x"},
		{"openai", "anthropic/claude-sonnet-4-5"}, // the prefix names another provider
		{"groq", "openai/gpt-4o"},
		{"azure", "openai/gpt-4o"},
		{"local", "qwen3"},
		{"openai", "-2024-08-06"},
		{"bedrock", "us.anthropic.claude-nothing-v1:0"},
	} {
		p, err := Embedded().Lookup(c[0], c[1], now)
		var unknown *UnknownPriceError
		if !errors.As(err, &unknown) {
			t.Errorf("%s at %s: %v, %v; want it unknown", c[1], c[0], p.Name, err)
			continue
		}
		if !strings.Contains(unknown.Hint(), "overrides:") || !strings.Contains(unknown.Hint(), c[1]) {
			t.Errorf("the hint does not help: %s", unknown.Hint())
		}
	}
}

func TestPricesHaveDates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		model, day, in string
	}{
		{"o3", "2025-01-01", "10"},
		{"o3", "2025-06-09", "10"},
		{"o3", "2025-06-10", "2"},
		{"o3", "2026-11-23", "2"},
		{"gpt-5.6-sol", "2026-08-20", "5"},
		{"gpt-5.6-sol", "2026-08-21", "4"},
		{"gemini-3.6-flash", "2026-12-31", "0.75"},
		{"gemini-3.6-flash", "2027-01-01", "1.5"},
	} {
		at, err := time.Parse(time.DateOnly, c.day)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Embedded().Lookup("", c.model, at)
		if err != nil || perM(p, Input) != c.in {
			t.Errorf("%s on %s: %s, %v; want %s", c.model, c.day, perM(p, Input), err, c.in)
		}
	}
}

func usd(s string) *money.USD { u := money.MustParse(s); return &u }

func TestOverrides(t *testing.T) {
	t.Parallel()
	table := Embedded().WithOverrides(map[string]Override{
		"gpt-4o":            {Input: usd("1"), Output: usd("2")},
		"azure/gpt-4o":      {Input: usd("3"), Output: usd("4")},
		"qwen3":             {Free: true},
		"zero":              {Input: usd("0"), Output: usd("1")},
		"claude-sonnet-4-5": {CacheRead: usd("0.2")},
		"tiny":              {Input: usd("0.0000001"), Output: usd("0.000000000001")},
		"claude-own":        {Input: usd("4"), Output: usd("8")},
		"half":              {Input: usd("1")},
	})
	for _, c := range []struct{ provider, model, in, out, read, write string }{
		{"openai", "gpt-4o", "1", "2", "1", "1"}, // the whole row: no cache discount of the table's
		{"openai", "openai/gpt-4o", "1", "2", "1", "1"},
		{"azure", "gpt-4o", "3", "4", "3", "3"},
		{"local", "qwen3", "0", "0", "0", "0"},
		{"local", "zero", "0", "1", "0", "0"},
		{"anthropic", "claude-sonnet-4-5", "3", "15", "0.2", "3.75"}, // one price of it
		{"local", "tiny", "0.000001", "0.000001", "0.000001", "0.000001"},
		{"local", "claude-own", "4", "8", "4", "5"}, // a cache write costs 1.25 at a Claude model
		{"local", "half", "1", "none", "1", "1"},
	} {
		p, err := table.Lookup(c.provider, c.model, now)
		if err != nil {
			t.Errorf("%s: %v", c.model, err)
			continue
		}
		if p.Origin != OriginOverride || perM(p, Input) != c.in || perM(p, Output) != c.out || perM(p, CacheRead) != c.read || perM(p, CacheWrite) != c.write {
			t.Errorf("%s at %s: %s, in %s, out %s, read %s, write %s; want %+v", c.model, c.provider, p.Origin,
				perM(p, Input), perM(p, Output), perM(p, CacheRead), perM(p, CacheWrite), c)
		}
	}
	if p, err := Empty().WithOverrides(map[string]Override{"own": {CacheRead: usd("1")}}).Lookup("", "own", now); err == nil {
		t.Errorf("a price of the cache alone prices nothing: %+v", p)
	}
	if p, _ := table.Lookup("openai", "gpt-4o", now); p.MaxOutput != 16384 || p.HasTier(Batch) || p.HasTier(Priority) {
		t.Errorf("limits are the table's, tiers are not: %+v", p)
	}
	// An exact key of the catalogue goes before an override of the undated name.
	if p, _ := table.Lookup("openai", "gpt-4o-2024-05-13", now); p.Origin == OriginOverride {
		t.Error("gpt-4o-2024-05-13 was taken for gpt-4o")
	}
	if p, _ := Embedded().Lookup("openai", "gpt-4o", now); p.Origin == OriginOverride {
		t.Error("the shared table was changed")
	}
	if a, b := must(table.Lookup("openai", "gpt-4o", now)), must(table.Lookup("azure", "gpt-4o", now)); a.Hash == b.Hash {
		t.Error("two prices with one hash")
	}
}

func must(p Price, err error) Price {
	if err != nil {
		panic(err)
	}
	return p
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		requested, answered, want string
	}{
		{"gpt-4o", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13"},
		{"openai/gpt-4o", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13"},
		{"gpt-4o", "gpt-4o-2031-01-01", ""}, // no row of its own
		{"gpt-4o", "gpt-4o", ""},
		{"gpt-4o-mini", "gpt-4o-2024-05-13", ""}, // another model
		{"gpt-4o", "gpt-4o-mini-2024-07-18", ""},
	} {
		p, ok := Embedded().Snapshot("openai", c.requested, c.answered, now)
		if p.Name != c.want || ok != (c.want != "") {
			t.Errorf("%s answered as %s: %q, %v; want %q", c.requested, c.answered, p.Name, ok, c.want)
		}
	}
}

func TestProvider(t *testing.T) {
	t.Parallel()
	for model, want := range map[string]string{
		"gpt-4o": "openai", "gpt-4o-2031-01-01": "openai", "ft:gpt-4o-2024-08-06:org::id": "openai", "claude-sonnet-4-20250514": "anthropic",
		"gemini-2.5-pro": "gemini", "grok-4.5": "xai", "deepseek-chat": "deepseek", "mistral-large-latest": "mistral",
		"gpt-oss-20b": "", "llama-3.3-70b-versatile": "", "nothing": "", "": "",
	} {
		if got, ok := Embedded().Provider(model); got != want || ok != (want != "") {
			t.Errorf("Provider(%q) = %q, %v; want %q", model, got, ok, want)
		}
	}
}

// Google's discount for batches is none on what its cache holds; a row's own price for that stands.
func TestCachedInputOfGooglesBatches(t *testing.T) {
	t.Parallel()
	table, err := Empty().WithFile(strings.NewReader(`{
	 "gemini-a": {"litellm_provider":"vertex_ai-language-models","input_cost_per_token":1e-06,"output_cost_per_token":1e-05,"cache_read_input_token_cost":1e-07,
	   "input_cost_per_token_batches":5e-07,"output_cost_per_token_batches":5e-06,"input_cost_per_token_above_200k_tokens":2e-06,"output_cost_per_token_above_200k_tokens":2e-05},
	 "gemini-b": {"litellm_provider":"gemini","input_cost_per_token":1e-06,"output_cost_per_token":1e-05,"cache_read_input_token_cost":1e-07,
	   "input_cost_per_token_flex":5e-07,"output_cost_per_token_flex":5e-06,"cache_read_input_token_cost_flex":5e-08},
	 "gpt": {"litellm_provider":"openai","input_cost_per_token":1e-06,"output_cost_per_token":1e-05,"cache_read_input_token_cost":1e-07,
	   "input_cost_per_token_batches":5e-07,"output_cost_per_token_batches":5e-06}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		table       *Table
		model, tier string
		input       int64
		read, plain money.USD
	}{
		{table, "gemini-a", Batch, 1, 100_000, 500_000},
		{table, "gemini-a", Flex, 1, 100_000, 500_000},
		{table, "gemini-a", Batch, 200_001, 200_000, 1_000_000},
		{table, "gemini-b", Flex, 1, 50_000, 500_000},
		{table, "gemini-b", Batch, 1, 100_000, 500_000},
		{table, "gpt", Batch, 1, 50_000, 500_000},
		{Embedded(), "gemini-2.5-pro", Batch, 1, 125_000, 625_000},
		{Embedded(), "gemini-2.5-pro", Batch, 200_001, 250_000, 1_250_000},
	} {
		p := must(c.table.Lookup("", c.model, now))
		rates := p.For(c.tier, c.input)
		read, _ := rates.Get(CacheRead)
		plain, _ := rates.Get(Input)
		if read != c.read || plain != c.plain {
			t.Errorf("%s, %s, %d tokens: %s and %s", c.model, c.tier, c.input, read, plain)
		}
	}
}

func TestRatioAbove(t *testing.T) {
	t.Parallel()
	tenth, tenths := Ratio{Num: 11, Den: 10}, Ratio{Num: 1_100_000_001, Den: 1_000_000_000}
	if !tenths.Above(tenth) || tenth.Above(tenths) || tenth.Above(tenth) || !(Ratio{Num: math.MaxInt64, Den: 1}).Above(Ratio{Num: math.MaxInt64 - 1, Den: 1}) {
		t.Error("the larger factor is not above")
	}
}
