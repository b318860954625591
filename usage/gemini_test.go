package usage_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/andres20980/aurea-orchestrator/usage"
)

func TestReadGeminiRequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		want       usage.Request
	}{
		{"a text", `{"contents":[{"role":"user","parts":[{"text":"Hi"}]}]}`, usage.Request{Messages: 1}},
		{"one content that is no list", `{"contents":{"parts":{"text":"Hi"}}}`, usage.Request{Messages: 1}},
		{
			"instructions, functions and a cap", `{"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[{"parts":[{"text":"a"}]},{"parts":[{"text":"b"}]}],
			  "tools":[{"functionDeclarations":[{"name":"a"},{"name":"b"}]}],"generationConfig":{"maxOutputTokens":100,"candidateCount":3,"temperature":0.5}}`,
			usage.Request{Messages: 3, Tools: 2, OutputCap: 100, HasCap: true, Choices: 3},
		},
		{
			"in snake_case", `{"system_instruction":{"parts":[{"text":"x"}]},"contents":[{"parts":[{"inline_data":{"mime_type":"image/png","data":"AAAA"}}]}],
			  "tools":[{"function_declarations":[{"name":"a"}]}],"generation_config":{"max_output_tokens":7,"response_modalities":["AUDIO"],"thinking_config":{"thinking_budget":50}}}`,
			usage.Request{Messages: 2, Tools: 1, Images: 1, MediaBytes: 4, OutputCap: 7, HasCap: true, AudioOut: true, ThinkingBudget: 50, Reasoning: true},
		},
		{"two spellings of a cap: the larger", `{"generationConfig":{"maxOutputTokens":5,"max_output_tokens":9}}`, usage.Request{OutputCap: 9, HasCap: true}},
		{"a model in the body", `{"model":"models/gemini-x","contents":[]}`, usage.Request{Model: "models/gemini-x"}},
		{"sound", `{"contents":[{"parts":[{"inlineData":{"data":"AAAAAAAA","mimeType":"audio/wav"}}]}]}`, usage.Request{Messages: 1, MediaBytes: 8, AudioBytes: 8}},
		{"text in base64", `{"contents":[{"parts":[{"inlineData":{"data":"AAAAAAAA","mimeType":"text/plain"}}]}]}`, usage.Request{Messages: 1}},
		{
			"a document", `{"contents":[{"parts":[{"inlineData":{"data":"AAAAAAAA","mimeType":"application/pdf"}}]}]}`,
			usage.Request{Messages: 1, Unbounded: []string{"a file of type application/pdf in base64 has a length that is not known"}},
		},
		{
			"a file", `{"contents":[{"parts":[{"fileData":{"fileUri":"https://example.com/v"}}]}]}`,
			usage.Request{Messages: 1, Unbounded: []string{"fileData holds more than the request shows"}},
		},
		{
			"a file that a function returns", `{"contents":[{"parts":[{"functionResponse":{"name":"f","response":{},"parts":[{"fileData":{"fileUri":"x"}}]}}]}]}`,
			usage.Request{Messages: 1, Unbounded: []string{"fileData holds more than the request shows"}},
		},
		{
			"cached content", `{"cachedContent":"cachedContents/1","contents":[]}`,
			usage.Request{Unbounded: []string{"cachedContent refers to text that is not in the request"}},
		},
		{
			"a search", `{"tools":[{"googleSearch":{}}]}`,
			usage.Request{Tools: 1, WebSearches: 10, Rounds: 11, Unbounded: []string{"tool googleSearch lets the provider add input of its own"}},
		},
		{
			"pages and code", `{"tools":[{"urlContext":{}},{"code_execution":{}}]}`,
			usage.Request{Tools: 2, Rounds: 11, Unbounded: []string{"tool urlContext lets the provider add input of its own", "tool codeExecution lets the provider add input of its own"}},
		},
		{"no tools at all", `{"tools":[{"googleSearch":null,"functionDeclarations":null}]}`, usage.Request{}},
		{"the caller's computer", `{"tools":[{"computerUse":{"environment":"ENVIRONMENT_BROWSER"}}]}`, usage.Request{Tools: 1, BuiltinTools: 1}},
		{"as much thought as it wants", `{"generationConfig":{"thinkingConfig":{"thinkingBudget":-1}}}`, usage.Request{Reasoning: true}},
		{"no thought", `{"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}}`, usage.Request{}},
		{"a level of thought", `{"generationConfig":{"thinkingConfig":{"thinkingLevel":"high","includeThoughts":false}}}`, usage.Request{Reasoning: true}},
		{"a schema", `{"generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"OBJECT"}}}`, usage.Request{Structured: true}},
		{"priority", `{"serviceTier":"SERVICE_TIER_PRIORITY"}`, usage.Request{Tier: "priority"}},
		{"flex", `{"service_tier":"flex"}`, usage.Request{Tier: "flex"}},
		{"a tier that is not known is taken for the dearest", `{"serviceTier":"turbo"}`, usage.Request{Tier: "priority"}},
	} {
		c.want.API, c.want.BodyBytes = usage.Gemini, int64(len(c.body))
		c.want.Choices, c.want.Rounds = max(c.want.Choices, 1), max(c.want.Rounds, 1)
		got, err := usage.ReadRequest(usage.Gemini, []byte(c.body))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	for body, want := range map[string]string{
		`{"generationConfig":{"maxOutputTokens":1,"maxOutputTokens":9}}`:         `"maxOutputTokens" twice`,
		`{"generationConfig":{"maxOutputTokens":-1}}`:                            "maxOutputTokens: want a whole number",
		`{"generationConfig":{"maxOutputTokens":1e999}}`:                         "maxOutputTokens: want a whole number",
		`{"generationConfig":{"candidateCount":"2"}}`:                            "candidateCount: want a whole number",
		`{"generationConfig":{"thinkingConfig":{"thinkingBudget":-2}}}`:          "thinkingBudget: want a whole number",
		`{"contents":[{"parts":[{"inlineData":{"mimeType":1}}]}]}`:               "mimeType: want a string",
		`{"contents":[{"parts":[{"text":"a"}],"parts":[{"fileData":{"x":1}}]}]}`: `"parts" twice`,
	} {
		if _, err := usage.ReadRequest(usage.Gemini, []byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", body, err, want)
		}
	}
}

