package mask_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/internal/wire"
	"github.com/andres20980/aurea-orchestrator/redact"
	"github.com/andres20980/aurea-orchestrator/redact/mask"
)

func masked(t testing.TB, body string) (string, *mask.Map) {
	t.Helper()
	out, m, err := mask.Request(redact.New(redact.Options{PII: true}), []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(out) {
		t.Fatalf("not JSON any more: %s", out)
	}
	return string(out), m
}

func TestRequest(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("QUJD", 100)
	for name, c := range map[string]struct{ body, want string }{
		"nothing":       {`{"model":"m", "messages":[{"role":"user","content":"hi \u00e9"}]}`, `{"model":"m", "messages":[{"role":"user","content":"hi \u00e9"}]}`},
		"same number":   {`{"messages":[{"content":"a@x.com b@x.com"},{"content":"a@x.com"}]}`, `{"messages":[{"content":"[EMAIL_1] [EMAIL_2]"},{"content":"[EMAIL_1]"}]}`},
		"escapes stay":  {`{"input":"\u00e9\/ \ud83d\ude00 mail a@x.com\n\u0041"}`, `{"input":"\u00e9\/ \ud83d\ude00 mail [EMAIL_1]\n\u0041"}`},
		"escaped value": {`{"input":"mail a\u0040x.com now"}`, `{"input":"mail [EMAIL_1] now"}`},
		"taken":         {`{"input":"is [EMAIL_1] or \u005bEMAIL_2] a@x.com?"}`, `{"input":"is [EMAIL_1] or \u005bEMAIL_2] [EMAIL_3]?"}`},
		"parts":         {`{"system":[{"type":"text","text":"I am a@x.com"}],"messages":[]}`, `{"system":[{"type":"text","text":"I am [EMAIL_1]"}],"messages":[]}`},
		"arguments": {
			`{"messages":[{"tool_calls":[{"id":"call_1","function":{"name":"f","arguments":"{\"to\":\"a@x.com\",\"phone\":5551234567,\"n\":3,\"password\":\"so \\\"secret\\\"\"}"}}]}]}`,
			`{"messages":[{"tool_calls":[{"id":"call_1","function":{"name":"f","arguments":"{\"to\":\"[EMAIL_1]\",\"phone\":\"[PHONE_1]\",\"n\":3,\"password\":\"[PASSWORD_1]\"}"}}]}]}`,
		},
		"tool use": {
			`{"messages":[{"content":[{"type":"tool_use","id":"toolu_1","input":{"type":"a@x.com","ssn":"123-45-6789","b@x.com":1}}]}]}`,
			`{"messages":[{"content":[{"type":"tool_use","id":"toolu_1","input":{"type":"[EMAIL_1]","ssn":"[SSN_1]","[EMAIL_2]":1}}]}]}`,
		},
		"settings":     {`{"max_tokens":5551234567,"seed":4111111111111111,"model":"a@x.com"}`, `{"max_tokens":5551234567,"seed":4111111111111111,"model":"a@x.com"}`},
		"media":        {`{"input":[{"image_url":"data:image/png;base64,` + big + `"},{"data":"` + big + `"}]}`, `{"input":[{"image_url":"data:image/png;base64,` + big + `"},{"data":"` + big + `"}]}`},
		"text as data": {`{"messages":[{"content":[{"source":{"type":"text","data":"a@x.com"}}]}]}`, `{"messages":[{"content":[{"source":{"type":"text","data":"[EMAIL_1]"}}]}]}`},
		"own tool":     {`{"mcp_servers":[{"authorization_token":"Bearer abcdefgh12345678","name":"a@x.com"}]}`, `{"mcp_servers":[{"authorization_token":"Bearer abcdefgh12345678","name":"[EMAIL_1]"}]}`},
		"metadata":     {`{"metadata":{"user_id":"a@x.com"},"user":"b@x.com"}`, `{"metadata":{"user_id":"[EMAIL_1]"},"user":"[EMAIL_2]"}`},
		"turns":        {`{"messages":[{"content":"b@x.com"}],"system":"a@x.com, b@x.com"}`, `{"messages":[{"content":"[EMAIL_1]"}],"system":"[EMAIL_2], [EMAIL_1]"}`},
		"turns, later": {`{"messages":[{"content":"c@x.com"}],"system":"a@x.com"}`, `{"messages":[{"content":"[EMAIL_2]"}],"system":"[EMAIL_1]"}`},
		"older":        {`{"prompt":["a@x.com","b"],"suffix":"a@x.com"}`, `{"prompt":["[EMAIL_1]","b"],"suffix":"[EMAIL_1]"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, m := masked(t, c.body)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if back := string(m.Answer([]byte(got))); !sameJSON(t, back, c.body) && name != "arguments" { // where a number became a text
				t.Errorf("put back: %s", back)
			}
		})
	}
	for _, bad := range []string{``, `{`, `{"input":"a@x.com"} x`, `{"input":"a@x.com`} {
		if out, _, err := mask.Request(redact.Default(), []byte(bad)); err == nil || strings.Contains(err.Error(), "@") {
			t.Errorf("%q became %q, error %v", bad, out, err)
		}
	}
}

func TestFound(t *testing.T) {
	t.Parallel()
	_, m := masked(t, `{"input":[{"content":"a@x.com a@x.com 123-45-6789"},{"content":[{"image_url":"https://x.com/i.png?for=a@x.com"},{"image_url":"http://10.0.0.1/i.png"}]}],"weird b@x.com":"b@x.com"}`)
	want := []mask.Found{{Type: "EMAIL", Place: "input[0]", Count: 2}, {Type: "SSN", Place: "input[0]", Count: 1}, {Type: "EMAIL", Place: "the body", Count: 1}}
	if diff := cmp.Diff(want, m.Found()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]mask.Found{{Type: "EMAIL", Place: "input[1]", Count: 1}}, m.Unmaskable()); diff != "" {
		t.Error(diff)
	}
}

// In JSON that the model writes a value is escaped, elsewhere it is as it was.
func TestText(t *testing.T) {
	t.Parallel()
	body, _ := json.Marshal(map[string]string{"input": `password: "a\b'c" and my phone is 5551234567`})
	_, m := masked(t, string(body))
	p, n := m.Found()[0].Type, m.Found()[1].Type
	if p != "PASSWORD" || n != "PHONE" {
		t.Fatal(m.Found())
	}
	for in, want := range map[string]string{
		`it is [PASSWORD_1].`:                          `it is a\b'c.`,
		`{"it":"[PASSWORD_1]"}`:                        `{"it":"a\b'c"}`,
		` [{"it":"[PHONE_1]","n":[PHONE_1]}]`:          ` [{"it":"5551234567","n":5551234567}]`,
		`[PHONE_1], [PHONE_2] [PHONE_1 ] [phone_1] [P`: `5551234567, [PHONE_2] [PHONE_1 ] [phone_1] [P`,
		`[[PHONE_1]]`:                                  `[5551234567]`,
	} {
		if got := m.Text(in); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

// values are texts with everything in them that has to be masked.
func someText() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		var b strings.Builder
		for range rapid.IntRange(0, 8).Draw(t, "pieces") {
			n := rapid.IntRange(0, 99).Draw(t, "n")
			switch rapid.IntRange(0, 9).Draw(t, "kind") {
			case 0:
				fmt.Fprintf(&b, "user%d@example.com", n)
			case 1:
				fmt.Fprintf(&b, "phone 555-01%02d-%04d", n%100, 1000+n)
			case 2:
				fmt.Fprintf(&b, "123-45-67%02d", n)
			case 3:
				fmt.Fprintf(&b, "password=\"p\\%d'x\"", n)
			case 4:
				fmt.Fprintf(&b, "[EMAIL_%d]", n%4)
			case 5:
				b.WriteString("[EMAIL_")
			case 6:
				b.WriteString("{a: \"é\n")
			default:
				b.WriteString(rapid.StringMatching(`[a-z \[\]"\\é😀\n]{0,12}`).Draw(t, "text"))
			}
			b.WriteString(rapid.SampledFrom([]string{" ", "", "\n", ", "}).Draw(t, "gap"))
		}
		return b.String()
	})
}

// What a model repeats of a request is what its author wrote, whole or as a stream in any pieces.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(someText(), 1, 4).Draw(t, "texts")
		type message struct {
			Role    string `json:"role"`
			Content string `json:"content"`
		}
		var messages []message
		for _, s := range texts {
			messages = append(messages, message{"user", s})
		}
		body, _ := json.Marshal(map[string]any{"model": "m", "messages": messages})
		out, m, err := mask.Request(redact.New(redact.Options{PII: true}), body)
		if err != nil {
			t.Fatal(err)
		}
		var sent struct{ Messages []message }
		if err := json.Unmarshal(out, &sent); err != nil {
			t.Fatal(err)
		}
		if m == nil {
			if !bytes.Equal(out, body) {
				t.Fatal("changed without a finding")
			}
			return
		}
		if back := m.Answer(out); !bytes.Equal(back, body) {
			t.Fatalf("put back\n%s\nof\n%s", back, body)
		}
		for i, s := range texts {
			said := "You wrote: " + sent.Messages[i].Content
			want := "You wrote: " + s
			if got := m.Text(said); got != want {
				t.Fatalf("put back %q, want %q", got, want)
			}
			for _, format := range formats {
				got, _ := read(t, through(t, m, format.stream(pieces(t, said))))
				if got := strings.Join(got, "|"); got != want {
					t.Fatalf("%s: put back %q, want %q", format.name, got, want)
				}
			}
		}
	})
}

