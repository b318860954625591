package provider_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/provider/anthropic"
	"github.com/andres20980/aurea-orchestrator/provider/openai"
	"github.com/andres20980/aurea-orchestrator/simulate"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// counting is a server that answers every request alike, and the last one that it got.
type counting struct {
	status int
	answer string
	path   string
	header http.Header
	body   map[string]any
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.path, c.header, c.body = r.URL.Path, r.Header, nil
	raw, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(raw, &c.body)
	w.WriteHeader(c.status)
	_, _ = io.WriteString(w, c.answer)
}

func (c *counting) ask(t *testing.T, api usage.API, body string) (int64, error) {
	t.Helper()
	server := httptest.NewServer(c)
	defer server.Close()
	key := strings.Repeat("k", 8)
	var p aurea.Provider = openai.New(openai.Config{Name: "p", BaseURL: server.URL + "/v1", Keys: []string{key}})
	if api == usage.Messages {
		p = anthropic.New(anthropic.Config{Name: "p", BaseURL: server.URL, Keys: []string{key}})
	}
	return p.(aurea.InputCounter).CountInput(t.Context(), &aurea.Request{
		API: api, Body: []byte(body), Header: http.Header{"Anthropic-Beta": {"context-1m"}, "Idempotency-Key": {"i"}},
		OnSend: func() error { t.Error("a count is no attempt"); return nil },
	})
}

// The endpoints get what is input and nothing else.
func TestCountInput(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		api  usage.API
		body string
		path string
		want map[string]any
	}{
		{
			usage.Messages, `{"model":"m","max_tokens":5,"stream":true,"temperature":1.0,"metadata":{"user_id":"u"},"system":"s","messages":[{"role":"user","content":"é"}],"tools":[],"service_tier":"auto"}`,
			"/v1/messages/count_tokens",
			map[string]any{"model": "m", "system": "s", "messages": []any{map[string]any{"role": "user", "content": "é"}}, "tools": []any{}},
		},
		{
			usage.Responses, `{"model":"m","input":"x","instructions":"i","max_output_tokens":5,"store":false,"stream":true,"reasoning":{"effort":"low"}}`,
			"/v1/responses/input_tokens",
			map[string]any{"model": "m", "input": "x", "instructions": "i", "reasoning": map[string]any{"effort": "low"}},
		},
	} {
		s := &counting{status: http.StatusOK, answer: `{"object":"response.input_tokens","input_tokens":1234}`}
		n, err := s.ask(t, c.api, c.body)
		if n != 1234 || err != nil || s.path != c.path {
			t.Errorf("%s: %d, %v, asked %s", c.api, n, err, s.path)
		}
		if diff := cmp.Diff(c.want, s.body); diff != "" {
			t.Errorf("%s: %s", c.api, diff)
		}
		if s.header.Get("Idempotency-Key") != "" || s.header.Get("Anthropic-Beta") != "context-1m" || s.header.Get("Authorization")+s.header.Get("X-Api-Key") == "" {
			t.Errorf("%s: %v", c.api, s.header)
		}
	}
}

