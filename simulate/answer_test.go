package simulate

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAnswers(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	for name, c := range map[string]struct {
		path, body string
		want       map[string]any
	}{
		"chat": {"/v1/chat/completions", hello, map[string]any{
			"object": "chat.completion", "model": "gpt-4o-mini-2024-07-18", "choices.#": 1, "choices.0.index": 0, "choices.0.message.role": "assistant",
			"choices.0.finish_reason": "stop", "usage.prompt_tokens": 9, "usage.prompt_tokens_details.cached_tokens": 0,
			"usage.completion_tokens_details.reasoning_tokens": 0,
		}},
		"chat, cut": {
			"/v1/chat/completions", `{"model":"m","messages":[{}],"max_completion_tokens":5}`,
			map[string]any{"choices.0.finish_reason": "length", "usage.completion_tokens": 5, "usage.total_tokens": 6},
		},
		"chat, several": {
			"/v1/chat/completions", `{"model":"m","messages":[{}],"max_tokens":5,"n":3}`,
			map[string]any{"choices.#": 3, "choices.2.index": 2, "usage.completion_tokens": 15},
		},
		"chat, the newer name of the cap counts": {
			"/v1/chat/completions", `{"model":"m","messages":[{}],"max_completion_tokens":5,"max_tokens":9}`,
			map[string]any{"usage.completion_tokens": 5},
		},
		"chat, all of it reasoning": {
			"/v1/chat/completions", `{"model":"gpt-5-mini","messages":[{}],"max_completion_tokens":20}`, map[string]any{
				"choices.0.message.content": "", "choices.0.finish_reason": "length", "usage.completion_tokens": 20,
				"usage.completion_tokens_details.reasoning_tokens": 20,
			},
		},
		"chat, caps of other endpoints mean nothing": {
			"/v1/chat/completions", `{"model":"m","messages":[{}],"max_output_tokens":1}`, map[string]any{"choices.0.finish_reason": "stop"},
		},
		"completions": {"/v1/completions", `{"model":"gpt-3.5-turbo-instruct","prompt":"Say"}`, map[string]any{
			"object": "text_completion", "choices.0.finish_reason": "length", "usage.completion_tokens": 16, "usage.prompt_tokens": 2,
		}},
		"completions, several prompts, best of": {
			"/v1/completions", `{"model":"m","prompt":["a","b"],"max_tokens":3,"n":2,"best_of":3}`,
			map[string]any{"choices.#": 4, "usage.completion_tokens": 2 * 3 * 3},
		},
		"responses": {"/v1/responses", `{"model":"gpt-4.1-mini","input":"Hello"}`, map[string]any{
			"object": "response", "status": "completed", "incomplete_details": nil, "output.0.type": "message", "output.0.content.0.type": "output_text",
			"usage.input_tokens": 2, "usage.output_tokens_details.reasoning_tokens": 0, "max_output_tokens": nil,
		}},
		"responses, cut": {"/v1/responses", `{"model":"gpt-5-mini","input":"Hello","max_output_tokens":20}`, map[string]any{
			"status": "incomplete", "incomplete_details.reason": "max_output_tokens", "output.0.type": "reasoning", "output.1.type": "message",
			"usage.output_tokens": 20,
		}},
		"embeddings": {
			"/v1/embeddings", `{"model":"text-embedding-3-small","input":["a","b"],"dimensions":7}`,
			map[string]any{"object": "list", "data.#": 2, "data.1.index": 1, "data.1.embedding.#": 7, "usage.total_tokens": 3},
		},
		"embeddings, usual size": {"/v1/embeddings", `{"model":"text-embedding-3-large","input":[1,2,3]}`, map[string]any{"data.#": 1, "data.0.embedding.#": 3072}},
		"messages": {"/v1/messages", bonjour, map[string]any{
			"type": "message", "role": "assistant", "model": "claude-haiku-4-5-20251001", "content.0.type": "text", "stop_reason": "end_turn",
			"stop_sequence": nil, "usage.input_tokens": 10, "usage.cache_read_input_tokens": 0,
		}},
		"messages, cut": {
			"/v1/messages", `{"model":"claude-haiku-4-5","max_tokens":4,"messages":[{}]}`,
			map[string]any{"stop_reason": "max_tokens", "usage.output_tokens": 4},
		},
		"count_tokens": {"/v1/messages/count_tokens", `{"model":"claude-haiku-4-5","messages":[{}]}`, map[string]any{"input_tokens": 1}},
		"models":       {"/v1/models", "", map[string]any{"object": "list", "data.0.object": "model"}},
		"one model":    {"/v1/models/gpt-4o", "", map[string]any{"id": "gpt-4o"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := post(t, s, c.path, c.body)
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
				t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
			}
			for path, want := range c.want {
				if got := get(t, w.Body.Bytes(), path); got != want {
					t.Errorf("%s is %v, want %v\n%s", path, got, want, w.Body)
				}
			}
		})
	}
}

