package usage_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Answers as the providers send them, cut to what matters.
func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		api  usage.API
		body string
		want usage.Usage
	}{
		{
			"chat", usage.Chat,
			`{"id":"c","object":"chat.completion","model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],
			  "usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},
			  "completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default"}`,
			usage.Usage{Input: 19, Output: 10, Tier: "default", Model: "gpt-4o-2024-08-06"},
		},
		{
			"chat with cache, thought and rejected predictions", usage.Chat,
			`{"model":"gpt-5","usage":{"prompt_tokens":2006,"completion_tokens":300,"total_tokens":2306,"prompt_tokens_details":{"cached_tokens":1920},
			  "completion_tokens_details":{"reasoning_tokens":192,"rejected_prediction_tokens":20}}}`,
			usage.Usage{Input: 86, CacheRead: 1920, Output: 300, Reasoning: 192, Model: "gpt-5"},
		},
		{
			"chat that wrote the cache", usage.Chat,
			`{"usage":{"prompt_tokens":5000,"completion_tokens":10,"prompt_tokens_details":{"cached_tokens":1000,"cache_write_tokens":3000}}}`,
			usage.Usage{Input: 1000, CacheRead: 1000, CacheWrite: 3000, Output: 10},
		},
		{
			"chat with sound", usage.Chat,
			`{"usage":{"prompt_tokens":150,"completion_tokens":220,"total_tokens":370,"prompt_tokens_details":{"audio_tokens":100},"completion_tokens_details":{"audio_tokens":180}}}`,
			usage.Usage{Input: 50, AudioIn: 100, Output: 40, AudioOut: 180},
		},
		{
			"details are null", usage.Chat,
			`{"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":null,"prompt_tokens_details":null,"completion_tokens_details":{"reasoning_tokens":null}}}`,
			usage.Usage{Input: 3, Output: 4},
		},
		{
			"xAI counts thought outside the completion", usage.Chat,
			`{"model":"grok-4","usage":{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"completion_tokens_details":{"reasoning_tokens":94}}}`,
			usage.Usage{Input: 32, Output: 103, Reasoning: 94, Model: "grok-4"},
		},
		{
			"DeepSeek's hits and misses", usage.Chat,
			`{"usage":{"prompt_tokens":1200,"completion_tokens":50,"total_tokens":1250,"prompt_cache_hit_tokens":1024,"prompt_cache_miss_tokens":176}}`,
			usage.Usage{Input: 176, CacheRead: 1024, Output: 50},
		},
		{
			"Moonshot's cached_tokens", usage.Chat,
			`{"usage":{"prompt_tokens":100,"completion_tokens":5,"total_tokens":105,"cached_tokens":64}}`,
			usage.Usage{Input: 36, CacheRead: 64, Output: 5},
		},
		{
			"Groq's own place", usage.Chat,
			`{"usage":null,"x_groq":{"id":"req","usage":{"prompt_tokens":7,"completion_tokens":8,"total_tokens":15}}}`,
			usage.Usage{Input: 7, Output: 8},
		},
		{
			"Groq says it twice, counted once", usage.Chat,
			`{"x_groq":{"usage":{"prompt_tokens":7,"completion_tokens":8}},"usage":{"prompt_tokens":7,"completion_tokens":8}}`,
			usage.Usage{Input: 7, Output: 8},
		},
		{
			"OpenRouter's own cost", usage.Chat,
			`{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"cost":1.95e-05,"is_byok":false,"cost_details":{"upstream_inference_cost":null}}}`,
			usage.Usage{Input: 10, Output: 5, Reported: money.MustParse("0.0000195"), HasReported: true, ReportedBy: "openrouter"},
		},
		{
			"a cost that cannot be true", usage.Chat,
			`{"usage":{"prompt_tokens":10,"completion_tokens":5,"cost":10000.01}}`,
			usage.Usage{Input: 10, Output: 5, Reported: -1, HasReported: true, ReportedBy: "openrouter"},
		},
		{
			"OpenRouter with the customer's key", usage.Chat,
			`{"usage":{"prompt_tokens":10,"completion_tokens":5,"cost":0.000001,"is_byok":true,"cost_details":{"upstream_inference_cost":0.0000195}}}`,
			usage.Usage{Input: 10, Output: 5, Reported: money.MustParse("0.0000205"), HasReported: true, ReportedBy: "openrouter"},
		},
		{
			"a cost that is an object is Perplexity's", usage.Chat,
			`{"usage":{"prompt_tokens":10,"completion_tokens":5,"cost":{"total_cost":0.006}}}`,
			usage.Usage{Input: 10, Output: 5, Reported: money.MustParse("0.006"), HasReported: true, ReportedBy: "perplexity"},
		},
		{
			"the last value counts", usage.Chat,
			`{"usage":{"prompt_tokens":1,"completion_tokens":1},"usage":{"prompt_tokens":10,"prompt_tokens":20,"completion_tokens":5},"usage":null}`,
			usage.Usage{Input: 20, Output: 5},
		},
		{
			"whole numbers in any spelling", usage.Chat,
			`{"usage":{"prompt_tokens":1e3,"completion_tokens":5.0,"total_tokens":1.005E3}}`,
			usage.Usage{Input: 1000, Output: 5},
		},
		{
			"completions", usage.Completions,
			`{"object":"text_completion","model":"gpt-3.5-turbo-instruct","choices":[{"text":"x","finish_reason":"length"}],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}`,
			usage.Usage{Input: 5, Output: 7, Model: "gpt-3.5-turbo-instruct"},
		},
		{
			"responses", usage.Responses,
			`{"object":"response","status":"completed","model":"gpt-5-2025-08-07","service_tier":"priority","output":[{"type":"reasoning"},
			  {"type":"web_search_call","status":"completed","action":{"type":"search","query":"x"}},{"type":"web_search_call","action":{"type":"open_page"}},
			  {"type":"file_search_call"},{"type":"message","content":[{"type":"output_text","text":"{\"usage\":{\"input_tokens\":1}}"}]}],
			  "usage":{"input_tokens":328,"input_tokens_details":{"cached_tokens":128},"output_tokens":52,"output_tokens_details":{"reasoning_tokens":32},"total_tokens":380}}`,
			usage.Usage{Input: 200, CacheRead: 128, Output: 52, Reasoning: 32, WebSearches: 1, FileSearches: 1, Tier: "priority", Model: "gpt-5-2025-08-07"},
		},
		{
			"embeddings", usage.Embeddings,
			`{"object":"list","data":[{"embedding":[0.1,0.2]}],"model":"text-embedding-ada-002-v2","usage":{"prompt_tokens":8,"total_tokens":8}}`,
			usage.Usage{Input: 8, Model: "text-embedding-ada-002-v2"},
		},
		{
			"embeddings with a total only", usage.Embeddings, `{"usage":{"total_tokens":8}}`,
			usage.Usage{Input: 8},
		},
		{
			"messages", usage.Messages,
			`{"type":"message","model":"claude-sonnet-4-5-20250929","stop_reason":"end_turn","usage":{"input_tokens":3,"cache_creation_input_tokens":12304,"cache_read_input_tokens":0,
			  "cache_creation":{"ephemeral_5m_input_tokens":12304,"ephemeral_1h_input_tokens":0},"output_tokens":550,"service_tier":"standard","inference_geo":"us"}}`,
			usage.Usage{Input: 3, CacheWrite: 12304, Output: 550, Tier: "standard", Geo: "us", Model: "claude-sonnet-4-5-20250929"},
		},
		{
			"messages without a split", usage.Messages,
			`{"usage":{"input_tokens":3,"cache_creation_input_tokens":100,"cache_read_input_tokens":50,"output_tokens":5}}`,
			usage.Usage{Input: 3, CacheWrite: 100, CacheRead: 50, Output: 5},
		},
		{
			"messages with an hour's cache, search and fast mode", usage.Messages,
			`{"usage":{"input_tokens":3,"cache_creation_input_tokens":100,"cache_creation":{"ephemeral_5m_input_tokens":40,"ephemeral_1h_input_tokens":60},
			  "output_tokens":5,"server_tool_use":{"web_search_requests":2,"web_fetch_requests":9},"speed":"fast","service_tier":"batch"}}`,
			usage.Usage{Input: 3, CacheWrite: 40, CacheWrite1h: 60, Output: 5, WebSearches: 2, Speed: "fast", Tier: "batch"},
		},
		{
			"messages with a compaction", usage.Messages,
			`{"usage":{"input_tokens":10,"output_tokens":20,"iterations":[{"type":"compaction","input_tokens":1000,"output_tokens":300},{"type":"message","input_tokens":10,"output_tokens":20}]}}`,
			usage.Usage{Input: 1010, Output: 320},
		},
	} {
		got, err := usage.Parse(c.api, []byte(c.body))
		c.want.Complete = true
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		api  usage.API
		body string
		want error
	}{
		{usage.Chat, ``, usage.ErrMissing},
		{usage.Chat, `null`, usage.ErrMissing},
		{usage.Chat, `[]`, usage.ErrMissing},
		{usage.Chat, `<html>`, usage.ErrMissing},
		{usage.Chat, `{"choices":[]}`, usage.ErrMissing},
		{usage.Chat, `{"usage":null}`, usage.ErrMissing},
		{usage.Chat, `{"usage":{}}`, usage.ErrMissing},
		{usage.Chat, `{"usage":[]}`, usage.ErrMissing},
		{usage.Chat, `{"usage":{"prompt_tokens":5}}`, usage.ErrMissing},
		{usage.Chat, `{"usage":{"completion_tokens":5}}`, usage.ErrMissing},
		{usage.Chat, `{"usage":{"prompt_tokens":null,"completion_tokens":5}}`, usage.ErrMissing},
		{usage.Chat, `{"usage":{"prompt_tokens":5,"completion_tokens":5}`, usage.ErrMissing}, // cut off
		{usage.Chat, `{"usage":{"prompt_tokens":5,"completion_tokens":5}} {"usage":{"prompt_tokens":9,"completion_tokens":5}}`, usage.ErrMissing},
		{usage.Gemini, `{"usageMetadata":{"promptTokenCount":5},"candidates":[{"finishReason":"STOP"}]}{}`, usage.ErrMissing},
		{usage.Chat, `{"usage":{"prompt_tokens":-5,"completion_tokens":5}}`, usage.ErrInvalid},
		{usage.Chat, `{"usage":{"prompt_tokens":5,"completion_tokens":0.5}}`, usage.ErrInvalid},
		{usage.Chat, `{"usage":{"prompt_tokens":"5","completion_tokens":5}}`, usage.ErrInvalid},
		{usage.Chat, `{"usage":{"prompt_tokens":true,"completion_tokens":5}}`, usage.ErrInvalid},
		{usage.Chat, `{"usage":{"prompt_tokens":5,"completion_tokens":1000000000001}}`, usage.ErrInvalid},
		{usage.Chat, `{"usage":{"prompt_tokens":9223372036854775807,"completion_tokens":1}}`, usage.ErrInvalid},
		{usage.Chat, `{"usage":{"prompt_tokens":1e999,"completion_tokens":1}}`, usage.ErrInvalid},
		{usage.Chat, `{"usage":{"prompt_tokens":5,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":6}}}`, usage.ErrInvalid},
		{usage.Chat, `{"usage":{"prompt_tokens":5,"completion_tokens":1,"completion_tokens_details":{"audio_tokens":2}}}`, usage.ErrInvalid},
		{usage.Responses, `{"status":"queued","usage":null}`, usage.ErrMissing},
		{usage.Responses, `{"usage":{"prompt_tokens":5,"completion_tokens":5}}`, usage.ErrMissing},
		{usage.Embeddings, `{"usage":{"prompt_tokens":null}}`, usage.ErrMissing},
		{usage.Messages, `{"usage":{"input_tokens":5}}`, usage.ErrMissing},
		{usage.Messages, `{"usage":{"output_tokens":5}}`, usage.ErrMissing},
		{usage.Messages, `{"usage":{"input_tokens":5,"output_tokens":5,"cache_read_input_tokens":-1}}`, usage.ErrInvalid},
		{usage.Messages, `{"usage":{"input_tokens":5,"output_tokens":5,"iterations":[{"type":"compaction","input_tokens":1e12,"output_tokens":1}]}}`, usage.ErrInvalid},
	} {
		if u, err := usage.Parse(c.api, []byte(c.body)); !errors.Is(err, c.want) {
			t.Errorf("%s %s: %+v, %v; want %v", c.api, c.body, u, err, c.want)
		}
	}
}