func TestInjectGeminiCap(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"contents":[]}`: `{"contents":[],"generationConfig":{"maxOutputTokens":7}}`,
		`{}`:              `{"generationConfig":{"maxOutputTokens":7}}`,
		`{"generationConfig":{"temperature":1, "topK":2},"contents":[]}`:         `{"generationConfig":{"temperature":1, "topK":2,"maxOutputTokens":7},"contents":[]}`,
		`{"generation_config":{"max_output_tokens":900},"contents":[]}`:          `{"generation_config":{"max_output_tokens":7},"contents":[]}`,
		`{"generationConfig":null}`:                                              `{"generationConfig":{"maxOutputTokens":7}}`,
		`{"a":{"generationConfig":{"maxOutputTokens":1}},"generationConfig":{}}`: `{"a":{"generationConfig":{"maxOutputTokens":1}},"generationConfig":{"maxOutputTokens":7}}`,
	} {
		got, err := usage.InjectCap(usage.Gemini, "max_tokens", []byte(body), 7)
		if err != nil || string(got) != want {
			t.Errorf("%s became %s, %v; want %s", body, got, err, want)
		}
	}
	const small = `{"contents":[]}`
	with, err := usage.InjectCap(usage.Gemini, "max_tokens", []byte(small), 4096)
	if added := int64(len(with) - len(small)); err != nil || added != usage.CapBytes(usage.Gemini, "max_tokens", 4096) {
		t.Errorf("%d bytes were added, not %d", added, usage.CapBytes(usage.Gemini, "max_tokens", 4096))
	}
	if _, err := usage.InjectCap(usage.Gemini, "", []byte(`{}`), -1); err == nil {
		t.Error("a cap below zero was put in")
	}
}

// What a stream of Gemini's shows while it comes.
func TestGeminiStream(t *testing.T) {
	t.Parallel()
	piece := func(text string) string {
		return `{"candidates":[{"content":{"parts":[{"text":"` + text + `"}]}}],"usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":2,"totalTokenCount":10}}`
	}
	begun := metered(usage.Gemini, lines(piece("Hello"), `{"candidates":[{"content":{"parts":[{"text":"there"},{"functionCall":{"name":"f"}}]}}]}`))
	if s := begun.Seen(); begun.Ended() || !begun.Begun() || !s.HasInput || s.Usage.Input != 8 || s.Usage.Output != 3 || !s.Hidden {
		t.Errorf("begun: %+v", s)
	}
	if n := begun.TextBytes(); n != int64(len("Hello")+len("there")+len(`{"name":"f"}`)) {
		t.Errorf("%d bytes of text", n)
	}
	cut := metered(usage.Gemini, "["+piece("a")+",\r\n"+`{"candidates":[{"content":{"parts":[{"text":"b"}]},"finishReason":"MAX_TOKENS"}],"usageMetadata":{"promptTokenCount":8,"totalTokenCount":12}}]`)
	if u, err := cut.Result(); err != nil || !u.Complete || u.Output != 4 || !cut.Truncated() || !cut.Ended() {
		t.Errorf("cut at its cap: %+v, %v", u, err)
	}
	if !usage.Truncated(usage.Gemini, []byte(`{"candidates":[{"finishReason":"MAX_TOKENS"}]}`)) || usage.Truncated(usage.Gemini, []byte(`{"candidates":[{"finishReason":"STOP"}]}`)) {
		t.Error("an answer at its cap and one that is not are told apart wrongly")
	}
	for _, stream := range []string{
		lines(`{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}`),
		`[{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}]`,
		`{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}`,
	} {
		m := metered(usage.Gemini, stream)
		want := &usage.StreamError{Type: "UNAVAILABLE", Code: "503", Message: "The model is overloaded."}
		if diff := cmp.Diff(want, m.Failed()); diff != "" || m.Begun() {
			t.Errorf("%s: %s", stream, diff)
		}
	}
	thought := metered(usage.Gemini, lines(`{"candidates":[{"content":{"parts":[{"text":"Hm","thought":true}]}}]}`))
	if s := thought.Seen(); !s.Hidden || s.Usage.Output != 0 || thought.TextBytes() != 0 {
		t.Errorf("a summary of thought: %+v, %d bytes", s, thought.TextBytes())
	}
}