func pieces(t *rapid.T, s string) (all []string) {
	runes := []rune(s)
	for len(runes) > 0 {
		n := rapid.IntRange(1, min(len(runes), 9)).Draw(t, "piece")
		all = append(all, string(runes[:n]))
		runes = runes[n:]
	}
	return all
}

func through(t interface{ Fatal(...any) }, m *mask.Map, stream string) string {
	var out bytes.Buffer
	s := m.NewStream(&out)
	for len(stream) > 0 {
		n := 1 + rand.IntN(min(len(stream), 64))
		if _, err := s.Write([]byte(stream[:n])); err != nil {
			t.Fatal(err)
		}
		stream = stream[n:]
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

type format struct {
	name   string
	stream func(pieces []string) string
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

var formats = []format{
	{"chat", func(pieces []string) string {
		var b strings.Builder
		b.WriteString(`data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n")
		for _, p := range pieces {
			b.WriteString(`data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":` + quote(p) + `},"finish_reason":null}]}` + "\n\n")
		}
		b.WriteString(`data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n")
		return b.String() + "data: [DONE]\n\n"
	}},
	{"arguments", func(pieces []string) string {
		var b strings.Builder
		b.WriteString(`data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}}]}` + "\r\n\r\n")
		for _, p := range pieces {
			b.WriteString(`data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":` + quote(p) + `},"index":1}]},"index":0}]}` + "\r\n\r\n")
		}
		return b.String() + "data: [DONE]\r\n\r\n"
	}},
	{"messages", func(pieces []string) string {
		var b strings.Builder
		b.WriteString("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"content\":[]}}\n\n")
		for _, p := range pieces {
			b.WriteString("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":" + quote(p) + "}}\n\n")
		}
		return b.String() + "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
	}},
	{"responses", func(pieces []string) string {
		var b strings.Builder
		for _, p := range pieces {
			b.WriteString("event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"item_id\":\"i\",\"output_index\":0,\"content_index\":0,\"delta\":" + quote(p) + "}\n\n")
		}
		return b.String() + "event: response.output_text.done\ndata: {\"type\":\"response.output_text.done\",\"item_id\":\"i\",\"output_index\":0,\"content_index\":0}\n\n"
	}},
}