// Text and usage go together: a word is a token.
func TestUsageIsTheTruth(t *testing.T) {
	t.Parallel()
	s := New(Options{Seed: 4})
	for i := range 50 {
		w := post(t, s, "/v1/chat/completions", fmt.Sprintf(`{"model":"gpt-4o","messages":[{"role":"user","content":"%d"}],"n":2}`, i))
		words := 0
		for c := range 2 {
			text, _ := get(t, w.Body.Bytes(), fmt.Sprintf("choices.%d.message.content", c)).(string)
			words += len(strings.Fields(text))
		}
		if got := get(t, w.Body.Bytes(), "usage.completion_tokens"); got != words || words < 24 {
			t.Errorf("%v tokens for %d words", got, words)
		}
	}
}

func TestDeterminism(t *testing.T) {
	t.Parallel()
	answer := func(o Options, body string) []any {
		b := post(t, New(o), "/v1/chat/completions", body).Body.Bytes()
		return []any{get(t, b, "choices.0.message.content"), get(t, b, "usage"), get(t, b, "id")}
	}
	first := answer(Options{}, hello)
	if diff := cmp.Diff(first, answer(Options{RPM: 5, Headers: true, Algo: "bucket"}, hello)); diff != "" {
		t.Errorf("another server answers the same body differently:\n%s", diff)
	}
	if cmp.Equal(first, answer(Options{Seed: 1}, hello)) {
		t.Error("another seed makes no difference")
	}
	if cmp.Equal(first, answer(Options{}, strings.Replace(hello, "Hello", "Hallo", 1))) {
		t.Error("another body makes no difference")
	}
}

// What is promised of a body must hold for later versions too: batches are compared across runs.
func TestAnswerStays(t *testing.T) {
	t.Parallel()
	b := post(t, New(Options{}), "/v1/chat/completions", hello).Body.Bytes()
	got := fmt.Sprint(get(t, b, "id"), " ", get(t, b, "usage.completion_tokens"))
	if want := "chatcmpl-438daabc3dc817fa10952c21 45"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestJSONIsAnsweredWhereAskedFor(t *testing.T) {
	t.Parallel()
	for path, c := range map[string]struct{ body, text string }{
		"/v1/chat/completions": {`{"model":"m","messages":[{}],"response_format":{"type":"json_schema","json_schema":{}}}`, "choices.0.message.content"},
		"/v1/messages":         {`{"model":"m","max_tokens":900,"messages":[{}],"output_config":{"format":{"type":"json_schema","schema":{}}}}`, "content.0.text"},
	} {
		text, _ := get(t, post(t, New(Options{}), path, c.body).Body.Bytes(), c.text).(string)
		if answer, _ := get(t, []byte(text), "answer").(string); len(answer) < 20 {
			t.Errorf("%s: the content is %q", path, text)
		}
	}
}

func TestEmbeddingsAsBytes(t *testing.T) {
	t.Parallel()
	w := post(t, New(Options{}), "/v1/embeddings", `{"model":"m","input":"x","dimensions":9,"encoding_format":"base64"}`)
	text, _ := get(t, w.Body.Bytes(), "data.0.embedding").(string)
	if raw, err := base64.StdEncoding.DecodeString(text); err != nil || len(raw) != 4*9 {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
}

func TestMediaAreNotText(t *testing.T) {
	t.Parallel()
	data := strings.Repeat("A", 400_000)
	s := New(Options{})
	for name, c := range map[string]struct{ path, body, usage string }{
		"data URL":  {"/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,` + data + `"}}]}]}`, "usage.prompt_tokens"},
		"responses": {"/v1/responses", `{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,` + data + `"}]}]}`, "usage.input_tokens"},
		"anthropic": {"/v1/messages", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + data + `"}}]}]}`, "usage.input_tokens"},
		"reference": {"/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://shop.example.com/1.jpg"}}]}]}`, "usage.prompt_tokens"},
	} {
		got, _ := get(t, post(t, s, c.path, c.body).Body.Bytes(), c.usage).(int)
		if got < pictureTokens || got > pictureTokens+60 {
			t.Errorf("%s: %d tokens", name, got)
		}
	}
}

func TestCachingIsReported(t *testing.T) {
	t.Parallel()
	s := New(Options{Caching: true})
	long := strings.Repeat("word ", 4000)
	var read, written int
	for i := range 20 {
		body := fmt.Sprintf(`{"model":"gpt-4o","messages":[{"content":"%d %s"}]}`, i, long)
		b := post(t, s, "/v1/chat/completions", body).Body.Bytes()
		cached, _ := get(t, b, "usage.prompt_tokens_details.cached_tokens").(int)
		if in := get(t, b, "usage.prompt_tokens"); in != (len(`[{"content":" "}]`)+len(long)+len(fmt.Sprint(i))+3)/4 {
			t.Fatalf("%v tokens of input", in)
		}
		read += cached
		body = fmt.Sprintf(`{"model":"claude-haiku-4-5","max_tokens":9,"messages":[{"content":"%d %s","cache_control":{"type":"ephemeral"}}]}`, i, long)
		b = post(t, s, "/v1/messages", body).Body.Bytes()
		w, _ := get(t, b, "usage.cache_creation.ephemeral_5m_input_tokens").(int)
		written += w
	}
	if read == 0 || written == 0 {
		t.Errorf("%d tokens read from caches, %d written", read, written)
	}
}
