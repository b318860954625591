package usage_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/usage"
)

// What a cut stream has proven.
func TestSeen(t *testing.T) {
	t.Parallel()
	start := usage.Usage{Input: 25, CacheRead: 1000, CacheWrite: 100, CacheWrite1h: 200, Output: 1, Tier: "standard", Model: "claude-sonnet-4-5"}
	with := func(u usage.Usage, output int64) usage.Usage { u.Output = output; return u }
	toolDelta := `{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\""}}`
	for _, c := range []struct {
		name   string
		api    usage.API
		stream string
		want   usage.Seen
	}{
		{"nothing", usage.Messages, "", usage.Seen{}},
		{"chat can always have thought", usage.Chat, "", usage.Seen{Hidden: true}},
		{"messages: the start", usage.Messages, typed(startEvent), usage.Seen{Usage: start, HasInput: true}},
		{
			"messages: the start without output", usage.Messages, typed(`{"type":"message_start","message":{"usage":{"input_tokens":7}}}`),
			usage.Seen{Usage: usage.Usage{Input: 7}, HasInput: true},
		},
		{"messages: each piece is a token at least", usage.Messages, typed(startEvent, blockEvent, textEvent, textEvent, textEvent), usage.Seen{Usage: with(start, 3), HasInput: true}},
		{"messages: empty pieces are none", usage.Messages, typed(startEvent, blockEvent, strings.ReplaceAll(textEvent, "Hello", ""), textEvent), usage.Seen{Usage: start, HasInput: true}},
		{
			"messages: a count beats the pieces", usage.Messages, typed(startEvent, textEvent, `{"type":"message_delta","delta":{},"usage":{"output_tokens":40}}`),
			usage.Seen{Usage: with(start, 40), HasInput: true},
		},
		{
			"messages: a call of a tool", usage.Messages,
			typed(startEvent, `{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}`, toolDelta, toolDelta),
			usage.Seen{Usage: with(start, 3), HasInput: true},
		},
		{
			"messages: thought", usage.Messages,
			typed(startEvent, `{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}`,
				`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}}`),
			usage.Seen{Usage: start, HasInput: true, Hidden: true},
		},
		{
			"messages: the provider's own tools read more input", usage.Messages,
			typed(startEvent, `{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","name":"web_search"}}`),
			usage.Seen{Usage: start, HasInput: true, Hidden: true},
		},
		{"chat without counts", usage.Chat, lines(chatRole, chatHi, chatHi), usage.Seen{Usage: usage.Usage{Output: 2, Model: "gpt-4o-2024-08-06"}, Hidden: true}},
		{
			"chat with counts in every chunk", usage.Chat,
			lines(`{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":5,"completion_tokens":31}}`),
			usage.Seen{Usage: usage.Usage{Input: 5, Output: 31}, HasInput: true},
		},
		{
			"chat with counts older than its text", usage.Chat,
			lines(`{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":5,"completion_tokens":1}}`, chatHi),
			usage.Seen{Usage: usage.Usage{Input: 5, Output: 2, Model: "gpt-4o-2024-08-06"}, HasInput: true, Hidden: true},
		},
		{
			"chat with the prompt's count alone", usage.Chat, lines(`{"choices":[],"usage":{"prompt_tokens":5}}`, chatHi),
			usage.Seen{Usage: usage.Usage{Input: 5, Output: 1, Model: "gpt-4o-2024-08-06"}, HasInput: true, Hidden: true},
		},
		{
			"chat with two choices in a chunk", usage.Chat, lines(`{"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}}]}`),
			usage.Seen{Usage: usage.Usage{Output: 2}, Hidden: true},
		},
		{
			"chat with calls, refusals, parts and sound", usage.Chat,
			lines(`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":""}}]}}]}`,
				`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}}]}`,
				`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"arguments":""}}]}}]}`,
				`{"choices":[{"index":0,"delta":{"refusal":"no","content":null}}]}`,
				`{"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"a"}]}}]}`,
				`{"choices":[{"index":0,"delta":{"audio":{"id":"a","data":"AAAA"}}}]}`,
				`{"choices":[{"index":0,"delta":{"reasoning_content":"perhaps a summary"}}]}`),
			usage.Seen{Usage: usage.Usage{Output: 5}, Hidden: true},
		},
		{
			"chat with impossible counts", usage.Chat, lines(`{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":-5,"completion_tokens":1}}`),
			usage.Seen{Usage: usage.Usage{Output: 1}},
		},
		{"completions", usage.Completions, lines(`{"choices":[{"index":0,"text":"a"}]}`, `{"choices":[{"index":0,"text":""}]}`), usage.Seen{Usage: usage.Usage{Output: 1}}},
		{
			"responses", usage.Responses, typed(`{"type":"response.created","response":{"model":"m","usage":null}}`, `{"type":"response.output_item.added","item":{"type":"message"}}`,
				`{"type":"response.output_text.delta","delta":"Hi"}`, `{"type":"response.function_call_arguments.delta","delta":"{"}`),
			usage.Seen{Usage: usage.Usage{Output: 2, Model: "m"}},
		},
		{"responses: thought and its summary", usage.Responses, typed(`{"type":"response.output_item.added","item":{"type":"reasoning"}}`,
			`{"type":"response.reasoning_summary_text.delta","delta":"I think"}`), usage.Seen{Hidden: true}},
		{"responses: the type comes last", usage.Responses, "data: {\"delta\":\"I think\",\"type\":\"response.reasoning_summary_text.delta\"}\n\n", usage.Seen{Hidden: true}},
		{"responses: searches have a fee", usage.Responses, typed(`{"type":"response.output_item.added","item":{"type":"web_search_call"}}`,
			`{"type":"response.output_item.done","item":{"type":"web_search_call","action":{"type":"search"}}}`), usage.Seen{Usage: usage.Usage{WebSearches: 1}, Hidden: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := metered(c.api, c.stream)
			if diff := cmp.Diff(c.want, m.Seen()); diff != "" {
				t.Error(diff)
			}
			if u, _ := m.Result(); u.Complete || m.Ended() {
				t.Error("a cut stream passes for whole")
			}
		})
	}
}

