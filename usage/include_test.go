package usage_test

import (
	"testing"

	"github.com/andres20980/aurea-orchestrator/usage"
)

func TestIncludeUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		api      usage.API
		in, want string // an empty want: as it was
	}{
		{"not asked", usage.Chat, `{"model":"m", "stream":true}`, `{"model":"m", "stream":true,"stream_options":{"include_usage":true}}`},
		{"completions", usage.Completions, `{"stream" : true}`, `{"stream" : true,"stream_options":{"include_usage":true}}`},
		{"null", usage.Chat, `{"stream_options":null,"stream":true}`, `{"stream_options":{"include_usage":true},"stream":true}`},
		{
			"other options stay", usage.Chat, `{"stream_options": { "include_obfuscation" : false } ,"stream":true}`,
			`{"stream_options": { "include_obfuscation" : false ,"include_usage":true} ,"stream":true}`,
		},
		{"said no", usage.Chat, `{"stream":true,"stream_options":{"include_usage": false}}`, `{"stream":true,"stream_options":{"include_usage": true}}`},
		{"said nothing", usage.Chat, `{"stream":true,"stream_options":{"include_usage":null}}`, `{"stream":true,"stream_options":{"include_usage":true}}`},
		{"asked", usage.Chat, `{"stream":true,"stream_options":{"include_usage":true}}`, ""},
		{"in another spelling", usage.Chat, `{"stream":true,"stream\u005foptions":{"include\u005fusage":true}}`, ""},
		{"not streamed", usage.Chat, `{"model":"m"}`, ""},
		{"streamed later", usage.Chat, `{"stream":false}`, ""},
		{"nonsense", usage.Chat, `{"stream":true,"stream_options":"all"}`, ""},
		{"nonsense within", usage.Chat, `{"stream":true,"stream_options":{"include_usage":"yes"}}`, ""},
		{"messages", usage.Messages, `{"stream":true}`, ""},
		{"responses", usage.Responses, `{"stream":true}`, ""},
	} {
		got, changed, err := usage.IncludeUsage(c.api, []byte(c.in))
		want := c.want
		if want == "" {
			want = c.in
		}
		if err != nil || string(got) != want || changed != (c.want != "") {
			t.Errorf("%s: got %s, changed %t, %v", c.name, got, changed, err)
		}
	}
	for _, bad := range []string{"", "[]", `{"stream":true`, `{"stream":true,"stream":false}`, `{"stream":true,"stream_options":{"include_usage":true,"include_usage":false}}`} {
		if _, _, err := usage.IncludeUsage(usage.Chat, []byte(bad)); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestOnlyUsage(t *testing.T) {
	t.Parallel()
	for _, data := range []string{chatUsage, `{"usage":{"prompt_tokens":1}}`} {
		if !usage.OnlyUsage([]byte(data)) {
			t.Errorf("%s is more", data)
		}
	}
	for _, data := range []string{
		chatHi,
		`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}`,
		`{"choices":[],"usage":null,"prompt_filter_results":[]}`,
		`{"choices":[],"usage":{},"error":{"message":"m"}}`,
		`{"choices":[],"usage":{`,
		`[DONE]`,
		``,
	} {
		if usage.OnlyUsage([]byte(data)) {
			t.Errorf("%s passes for usage alone", data)
		}
	}
}
