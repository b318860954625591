package usage_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// lines writes data lines as a stream of choices has them.
func lines(data ...string) string {
	return "data: " + strings.Join(data, "\n\ndata: ") + "\n\n"
}

// typed writes events whose names are their types, as messages and responses have them.
func typed(data ...string) string {
	var b strings.Builder
	for _, d := range data {
		_, rest, _ := strings.Cut(d, `"type":"`)
		name, _, _ := strings.Cut(rest, `"`)
		b.WriteString("event: " + name + "\ndata: " + d + "\n\n")
	}
	return b.String()
}

func metered(api usage.API, stream string) *usage.Meter {
	m := usage.NewMeter(api)
	_, _ = m.Write([]byte(stream))
	_ = m.Close()
	return m
}

const (
	chatRole   = `{"model":"gpt-4o-2024-08-06","service_tier":"default","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}`
	chatHi     = `{"model":"gpt-4o-2024-08-06","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}],"usage":null}`
	chatStop   = `{"model":"gpt-4o-2024-08-06","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}`
	chatUsage  = `{"model":"gpt-4o-2024-08-06","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":4}}}`
	startEvent = `{"type":"message_start","message":{"id":"m","model":"claude-sonnet-4-5","usage":{"input_tokens":25,"cache_creation_input_tokens":300,"cache_read_input_tokens":1000,` +
		`"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200},"output_tokens":1,"service_tier":"standard"}}}`
	blockEvent = `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`
	textEvent  = `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}`
	stopEvent  = `{"type":"message_stop"}`
)

