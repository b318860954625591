package batch_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/andres20980/aurea-orchestrator/batch"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/usage"
)

func TestParseLine(t *testing.T) {
	t.Parallel()
	d := batch.Defaults{
		Model: "fallback", System: "Be brief.", MaxTokens: 64,
		Anthropic: func(model string) bool { return strings.HasPrefix(model, "claude") },
		CapField:  func(string) string { return "max_completion_tokens" },
	}
	cases := []struct {
		name, line string
		d          batch.Defaults
		want       store.Item
	}{
		{
			"a batch line, as it is",
			`{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"m", "messages":[{"role":"user","content":"é\u00e9"}],"max_tokens":5}}`,
			batch.Defaults{},
			store.Item{CustomID: "a", URL: "/v1/chat/completions", Lane: "m", Body: []byte(`{"model":"m", "messages":[{"role":"user","content":"é\u00e9"}],"max_tokens":5}`)},
		},
		{
			"shorthand with a prompt",
			`{"id":"b","model":"m","prompt":"say \"hi\""}`,
			batch.Defaults{},
			store.Item{CustomID: "b", URL: "/v1/chat/completions", Lane: "m", Body: []byte(`{"model":"m","messages":[{"role":"user","content":"say \"hi\""}]}`)},
		},
		{
			"shorthand filled in",
			`{"id":7,"prompt":"hi","temperature":0}`,
			d,
			store.Item{CustomID: "7", URL: "/v1/chat/completions", Lane: "fallback", Body: []byte(`{"model":"fallback","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"hi"}],"temperature":0,"max_completion_tokens":64}`)},
		},
		{
			"shorthand that becomes a message",
			`{"id":"c","model":"claude-x","messages":[{"role":"user","content":"hi"}]}`,
			d,
			store.Item{CustomID: "c", URL: "/v1/messages", Lane: "claude-x", Body: []byte(`{"model":"claude-x","system":"Be brief.","messages":[{"role":"user","content":"hi"}],"max_tokens":64}`)},
		},
		{
			"a line's own cap stays",
			`{"id":"d","model":"m","prompt":"hi","max_tokens":3}`,
			d,
			store.Item{CustomID: "d", URL: "/v1/chat/completions", Lane: "m", Body: []byte(`{"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"hi"}],"max_tokens":3}`)},
		},
		{
			"embeddings get no cap",
			`{"custom_id":"e","method":"POST","url":"/v1/embeddings","body":{"model":"m","input":"x"}}`,
			d,
			store.Item{CustomID: "e", URL: "/v1/embeddings", Lane: "m", Body: []byte(`{"model":"m","input":"x"}`)},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := batch.ParseLine([]byte(c.line), c.d)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseLineRefuses(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`[1]`:                               "not a JSON object",
		`{"id":"a"`:                         "ends in the middle",
		`{"id":"a","id":"b"}`:               "duplicate",
		`{"id":"a","model":"m"} {}`:         "more after the JSON object",
		`{"model":"m","prompt":"x"}`:        `needs an "id"`,
		`{"id":1.5,"model":"m"}`:            `needs an "id"`,
		`{"id":"a","prompt":"x"}`:           `needs a "model"`,
		`{"id":"a","model":"m"}`:            `either "prompt" or "messages"`,
		`{"id":"a","model":"m","prompt":3}`: `"prompt" must be a string`,
		`{"id":"a","model":"m","prompt":"x","messages":[]}`:                                         `either "prompt" or "messages"`,
		`{"id":"a","model":"m","prompt":"x","stream":true}`:                                         "stream",
		`{"id":"a","model":"m","prompt":"x","max_tokens":-1}`:                                       "max_tokens",
		`{"custom_id":"a","method":"GET","url":"/v1/embeddings","body":{}}`:                         "only POST",
		`{"custom_id":"a","method":"POST","url":"/v1/images","body":{}}`:                            "has url",
		`{"custom_id":"","method":"POST","url":"/v1/embeddings","body":{}}`:                         `needs a "custom_id"`,
		`{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":[]}`:                        `needs a "body"`,
		`{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{},"priority":1}`:           `unknown field "priority"`,
		`{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{"model":"m","model":"n"}}`: "duplicate",
		"{\"id\":\"\xff\",\"model\":\"m\",\"prompt\":\"x\"}":                                        "UTF-8",
	} {
		if item, err := batch.ParseLine([]byte(line), batch.Defaults{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %+v, %v; want an error with %q", line, item, err, want)
		}
	}
}

func FuzzParseLine(f *testing.F) {
	f.Add([]byte(`{"id":"a","model":"m","prompt":"x"}`))
	f.Add([]byte(`{"custom_id":"a","method":"POST","url":"/v1/messages","body":{"model":"m","max_tokens":1,"messages":[]}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		item, err := batch.ParseLine(line, batch.Defaults{Model: "m", System: "s", MaxTokens: 9})
		if err != nil {
			return
		}
		if !jsontext.Value(line).IsValid(jsontext.AllowDuplicateNames(true)) {
			t.Fatalf("%q is taken and is no JSON", line)
		}
		if item.CustomID == "" || item.Lane == "" || len(item.Body) == 0 {
			t.Fatalf("%q became %+v", line, item)
		}
		if _, known := batch.APIOf(item.URL); !known {
			t.Fatalf("%q became %+v", line, item)
		}
		if bytes.ContainsAny(line, "\n\r") || bytes.HasPrefix(line, []byte("\xef\xbb\xbf")) {
			return
		}
		o := batch.ReadOptions{Defaults: batch.Defaults{Model: "m", System: "s", MaxTokens: 9}}
		if _, err := batch.Read(t.Context(), bytes.NewReader(line), o, func(r *usage.Request) error {
			most := r.BodyBytes - int64(len(item.Body)) // a field that is there as null is replaced, and one that is the first has no comma
			if r.Model != item.Lane || most < 0 || most > 0 && !bytes.Contains(line, []byte("null")) && !bytes.Contains(line, []byte(`""`)) && !bytes.Contains(line, []byte("{}")) && !emptyBody(line) {
				t.Errorf("%q is planned with %d bytes for %q, and becomes %+v", line, r.BodyBytes, r.Model, item)
			}
			return nil
		}); err != nil {
			t.Fatalf("%q is taken by a run, and a plan says: %v", line, err)
		}
	})
}

var emptyObject = regexp.MustCompile(`\{\s+\}`)

func emptyBody(line []byte) bool { return emptyObject.Match(line) }
