package usage_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/andres20980/aurea-orchestrator/usage"
)

const (
	pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	url   = "data:image/png;base64," + pixel
)

func TestReadRequest(t *testing.T) {
	t.Parallel()
	data := int64(len(url))
	for _, c := range []struct {
		name string
		api  usage.API
		body string
		want usage.Request
	}{
		{"chat", usage.Chat, `{"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}]}`, usage.Request{Model: "gpt-4o", Messages: 1}},
		{"caps", usage.Chat, `{"max_tokens":5,"max_completion_tokens":7}`, usage.Request{OutputCap: 7, HasCap: true}},
		{"caps the other way", usage.Chat, `{"max_completion_tokens":5,"max_tokens":7}`, usage.Request{OutputCap: 7, HasCap: true}},
		{"a cap of null is none", usage.Chat, `{"max_tokens":null}`, usage.Request{}},
		{"case counts", usage.Chat, `{"Max_Tokens":5,"MODEL":"x"}`, usage.Request{}},
		{"whole numbers", usage.Chat, `{"max_tokens":5.0,"n":2e0}`, usage.Request{OutputCap: 5, HasCap: true, Choices: 2}},
		{"exponents", usage.Chat, `{"max_tokens":1e5}`, usage.Request{OutputCap: 100_000, HasCap: true}},
		{"escaped names", usage.Chat, `{"max\u005ftokens":5,"mod\u0065l":"m"}`, usage.Request{Model: "m", OutputCap: 5, HasCap: true}},
		{"another API's cap is none", usage.Responses, `{"max_tokens":5}`, usage.Request{}},
		{"responses' cap", usage.Responses, `{"max_output_tokens":5,"input":"Hi"}`, usage.Request{OutputCap: 5, HasCap: true, Messages: 1}},
		{"stream, tier, thought", usage.Chat, `{"stream":true,"service_tier":"flex","reasoning_effort":"high"}`, usage.Request{Stream: true, Tier: "flex", Reasoning: true}},
		{"tools", usage.Chat, `{"tools":[{"type":"function","function":{"name":"f"}},{"type":"custom"}]}`, usage.Request{Tools: 2}},
		{"sound wanted", usage.Chat, `{"modalities":["text","audio"],"audio":{"voice":"x"}}`, usage.Request{AudioOut: true}},
		{"prediction", usage.Chat, `{"prediction":{"type":"content","content":"x"}}`, usage.Request{PredictedBytes: 33}},
		{
			"picture", usage.Chat, `{"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"image_url":{"url":"` + url + `"},"type":"image_url"}]}]}`,
			usage.Request{Messages: 1, Images: 1, MediaBytes: data},
		},
		{
			"picture with escaped slashes", usage.Chat, `{"messages":[{"content":[{"type":"image_url","image_url":{"url":"data:image\/png;base64,AAAA"}}]}]}`,
			usage.Request{Messages: 1, Images: 1, MediaBytes: 27},
		},
		{
			"picture elsewhere", usage.Chat, `{"messages":[{"content":[{"type":"image_url","image_url":{"url":"https://example.com/x.png"}}]}]}`,
			usage.Request{Messages: 1, Images: 1, Unbounded: []string{"a picture by its URL"}},
		},
		{"text that looks like a picture", usage.Chat, `{"messages":[{"content":[{"type":"text","text":"` + url + `"}]}]}`, usage.Request{Messages: 1}},
		{"text in a picture's field", usage.Chat, `{"messages":[{"content":[{"type":"text","image_url":{"url":"` + url + `"}}]}]}`, usage.Request{Messages: 1, Images: 1}},
		{
			"sound", usage.Chat, `{"messages":[{"content":[{"type":"input_audio","input_audio":{"data":"AAAAAAAA","format":"wav"}}]}]}`,
			usage.Request{Messages: 1, MediaBytes: 8, AudioBytes: 8},
		},
		{
			"file", usage.Chat, `{"messages":[{"content":[{"type":"file","file":{"file_id":"f"}}]}]}`,
			usage.Request{Messages: 1, Unbounded: []string{"file holds more than the request shows"}},
		},
		{
			"search", usage.Chat, `{"web_search_options":{}}`,
			usage.Request{Rounds: 11, WebSearches: 10, Unbounded: []string{"web_search_options lets the provider add input of its own"}},
		},
		{"completions", usage.Completions, `{"prompt":["a","b"],"n":2,"best_of":3,"max_tokens":0}`, usage.Request{Messages: 2, Choices: 6, HasCap: true}},
		{"token ids", usage.Completions, `{"prompt":[1,2,3]}`, usage.Request{Messages: 1}},
		{"lists of token ids", usage.Completions, `{"prompt":[[1],[2,3]]}`, usage.Request{Messages: 2, Choices: 2}},
		{"token ids and texts", usage.Completions, `{"prompt": [ 1, "a", [2], "b"],"n":2}`, usage.Request{Messages: 4, Choices: 8}},
		{"token ids in lines", usage.Embeddings, "{\"input\":[\n 1,\n 2]}", usage.Request{Messages: 1}},
		{"embeddings", usage.Embeddings, `{"model":"e","input":["a","b","c"],"n":"ignored"}`, usage.Request{Model: "e", Messages: 3}},
		{
			"responses", usage.Responses, `{"input":[{"role":"user","content":[{"type":"input_image","image_url":"` + url + `"}]},{"type":"function_call_output","output":"x"}],
			  "reasoning":{"effort":"low"},"previous_response_id":null}`,
			usage.Request{Messages: 3, Images: 1, MediaBytes: data, Reasoning: true},
		},
		{
			"responses that go on", usage.Responses, `{"previous_response_id":"r","input":[{"type":"item_reference","id":"i"}]}`,
			usage.Request{Messages: 2, Unbounded: []string{
				"previous_response_id refers to text that is not in the request", "item_reference refers to text that is not in the request",
			}},
		},
		{
			"responses with tools of the provider", usage.Responses, `{"max_tool_calls":3,"tools":[{"type":"web_search"},{"type":"file_search"},{"type":"function"},{"type":"local_shell"}]}`,
			usage.Request{Tools: 4, BuiltinTools: 1, Rounds: 4, WebSearches: 3, FileSearches: 3, Unbounded: []string{
				"tool web_search lets the provider add input of its own", "tool file_search lets the provider add input of its own",
			}},
		},
		{
			"an adviser", usage.Messages, `{"tools":[{"type":"advisor_20260301","name":"advisor","model":"claude-x","max_uses":2}]}`,
			usage.Request{
				Tools: 1, Rounds: 3, Unpriced: "the advisor_20260301 tool is billed at the prices of another model",
				Unbounded: []string{"tool advisor_20260301 lets the provider add input of its own"},
			},
		},
		{
			"pictures to be made", usage.Responses, `{"tools":[{"type":"image_generation"}]}`,
			usage.Request{
				Tools: 1, Rounds: 11, Unpriced: "the image_generation tool is billed by the picture",
				Unbounded: []string{"tool image_generation lets the provider add input of its own"},
			},
		},
		{
			"messages", usage.Messages, `{"model":"claude","max_tokens":100,"system":[{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"1h"}}],
			  "messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + pixel + `"}}]}],
			  "thinking":{"type":"enabled","budget_tokens":50},"inference_geo":"us","speed":"fast","service_tier":"auto"}`,
			usage.Request{
				Model: "claude", OutputCap: 100, HasCap: true, Messages: 2, Images: 1, MediaBytes: int64(len(pixel)), CacheControl: true, TTL1h: true,
				Reasoning: true, ThinkingBudget: 50, Geo: "us", Fast: true, Tier: "auto",
			},
		},
		{
			"cache in a tool and in a result", usage.Messages, `{"tools":[{"name":"x","cache_control":{"type":"ephemeral"}}],
			  "messages":[{"content":[{"type":"tool_result","content":[{"type":"image","source":{"type":"base64","data":"AAAA"}}]},
			  {"type":"tool_use","input":{"type":"image","source":{"type":"base64","data":"this is text"}}}]}]}`,
			usage.Request{Tools: 1, Messages: 1, Images: 1, MediaBytes: 4, CacheControl: true},
		},
		{
			"documents", usage.Messages, `{"messages":[{"content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}},
			  {"type":"document","source":{"type":"text","data":"plain"}},{"type":"image","source":{"type":"url","url":"https://example.com"}}]}]}`,
			usage.Request{Messages: 1, Images: 1, Unbounded: []string{"a document in base64 has a number of pages that is not known", "a image by url"}},
		},
		{
			"tools of Anthropic's", usage.Messages, `{"tools":[{"type":"bash_20250124","name":"bash"},{"type":"web_search_20250305","max_uses":2}]}`,
			usage.Request{
				Tools: 2, BuiltinTools: 1, Rounds: 3, WebSearches: 2,
				Unbounded: []string{"tool web_search_20250305 lets the provider add input of its own"},
			},
		},
		{
			"compaction", usage.Messages, `{"context_management":{"edits":[{"type":"clear_thinking_20251015"},{"type":"compact_20260112"}]}}`,
			usage.Request{Rounds: 2, Unbounded: []string{"context_management lets the provider rewrite the conversation"}},
		},
	} {
		got, err := usage.ReadRequest(c.api, []byte(c.body))
		c.want.API, c.want.BodyBytes = c.api, int64(len(c.body))
		c.want.Choices, c.want.Rounds = max(c.want.Choices, 1), max(c.want.Rounds, 1)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestReadRequestRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		api        usage.API
		body, want string
	}{
		{usage.Chat, ``, "not a JSON object"},
		{usage.Chat, ` `, "not a JSON object"},
		{usage.Chat, `[]`, "not a JSON object"},
		{usage.Chat, `"x"`, "not a JSON object"},
		{usage.Chat, `{`, "not valid JSON"},
		{usage.Chat, `{"model":"m"`, "not valid JSON"},
		{usage.Chat, `{"model":"m"}}`, "goes on"},
		{usage.Chat, `{"model":"m"} {"model":"n"}`, "goes on"},
		{usage.Chat, `{"model":"m"}x`, "goes on"},
		{usage.Chat, "{\"model\":\"\xff\"}", "not valid JSON"},
		{usage.Chat, `{"max_tokens":1,"max_tokens":100000}`, `"max_tokens" twice`},
		{usage.Chat, `{"max_tokens":1,"max\u005ftokens":100000}`, `"max_tokens" twice`},
		{usage.Chat, `{"model":"a","model":"b"}`, `"model" twice`},
		{usage.Chat, `{"messages":[{"content":"a","content":"b"}]}`, `"content" twice`},
		{usage.Chat, `{"max_tokens":-1}`, "max_tokens: want a whole number"},
		{usage.Chat, `{"max_tokens":"5"}`, "max_tokens: want a whole number"},
		{usage.Chat, `{"max_tokens":5.5}`, "max_tokens: want a whole number"},
		{usage.Chat, `{"max_tokens":1e999}`, "max_tokens: want a whole number"},
		{usage.Chat, `{"max_tokens":1e-999}`, "max_tokens: want a whole number"},
		{usage.Chat, `{"max_tokens":[5]}`, "max_tokens: want a whole number"},
		{usage.Chat, `{"max_tokens":99999999999999999999}`, "max_tokens: want a whole number"},
		{usage.Chat, `{"n":0}`, "n: want at least 1"},
		{usage.Chat, `{"n":-3}`, "n: want a whole number"},
		{usage.Completions, `{"best_of":0.5}`, "best_of: want a whole number"},
		{usage.Chat, `{"model":5}`, "model: want a string"},
		{usage.Chat, `{"stream":"yes"}`, "stream: want true or false"},
		{usage.Chat, `{"models":["a","b"]}`, "models: "},
		{usage.Messages, `{"thinking":{"budget_tokens":-1}}`, "thinking.budget_tokens: want a whole number"},
		{usage.API("grpc"), `{}`, "not an API"},
		{usage.Chat, strings.Repeat(`{"a":`, 100_000), "nested deeper than 1000"},
		{usage.Chat, `{"a":` + strings.Repeat(`[`, 100_000), "nested deeper than 1000"},
	} {
		if _, err := usage.ReadRequest(c.api, []byte(c.body)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: %v; want %q", c.body, err, c.want)
		}
	}
}

// A name that is there twice is found among many, in any order, and within other objects.
func TestReadRequestFindsNamesTwice(t *testing.T) {
	t.Parallel()
	for _, names := range []int{1, 15, 16, 17, 33, 100, 5_000} {
		inner := filled(12*names, `"key%04d":{"a":1}`, ",")
		for _, body := range []string{`{` + inner + `,"max_tokens":5}`, `{"max_tokens":5,` + inner + `}`, `{"messages":[{` + inner + `},{` + inner + `}],` + inner + `}`} {
			if _, err := usage.ReadRequest(usage.Chat, []byte(body)); err != nil {
				t.Errorf("%d names: %v", names, err)
			}
		}
		for _, body := range []string{
			`{"max_tokens":5,` + inner + `,"max_tokens":9}`, `{` + inner + `,"max_tokens":5,"max_tokens":9}`, `{` + inner + `,"max_tokens":5,` + inner + `}`,
			`{` + inner + `,"messages":[{` + inner + `,"content":"a"},{` + inner + `,"content":"a","content":"b"}]}`,
		} {
			if _, err := usage.ReadRequest(usage.Chat, []byte(body)); err == nil || !strings.Contains(err.Error(), "twice in one object") {
				t.Errorf("%d names: %v", names, err)
			}
		}
	}
}

// What is nested too deep to look into has no bound, and of reasons a few are enough; but that the provider may rewrite the conversation is always among them.
func TestReadRequestReasons(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`[{"type":"tool_result","content":`, 40) + `"x"` + strings.Repeat(`}]`, 40)
	r, err := usage.ReadRequest(usage.Messages, []byte(`{"messages":`+deep+`}`))
	if err != nil || len(r.Unbounded) != 1 || !strings.Contains(r.Unbounded[0], "too deep") {
		t.Errorf("%+v, %v", r.Unbounded, err)
	}
	many := `{"tools":[` + filled(5_000, `{"type":"tool%d"}`, ",") + `],"context_management":{"edits":[{"type":"compact_20260112"}]}}`
	r, err = usage.ReadRequest(usage.Messages, []byte(many))
	if err != nil || len(r.Unbounded) > 20 || !strings.Contains(strings.Join(r.Unbounded, " "), "rewrite the conversation") {
		t.Errorf("%d reasons: %v", len(r.Unbounded), err)
	}
}

func FuzzReadRequest(f *testing.F) {
	f.Add("chat", `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]}],"max_tokens":5}`)
	f.Add("messages", `{"system":[{"cache_control":{"ttl":"1h"}}],"tools":[{"type":"web_search_1","max_uses":1e12},{"type":"web_search_2","max_uses":1e12}]}`)
	f.Add("responses", `{"input":[{"type":"message","content":[{"type":"input_image","image_url":"x"}]}]}`)
	f.Add("completions", `{"prompt":[[1,2],[3]],"n":1e12,"best_of":1e12}`)
	f.Add("gemini", `{"contents":[{"parts":[{"inlineData":{"mimeType":"audio/wav","data":"AAAA"}}]}],"generation_config":{"candidateCount":2},"tools":[{"googleSearch":{}}]}`)
	p := price(f, "tiered")
	f.Fuzz(func(t *testing.T, api, body string) {
		r, err := usage.ReadRequest(usage.API(api), []byte(body))
		if err != nil {
			return
		}
		if r.MediaBytes < 0 || r.MediaBytes > r.BodyBytes || r.Choices < 1 || r.Rounds < 1 || r.AudioBytes > r.MediaBytes {
			t.Fatalf("%+v", r)
		}
		least := r.BodyBytes - r.MediaBytes
		in, _, _ := usage.InputBound(p, r)
		if in.Total() < least {
			t.Fatalf("bound of %d tokens for %d bytes", in.Total(), least)
		}
		if bound, _, err := usage.Bound(p, r, r.OutputCap); err == nil && (bound <= 0 || int64(bound) < least*5_000_000) {
			t.Fatalf("bound of %s for %d bytes", bound, least)
		}
		if r.HasCap || r.API == usage.Embeddings {
			return
		}
		with, err := usage.InjectCap(r.API, "max_tokens", []byte(body), 77)
		if err != nil {
			t.Fatalf("injecting: %v", err)
		}
		again, err := usage.ReadRequest(r.API, with)
		if err != nil || again.OutputCap != 77 || !again.HasCap {
			t.Fatalf("after injecting: %+v, %v\n%s", again, err, with)
		}
	})
}
