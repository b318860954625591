package usage_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/usage"
)

// A name that is there twice is a mistake wherever it stands: in the schema of a tool, in a field nobody knows, in a list within a list, and however it is escaped.
func TestNoNameTwiceAnywhere(t *testing.T) {
	t.Parallel()
	many := make([]string, 5000)
	for i := range many {
		many[i] = fmt.Sprintf(`"n%d":{"a":%d,"b":{}}`, i, i)
	}
	large := strings.Join(many, ",")
	for _, api := range []usage.API{usage.Chat, usage.Completions, usage.Responses, usage.Embeddings, usage.Messages, usage.Gemini} {
		for value, twice := range map[string]bool{
			`{"a":1,"a":2}`:                              true,
			`{"a":1,"A":2}`:                              false,
			`{"a":1,"\u0061":2}`:                         true,
			`{"a\"":1,"a\"":2}`:                          true,
			`{"a\"":1,"a\\":2,"a":3}`:                    false,
			`[[{"a":[{"b":1,"b":2}]}]]`:                  true,
			`[{"a":1},{"a":1},["a","a"]]`:                false,
			`{"a":{"a":{"a":"a"}},"b":["a","a"]}`:        false,
			`{"a" : 1 , "b" : "a" ,` + "\n" + `"a" : 2}`: true,
			`{"":1,"":2}`:                                true,
			`{"a":"{\"b\":1,\"b\":2}"}`:                  false,
			`{` + large + `}`:                            false,
			`{` + large + `,"n17":0}`:                    true,
			`{` + large + `,"z":{"b":1,"b":1}}`:          true,
		} {
			for _, field := range []string{"metadata", "nobody_knows_it", "tools", "messages", "input", "prompt", "contents", "response_format", "max_tokens", "stop"} {
				body := fmt.Sprintf(`{"model":"m",%q:%s}`, field, value)
				_, err := usage.ReadRequest(api, []byte(body))
				if said := err != nil && strings.Contains(err.Error(), "twice in one"); said != twice && (twice && err == nil || !twice && said) {
					t.Errorf("%s %s %.60s: %v", api, field, value, err)
				}
			}
		}
	}
}

// What is refused for a name that is there twice is what a reader that keeps all names refuses.
func TestNamesTwiceLikeAReaderThatKeepsThem(t *testing.T) {
	t.Parallel()
	name := rapid.SampledFrom([]string{"a", "b", `\u0061`, `\"`, `\\`, "", "aa", "é", `\u00e9`, `a\/b`, "a/b", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "c", "d", "e", "f"})
	var value func(depth int) *rapid.Generator[string]
	value = func(depth int) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string {
			kind := rapid.IntRange(0, 5).Draw(t, "kind")
			if depth == 0 {
				kind = min(kind, 2)
			}
			space := rapid.SampledFrom([]string{"", " ", "\n"}).Draw(t, "space")
			switch kind {
			case 0:
				return "1"
			case 1:
				return `"` + name.Draw(t, "text") + `"`
			case 2:
				return `"{\"a\":1,\"a\":[}"`
			case 3:
				return "[" + space + strings.Join(rapid.SliceOfN(value(depth-1), 0, 4).Draw(t, "list"), ","+space) + "]"
			}
			var members []string
			for range rapid.IntRange(0, 20).Draw(t, "members") {
				members = append(members, `"`+name.Draw(t, "name")+`"`+space+":"+value(depth-1).Draw(t, "value"))
			}
			return "{" + space + strings.Join(members, ","+space) + space + "}"
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		body := `{"model":"m","nobody_knows_it":` + value(4).Draw(t, "body") + `}`
		_, err := usage.ReadRequest(usage.Chat, []byte(body))
		if want := jsontext.Value(body).IsValid(); want != (err == nil) {
			t.Fatalf("%s: valid %v, but %v", body, want, err)
		}
	})
}
