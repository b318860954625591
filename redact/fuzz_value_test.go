package redact

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// A map comes back redacted and is not touched: what is planted in it is gone, wherever it is planted, and a second time changes nothing.
func FuzzRedactMap(f *testing.F) {
	f.Add(`{"user":{"password":"x","n":[1,2.5,null,true]}}`, "note")
	f.Add(`{"a":"{\"api_key\":\"b\"}"}`, "token")
	f.Add(`{"user@example.com":1,"user@example.org":2}`, "max_tokens")
	f.Add(`{"phone":5551234567}`, "")
	planted := "sk-" + made(30)
	f.Fuzz(func(t *testing.T, doc, name string) {
		read := func() map[string]any {
			var m map[string]any
			if json.Unmarshal([]byte(doc), &m) != nil || m == nil {
				return nil
			}
			m[name] = "x " + planted + " y"
			m["deep"] = map[string]any{name: []any{planted, map[string]any{"k": planted}}}
			return m
		}
		m, same := read(), read()
		if m == nil {
			return
		}
		for _, r := range []*Redactor{Default(), New(Options{})} {
			out := r.RedactMap(m)
			if !reflect.DeepEqual(m, same) {
				t.Fatalf("the map was changed: %v", m)
			}
			text, err := json.Marshal(out)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), planted) {
				t.Fatalf("%q holds what was planted under %q: %s", doc, name, text)
			}
			if len(out) != len(m) {
				t.Fatalf("%d names became %d: %s", len(m), len(out), text)
			}
		}
	})
}