// read returns the texts of a stream, and the kinds of its events in order.
func read(t interface{ Fatalf(string, ...any) }, stream string) (texts, kinds []string) {
	got := make(map[string]string)
	var order []string
	add := func(key, s string) {
		if _, ok := got[key]; !ok {
			order = append(order, key)
		}
		got[key] += s
	}
	split := wire.Splitter{Each: func(e wire.Event) {
		if string(e.Data) == "[DONE]" {
			kinds = append(kinds, "done")
			return
		}
		var v struct {
			Type    string
			Index   int
			Delta   json.RawMessage
			Choices []struct {
				Index        int
				FinishReason *string `json:"finish_reason"`
				Text         string
				Delta        struct {
					Content   string
					ToolCalls []struct {
						Index    int
						Function struct{ Arguments string }
					} `json:"tool_calls"`
				}
			}
		}
		if err := json.Unmarshal(e.Data, &v); err != nil {
			t.Fatalf("%v: %s", err, e.Data)
		}
		kinds = append(kinds, v.Type)
		for _, c := range v.Choices {
			if c.Delta.Content+c.Text != "" {
				add(fmt.Sprint(c.Index), c.Delta.Content+c.Text)
			}
			for _, call := range c.Delta.ToolCalls {
				if call.Function.Arguments != "" {
					add(fmt.Sprint(c.Index, call.Index), call.Function.Arguments)
				}
			}
			if c.FinishReason != nil {
				kinds = append(kinds, "finish")
			}
		}
		if len(v.Delta) > 0 {
			var s string
			var object struct {
				Text        string
				PartialJSON string `json:"partial_json"`
			}
			if json.Unmarshal(v.Delta, &s) != nil {
				_ = json.Unmarshal(v.Delta, &object)
			}
			add(fmt.Sprint(v.Index), s+object.Text+object.PartialJSON)
		}
	}}
	_, _ = split.Write([]byte(stream))
	_ = split.Close()
	for _, key := range order {
		texts = append(texts, got[key])
	}
	return texts, kinds
}

