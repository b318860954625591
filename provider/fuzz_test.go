package provider_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/provider"
)

// A body that encoding/json takes for an object says the same through both, wherever its members stand, and one that is none says nothing false.
func FuzzErrorObject(f *testing.F) {
	for _, seed := range []string{
		`{"error":{"message":"no","type":"invalid_request_error","param":null,"code":"c"}}`,
		`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded","details":{"error_code":"x","deep":{"er":"y"}}},"request_id":"r"}`,
		`{"error":{"code":429,"message":"a\u00e9\ud800","status":"RESOURCE_EXHAUSTED","details":[{"a":"b"}]}}`,
		`{"error":"plain"}`, `[{"error":{"code":1}}]`, `{"error":{"a":"b"`, `{"error":{"a":"b","a":"c"},"error":{"d":"e"}}`, ``, `{"error":{"n":-0.5e+9}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got := provider.ErrorObject([]byte(body))
		for key := range got {
			if strings.Count(key, ".") == 0 && !strings.Contains(body, `"`) {
				t.Fatalf("%q from %q", key, body)
			}
		}
		var want struct {
			Error map[string]json.RawMessage `json:"error"`
		}
		if json.Unmarshal([]byte(body), &want) != nil || len(want.Error) > 50 || strings.Count(strings.ToLower(body), `"error"`) != 1 || strings.Contains(body, `\`) {
			return
		}
		for key, raw := range want.Error {
			if strings.Count(body, `"`+key+`"`) != 1 || strings.Contains(key, ".") {
				continue // given twice: the last one of those that are text, or of one within the other
			}
			var text string
			if json.Unmarshal(raw, &text) != nil && raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') || string(raw) == "null" {
				if _, is := got[key]; is {
					t.Fatalf("%q has text: %q", key, got)
				}
				continue
			}
			if text == "" && raw[0] != '"' {
				text = string(raw)
			}
			if got[key] != text && strings.ToValidUTF8(got[key], "\uFFFD") != text {
				t.Fatalf("%q is %q, want %q", key, got[key], text)
			}
		}
	})
}

// Somebody who answers with a deep or a wide error does not keep us busy for longer than it took to send it.
func TestErrorObjectIsLinear(t *testing.T) {
	t.Parallel()
	const depth = 9000
	deep := `{"error":{"code":"c","x":` + strings.Repeat(`{"a":`, depth) + `"` + strings.Repeat("x", 1<<20) + `"` + strings.Repeat("}", depth) + `,"message":"m"}}`
	started := time.Now()
	if got := provider.ErrorObject([]byte(deep)); got["code"] != "c" || got["message"] != "m" || len(got) != 2 {
		t.Errorf("%d values, code %q, message %q", len(got), got["code"], got["message"])
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("a megabyte took %v", took)
	}
	wide := `{"error":{"code":"c"` + strings.Repeat(`,"a`+strings.Repeat("b", 9)+`":"x"`, 1000) + `}}`
	if got := provider.ErrorObject([]byte(wide)); got["code"] != "c" {
		t.Errorf("%q", got)
	}
	many := new(strings.Builder)
	many.WriteString(`{"error":{"message":"m"`)
	for i := range 5000 {
		many.WriteString(`,"` + strings.Repeat("k", 1+i%70) + strings.Repeat("j", 1+i/70) + `":1`)
	}
	many.WriteString(`}}`)
	if got := provider.ErrorObject([]byte(many.String())); len(got) > 100 || got["message"] != "m" {
		t.Errorf("%d values", len(got))
	}
}
