package usage_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/andres20980/aurea-orchestrator/usage"
)

// A request that is made to ask for its usage is the same request otherwise, byte by byte, and is made to ask once.
func FuzzIncludeUsage(f *testing.F) {
	for _, seed := range []string{
		`{"model":"m","stream":true}`, `{"stream":true,"stream_options":{"include_usage":false,"x":[1]},"z":"é\u0000"}`, `{"stream":true,"stream_options":null}`,
		`{"stream":true,"stream_options":{"include_usage":true}}`, `{"stream":false}`, `{"stream":true,"stream_options":[]}`, `{}`, ` { "stream" : true } `, `[]`, ``,
		`{"stream":true,"stream_options":{},"stream_options":{}}`, `{"stream":true,"stream_options":{"include_usage":"yes"}}`,
	} {
		f.Add("chat", seed)
	}
	f.Fuzz(func(t *testing.T, api, body string) {
		if !json.Valid([]byte(body)) {
			return // ReadRequest comes first, and refuses it
		}
		out, changed, err := usage.IncludeUsage(usage.API(api), []byte(body))
		if err != nil {
			if changed {
				t.Fatalf("changed and refused: %v", err)
			}
			return
		}
		if !changed {
			if string(out) != body {
				t.Fatalf("%q became %q and is said to be as it was", body, out)
			}
			return
		}
		var before, after map[string]json.RawMessage
		if json.Unmarshal([]byte(body), &before) != nil || json.Unmarshal(out, &after) != nil {
			t.Fatalf("%q became %q", body, out)
		}
		var options map[string]json.RawMessage
		if json.Unmarshal(after["stream_options"], &options) != nil || string(options["include_usage"]) != "true" {
			t.Fatalf("%q does not ask: %q", body, out)
		}
		var was map[string]json.RawMessage
		_ = json.Unmarshal(before["stream_options"], &was)
		for _, m := range []map[string]json.RawMessage{was, options} {
			delete(m, "include_usage")
		}
		delete(before, "stream_options")
		delete(after, "stream_options")
		if !reflect.DeepEqual(before, after) || len(was)+len(options) > 0 && !reflect.DeepEqual(was, options) {
			t.Fatalf("%q became %q", body, out)
		}
		if again, changed, err := usage.IncludeUsage(usage.API(api), out); changed || err != nil || !bytes.Equal(again, out) {
			t.Fatalf("%q is made to ask twice: %q, %v", out, again, err)
		}
	})
}

// A field that is set is the only thing that changes.
func FuzzSetField(f *testing.F) {
	f.Add(`{"a":1,"max_tokens":2}`, "max_tokens", int64(7))
	f.Add(`{ }`, "x", int64(-1))
	f.Add(`{"a":{"max_tokens":1}}`, "max_tokens", int64(0))
	f.Fuzz(func(t *testing.T, body, field string, n int64) {
		for _, c := range field {
			if c != '_' && (c < 'a' || c > 'z') {
				return // the names of fields are ours
			}
		}
		if !json.Valid([]byte(body)) {
			return // ReadRequest comes first, and refuses it
		}
		value, _ := json.Marshal(n)
		out, err := usage.SetField([]byte(body), field, value)
		if err != nil {
			return
		}
		var before, after map[string]json.RawMessage
		if json.Unmarshal([]byte(body), &before) != nil || json.Unmarshal(out, &after) != nil || string(after[field]) != string(value) {
			t.Fatalf("%q became %q", body, out)
		}
		delete(before, field)
		delete(after, field)
		if len(before) != len(after) || len(before) > 0 && !reflect.DeepEqual(before, after) {
			t.Fatalf("%q became %q", body, out)
		}
	})
}

// What is a chunk of usage alone carries nothing that a client waits for.
func FuzzOnlyUsage(f *testing.F) {
	for _, seed := range []string{
		`{"choices":[],"usage":{"prompt_tokens":1}}`, `{"choices":[{}],"usage":{}}`, `{"usage":{},"error":{"message":"x"}}`, `{"choices":[],"usage":null}`, `[DONE]`, `{"usage":{},"usage":1}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data string) {
		if !usage.OnlyUsage([]byte(data)) {
			return
		}
		var chunk struct {
			Choices []json.RawMessage          `json:"choices"`
			Usage   map[string]json.RawMessage `json:"usage"`
		}
		if err := json.Unmarshal([]byte(data), &chunk); err == nil && (len(chunk.Choices) > 0 || chunk.Usage == nil) {
			t.Fatalf("%q is taken for usage alone", data)
		}
	})
}
