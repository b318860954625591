package usage_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/andres20980/aurea-orchestrator/usage"
)

// filled repeats a piece, numbered where it has a %, until it is n bytes long.
func filled(n int, piece, between string) string {
	var b strings.Builder
	b.Grow(n + len(piece) + 16)
	numbered := strings.Contains(piece, "%")
	for i := 0; b.Len() < n; i++ {
		if i > 0 {
			b.WriteString(between)
		}
		if numbered {
			fmt.Fprintf(&b, piece, i)
		} else {
			b.WriteString(piece)
		}
	}
	return b.String()
}

// hostileRequests are bodies of about n bytes that are made to cost a reader more than they should.
func hostileRequests(n int) map[string]string {
	chat := func(inner string) string { return `{"model":"m","max_tokens":5,"messages":[` + inner + `]}` }
	return map[string]string{
		"spaces and line feeds":   `{"model":"m","max_tokens":5` + filled(n, " \n", "") + `}`,
		"a text of them":          chat(`{"content":"` + filled(n, ` \n`, "") + `"}`),
		"commas":                  strings.Repeat(",", n),
		"nested arrays":           `{"a":` + strings.Repeat("[", n),
		"nested objects":          filled(n, `{"a":`, ""),
		"nested to the limit":     `{"a":` + strings.Repeat("[", 990) + strings.Repeat("]", 990) + `,"b":"` + strings.Repeat("x", max(n-2_000, 0)) + `"}`,
		"nested contents":         `{"messages":` + strings.Repeat(`[{"content":`, 490) + `"x"` + strings.Repeat(`}]`, 490) + `,"b":"` + strings.Repeat("x", max(n-7_000, 0)) + `"}`,
		"model at the end twice":  `{"model":"a","messages":[{"content":"` + strings.Repeat("x", n) + `"}],"model":"b"}`,
		"cap twice":               `{"max_tokens":1,"messages":[{"content":"` + strings.Repeat("x", n) + `"}],"max_tokens":100000}`,
		"endless cap":             `{"max_tokens":1e999,"messages":[{"content":"` + strings.Repeat("x", n) + `"}]}`,
		"many digits":             `{"max_tokens":1` + strings.Repeat("0", n) + `}`,
		"many digits after point": `{"max_tokens":1.` + strings.Repeat("0", n) + `}`,
		"many small digits":       `{"max_tokens":0.` + strings.Repeat("0", n) + `1e99999}`,
		"many numbers":            `{"a":[` + filled(n, "1e999", ",") + `]}`,
		"empty objects":           `{"messages":[` + filled(n, "{}", ",") + `]}`,
		"empty contents":          `{"messages":[{"content":[` + filled(n, "{}", ",") + `]}]}`,
		"empty tools":             `{"tools":[` + filled(n, "{}", ",") + `]}`,
		"different tools":         `{"tools":[` + filled(n, `{"type":"t%d"}`, ",") + `]}`,
		"many names":              `{` + filled(n, `"k%d":0`, ",") + `}`,
		"many names in a message": chat(`{` + filled(n, `"k%d":0`, ",") + `}`),
		"many files":              chat(`{"content":[` + filled(n, `{"type":"t%d","file_id":"x"}`, ",") + `]}`),
		"many sources":            chat(`{"content":[` + filled(n, `{"type":"t%d","source":{"type":"url"}}`, ",") + `]}`),
		"escapes":                 chat(`{"content":"` + filled(n, `\u0061`, "") + `"}`),
		"escaped names":           `{` + filled(n, `"\u0061%d":0`, ",") + `}`,
		"surrogates":              chat(`{"content":"` + filled(n, `\ud83d\ude00`, "") + `"}`),
		"token ids":               `{"prompt":[` + filled(n, "1", ",") + `]}`,
	}
}

