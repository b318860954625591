package simulate

import (
	"encoding/json"
	"reflect"
	"testing"
)

// A step that is read is possible, and is written so that it is read the same.
func FuzzStep(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"ok":true,"times":-1}`, `{"status":429,"headers":{"Retry-After":"1"},"delay":"2s"}`, `{"status":500,"body":{"a":[1]}}`, `{"reset":true,"truncate":9,"stall":"1ms"}`,
		`{"garbage":true,"status":200}`, `{"endpoint":"/v1/messages","input_tokens":5,"billed":false}`, `{"delay":"-1s"}`, `{"unknown":1}`, `null`, `{"status":200,"body":"text"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var st Step
		if json.Unmarshal([]byte(text), &st) != nil {
			return
		}
		if err := st.validate(); err != nil {
			t.Fatalf("%q is read as impossible: %v", text, err)
		}
		b, err := json.Marshal(st)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		var again Step
		if err := json.Unmarshal(b, &again); err != nil {
			t.Fatalf("%q is written as %s: %v", text, b, err)
		}
		if twice, err := json.Marshal(again); err != nil || string(twice) != string(b) {
			t.Fatalf("%q is written as %s, then as %s, %v", text, b, twice, err)
		}
	})
}

// Options that are read are valid, keep what the text does not name, and are written so that they are read the same.
func FuzzOptions(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"rpm":60,"tpm":1000,"algo":"bucket","bucket_fraction":0.02}`, `{"latency":"1s","window":"1m"}`, `{"per_model":{"m":{"rpm":1}},"prices":{"m":{"input":"1.5","output":"2"}}}`,
		`{"fail":2}`, `{"rpm":-1}`, `{"models":["a"],"seed":-1}`, `null`, `[]`, `{"default_price":{"input":"0.1"}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		before := Options{RPM: 7, Keys: []string{"k"}, Seed: 3, Models: []string{"m"}}
		o := before
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			if !reflect.DeepEqual(o, before) {
				t.Fatalf("%q is refused and changes %+v", text, o)
			}
			return
		}
		if err := o.Validate(); err != nil {
			t.Fatalf("%q is read as impossible: %v", text, err)
		}
		if !reflect.DeepEqual(o.Keys, before.Keys) {
			t.Fatalf("%q changes the keys", text)
		}
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		again := Options{Keys: before.Keys}
		if err := json.Unmarshal(b, &again); err != nil {
			t.Fatalf("%q is written as %s: %v", text, b, err)
		}
		if twice, err := json.Marshal(again); err != nil || string(twice) != string(b) {
			t.Fatalf("%q is written as %s, then as %s, %v", text, b, twice, err)
		}
	})
}