func TestMeterFailed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		api    usage.API
		stream string
		want   usage.StreamError
		first  bool
	}{
		{
			"Anthropic's", usage.Messages, typed(`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}`),
			usage.StreamError{Type: "overloaded_error", Code: "overloaded_error", Message: "Overloaded"},
			true,
		},
		{
			"Anthropic's spend limit, later", usage.Messages, typed(startEvent, textEvent, `{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}`),
			usage.StreamError{Type: "rate_limit_error", Code: "enforced_spend_limit_reached", Message: "m"},
			false,
		},
		{"after a ping", usage.Messages, typed(`{"type":"ping"}`, `{"type":"error","error":{"type":"api_error","message":"m"}}`), usage.StreamError{Type: "api_error", Code: "api_error", Message: "m"}, true},
		{
			"OpenAI's", usage.Chat, lines(`{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}`),
			usage.StreamError{Type: "server_error", Message: "The server had an error"},
			true,
		},
		{
			"with the number of a status", usage.Chat, lines(chatHi, `{"error":{"code":502,"message":"m"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}`, "[DONE]"),
			usage.StreamError{Code: "502", Message: "m"},
			false,
		},
		{"in a choice", usage.Chat, lines(chatHi, `{"choices":[{"index":0,"error":{"code":429,"message":"m"},"finish_reason":"error"}]}`), usage.StreamError{Code: "429", Message: "m"}, false},
		{"as a text", usage.Chat, lines(`{"error":"out of memory"}`), usage.StreamError{Message: "out of memory"}, true},
		{"without an object of its own", usage.Chat, lines(`{"object":"error","message":"m","type":"BadRequestError","code":400}`), usage.StreamError{Type: "BadRequestError", Code: "400", Message: "m"}, true},
		{"Groq's", usage.Chat, lines(chatHi, `{"choices":[],"x_groq":{"id":"r","error":"over_capacity"}}`), usage.StreamError{Message: "over_capacity"}, false},
		{"by the event's name", usage.Chat, "event: error\ndata: upstream went away\n\n", usage.StreamError{Message: "upstream went away"}, true},
		{
			"of responses", usage.Responses, typed(`{"type":"error","code":"rate_limit_exceeded","message":"m","param":null,"sequence_number":1}`),
			usage.StreamError{Code: "rate_limit_exceeded", Message: "m"},
			true,
		},
		{
			"of responses, within", usage.Responses, typed(`{"type":"error","sequence_number":1,"error":{"type":"invalid_request_error","code":"context_length_exceeded","message":"m"}}`),
			usage.StreamError{Type: "invalid_request_error", Code: "context_length_exceeded", Message: "m"},
			true,
		},
		{
			"responses that fail", usage.Responses, typed(`{"type":"response.created","response":{}}`, `{"type":"response.failed","response":{"error":{"code":"server_error","message":"m"}}}`),
			usage.StreamError{Code: "server_error", Message: "m"},
			false,
		},
		{"the first counts", usage.Chat, lines(`{"error":{"message":"one"}}`, `{"error":{"message":"two"}}`), usage.StreamError{Message: "one"}, true},
	} {
		m := metered(c.api, c.stream)
		if m.Failed() == nil || m.Begun() == c.first {
			t.Errorf("%s: %v, begun %t", c.name, m.Failed(), m.Begun())
			continue
		}
		if diff := cmp.Diff(c.want, *m.Failed()); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	for name, m := range map[string]*usage.Meter{
		"a null":          metered(usage.Chat, lines(`{"error":null,"choices":[{"index":0,"delta":{"content":"a"}}]}`)),
		"an empty text":   metered(usage.Chat, lines(`{"error":"","choices":[]}`)),
		"talk of errors":  metered(usage.Chat, lines(`{"choices":[{"index":0,"delta":{"content":"{\"error\":{}}"}}]}`)),
		"a whole answer":  metered(usage.Responses, typed(`{"type":"response.completed","response":{"error":null,"usage":null}}`)),
		"nothing, begun":  metered(usage.Chat, ": comment\n\n"),
		"a ping, begun":   metered(usage.Messages, typed(`{"type":"ping"}`)),
		"half an event":   metered(usage.Chat, `data: {"choices":[{"ind`),
		"a message's end": metered(usage.Messages, typed(stopEvent)),
	} {
		if m.Failed() != nil {
			t.Errorf("%s passes for an error: %v", name, m.Failed())
		}
		if want := !strings.HasSuffix(name, "begun") && name != "half an event"; m.Begun() != want {
			t.Errorf("%s: begun %t", name, m.Begun())
		}
	}
	if got := (&usage.StreamError{Type: "overloaded_error", Code: "overloaded_error", Message: "busy"}).Error(); got != "the provider ended its stream with an error: overloaded_error: busy" {
		t.Error(got)
	}
}