// hostileAnswers are answers of about n bytes of the same kind, by API.
func hostileAnswers(n int) map[usage.API]map[string]string {
	all := map[usage.API]map[string]string{}
	for _, api := range apis {
		all[api] = map[string]string{
			"spaces and line feeds":  `{"usage":{}` + filled(n, " \n", "") + `}`,
			"nested arrays":          `{"a":` + strings.Repeat("[", n),
			"nested usage":           `{"usage":` + filled(n, `{"prompt_tokens_details":`, ""),
			"many names in usage":    `{"usage":{` + filled(n, `"k%d":0`, ",") + `}}`,
			"escaped names in usage": `{"usage":{` + filled(n, `"\u0061%d":0`, ",") + `}}`,
			"many usages":            `{` + filled(n, `"usage":{}`, ",") + `}`,
			"many counts":            `{"usage":{` + filled(n, `"prompt_tokens":%d`, ",") + `}}`,
			"many digits":            `{"usage":{"prompt_tokens":1` + strings.Repeat("0", n) + `}}`,
			"many wrong counts":      `{"usage":{` + filled(n, `"prompt_tokens":-0.5`, ",") + `}}`,
			"many costs":             `{"usage":{` + filled(n, `"cost":1e999`, ",") + `}}`,
			"long cost":              `{"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":0.` + strings.Repeat("9", n) + `}}`,
			"many iterations":        `{"usage":{"input_tokens":1,"output_tokens":1,"iterations":[` + filled(n, `{}`, ",") + `]}}`,
			"many compactions":       `{"usage":{"input_tokens":1,"output_tokens":1,"iterations":[` + filled(n, `{"type":"compaction"}`, ",") + `]}}`,
			"many items":             `{"output":[` + filled(n, `{}`, ",") + `]}`,
			"many searches":          `{"output":[` + filled(n, `{"type":"web_search_call"}`, ",") + `]}`,
			"many choices":           `{"choices":[` + filled(n, `{}`, ",") + `]}`,
			"many modalities":        `{"usageMetadata":{"promptTokensDetails":[` + filled(n, `{"modality":"AUDIO","tokenCount":1}`, ",") + `]}}`,
			"many queries":           `{"candidates":[{"groundingMetadata":{"webSearchQueries":[` + filled(n, `"q%d"`, ",") + `]}}]}`,
			"many candidates":        `{"candidates":[` + filled(n, `{"index":%d}`, ",") + `]}`,
			"many empty candidates":  `{"candidates":[` + filled(n, `{}`, ",") + `]}`,
		}
	}
	return all
}

// hostileStreams are streams of about n bytes of the same kind.
func hostileStreams(n int) map[string]string {
	return map[string]string{
		"line feeds":             strings.Repeat("\n", n),
		"carriage returns":       strings.Repeat("\r", n),
		"comments":               strings.Repeat(":\n", n/2),
		"empty data":             strings.Repeat("data:\n", n/6),
		"empty events":           strings.Repeat("data:\n\n", n/7),
		"one line":               "data: " + strings.Repeat("x", n),
		"names":                  strings.Repeat("event: message_start\n", n/21),
		"empty objects":          strings.Repeat("data: {}\n\n", n/10),
		"empty choices":          strings.Repeat(`data: {"choices":[{}]}`+"\n\n", n/24),
		"numbered choices":       "data: " + `{"choices":[` + filled(n, `{"index":%d}`, ",") + `]}` + "\n\n",
		"a choice in each event": filled(n, `data: {"choices":[{"index":%d,"delta":{"content":"x"}}]}`, "\n\n"),
		"usage in each event":    filled(n, `data: {"usage":{"prompt_tokens":1,"completion_tokens":%d}}`, "\n\n"),
		"starts":                 filled(n, `data: {"type":"message_start","message":{"usage":{"input_tokens":%d}}}`, "\n\n"),
		"items":                  filled(n, `data: {"type":"response.output_item.done","item":{"type":"web_search_call"}}`, "\n\n"),
		"array of objects":       "[" + filled(n, "{}", ",") + "]",
		"array of arrays":        strings.Repeat("[", n),
		"array never closed":     "[" + filled(n, `{"a":`, ""),
		"array of queries":       "[" + filled(n, `{"candidates":[{"groundingMetadata":{"webSearchQueries":["q%d"]}}]}`, ",") + "]",
		"quotes":                 "[{" + strings.Repeat(`"`, n),
	}
}

// normalRequest, normalAnswer and normalStream are what callers and providers send, of about n bytes.
func normalRequest(api usage.API, n int) string {
	turn := `{"role":"user","content":"Line %d of the \"log\".\nIt says that the boat came in at dusk, and what follows from it."}`
	switch api {
	case usage.Completions:
		return `{"model":"m","max_tokens":5,"prompt":[` + filled(n, `"Line %d of the \"log\".\nIt says that the boat came in at dusk."`, ",") + `]}`
	case usage.Embeddings:
		return `{"model":"m","input":[` + filled(n, `"Line %d of the \"log\".\nIt says that the boat came in at dusk."`, ",") + `]}`
	case usage.Responses:
		return `{"model":"m","max_output_tokens":5,"input":[` + filled(n, turn, ",") + `]}`
	case usage.Gemini:
		return `{"contents":[` + filled(n, `{"role":"user","parts":[{"text":"Line %d of the \"log\".\nIt says that the boat came in at dusk, and what follows."}]}`, ",") +
			`],"generationConfig":{"maxOutputTokens":5}}`
	default:
		return `{"model":"m","max_tokens":5,"messages":[` + filled(n, turn, ",") + `]}`
	}
}

