package usage_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// What is in the body without telling its length, and what lets the provider do more than is asked.
func TestReadRequestOfUnknownLength(t *testing.T) {
	t.Parallel()
	const file = "file holds more than the request shows"
	for _, c := range []struct {
		name string
		api  usage.API
		body string
		want usage.Request
	}{
		{"pages in line", usage.Chat, `{"messages":[{"content":[{"type":"file","file":{"filename":"x.pdf","file_data":"data:application/pdf;base64,AAAA"}}]}]}`, usage.Request{Messages: 1, Unbounded: []string{file}}},
		{"pages by name", usage.Chat, `{"messages":[{"content":[{"type":"file","file":{"file_id":"f"}}]}]}`, usage.Request{Messages: 1, Unbounded: []string{file}}},
		{"pages as a text", usage.Chat, `{"messages":[{"content":[{"type":"file","file":"f"}]}]}`, usage.Request{Messages: 1, Unbounded: []string{file}}},
		{"no pages", usage.Chat, `{"messages":[{"content":[{"type":"file","file":null}]}]}`, usage.Request{Messages: 1}},
		{"pages of a response", usage.Responses, `{"input":[{"content":[{"type":"input_file","file_data":"data:application/pdf;base64,AAAA"}]}]}`, usage.Request{Messages: 2, Unbounded: []string{"file_data holds more than the request shows"}}},
		{"pages at Anthropic", usage.Messages, `{"messages":[{"content":[{"type":"document","source":{"type":"base64","data":"AAAA"}}]}]}`, usage.Request{Messages: 1, Unbounded: []string{"a document in base64 has a number of pages that is not known"}}},
		{"sound that shrinks with silence", usage.Chat, `{"messages":[{"content":[{"type":"input_audio","input_audio":{"data":"AAAAAAAA","format":"flac"}}]}]}`, usage.Request{Messages: 1, Unbounded: []string{"sound as flac has a length that is not known"}}},
		{"sound that does not", usage.Chat, `{"messages":[{"content":[{"type":"input_audio","input_audio":{"format":"MP3","data":"AAAAAAAA"}}]}]}`, usage.Request{Messages: 1, MediaBytes: 8, AudioBytes: 8}},
		{"Gemini's sound that shrinks", usage.Gemini, `{"contents":[{"parts":[{"inlineData":{"mimeType":"audio/ogg;codecs=opus","data":"AAAAAAAA"}}]}]}`, usage.Request{Messages: 1, Unbounded: []string{"a file of type audio/ogg;codecs=opus in base64 has a length that is not known"}}},
		{"Gemini's sound", usage.Gemini, `{"contents":[{"parts":[{"inlineData":{"mimeType":"audio/L16;rate=24000","data":"AAAAAAAA"}}]}]}`, usage.Request{Messages: 1, MediaBytes: 8, AudioBytes: 8}},
		{"what a search found", usage.Responses, `{"input":[{"type":"web_search_call","id":"ws_1","status":"completed"}]}`, usage.Request{Messages: 2, Unbounded: []string{"web_search_call refers to text that is not in the request"}}},
		{"a request for compaction", usage.Messages, `{"compaction":{"type":"auto"}}`, usage.Request{Rounds: 2, Unbounded: []string{"context_management lets the provider rewrite the conversation"}}},
		{"clearing", usage.Messages, `{"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"},{"type":"clear_tool_uses_20250919","trigger":{"type":"input_tokens","value":1}}]}}`, usage.Request{}},
		{"an edit of no known kind", usage.Messages, `{"context_management":{"edits":[{"keep":"all"}]}}`, usage.Request{Rounds: 2, Unbounded: []string{"context_management lets the provider rewrite the conversation"}}},
		{"something beside edits", usage.Messages, `{"context_management":{"edits":[],"x":1}}`, usage.Request{Rounds: 2, Unbounded: []string{"context_management lets the provider rewrite the conversation"}}},
		{"no edits", usage.Messages, `{"context_management":{"edits":[]}}`, usage.Request{}},
		{"no compaction", usage.Messages, `{"compaction":null,"fallbacks":null}`, usage.Request{}},
		{"a cache of half a day", usage.Responses, `{"input":"x","prompt_cache_options":{"mode":"implicit","ttl":"12h"}}`, usage.Request{Messages: 1, TTL1h: true}},
		{"a cache of half an hour", usage.Chat, `{"prompt_cache_options":{"ttl":"30m"}}`, usage.Request{}},
		{"a mark for half a day", usage.Responses, `{"input":[{"content":[{"type":"input_text","text":"x","prompt_cache_breakpoint":{"mode":"explicit","ttl":"12h"}}]}]}`, usage.Request{Messages: 2, TTL1h: true}},
	} {
		got, err := usage.ReadRequest(c.api, []byte(c.body))
		c.want.API, c.want.BodyBytes, c.want.Choices, c.want.Rounds = c.api, int64(len(c.body)), 1, max(c.want.Rounds, 1)
		if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%s: %v %s", c.name, err, diff)
		}
	}
	for _, body := range []string{`{"fallbacks":"default"}`, `{"fallbacks":[{"model":"claude-haiku-4-5"}]}`, `{"models":["a","b"]}`} {
		if _, err := usage.ReadRequest(usage.Messages, []byte(body)); err == nil || !strings.Contains(err.Error(), "fallback models") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func embedded(t *testing.T, provider, model string) pricing.Price {
	t.Helper()
	p, err := pricing.Embedded().Lookup(provider, model, now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// An input that may be anything may be as long as the largest window of the model, and costs what long inputs cost.
func TestAnythingIsHeldAtTheLongPrice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ provider, model string }{{"anthropic", "claude-sonnet-4-5"}, {"anthropic", "claude-sonnet-4-6"}, {"google", "gemini-2.5-pro"}, {"openai", "gpt-5.5"}, {"openai", "gpt-4.1"}} {
		p := embedded(t, c.provider, c.model)
		r, err := usage.ReadRequest(usage.Messages, []byte(`{"messages":[{"content":[{"type":"document","source":{"type":"url","url":"x"}}]}],"max_tokens":1000}`))
		if err != nil {
			t.Fatal(err)
		}
		bound, kind, err := usage.Bound(p, r, 1000)
		if err != nil || kind != usage.BoundContext {
			t.Fatalf("%s: %s, %v", c.model, kind, err)
		}
		most := p.ContextWindow
		for _, b := range p.Bands {
			if b.Over >= most {
				most = 1_000_000
			}
		}
		cost, err := usage.Cost(p, usage.Usage{Input: most, Output: 1000})
		if err != nil || bound < cost || bound > 2*cost {
			t.Errorf("%s: held at %s, may cost %s (%v)", c.model, bound, cost, err)
		}
	}
}

// The largest picture that a model takes, by its provider's own rules, costs no more than its bound.
func TestPicturesCostNoMoreThanTheirBound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		provider, model string
		api             usage.API
		tokens          int64 // of the dearest picture
	}{
		// 85 and 170 for each tile of 512 pixels, after the picture was made to fit 2048 by 2048 and 768 on its shorter side: 2 by 4 tiles at most. The small model counts 2833 and
		// 5667 (https://platform.openai.com/docs/guides/images-vision#calculating-costs).
		{"openai", "gpt-4o", usage.Chat, 85 + 8*170},
		{"openai", "gpt-4o-mini", usage.Chat, 2833 + 8*5667},
		{"openai", "o1", usage.Chat, 75 + 8*150},
		// 1,536 patches, times a factor.
		{"openai", "gpt-4.1-mini", usage.Chat, 1536 * 162 / 100},
		{"openai", "gpt-4.1-nano", usage.Chat, 1536 * 246 / 100},
		{"openai", "o4-mini", usage.Chat, 1536 * 172 / 100},
		{"openai", "gpt-5-mini", usage.Responses, 1536 * 162 / 100},
		{"openai", "gpt-5-nano", usage.Responses, 1536 * 246 / 100},
		// Width times height by 750, at most about 1,600; newer models read up to 2,576 pixels on the longer side, about 4,784
		// (https://docs.claude.com/en/docs/build-with-claude/vision).
		{"anthropic", "claude-sonnet-4-5", usage.Messages, 1600},
		{"anthropic", "claude-opus-4-7", usage.Messages, 4784},
		// 258 for each tile of 768 pixels of at most 3072 by 3072 (https://ai.google.dev/gemini-api/docs/tokens).
		{"google", "gemini-2.5-flash", usage.Chat, 16 * 258},
	} {
		p := embedded(t, c.provider, c.model)
		body := `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"` + url + `"}},{"type":"image","source":{"type":"base64","data":"AAAA"}}]}]}`
		r, err := usage.ReadRequest(c.api, []byte(body))
		if c.api == usage.Responses {
			r, err = usage.ReadRequest(c.api, []byte(`{"input":[{"role":"user","content":[{"type":"input_image","image_url":"`+url+`"},{"type":"input_image","image_url":"`+url+`"}]}]}`))
		}
		if err != nil || r.Images != 2 {
			t.Fatalf("%+v, %v", r, err)
		}
		in, ok, _ := usage.InputBound(p, r)
		if !ok || in.Images < 2*c.tokens || in.Images > 20*c.tokens {
			t.Errorf("%s: %d tokens for two pictures of %d", c.model, in.Images, c.tokens)
		}
	}
}

