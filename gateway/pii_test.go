package gateway_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/aureatest"
	"github.com/andres20980/aurea-orchestrator/internal/wire"
	"github.com/andres20980/aurea-orchestrator/usage"
)

const mail, card, secret = "ann@example.com", "4111 1111 1111 1111", `tr0ub\4dor3`

// with is a request that has personal data, in the format of an endpoint.
func with(api usage.API, stream bool) string {
	text, _ := json.Marshal("I am " + mail + ", my card is " + card + ", password: " + secret + " and again " + mail)
	streams := ""
	if stream {
		streams = `"stream":true,`
	}
	if api == usage.Responses {
		return `{"model":"test-model",` + streams + `"max_output_tokens":50,"input":` + string(text) + `}`
	}
	return `{"model":"` + map[usage.API]string{usage.Chat: "test-model", usage.Messages: "anthropic/test-model"}[api] + `",` + streams + `"max_tokens":50,"messages":[{"role":"user","content":` + string(text) + `}]}`
}

var paths = map[usage.API]string{usage.Chat: "/v1/chat/completions", usage.Responses: "/v1/responses", usage.Messages: "/v1/messages"}

// nothingOf fails if something of the personal data has reached the provider.
func nothingOf(t *testing.T, sent []aureatest.Request) {
	t.Helper()
	for _, r := range sent {
		for _, private := range []string{mail, card, secret, "ann@", "4111"} {
			if strings.Contains(string(r.Body), private) {
				t.Errorf("the provider got %s", r.Body)
			}
		}
		if !strings.Contains(string(r.Body), "[EMAIL_1]") || !strings.Contains(string(r.Body), "[CARD_1]") {
			t.Errorf("the provider got %s", r.Body)
		}
	}
}

// texts joins all texts of an answer, and of the events of a stream.
func texts(t *testing.T, body string) string {
	t.Helper()
	var all strings.Builder
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, name := range []string{"content", "text", "choices", "delta", "message", "output"} {
				walk(v[name])
			}
		case []any:
			for _, item := range v {
				walk(item)
			}
		case string:
			all.WriteString(v)
		}
	}
	one := func(doc []byte) {
		var v any
		if err := json.Unmarshal(doc, &v); err != nil {
			t.Fatalf("%v: %s", err, doc)
		}
		if m, ok := v.(map[string]any); ok && m["type"] != nil && !strings.HasSuffix(m["type"].(string), "delta") && m["type"] != "message" {
			return
		}
		walk(v)
	}
	if strings.HasPrefix(body, "{") {
		one([]byte(body))
		return all.String()
	}
	split := wire.Splitter{Each: func(e wire.Event) {
		if len(e.Data) > 0 && e.Data[0] == '{' {
			one(e.Data)
		}
	}}
	_, _ = split.Write([]byte(body))
	_ = split.Close()
	return all.String()
}

func TestMasked(t *testing.T) {
	t.Parallel()
	const said, want = "Dear [EMAIL_1], your [CARD_1] with [PASSWORD_1] and [EMAIL_2]", "Dear " + mail + ", your " + card + " with " + secret + " and [EMAIL_2]"
	for api, path := range paths {
		for _, stream := range []bool{false, true} {
			t.Run(string(api), func(t *testing.T) {
				t.Parallel()
				h := newHouse(t, func(c *aurea.Config) { c.PII = func(string) aurea.PII { return aurea.PIIMask } })
				u := aurea.Usage{Input: 1000, Output: 500}
				step := aureatest.Says(api, said, u)
				if stream {
					var pieces []string
					for i := 0; i < len(said); i += 4 {
						pieces = append(pieces, said[i:min(i+4, len(said))])
					}
					step = aureatest.Streams(api, u, pieces...)
				}
				h.Provider.Script(aureatest.Step{Status: 500, Times: 1}, step)
				resp, body := h.post(t, path, with(api, stream), "X-Aurea-Job", "a")
				nothingOf(t, aureatest.RequireRequests(t, h.Provider, 2))
				if got := texts(t, body); resp.StatusCode != 200 || got != want {
					t.Errorf("%s: %q, want %q\n%s", resp.Status, got, want, body)
				}
				const count = "CARD=1, EMAIL=2, PASSWORD=1"
				if got := resp.Header.Get("X-Aurea-Masked"); !stream && got != count || stream && !strings.Contains(body, `"masked":"`+count+`"`) {
					t.Errorf("masked %q: %s", got, body)
				}
			})
		}
	}
}