// A prompt that is repeated is not output.
func TestEcho(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int64{`{"echo":true}`: 0, `{"echo":false}`: 1, `{}`: 1, `{"x":{"echo":true}}`: 1} {
		m := usage.NewMeter(usage.Completions)
		m.Asked([]byte(body))
		_, _ = io.WriteString(m, lines(`{"choices":[{"index":0,"text":"the prompt"}]}`))
		if got := m.Seen().Usage.Output; got != want {
			t.Errorf("%s: %d tokens seen", body, got)
		}
	}
}

func TestMeterTruncated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		api    usage.API
		stream string
		want   bool
	}{
		{usage.Chat, lines(strings.Replace(chatStop, "stop", "length", 1)), true},
		{usage.Chat, lines(chatStop), false},
		{usage.Chat, lines(`{"choices":[{"index":0,"delta":{"content":"length"},"finish_reason":null}]}`), false},
		{usage.Completions, lines(`{"choices":[{"index":0,"text":"","finish_reason":"length"}]}`), true},
		{usage.Messages, typed(`{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":5}}`), true},
		{usage.Messages, typed(`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}`), false},
		{usage.Responses, typed(`{"type":"response.incomplete","response":{"incomplete_details":{"reason":"max_output_tokens"}}}`), true},
		{usage.Responses, typed(`{"type":"response.incomplete","response":{"incomplete_details":{"reason":"content_filter"}}}`), false},
		{usage.Responses, typed(`{"type":"response.completed","response":{"incomplete_details":null}}`), false},
	} {
		if got := metered(c.api, c.stream).Truncated(); got != c.want {
			t.Errorf("%s: truncated %t", c.stream, got)
		}
	}
}