// OpenAI's newer models write to their cache unasked, for half a day if that is wished.
func TestAWriteForHalfADayIsHeld(t *testing.T) {
	t.Parallel()
	table, err := pricing.Empty().WithFile(strings.NewReader(`{"m":{"mode":"chat","litellm_provider":"openai","input_cost_per_token":1e-6,"output_cost_per_token":4e-6,
		"cache_creation_input_token_cost":1.25e-6,"cache_creation_input_token_cost_above_1hr":2e-6,"max_input_tokens":100000}}`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := table.Lookup("openai", "m", now)
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{`{"input":"x","prompt_cache_options":{"ttl":"12h"}}`: "2", `{"input":"x","prompt_cache_options":{"ttl":"30m"}}`: "1.25", `{"input":"x"}`: "1.25"} {
		r, err := usage.ReadRequest(usage.Responses, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		r.InputTokens = 1_000_000
		if got, _, err := usage.Bound(p, r, 0); err != nil || got != money.MustParse(want) {
			t.Errorf("%s: %s, %v; want %s", body, got, err, want)
		}
	}
}

// A place that a request names costs no more than its bound, whether the table knows it or not.
func TestPlacesCostNoMoreThanTheirBound(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"claude-fast", "claude-3-7-sonnet-20250219", "claude-sonnet-4-6", "plain"} {
		p := price(t, model)
		for _, place := range []string{"", "us", "US", "eu", "global", "not_available", "Mars"} {
			for _, speed := range []string{"", "standard", "fast", "FAST", "faster"} {
				r, err := usage.ReadRequest(usage.Messages, []byte(`{"model":"x","max_tokens":1000,"inference_geo":"`+place+`","speed":"`+speed+`","messages":[{"role":"user","content":"hi"}]}`))
				if err != nil {
					t.Fatal(err)
				}
				r.InputTokens = 1000
				bound, _, err := usage.Bound(p, r, 1000)
				if err != nil {
					t.Fatal(err)
				}
				cost, err := usage.Cost(p, usage.Usage{Input: 1000, Output: 1000, Geo: place, Speed: speed})
				if err != nil && !errors.Is(err, usage.ErrTierPrice) || cost > bound || cost == 0 {
					t.Errorf("%s in %q at %q: held at %s, costs %s (%v)", model, place, speed, bound, cost, err)
				}
			}
		}
	}
}

// An answer that counts nothing is no bill, unless its provider says what it charged.
func TestNothingCounted(t *testing.T) {
	t.Parallel()
	u, err := usage.Parse(usage.Chat, []byte(`{"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0,"cost":0}}`))
	if err != nil {
		t.Fatal(err)
	}
	if cost, err := usage.Cost(price(t, "openrouter/vendor/model"), u); cost != 0 || err != nil {
		t.Errorf("%s, %v", cost, err)
	}
	if cost, err := usage.Cost(price(t, "plain"), u); !errors.Is(err, usage.ErrInvalid) {
		t.Errorf("%s, %v: a cost that is not believed stands for counts", cost, err)
	}
}

// Containers are billed by the session, which no answer tells: the bound holds the dearest that the request allows.
func TestContainersAreHeld(t *testing.T) {
	t.Parallel()
	for tool, want := range map[string]string{
		`{"type":"code_interpreter","container":{"type":"auto"}}`:                                                          "0.03",
		`{"type":"code_interpreter"}`:                                                                                      "0.03",
		`{"type":"code_interpreter","container":{"type":"auto","memory_limit":"4g"}}`:                                      "0.12",
		`{"container":{"memory_limit":"64g"},"type":"code_interpreter"}`:                                                   "1.92",
		`{"type":"code_interpreter","container":{"memory_limit":"1t"}}`:                                                    "1.92",
		`{"type":"code_interpreter","container":"cntr_1"}`:                                                                 "1.92",
		`{"type":"shell","environment":{"type":"container_auto","memory_limit":"16g"}}`:                                    "0.48",
		`{"type":"shell","environment":{"type":"container_reference","container_id":"c"}}`:                                 "1.92",
		`{"type":"shell","environment":{"type":"local"}}`:                                                                  "0",
		`{"type":"function","name":"f","container":"x"}`:                                                                   "0",
		`{"type":"code_interpreter","container":{"type":"auto"}},{"type":"shell","environment":{"type":"container_auto"}}`: "0.06",
	} {
		r, err := usage.ReadRequest(usage.Responses, []byte(`{"model":"m","input":"x","max_output_tokens":10,"tools":[`+tool+`]}`))
		if err != nil || r.ContainerFee != money.MustParse(want) {
			t.Errorf("%s: %s, %v; want %s", tool, r.ContainerFee, err, want)
		}
		p := price(t, "plain")
		with, _, err := usage.Bound(p, r, 10)
		if err != nil {
			t.Fatal(err)
		}
		r.ContainerFee = 0
		if without, _, err := usage.Bound(p, r, 10); err != nil || with-without != money.MustParse(want) {
			t.Errorf("%s: held at %s with it and %s without, %v", tool, with, without, err)
		}
	}
}
