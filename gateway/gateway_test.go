package gateway_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/aureatest"
	"github.com/andres20980/aurea-orchestrator/gateway"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// house is a gateway on loopback with a fake provider behind it.
type house struct {
	*aureatest.Orchestrator
	url string
}

func newHouse(t *testing.T, change ...func(*aurea.Config)) *house {
	t.Helper()
	h := &house{Orchestrator: aureatest.New(t, change...)}
	g := gateway.New(gateway.Config{Orchestrator: h.Orchestrator.Orchestrator, Models: func() []string { return []string{aureatest.Model} }})
	s := httptest.NewServer(g)
	t.Cleanup(g.Close)
	t.Cleanup(s.Close)
	h.url = s.URL
	return h
}

// answered is an answer that has been read whole.
type answered struct {
	Status     string
	StatusCode int
	Header     http.Header
}

// post sends a body and returns the answer with its whole body.
func (h *house) post(t *testing.T, path, body string, headers ...string) (answered, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := caller.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%v after %q", err, b)
	}
	return answered{resp.Status, resp.StatusCode, resp.Header}, string(b)
}

const chat = `{"model":"test-model","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}`

func TestAnswerComesThrough(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.Provider.Script(aureatest.Says(usage.Chat, "hello", aurea.Usage{Input: 1000, Output: 500}))
	resp, body := h.post(t, "/v1/chat/completions", chat, "X-Aurea-Job", "a", "Authorization", "Bearer the-client-s-own", "X-Aurea-Max-Cost", "1")
	if resp.StatusCode != 200 || !strings.Contains(body, "hello") {
		t.Fatalf("%s: %s", resp.Status, body)
	}
	for name, want := range map[string]string{
		"X-Aurea-Cost-Usd": "0.002", "X-Aurea-Job-Spent-Usd": "0.002", "X-Aurea-Job-Remaining-Usd": "0.998", "X-Aurea-Attempts": "1", "Content-Type": "application/json",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := aureatest.RequireRequests(t, h.Provider, 1)[0].Header.Get("Authorization"); got != "Bearer test" {
		t.Errorf("upstream got %q", got)
	}
}

func TestStreamComesThrough(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.Provider.Script(aureatest.Streams(usage.Chat, aurea.Usage{Input: 1000, Output: 500}, "hel", "lo"))
	resp, body := h.post(t, "/openai/v1/chat/completions", strings.Replace(chat, `"model"`, `"stream":true,"model"`, 1), "X-Aurea-Job", "a")
	if resp.StatusCode != 200 || !strings.Contains(body, "data: [DONE]") || strings.Contains(body, `"usage":{`) {
		t.Fatalf("%s: %s", resp.Status, body)
	}
	if !strings.Contains(body, `: aurea {"call_id":"`+resp.Header.Get("X-Aurea-Call-Id")+`","cost_usd":"0.002","job_spent_usd":"0.002","job_remaining_usd":"9.998","queue_ms":`) {
		t.Errorf("%s", body)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	t.Cleanup(func() { aureatest.RequireRequests(t, h.Provider, 0) })
	for name, c := range map[string]struct {
		path, body string
		headers    []string
		status     int
		code       string
	}{
		"not JSON":         {"/v1/chat/completions", "hi", nil, 400, "invalid_request"},
		"two models":       {"/v1/chat/completions", `{"model":"a","model":"b"}`, nil, 400, "invalid_request"},
		"unknown price":    {"/v1/chat/completions", `{"model":"openai/nobody-knows","messages":[]}`, nil, 422, "price_unknown"},
		"other format":     {"/v1/messages", `{"model":"gpt-4o","max_tokens":1,"messages":[]}`, nil, 400, "endpoint_mismatch"},
		"bad job":          {"/v1/chat/completions", chat, []string{"X-Aurea-Job", "a b"}, 400, "invalid_request"},
		"two jobs":         {"/v1/chat/completions", chat, []string{"X-Aurea-Job", "a", "X-Aurea-Job", "b"}, 400, "invalid_request"},
		"bad limit":        {"/v1/chat/completions", chat, []string{"X-Aurea-Job", "a", "X-Aurea-Max-Cost", "1e3"}, 400, "invalid_request"},
		"limit of no job":  {"/v1/chat/completions", chat, []string{"X-Aurea-Max-Cost", "1"}, 400, "invalid_request"},
		"no money":         {"/v1/chat/completions", chat, []string{"X-Aurea-Job", "poor", "X-Aurea-Max-Cost", "0"}, 402, "budget_exceeded"},
		"no money, claude": {"/anthropic/v1/messages", `{"model":"anthropic/test-model","max_tokens":9,"messages":[]}`, []string{"X-Aurea-Job", "poor", "X-Aurea-Max-Cost", "0"}, 402, "budget_exceeded"},
		"unknown parent":   {"/v1/chat/completions", chat, []string{"X-Aurea-Job", "child", "X-Aurea-Parent-Job", "nobody"}, 404, "not_found"},
		"unknown class":    {"/v1/chat/completions", chat, []string{"X-Aurea-Class", "vip"}, 400, "invalid_request"},
		"bad time-out":     {"/v1/chat/completions", chat, []string{"X-Aurea-Timeout", "soon"}, 400, "invalid_request"},
		"compressed":       {"/v1/chat/completions", chat, []string{"Content-Encoding", "gzip"}, 400, "invalid_request"},
		"unknown path":     {"/v1/audio/speech", chat, nil, 404, "not_found"},
		"a person's model": {"/v1/chat/completions", `{"model":"eve@example.net","messages":[]}`, nil, 422, "price_unknown"},
		"a person's job":   {"/v1/chat/completions", chat, []string{"X-Aurea-Job", "eve@example.net"}, 400, "invalid_request"},
		"a person's path":  {"/v1/eve@example.net", chat, nil, 404, "not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, body := h.post(t, c.path, c.body, c.headers...)
			if resp.StatusCode != c.status || resp.Header.Get("X-Aurea-Error") != c.code {
				t.Errorf("%s %s: %s", resp.Status, resp.Header.Get("X-Aurea-Error"), body)
			}
			if want := `{"error":{"message":"`; !strings.HasPrefix(c.path, "/anthropic") && !strings.HasSuffix(c.path, "messages") && !strings.HasPrefix(body, want) {
				t.Errorf("%s", body)
			}
			if want := `{"type":"error","error":{"type":"`; strings.HasSuffix(c.path, "messages") && !strings.HasPrefix(body, want) {
				t.Errorf("%s", body)
			}
			if resp.Header.Get("X-Should-Retry") != "false" {
				t.Error("an SDK would repeat it")
			}
			if strings.Contains(body, "eve@") {
				t.Errorf("not redacted: %s", body)
			}
		})
	}
}

// Counting tokens is free, belongs to no job, and obeys the same lists.
func TestCountTokens(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const ask = `{"model":"anthropic/test-model","messages":[{"role":"user","content":"hi"}]}`
	resp, body := h.post(t, "/v1/messages/count_tokens", ask)
	if resp.StatusCode != 200 || !strings.HasPrefix(body, `{"input_tokens":`) {
		t.Errorf("%s: %s", resp.Status, body)
	}
	if resp, body := h.post(t, "/v1/messages/count_tokens", `{"model":"gpt-4o","messages":[]}`); resp.StatusCode != 400 || !strings.HasPrefix(body, `{"type":"error"`) {
		t.Errorf("%s: %s", resp.Status, body)
	}
	job, err := h.Job("default", aurea.Dollar)
	if err != nil {
		t.Fatal(err)
	}
	aureatest.RequireSpent(t, job, "0")
}

// What is asked for where nothing is, is told in the form that the client reads.
func TestNotFoundInTheClientsForm(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, c := range []struct{ path, header, want string }{
		{"/v1/nothing", "", `"code":"not_found"`},
		{"/anthropic/v1/nothing", "", `"type":"not_found_error"`},
		{"/v1/nothing", "2023-06-01", `"type":"not_found_error"`},
		{"/v1/models", "2023-06-01", `"type":"invalid_request_error"`},
	} {
		resp, body := h.post(t, c.path, "{}", "Anthropic-Version", c.header)
		if (resp.StatusCode != 404 && resp.StatusCode != 405) || !strings.Contains(body, c.want) {
			t.Errorf("%s: %s %s", c.path, resp.Status, body)
		}
	}
}