// What is held of a text that ends in half a placeholder comes before the event that ends it.
func TestHeldComesFirst(t *testing.T) {
	t.Parallel()
	_, m := masked(t, `{"input":"a@x.com"}`)
	want := map[string][]string{
		"chat":      {"", "", "", "finish", "done"},
		"arguments": {"", "", "", "done"},
		"messages":  {"message_start", "content_block_delta", "content_block_delta", "content_block_stop", "message_stop"},
		"responses": {"response.output_text.delta", "response.output_text.delta", "response.output_text.done"},
	}
	for _, f := range formats {
		texts, kinds := read(t, through(t, m, f.stream([]string{"see [EMAIL"})))
		if f.name == "chat" { // the first chunk is empty
			want[f.name] = append([]string{""}, want[f.name]...)
		}
		if diff := cmp.Diff([]string{"see [EMAIL"}, texts); diff != "" {
			t.Error(f.name, diff)
		}
		if diff := cmp.Diff(want[f.name], kinds); diff != "" {
			t.Error(f.name, diff)
		}
	}
}

// Texts that come at once do not mix.
func TestChoicesApart(t *testing.T) {
	t.Parallel()
	_, m := masked(t, `{"input":"a@x.com b@x.com"}`)
	in := `data: {"choices":[{"index":0,"delta":{"content":"x [EMA"}},{"index":1,"delta":{"content":"y [EMAIL_"}}]}` + "\n\n" +
		`data: {"choices":[{"index":1,"delta":{"content":"2] z"}}]}` + "\n\n" +
		`data: {"choices":[{"index":0,"delta":{"content":"IL_1]"},"finish_reason":"stop"},{"index":1,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	texts, _ := read(t, through(t, m, in))
	if diff := cmp.Diff([]string{"x a@x.com", "y b@x.com z"}, texts); diff != "" {
		t.Error(diff)
	}
}

// An event in which nothing changes is passed on byte by byte.
func TestUnchanged(t *testing.T) {
	t.Parallel()
	_, m := masked(t, `{"input":"a@x.com"}`)
	in := ": hi\r\n\r\nid: 3\nevent: x\ndata: {\"type\":\"content_block_delta\",\ndata: \"index\":0,\"delta\":{\"text\":\"\\u00e9 [a]\"}}\n\ndata: not JSON [EMAIL_1]\n\nretry: 5\n\ndata: {\"half\":"
	if got := through(t, m, in); got != in {
		t.Errorf("%q became %q", in, got)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add(`{"model":"m","messages":[{"role":"user","content":"a@x.com \u0062@x.com 123-45-6789 [EMAIL_1]"}]}`)
	f.Add(`{"messages":[{"tool_calls":[{"function":{"arguments":"{\"to\":\"a@x.com\",\"n\":5551234567}"}}]}]}`)
	f.Add(`{"metadata":{"password":"\ud800 x","a@x.com":["{\"k\":\"b@x.com\"}"]}}`)
	f.Fuzz(func(t *testing.T, body string) {
		out, m, err := mask.Request(redact.Default(), []byte(body))
		if err != nil {
			if json.Valid([]byte(body)) {
				t.Fatal(err)
			}
			return
		}
		if m == nil {
			if string(out) != body {
				t.Fatal("changed without a finding")
			}
			return
		}
		if json.Valid([]byte(body)) && !json.Valid(out) {
			t.Fatalf("%q became %q", body, out)
		}
		if back := m.Answer(out); !json.Valid(back) && json.Valid([]byte(body)) {
			t.Fatalf("%q became %q", out, back)
		}
		_ = through(t, m, "data: "+strings.ReplaceAll(string(out), "\n", " ")+"\n\n")
	})
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	return cmp.Equal(x, y)
}
