package usage_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/usage"
)

func TestBound(t *testing.T) {
	t.Parallel()
	const fixed = 64 // tokens that any request may gain on its way
	for _, c := range []struct {
		name, model string
		api         usage.API
		body        string
		outputCap   int64
		tokens      int64  // of input, besides body and fixed
		rate        string // dearest price of a million of them
		rest        string // the dollars that do not depend on the body
		kind        string
	}{
		{"plain", "plain", usage.Chat, `{"messages":[{}],"max_tokens":100}`, 100, 8, "1", "0.0004", "bytes"},
		{"choices", "plain", usage.Chat, `{"n":3}`, 100, 0, "1", "0.0012", "bytes"},
		{"best of, for each prompt", "plain", usage.Completions, `{"prompt":["a","b"],"n":2,"best_of":5}`, 10, 16, "1", "0.0004", "bytes"},
		{"embeddings have no output", "vectors", usage.Embeddings, `{"input":["a","b"]}`, 0, 16, "0.02", "0", "bytes"},
		{"newer models write the cache unasked", "tiered", usage.Chat, `{}`, 100, 0, "6.25", "0.003", "bytes"},
		{"priority", "tiered", usage.Chat, `{"service_tier":"priority"}`, 100, 0, "15.625", "0.0075", "bytes"},
		{"auto may be priority", "tiered", usage.Chat, `{"service_tier":"auto"}`, 100, 0, "15.625", "0.0075", "bytes"},
		{"auto where there is none", "plain", usage.Chat, `{"service_tier":"auto"}`, 100, 0, "1", "0.0004", "bytes"},
		{"priority without a price", "plain", usage.Chat, `{"service_tier":"priority"}`, 100, 0, "3", "0.0012", "bytes"},
		{"flex may be served as usual", "tiered", usage.Chat, `{"service_tier":"flex"}`, 100, 0, "6.25", "0.003", "bytes"},
		{"rejected predictions", "plain", usage.Chat, `{"prediction":{"content":"0123456789"}}`, 100, 0, "1", "0.0005", "bytes"},
		{"tools", "plain", usage.Chat, `{"tools":[{"type":"function"}]}`, 0, 16, "1", "0", "bytes"},
		{"tools at Anthropic", "claude-fast", usage.Messages, `{"tools":[{"name":"x"}]}`, 0, 1040, "5.5", "0", "bytes"},
		{"in one place", "claude-fast", usage.Messages, `{"inference_geo":"global"}`, 0, 0, "5", "0", "bytes"},
		{"cache for minutes", "claude-fast", usage.Messages, `{"inference_geo":"global","cache_control":{"type":"ephemeral"}}`, 0, 0, "6.25", "0", "bytes"},
		{"cache for an hour", "claude-fast", usage.Messages, `{"inference_geo":"global","cache_control":{"type":"ephemeral","ttl":"1h"}}`, 0, 0, "10", "0", "bytes"},
		{"fast", "claude-fast", usage.Messages, `{"inference_geo":"us","speed":"fast"}`, 1000, 0, "33", "0.165", "bytes"},
		{"sound", "sound", usage.Chat, `{"modalities":["text","audio"]}`, 100, 0, "2.5", "0.008", "bytes"},
		{"thought with its own price", "sound", usage.Chat, `{}`, 100, 0, "2.5", "0.002", "bytes"},
	} {
		r, err := usage.ReadRequest(c.api, []byte(c.body))
		if err != nil {
			t.Fatal(err)
		}
		rate, err := money.MustParse(c.rate).MulRatio(1, 1_000_000)
		if err != nil {
			t.Fatal(err)
		}
		want, err := rate.Mul(int64(len(c.body)) + fixed + c.tokens)
		if err != nil {
			t.Fatal(err)
		}
		want += money.MustParse(c.rest)
		got, kind, err := usage.Bound(price(t, c.model), r, c.outputCap)
		if err != nil || got != want || kind != c.kind {
			t.Errorf("%s: %s (%s), %v; want %s", c.name, got, kind, err, want)
		}
	}
}

func TestBoundOfWhatTheBodyDoesNotShow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ model, body, want string }{
		{"plain", `{"previous_response_id":"r"}`, "0.128"},
		{"tiered", `{"previous_response_id":"r"}`, "12.5"},                         // a million tokens at the price of long calls, written to the cache
		{"plain", `{"tools":[{"type":"web_search"}],"max_tool_calls":2}`, "0.384"}, // read three times
	} {
		r, err := usage.ReadRequest(usage.Responses, []byte(c.body))
		if err != nil {
			t.Fatal(err)
		}
		got, kind, err := usage.Bound(price(t, c.model), r, 0)
		if want := money.MustParse(c.want); err != nil || kind != usage.BoundContext || got != want {
			t.Errorf("%s %s: %s (%s), %v; want %s", c.model, c.body, got, kind, err, want)
		}
	}
}

func TestBoundRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		model, body string
		api         usage.API
		outputCap   int64
		want        error
	}{
		{"vectors", `{}`, usage.Chat, 10, usage.ErrNoBound},
		{"plain", `{"tools":[{"type":"image_generation"}]}`, usage.Responses, 10, usage.ErrNoBound},
		{"openrouter/vendor/model", `{"previous_response_id":"r"}`, usage.Responses, 10, usage.ErrNoBound},
		{"plain", `{"n":1e12}`, usage.Chat, 1e12, money.ErrOverflow},
		{"plain", `{"n":1e12,"best_of":1e12,"prompt":[[1],[1]]}`, usage.Completions, 1, money.ErrOverflow},
		{"gpt-5-pro", `{"max_tokens":1e12}`, usage.Chat, 1e12, money.ErrOverflow},
		{"plain", `{}`, usage.Chat, -1, money.ErrOverflow},
		{"plain", `{"max_tool_calls":1e12,"tools":[{"type":"mcp"}]}`, usage.Responses, 1, money.ErrOverflow},
	} {
		r, err := usage.ReadRequest(c.api, []byte(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := usage.Bound(price(t, c.model), r, c.outputCap); !errors.Is(err, c.want) {
			t.Errorf("%s %s: %s, %v; want %v", c.model, c.body, got, err, c.want)
		}
	}
}

// drawPrice makes up a model in a price file, plausible or not.
func drawPrice(t *rapid.T) pricing.Price {
	cents := rapid.Int64Range(1, 200_000)
	fields := []string{
		`"mode":"chat"`, fmt.Sprintf(`"litellm_provider":%q`, rapid.SampledFrom([]string{"openai", "anthropic", "xai", "openrouter"}).Draw(t, "provider")),
		fmt.Sprintf(`"max_input_tokens":%d`, rapid.Int64Range(1, 2_000_000).Draw(t, "context")),
	}
	for _, name := range []string{
		"cache_read_input_token_cost", "cache_creation_input_token_cost", "cache_creation_input_token_cost_above_1hr", "input_cost_per_audio_token",
		"output_cost_per_audio_token", "output_cost_per_reasoning_token",
		"input_cost_per_token_above_2k_tokens", "output_cost_per_token_above_2k_tokens", "cache_read_input_token_cost_above_4k_tokens",
		"input_cost_per_token_flex", "output_cost_per_token_flex", "input_cost_per_token_batches", "input_cost_per_token_priority",
		"output_cost_per_token_priority", "input_cost_per_token_above_2k_tokens_priority", "cache_read_input_token_cost_flex",
	} {
		if rapid.Bool().Draw(t, name) {
			fields = append(fields, fmt.Sprintf(`%q:%de-9`, name, cents.Draw(t, "price")))
		}
	}
	for _, name := range []string{"input_cost_per_token", "output_cost_per_token"} {
		fields = append(fields, fmt.Sprintf(`%q:%de-9`, name, cents.Draw(t, name)))
	}
	if rapid.Bool().Draw(t, "factors") {
		fields = append(fields, `"provider_specific_entry":{"us":1.1,"eu":1.25,"fast":2.5}`, `"search_context_cost_per_query":{"a":0.01}`)
	}
	table, err := pricing.Empty().WithFile(strings.NewReader(`{"m":{` + strings.Join(fields, ",") + `}}`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := table.Lookup("", "m", now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func drawRequest(t *rapid.T) usage.Request {
	bytes := rapid.Int64Range(2, 10_000).Draw(t, "bytes")
	r := usage.Request{
		API:       rapid.SampledFrom([]usage.API{usage.Chat, usage.Responses, usage.Messages, usage.Completions}).Draw(t, "api"),
		BodyBytes: bytes, MediaBytes: rapid.Int64Range(0, bytes).Draw(t, "media"),
		Images: rapid.Int64Range(0, 2).Draw(t, "images"), Messages: rapid.Int64Range(0, 5).Draw(t, "messages"), Tools: rapid.Int64Range(0, 3).Draw(t, "tools"),
		Choices: rapid.Int64Range(1, 4).Draw(t, "choices"),
		Tier:    rapid.SampledFrom([]string{"", "auto", "default", "flex", "priority", "fast", "standard_only"}).Draw(t, "tier"),
		Geo:     rapid.SampledFrom([]string{"", "us", "eu", "global"}).Draw(t, "geo"), Fast: rapid.Bool().Draw(t, "fast"),
		CacheControl: rapid.Bool().Draw(t, "cache"), AudioOut: rapid.Bool().Draw(t, "audio out"), Rounds: 1,
		WebSearches: rapid.Int64Range(0, 3).Draw(t, "searches"),
	}
	r.AudioBytes = rapid.Int64Range(0, r.MediaBytes).Draw(t, "audio")
	r.TTL1h = r.CacheControl && rapid.Bool().Draw(t, "1h")
	if rapid.IntRange(0, 3).Draw(t, "unbounded") == 0 {
		r.Unbounded, r.Rounds = []string{"why"}, rapid.Int64Range(1, 3).Draw(t, "rounds")
	}
	if rapid.IntRange(0, 3).Draw(t, "second look") == 0 {
		r.InputTokens = rapid.Int64Range(1, 10_000).Draw(t, "known tokens")
	}
	return r
}

// drawUsage makes up an answer that a provider can give to the request.
func drawUsage(t *rapid.T, p pricing.Price, r usage.Request, outputCap int64) usage.Usage {
	in, ok, _ := usage.InputBound(p, r)
	text := in.Text + in.Images
	if !ok {
		text = max(in.Text, p.ContextWindow)*r.Rounds + in.Images
	}
	take := func(name string, left *int64) int64 {
		n := rapid.Int64Range(0, *left).Draw(t, name)
		if rapid.IntRange(0, 3).Draw(t, "all of "+name) == 0 {
			n = *left
		}
		*left -= n
		return n
	}
	u := usage.Usage{AudioIn: rapid.Int64Range(0, in.Audio).Draw(t, "audio tokens")}
	if r.InputTokens > 0 { // counted together
		if r.AudioBytes > 0 {
			u.AudioIn = take("sound in", &text)
		}
		if r.Images > 0 {
			u.ImageIn = take("pictures in", &text)
		}
	}
	if r.TTL1h {
		u.CacheWrite1h = take("written for an hour", &text)
	}
	if r.API != usage.Messages || r.CacheControl {
		u.CacheWrite = take("written", &text)
	}
	u.CacheRead = take("read", &text)
	u.Input = take("input", &text)
	out := outputCap * r.Choices
	if r.AudioOut {
		u.AudioOut = take("sound", &out)
	}
	u.Output = take("output", &out)
	u.Reasoning = rapid.Int64Range(0, u.Output).Draw(t, "thought")
	u.WebSearches = rapid.Int64Range(0, r.WebSearches).Draw(t, "searched")
	u.Tier = rapid.SampledFrom(map[string][]string{
		"": {"", "default"}, "auto": {"default", "priority"}, "default": {"default"}, "flex": {"flex", "default"}, "priority": {"priority", "default"},
		"fast": {"priority"}, "standard_only": {"standard"},
	}[r.Tier]).Draw(t, "served")
	if u.Geo = r.Geo; u.Geo == "" {
		u.Geo = rapid.SampledFrom([]string{"", "us", "eu"}).Draw(t, "place")
	}
	if r.Fast {
		u.Speed = rapid.SampledFrom([]string{"fast", "standard"}).Draw(t, "speed")
	}
	return u
}

// Whatever a model costs and whatever is asked, no answer to the request costs more than its bound.
func TestNothingCostsMoreThanItsBound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, r := drawPrice(t), drawRequest(t)
		outputCap := rapid.Int64Range(0, 10_000).Draw(t, "cap")
		u := drawUsage(t, p, r, outputCap)
		bound, _, err := usage.Bound(p, r, outputCap)
		if err != nil {
			t.Fatal(err)
		}
		cost, err := usage.Cost(p, u)
		if errors.Is(err, usage.ErrTierPrice) || errors.Is(err, usage.ErrUnpriced) {
			return // then the bound itself is booked
		}
		if err != nil {
			t.Fatal(err)
		}
		if cost > bound {
			t.Fatalf("%s is more than %s\nprice %+v\nrequest %+v\nusage %+v", cost, bound, p, r, u)
		}
	})
}

// A larger cap never makes a smaller bound.
func TestBoundRisesWithTheCap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, r := drawPrice(t), drawRequest(t)
		a := rapid.Int64Range(0, 10_000).Draw(t, "cap")
		b := rapid.Int64Range(a, 20_000).Draw(t, "larger cap")
		small, _, err1 := usage.Bound(p, r, a)
		large, _, err2 := usage.Bound(p, r, b)
		if err1 != nil || err2 != nil || small > large {
			t.Fatalf("%s for %d, %s for %d; %v, %v", small, a, large, b, err1, err2)
		}
	})
}

// What a call pays to know its worst case, and its cost.
func BenchmarkBoundAndCost(b *testing.B) {
	price, err := pricing.Embedded().Lookup("openai", "gpt-4o-mini", time.Now())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := usage.Bound(price, usage.Request{API: usage.Chat, BodyBytes: 1200, Messages: 2}, 500); err != nil {
			b.Fatal(err)
		}
		if _, err := usage.Cost(price, usage.Usage{Input: 300, CacheRead: 100, Output: 80}); err != nil {
			b.Fatal(err)
		}
	}
}