// state is all that a meter says.
type state struct {
	Usage                   usage.Usage
	Err                     string
	Seen                    usage.Seen
	Failed                  *usage.StreamError
	Ended, Truncated, Begun bool
}

func stateOf(m *usage.Meter) state {
	u, err := m.Result()
	return state{u, class(err), m.Seen(), m.Failed(), m.Ended(), m.Truncated(), m.Begun()}
}

// class is what callers tell errors apart by; which of two faults is named is chance.
func class(err error) string {
	return fmt.Sprint(err == nil, errors.Is(err, usage.ErrMissing), errors.Is(err, usage.ErrInvalid))
}

var apis = []usage.API{usage.Chat, usage.Completions, usage.Responses, usage.Messages, usage.Embeddings, usage.Gemini}

// Whatever the splitting, whatever the bytes, the meter says the same, and never panics.
func FuzzMeter(f *testing.F) {
	for i, stream := range []string{
		lines(chatRole, chatHi, chatStop, chatUsage, "[DONE]"), lines(`{"choices":[{"text":"a","index":0}]}`, `{"error":{"code":500}}`),
		typed(`{"type":"response.output_text.delta","delta":"Hi"}`, `{"type":"response.completed","response":{"usage":{"input_tokens":20,"output_tokens":30}}}`),
		typed(startEvent, blockEvent, textEvent, `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}`, stopEvent),
	} {
		f.Add(uint8(i), stream, uint16(7))
	}
	for _, r := range corpus(f) {
		if r.streamed() && len(r.body) < 10_000 {
			f.Add(uint8(slices.Index(apis, r.api)), string(r.body), uint16(11)) // #nosec G115 -- an index of six
		}
	}
	f.Fuzz(func(t *testing.T, api uint8, stream string, step uint16) {
		a := apis[int(api)%len(apis)]
		whole := stateOf(metered(a, stream))
		m := usage.NewMeter(a)
		for rest := stream; rest != ""; {
			n := min(max(int(step), 1), len(rest))
			_, _ = io.WriteString(m, rest[:n])
			rest = rest[n:]
			if n := m.Seen().Usage.Output; n < 0 {
				t.Fatalf("%d tokens seen", n)
			}
		}
		_ = m.Close()
		if diff := cmp.Diff(whole, stateOf(m)); diff != "" {
			t.Fatalf("split, it is something else: %s", diff)
		}
		if whole.Usage.Complete && !whole.Ended {
			t.Fatal("complete without an end")
		}
	})
}