// The configuration is the least that holds; a call, a job, and the jobs below it can ask for more.
func TestPIIStrictest(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	hi := aureatest.Says(usage.Chat, "hi", aurea.Usage{Input: 1, Output: 1})
	hi.Times = -1
	h.Provider.Script(hi)
	plain := func(name string, headers ...string) bool {
		t.Helper()
		before := len(h.Provider.Requests())
		resp, body := h.post(t, "/v1/chat/completions", with(usage.Chat, false), headers...)
		sent := h.Provider.Requests()[before:]
		if resp.StatusCode != 200 || len(sent) != 1 {
			t.Fatalf("%s: %s %s", name, resp.Status, body)
		}
		return strings.Contains(string(sent[0].Body), mail)
	}
	if !plain("by default") || plain("by the call", "X-Aurea-Pii", "mask") || !plain("the next") {
		t.Error("a call's wish does not hold, or holds for others")
	}
	if plain("making the job", "X-Aurea-Job", "j", "X-Aurea-Pii", "mask") || plain("the job", "X-Aurea-Job", "j") || plain("off", "X-Aurea-Job", "j", "X-Aurea-Pii", "off") ||
		plain("below", "X-Aurea-Job", "k", "X-Aurea-Parent-Job", "j") {
		t.Error("a job's wish does not hold")
	}
	for _, headers := range [][]string{{"X-Aurea-Pii", "block"}, {"X-Aurea-Job", "b", "X-Aurea-Pii", "block"}, {"X-Aurea-Job", "b", "X-Aurea-Pii", "mask"}, {"X-Aurea-Job", "j", "X-Aurea-Pii", "block"}} {
		before := len(h.Provider.Requests())
		resp, body := h.post(t, "/v1/chat/completions", with(usage.Chat, false), headers...)
		if resp.StatusCode != 400 || resp.Header.Get("X-Aurea-Error") != "pii_blocked" || len(h.Provider.Requests()) != before {
			t.Errorf("%v: %s %s", headers, resp.Status, body)
		}
		for _, want := range []string{"2 EMAIL in messages[0]", "1 CARD", "1 PASSWORD"} {
			if !strings.Contains(body, want) {
				t.Errorf("%s does not say %q", body, want)
			}
		}
		if strings.Contains(body, "ann@") || strings.Contains(body, "4111") {
			t.Errorf("a value in %s", body)
		}
		if resp, body := h.post(t, "/v1/chat/completions", chat, headers...); resp.StatusCode != 200 {
			t.Errorf("without personal data: %s %s", resp.Status, body)
		}
	}
	if resp, body := h.post(t, "/v1/chat/completions", chat, "X-Aurea-Pii", "yes"); resp.StatusCode != 400 || !strings.Contains(body, "X-Aurea-Pii") {
		t.Errorf("%s %s", resp.Status, body)
	}
	if j, err := h.Store.Job(context.WithoutCancel(t.Context()), "local/j"); err != nil || j.PII != "mask" {
		t.Errorf("kept as %q, %v", j.PII, err)
	}
}

// What is only passed through is not masked, and so not sent with personal data either.
func TestPassedPII(t *testing.T) {
	t.Parallel()
	var got string
	at := passing(t, func(w http.ResponseWriter, r *http.Request) {
		got += r.URL.RequestURI() + " "
		_, _ = w.Write([]byte("{}"))
	})
	for _, c := range []struct {
		pii, path, body string
		status          int
	}{
		{"mask", "/p/first/files/1", `{"purpose":"none"}`, 200},
		{"mask", "/p/first/files/2", `{"name":"` + mail + `"}`, 400},
		{"block", "/p/first/files/3", `{"name":"` + mail + `"}`, 400},
		{"mask", "/p/first/files/4", "--boundary\r\n", 400},
		{"mask", "/p/first/files/5?for=ann%40example.com", "", 400},
		{"off", "/p/first/files/6", "--boundary\r\n", 200},
	} {
		resp, body := send(t, http.MethodPost, at+c.path, c.body, "X-Aurea-Pii", c.pii)
		if resp.StatusCode != c.status || c.status == 400 && resp.Header.Get("X-Aurea-Error") != "pii_blocked" {
			t.Errorf("%v: %s %s", c, resp.Status, body)
		}
	}
	if got != "/base/v1/files/1 /base/v1/files/6 " {
		t.Errorf("the provider got %s", got)
	}
}

func TestCountedPII(t *testing.T) {
	t.Parallel()
	var got string
	at := passing(t, func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, 1000)
		n, _ := r.Body.Read(body)
		got = string(body[:n])
		_, _ = w.Write([]byte(`{"input_tokens":1}`))
	})
	if resp, body := send(t, http.MethodPost, at+"/v1/messages/count_tokens", `{"model":"second/test-model","messages":[{"role":"user","content":"`+mail+`"}]}`, "X-Aurea-Pii", "mask"); resp.StatusCode != 200 {
		t.Errorf("%s %s", resp.Status, body)
	}
	if strings.Contains(got, mail) || !strings.Contains(got, "[EMAIL_1]") {
		t.Errorf("the provider got %s", got)
	}
}
