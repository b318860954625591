package simulate

import (
	"encoding/json"
	"strings"
	"testing"
)

var jsonSamples = []string{
	`{}`, `{"a":1}`, ` { "a" : [ 1 , -2.5e+3 , true , null , "x\u00e9\n" ] , "b" : { } } `, `{"a":[]}`,
	``, `[]`, `{`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":01}`, `{"a":1.}`, `{"a":-}`, `{"a":"\x"}`, `{"a":"\u12g4"}`, "{\"a\":\"\n\"}",
	`{"a":1}{}`, `{"a":1} x`, `{"a":tru}`, `{"a":[1,]}`, `{"a":[1 2]}`, `{a:1}`, `{"a":1e}`, `{"a":"`, `{"a":nul`, `{"a":[`, `{"a":"\`, `{"a":.5}`, `{"a":+1}`,
}

func checkObject(t *testing.T, s string) {
	t.Helper()
	want := json.Valid([]byte(s)) && strings.HasPrefix(strings.TrimLeft(s, " \t\r\n"), "{")
	members := map[string]json.RawMessage{}
	got := object([]byte(s), func(name, value []byte) {
		if n, ok := text([]byte(`"` + string(name) + `"`)); ok {
			members[n] = append(json.RawMessage{}, value...)
		}
	})
	if got != want {
		t.Fatalf("%q: object says %v, encoding/json %v", s, got, want)
	}
	if !want {
		return
	}
	var std map[string]json.RawMessage
	if err := json.Unmarshal([]byte(s), &std); err != nil {
		t.Fatal(err)
	}
	for name, value := range std {
		if strings.ContainsRune(name, '\uFFFD') {
			continue // not UTF-8; encoding/json writes U+FFFD for it
		}
		if string(members[name]) != string(value) {
			t.Fatalf("%q: member %q is %q, encoding/json has %q", s, name, members[name], value)
		}
	}
}

func TestScannerAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, s := range jsonSamples {
		checkObject(t, s)
	}
	if deep := strings.Repeat(`{"a":`, 2*maxDepth) + "1" + strings.Repeat("}", 2*maxDepth); object([]byte(deep), nil) {
		t.Error("an object nested without end was read")
	}
}

func FuzzScanner(f *testing.F) {
	for _, s := range jsonSamples {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Count(s, "[")+strings.Count(s, "{") >= maxDepth {
			return // this is where the two part
		}
		checkObject(t, s)
	})
}

// No body makes the parser panic, and what it lets through has a plausible usage.
func FuzzParse(f *testing.F) {
	for _, body := range []string{
		`{"model":"m","messages":[{"role":"user","content":"hi"}],"n":2,"max_tokens":3}`,
		`{"model":"m","messages":[{}],"input":"x","tools":[{"name":"f","function":{"name":"g"}}],"tool_choice":"required","max_tokens":999}`,
		`{"model":"m","prompt":["a","b"],"best_of":3}`, `{"model":"m","input":[1,2,3]}`,
		`{"model":"m","input":[{"type":"input_image","image_url":"data:image/png;base64,AAAA"}],"max_output_tokens":100}`,
	} {
		for e := chat; e <= countTokens; e++ {
			f.Add(int(e), body)
		}
	}
	f.Fuzz(func(t *testing.T, e int, body string) {
		if e < int(chat) || e > int(countTokens) || len(body) > 1<<16 {
			return
		}
		o := Options{Caching: true}.withDefaults()
		r, p := parse(endpoint(e), []byte(body), &o)
		if p != nil {
			if p.status < 400 || p.message == "" {
				t.Fatalf("problem %+v", p)
			}
			return
		}
		if r.use.input < 0 || r.use.cacheRead < 0 || r.use.cacheWrite < 0 || r.use.in() < 1 || r.use.output < 0 {
			t.Fatalf("usage %+v", r.use)
		}
		if r.cap > 0 && r.use.output > r.cap {
			t.Fatalf("output %d passes the cap of %d", r.use.output, r.cap)
		}
		if r.use.output > 1<<20 || r.endpoint == embeddings && r.prompts*r.size > 1<<20 {
			return // right, but long
		}
		rep := reply{r, 1, false}
		if b := rep.append(nil); !json.Valid(b) {
			t.Fatalf("the answer is not JSON: %s", b)
		}
		var stream streamed
		rep.stream(&stream)
		for line := range strings.Lines(string(stream.b)) {
			if data, ok := strings.CutPrefix(line, "data: "); ok && data != "[DONE]\n" && !json.Valid([]byte(data)) {
				t.Fatalf("the event is not JSON: %s", data)
			}
		}
	})
}