// An answer and its streamed form have the same usage.
func FuzzMeterAgreesWithParse(f *testing.F) {
	for i, u := range []string{
		`{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":4}}`, `{"prompt_tokens":1,"completion_tokens":2}`,
		`{"input_tokens":9,"output_tokens":3,"input_tokens_details":{"cached_tokens":2}}`,
		`{"input_tokens":9,"output_tokens":3,"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_1h_input_tokens":10},"iterations":[{"type":"compaction","input_tokens":1,"output_tokens":2}]}`,
	} {
		f.Add(uint8(i), u)
	}
	f.Add(uint8(4), `{"promptTokenCount":9,"thoughtsTokenCount":4,"cachedContentTokenCount":3,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":2}]}`)
	f.Fuzz(func(t *testing.T, api uint8, counts string) {
		a := []usage.API{usage.Chat, usage.Completions, usage.Responses, usage.Messages, usage.Gemini}[api%5]
		if strings.ContainsAny(counts, "\r\n") || !strings.HasPrefix(counts, "{") || !json.Valid([]byte(counts)) {
			t.Skip()
		}
		name, model := "usage", "model"
		if a == usage.Gemini {
			name, model = "usageMetadata", "modelVersion"
		}
		whole := `{"` + model + `":"m","candidates":[{"finishReason":"STOP"}],"` + name + `":` + counts + `}`
		want, wantErr := usage.Parse(a, []byte(whole))
		if wantErr != nil && strings.Contains(wantErr.Error(), "not a whole JSON object") {
			t.Skip()
		}
		var stream string
		switch a {
		case usage.Messages:
			stream = typed(`{"type":"message_start","message":{"model":"m","usage":`+counts+`}}`, textEvent, `{"type":"message_delta","delta":{},"usage":`+counts+`}`, stopEvent)
		case usage.Gemini:
			stream = lines(`{"modelVersion":"m","candidates":[{"content":{"parts":[{"text":"a"}]}}]}`, whole)
		case usage.Responses:
			stream = typed(`{"type":"response.completed","response":{"model":"m","usage":` + counts + `}}`)
		default:
			stream = lines(`{"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`, `{"model":"m","choices":[],"usage":`+counts+`}`, "[DONE]")
		}
		got, err := metered(a, stream).Result()
		if class(err) != class(wantErr) {
			t.Fatalf("%v, not %v", err, wantErr)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// What is seen of a stream only grows, and never passes what is billed.
func TestSeenGrows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 20).Draw(t, "pieces")
		more := rapid.IntRange(0, 100).Draw(t, "tokens beyond one a piece")
		events := []string{startEvent}
		for range n {
			events = append(events, textEvent)
		}
		events = append(events, fmt.Sprintf(`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":%d}}`, n+more+1), stopEvent)
		stream := typed(events...)
		m := usage.NewMeter(usage.Messages)
		var last int64
		for rest := stream; rest != ""; {
			k := rapid.IntRange(1, len(rest)).Draw(t, "bytes")
			_, _ = io.WriteString(m, rest[:k])
			rest = rest[k:]
			seen := m.Seen().Usage.Output
			if seen < last || seen > int64(n+more+1) {
				t.Fatalf("%d tokens seen after %d, of %d", seen, last, n+more+1)
			}
			last = seen
		}
		if u, err := m.Result(); err != nil || !u.Complete || u.Output != int64(n+more+1) {
			t.Fatalf("%+v, %v", u, err)
		}
	})
}

func ExampleMeter() {
	m := usage.NewMeter(usage.Messages)
	_, _ = io.WriteString(m, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n")
	_, _ = io.WriteString(m, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n")
	fmt.Println(m.Ended(), m.Seen().Usage.Input, m.Seen().Usage.Output)
	_, _ = io.WriteString(m, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":15}}\n\n")
	_, _ = io.WriteString(m, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
	_ = m.Close()
	u, err := m.Result()
	fmt.Println(u.Input, u.Output, u.Complete, err)
	// Output:
	// false 25 1
	// 25 15 true <nil>
}

func ExampleIncludeUsage() {
	body, changed, err := usage.IncludeUsage(usage.Chat, []byte(`{"model":"gpt-4o","stream":true}`))
	fmt.Println(string(body), changed, err)
	// Output: {"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true}} true <nil>
}