func normalAnswer(api usage.API, n int) string {
	text := filled(n, `Line %d of the \"log\" says:\n`, "")
	switch api {
	case usage.Messages:
		return `{"id":"m","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"` + text + `"}],"stop_reason":"end_turn",` +
			`"usage":{"input_tokens":19,"cache_creation_input_tokens":5,"cache_read_input_tokens":7,"output_tokens":500,"service_tier":"standard"}}`
	case usage.Responses:
		return `{"id":"r","object":"response","status":"completed","model":"gpt","output":[{"type":"message","content":[{"type":"output_text","text":"` + text + `"}]}],` +
			`"usage":{"input_tokens":19,"input_tokens_details":{"cached_tokens":4},"output_tokens":500,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":519}}`
	case usage.Embeddings:
		return `{"object":"list","data":[{"embedding":[` + filled(n, "-0.0123%d", ",") + `]}],"model":"v","usage":{"prompt_tokens":8,"total_tokens":8}}`
	case usage.Gemini:
		return `{"candidates":[{"content":{"parts":[{"text":"` + text + `"}],"role":"model"},"finishReason":"STOP","index":0}],` +
			`"usageMetadata":{"promptTokenCount":19,"candidatesTokenCount":500,"totalTokenCount":519,"promptTokensDetails":[{"modality":"TEXT","tokenCount":19}]},"modelVersion":"g"}`
	default:
		return `{"id":"c","object":"chat.completion","model":"gpt","choices":[{"index":0,"text":"","message":{"role":"assistant","content":"` + text + `"},"finish_reason":"stop"}],` +
			`"usage":{"prompt_tokens":19,"completion_tokens":500,"total_tokens":519,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}`
	}
}

func normalStream(api usage.API, n int) string {
	switch api {
	case usage.Messages:
		return filled(n, `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"word %d"}}`, "\n\n")
	case usage.Responses:
		return filled(n, `data: {"type":"response.output_text.delta","item_id":"m","output_index":0,"delta":"word %d"}`, "\n\n")
	case usage.Gemini:
		return filled(n, `data: {"candidates":[{"content":{"parts":[{"text":"word %d"}]}}],"usageMetadata":{"promptTokenCount":5,"totalTokenCount":9}}`, "\n\n")
	default:
		return filled(n, `data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{"content":"word %d"},"finish_reason":null}]}`, "\n\n")
	}
}

// allocated returns how many bytes a call takes from the heap. It counts the work that a body causes without a clock.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// No body takes more memory than a few times its own length, whatever is in it, and nothing panics. It runs alone, because it counts the process's memory.
func TestHostileBodiesTakeLittleMemory(t *testing.T) { //nolint:paralleltest // see above
	const size = 100_000
	check := func(name, body string, f func()) {
		t.Helper()
		if took, most := allocated(f), uint64(10*len(body)+size); took > most {
			t.Errorf("%s takes %d bytes for %d", name, took, len(body))
		}
	}
	for name, body := range hostileRequests(size) {
		for _, api := range apis {
			check(string(api)+" "+name, body, func() { _, _ = usage.ReadRequest(api, []byte(body)) })
		}
	}
	for api, bodies := range hostileAnswers(size) {
		for name, body := range bodies {
			check(string(api)+" "+name, body, func() { _, _ = usage.Parse(api, []byte(body)) })
			check(string(api)+" "+name+" streamed", body, func() { readStream(api, "data: "+body+"\n\n") })
		}
	}
	for name, body := range hostileStreams(size) {
		for _, api := range apis {
			check(string(api)+" "+name, body, func() { readStream(api, body) })
		}
	}
}

func readStream(api usage.API, body string) {
	m := usage.NewMeter(api)
	for p := []byte(body); len(p) > 0; {
		n := min(len(p), 32<<10)
		_, _ = m.Write(p[:n])
		p = p[n:]
	}
	_ = m.Close()
	_, _ = m.Result()
	m.Seen()
}