func TestTruncated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		api  usage.API
		body string
		want bool
	}{
		{usage.Chat, `{"choices":[{"finish_reason":"stop"},{"finish_reason":"length"}]}`, true},
		{usage.Chat, `{"choices":[{"finish_reason":"stop","message":{"finish_reason":"length"}}]}`, false},
		{usage.Completions, `{"choices":[{"finish_reason":"length"}]}`, true},
		{usage.Responses, `{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}`, true},
		{usage.Responses, `{"status":"completed","incomplete_details":null}`, false},
		{usage.Messages, `{"stop_reason":"max_tokens"}`, true},
		{usage.Messages, `{"stop_reason":"end_turn","content":[{"text":"max_tokens"}]}`, false},
		{usage.Embeddings, `{}`, false},
		{usage.Chat, `nonsense`, false},
	} {
		if got := usage.Truncated(c.api, []byte(c.body)); got != c.want {
			t.Errorf("%s %s: %v", c.api, c.body, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("chat", `{"usage":{"prompt_tokens":19,"completion_tokens":10,"prompt_tokens_details":{"cached_tokens":3}}}`)
	f.Add("messages", `{"usage":{"input_tokens":1,"output_tokens":2,"iterations":[{"type":"compaction","input_tokens":1,"output_tokens":2}]}}`)
	f.Add("responses", `{"output":[{"type":"web_search_call"}],"usage":{"input_tokens":1,"output_tokens":2}}`)
	for _, r := range corpus(f) {
		if !r.streamed() && len(r.body) < 10_000 {
			f.Add(string(r.api), string(r.body))
		}
	}
	f.Fuzz(func(t *testing.T, api, body string) {
		u, err := usage.Parse(usage.API(api), []byte(body))
		if err != nil {
			if !errors.Is(err, usage.ErrMissing) && !errors.Is(err, usage.ErrInvalid) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		for _, n := range []int64{
			u.Input, u.CacheRead, u.CacheWrite, u.CacheWrite1h, u.AudioIn, u.ImageIn, u.CacheReadAudio, u.Output, u.AudioOut, u.ImageOut, u.Reasoning, u.WebSearches, u.FileSearches,
		} {
			if n < 0 || n > 3e12 {
				t.Fatalf("%+v from %s", u, body)
			}
		}
		if u.Reasoning > u.Output || u.CacheReadAudio > u.CacheRead || !u.Complete {
			t.Fatalf("%+v from %s", u, body)
		}
		usage.Truncated(usage.API(api), []byte(body))
	})
}