// Streams as the providers send them, cut to what matters.
func TestMeter(t *testing.T) {
	t.Parallel()
	chat := usage.Usage{Input: 15, CacheRead: 4, Output: 10, Tier: "default", Model: "gpt-4o-2024-08-06", Complete: true}
	for _, c := range []struct {
		name   string
		api    usage.API
		stream string
		want   usage.Usage
	}{
		{"chat with a last chunk of usage", usage.Chat, lines(chatRole, chatHi, chatHi, chatStop, chatUsage, "[DONE]"), chat},
		{"no [DONE], but everything said", usage.Chat, lines(chatRole, chatHi, chatStop, chatUsage), chat},
		{"no blank line at the end", usage.Chat, strings.TrimRight(lines(chatRole, chatHi, chatStop, chatUsage, "[DONE]"), "\n"), chat},
		{
			"usage in every chunk is cumulative", usage.Chat,
			lines(
				`{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}`,
				`{"choices":[{"index":0,"delta":{"content":"b"}}],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}`,
				`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8}}`, "[DONE]"),
			usage.Usage{Input: 5, Output: 3, Complete: true},
		},
		{
			"a provider that corrects itself down", usage.Chat,
			lines(`{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":50,"completion_tokens":10}}`,
				`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":1}}`, "[DONE]"),
			usage.Usage{Input: 5, Output: 1, Complete: true},
		},
		{
			"Mistral's usage with the finish", usage.Chat,
			lines(`{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}`,
				`{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"total_tokens":9,"completion_tokens":4}}`, "[DONE]"),
			usage.Usage{Input: 5, Output: 4, Complete: true},
		},
		{
			"Groq's own place", usage.Chat,
			lines(`{"choices":[{"index":0,"delta":{"content":"a"}}],"x_groq":{"id":"r"}}`,
				`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"r","usage":{"prompt_tokens":7,"completion_tokens":8}}}`, "[DONE]"),
			usage.Usage{Input: 7, Output: 8, Complete: true},
		},
		{
			"null after the counts takes nothing back", usage.Chat,
			lines(chatHi, chatStop, chatUsage, `{"choices":[],"usage":null}`, `{"choices":[],"usage":{}}`, `{"choices":[],"usage":{"prompt_tokens":null}}`, "[DONE]"),
			usage.Usage{Input: 15, CacheRead: 4, Output: 10, Model: "gpt-4o-2024-08-06", Complete: true},
		},
		{
			"Azure's first chunk has no model", usage.Chat,
			lines(`{"model":"","choices":[],"prompt_filter_results":[]}`, chatHi, chatStop, chatUsage, `{"model":"","choices":[]}`, "[DONE]"),
			usage.Usage{Input: 15, CacheRead: 4, Output: 10, Model: "gpt-4o-2024-08-06", Complete: true},
		},
		{
			"usage before the finish", usage.Chat,
			lines(chatHi, chatUsage, chatStop),
			usage.Usage{Input: 15, CacheRead: 4, Output: 10, Model: "gpt-4o-2024-08-06", Complete: true},
		},
		{
			"two choices", usage.Chat,
			lines(chatHi, strings.ReplaceAll(chatHi, `"index":0`, `"index":1`), chatStop, strings.ReplaceAll(chatStop, `"index":0`, `"index":1`), chatUsage),
			usage.Usage{Input: 15, CacheRead: 4, Output: 10, Model: "gpt-4o-2024-08-06", Complete: true},
		},
		{
			"xAI counts thought outside the completion", usage.Chat,
			lines(chatHi, `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"completion_tokens_details":{"reasoning_tokens":94}}}`, "[DONE]"),
			usage.Usage{Input: 32, Output: 103, Reasoning: 94, Model: "gpt-4o-2024-08-06", Complete: true},
		},
		{
			"OpenRouter's keep-alives and cost", usage.Chat,
			": OPENROUTER PROCESSING\n\n" + lines(`{"choices":[{"index":0,"delta":{"content":"a"}}]}`,
				`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`, `{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"cost":0.0000195}}`, "[DONE]"),
			usage.Usage{Input: 10, Output: 5, Reported: money.MustParse("0.0000195"), HasReported: true, ReportedBy: "openrouter", Complete: true},
		},
		{
			"completions", usage.Completions,
			lines(`{"model":"i","choices":[{"text":"a","index":0,"finish_reason":null}]}`, `{"model":"i","choices":[{"text":"","index":0,"finish_reason":"length"}]}`,
				`{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":16,"total_tokens":21}}`, "[DONE]"),
			usage.Usage{Input: 5, Output: 16, Model: "i", Complete: true},
		},
		{
			"messages: the delta replaces field by field and keeps the split", usage.Messages,
			typed(startEvent, blockEvent, `{"type":"ping"}`, textEvent, `{"type":"content_block_stop","index":0}`,
				`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}`, stopEvent),
			usage.Usage{Input: 25, CacheRead: 1000, CacheWrite: 100, CacheWrite1h: 200, Output: 15, Tier: "standard", Model: "claude-sonnet-4-5", Complete: true},
		},
		{
			"messages: input said again is not added", usage.Messages,
			typed(startEvent, textEvent, `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":25,"cache_creation_input_tokens":300,`+
				`"cache_read_input_tokens":1000,"output_tokens":15}}`, stopEvent),
			usage.Usage{Input: 25, CacheRead: 1000, CacheWrite: 100, CacheWrite1h: 200, Output: 15, Tier: "standard", Model: "claude-sonnet-4-5", Complete: true},
		},
		{
			"messages: nulls in the delta replace nothing", usage.Messages,
			typed(startEvent, textEvent, `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":null,"cache_creation_input_tokens":null,`+
				`"cache_read_input_tokens":null,"output_tokens":15,"server_tool_use":null}}`, stopEvent),
			usage.Usage{Input: 25, CacheRead: 1000, CacheWrite: 100, CacheWrite1h: 200, Output: 15, Tier: "standard", Model: "claude-sonnet-4-5", Complete: true},
		},
		{
			"messages: corrected down", usage.Messages,
			typed(startEvent, textEvent, `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":5,"cache_creation_input_tokens":250,`+
				`"cache_read_input_tokens":0,"output_tokens":15,"server_tool_use":{"web_search_requests":2}}}`, stopEvent),
			usage.Usage{Input: 5, CacheWrite: 50, CacheWrite1h: 200, Output: 15, WebSearches: 2, Tier: "standard", Model: "claude-sonnet-4-5", Complete: true},
		},
		{
			"messages: several deltas, the last one counts", usage.Messages,
			typed(`{"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":3}}}`, textEvent,
				`{"type":"message_delta","delta":{},"usage":{"output_tokens":10}}`, `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":12}}`, stopEvent),
			usage.Usage{Input: 9, Output: 12, Complete: true},
		},
		{
			"messages: a start without usage", usage.Messages,
			typed(`{"type":"message_start","message":{"model":"c","usage":null}}`, textEvent, `{"type":"message_delta","delta":{},"usage":{"input_tokens":4,"output_tokens":12}}`, stopEvent),
			usage.Usage{Input: 4, Output: 12, Model: "c", Complete: true},
		},
		{
			"responses", usage.Responses,
			typed(`{"type":"response.created","response":{"model":"gpt-5","service_tier":"auto","output":[],"usage":null}}`,
				`{"type":"response.output_text.delta","delta":"Hi"}`,
				`{"type":"response.output_item.done","item":{"type":"web_search_call","action":{"type":"search"}}}`,
				`{"type":"response.completed","response":{"model":"gpt-5-2025-08-07","service_tier":"default","output":[{"type":"web_search_call","action":{"type":"search"}}],`+
					`"usage":{"input_tokens":20,"input_tokens_details":{"cached_tokens":5},"output_tokens":30,"output_tokens_details":{"reasoning_tokens":10},"total_tokens":50}}}`),
			usage.Usage{Input: 15, CacheRead: 5, Output: 30, Reasoning: 10, WebSearches: 1, Tier: "default", Model: "gpt-5-2025-08-07", Complete: true},
		},
		{
			"responses that ended at their cap", usage.Responses,
			typed(`{"type":"response.incomplete","response":{"incomplete_details":{"reason":"max_output_tokens"},"usage":{"input_tokens":20,"output_tokens":30}}}`),
			usage.Usage{Input: 20, Output: 30, Complete: true},
		},
		{
			"responses that failed are billed", usage.Responses,
			typed(`{"type":"response.failed","response":{"error":{"code":"server_error","message":"sorry"},"usage":{"input_tokens":20,"output_tokens":3}}}`),
			usage.Usage{Input: 20, Output: 3, Complete: true},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := metered(c.api, c.stream)
			got, err := m.Result()
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("error %v, want, got:\n%s", err, diff)
			}
			if !m.Ended() {
				t.Error("the end was not seen")
			}
		})
	}
}