// What the endpoints do not see is not counted, and what they do not say is no count.
func TestCountInputFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		api    usage.API
		body   string
		status int
		answer string
		want   error
	}{
		{usage.Messages, `{"model":"m","messages":[],"container":"c"}`, 200, `{"input_tokens":1}`, aurea.ErrNotCountable},
		{usage.Messages, `{"model":"m","messages":[],"mcp_servers":[{}]}`, 200, `{"input_tokens":1}`, aurea.ErrNotCountable},
		{usage.Responses, `{"model":"m","input":"x","previous_response_id":"r"}`, 200, `{"input_tokens":1}`, aurea.ErrNotCountable},
		{usage.Responses, `{"model":"m","input":"x","something":"new"}`, 200, `{"input_tokens":1}`, aurea.ErrNotCountable},
		{usage.Chat, `{"model":"m","messages":[]}`, 200, `{"input_tokens":1}`, aurea.ErrNotCountable},
		{usage.Messages, `[]`, 200, `{"input_tokens":1}`, aurea.ErrNotCountable},
		{usage.Messages, `{"messages":[]}`, 404, `{}`, aurea.ErrNotCounted},
		{usage.Messages, `{"messages":[]}`, 405, `{}`, aurea.ErrNotCounted},
		{usage.Messages, `{"messages":[]}`, 429, `{"input_tokens":5}`, nil},
		{usage.Messages, `{"messages":[]}`, 302, `{"input_tokens":5}`, nil},
		{usage.Messages, `{"messages":[]}`, 200, `{"input_tokens":0}`, nil},
		{usage.Messages, `{"messages":[]}`, 200, `{"input_tokens":-5}`, nil},
		{usage.Messages, `{"messages":[]}`, 200, `{"input_tokens":1.5}`, nil},
		{usage.Messages, `{"messages":[]}`, 200, `{"input_tokens":"5"}`, nil},
		{usage.Messages, `{"messages":[]}`, 200, `{"input_tokens":5`, nil},
		{usage.Messages, `{"messages":[]}`, 200, `{"input_tokens":5,"input_tokens":1}`, nil},
		{usage.Messages, `{"messages":[]}`, 200, `{"tokens":5}`, nil},
		{usage.Messages, `{"messages":[]}`, 200, `<html>`, nil},
	} {
		s := &counting{status: c.status, answer: c.answer}
		if n, err := s.ask(t, c.api, c.body); err == nil || n != 0 || c.want != nil && !errors.Is(err, c.want) || c.want == nil && (errors.Is(err, aurea.ErrNotCounted) || errors.Is(err, aurea.ErrNotCountable)) {
			t.Errorf("%s %s, answered %d %s: %d, %v", c.api, c.body, c.status, c.answer, n, err)
		}
	}
}

// A count is what the same request is then charged.
func TestCountIsTheCharge(t *testing.T) {
	t.Parallel()
	running, p := simulated(t, usage.Messages, simulate.Options{})
	req := request(usage.Messages, 7, nil)
	n, err := p.(aurea.InputCounter).CountInput(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if got := running.Stats(); got.InputTokens != 0 {
		t.Errorf("a count was charged %d tokens", got.InputTokens)
	}
	req = request(usage.Messages, 7, &sink{})
	if got := p.Do(t.Context(), req); !got.OK() || running.Stats().InputTokens != n {
		t.Errorf("counted %d, charged %d", n, running.Stats().InputTokens)
	}
}

// A provider that does not answer is not waited for.
func TestCountEndsWithItsContext(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer server.Close()
	defer close(hang)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	p := anthropic.New(anthropic.Config{Name: "p", BaseURL: server.URL})
	if _, err := p.CountInput(ctx, &aurea.Request{API: usage.Messages, Body: []byte(`{"messages":[]}`)}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Whatever a caller writes, the endpoint gets an object of the fields that it takes; whatever it answers, a count is a whole number above 0 that stands there.
func FuzzCountInput(f *testing.F) {
	f.Add(`{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":5}`, `{"input_tokens":12}`)
	f.Add(`{"model":"m","x":1}`, `{"input_tokens":1e3}`)
	f.Add(`{"messages":[],"messages":[]}`, `{"a":{"input_tokens":5},"input_tokens":-1}`)
	f.Add(`{"mess\u0061ges":[]}`, `[12]`)
	f.Fuzz(func(t *testing.T, body, answer string) {
		var sent []byte
		client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			sent, _ = io.ReadAll(r.Body)
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
		})}
		p := anthropic.New(anthropic.Config{Name: "p", BaseURL: "http://provider.invalid", Client: client})
		n, err := p.CountInput(t.Context(), &aurea.Request{API: usage.Messages, Body: []byte(body)})
		if sent != nil {
			var fields map[string]json.RawMessage
			if err := json.Unmarshal(sent, &fields); err != nil {
				t.Fatalf("%s was sent for %s", sent, body)
			}
			for _, idle := range []string{"max_tokens", "stream", "metadata", "container"} {
				if _, is := fields[idle]; is {
					t.Fatalf("%s was sent for %s", sent, body)
				}
			}
		}
		var said struct {
			Tokens json.Number `json:"input_tokens"`
		}
		if (n > 0) != (err == nil) {
			t.Fatalf("%d, %v", n, err)
		}
		if err == nil && (json.Unmarshal([]byte(answer), &said) != nil || said.Tokens.String() != strconv.FormatInt(n, 10) && !strings.Contains(answer, `\`) && strings.Count(strings.ToLower(answer), "input_tokens") == 1) {
			t.Fatalf("%d from %s", n, answer)
		}
	})
}