func TestMeterWithoutUsage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		api    usage.API
		stream string
		ended  bool
		want   error
	}{
		"[DONE] and no usage":                   {usage.Chat, lines(chatHi, chatStop, "[DONE]"), true, usage.ErrMissing},
		"cut before the usage":                  {usage.Chat, lines(chatHi, chatStop), false, usage.ErrMissing},
		"nothing":                               {usage.Chat, "", false, usage.ErrMissing},
		"garbage":                               {usage.Chat, "data: {\x00\xff\n\ndata: []\n\ndata: 7\n\n{}", false, usage.ErrMissing},
		"impossible counts":                     {usage.Chat, lines(chatStop, `{"usage":{"prompt_tokens":-1,"completion_tokens":2}}`, "[DONE]"), true, usage.ErrInvalid},
		"messages without usage":                {usage.Messages, typed(stopEvent), true, usage.ErrMissing},
		"responses without usage":               {usage.Responses, typed(`{"type":"response.completed","response":{"usage":null}}`), true, usage.ErrMissing},
		"[DONE] is no end of messages":          {usage.Messages, lines("[DONE]"), false, usage.ErrMissing},
		"an event that is cut is not an end":    {usage.Messages, `data: {"type":"message_stop"`, false, usage.ErrMissing},
		"a text that looks like the end is not": {usage.Chat, lines(`{"choices":[{"index":0,"delta":{"content":"[DONE]"}}]}`), false, usage.ErrMissing},
	} {
		m := metered(c.api, c.stream)
		if _, err := m.Result(); !errors.Is(err, c.want) || m.Ended() != c.ended {
			t.Errorf("%s: %v, ended %t", name, err, m.Ended())
		}
	}
	// Counts from before the end are there, and are no bill.
	for name, m := range map[string]*usage.Meter{
		"messages cut":                             metered(usage.Messages, typed(startEvent, textEvent)),
		"messages cut before the stop":             metered(usage.Messages, typed(startEvent, textEvent, `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}`)),
		"messages that end with the start's":       metered(usage.Messages, typed(startEvent, textEvent, stopEvent)),
		"chat with usage older than its text":      metered(usage.Chat, lines(`{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":5,"completion_tokens":0}}`, chatHi, chatStop, "[DONE]")),
		"chat with usage older than its thought":   metered(usage.Chat, lines(`{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":0}}`, `{"choices":[{"index":0,"delta":{"reasoning_content":"a"}}]}`, chatStop, "[DONE]")),
		"chat with cumulative usage cut":           metered(usage.Chat, lines(`{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":5,"completion_tokens":1}}`)),
		"two choices, one finished, usage in it":   metered(usage.Chat, lines(chatHi, `{"choices":[{"index":1,"delta":{"content":"a"}}]}`, `{"choices":[{"index":0,"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":1}}`)),
		"responses with usage only at their start": metered(usage.Responses, typed(`{"type":"response.created","response":{"usage":{"input_tokens":1,"output_tokens":0}}}`, `{"type":"response.completed","response":{}}`)),
	} {
		if got, err := m.Result(); err != nil || got.Complete || got.InputTokens() == 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
