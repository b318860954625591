package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/aureatest"
	"github.com/andres20980/aurea-orchestrator/gateway"
	"github.com/andres20980/aurea-orchestrator/provider/openai"
)

// between returns a gateway before a provider of the test's own.
func between(t *testing.T, upstream http.HandlerFunc, change ...func(*gateway.Config)) string {
	t.Helper()
	p := httptest.NewServer(upstream)
	t.Cleanup(p.Close)
	orch, err := aurea.New(aurea.Config{
		Providers: []aurea.Provider{openai.New(openai.Config{Name: "openai", BaseURL: p.URL + "/v1", Keys: []string{"the-provider-s-key"}})}, Prices: aureatest.Prices(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = orch.Close() })
	cfg := gateway.Config{Orchestrator: orch}
	for _, f := range change {
		f(&cfg)
	}
	g := gateway.New(cfg)
	t.Cleanup(g.Close)
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	return s.URL
}

const answer = `{"id":"1","object":"chat.completion","model":"test-model","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`

// Credentials and the connection's own headers go neither way; everything else does.
func TestHeadersThatPass(t *testing.T) {
	t.Parallel()
	var got http.Header
	url := between(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		for name, value := range map[string]string{
			"Set-Cookie": "session=1", "X-Request-Id": "req_1", "X-Ratelimit-Remaining-Requests": "7", "X-Aurea-Cost-Usd": "0", "Openai-Organization": "org", "Connection": "X-Hop", "X-Hop": "1",
		} {
			w.Header().Set(name, value)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/chat/completions", strings.NewReader(chat))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Authorization": "Bearer client", "X-Api-Key": "client", "Api-Key": "client", "X-Goog-Api-Key": "client", "Cookie": "client=1", "Proxy-Authorization": "client",
		"X-Aurea-Job": "a", "Idempotency-Key": "once", "Openai-Beta": "b", "User-Agent": "agent", "X-Stainless-Lang": "go",
	} {
		req.Header.Set(name, value)
	}
	resp, err := caller.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for name, want := range map[string]string{
		"Authorization": "Bearer the-provider-s-key", "X-Api-Key": "", "Api-Key": "", "X-Goog-Api-Key": "", "Cookie": "", "Proxy-Authorization": "", "X-Aurea-Job": "",
		"Idempotency-Key": "once", "Openai-Beta": "b", "User-Agent": "agent", "X-Stainless-Lang": "go",
	} {
		if got.Get(name) != want {
			t.Errorf("upstream got %s: %q, want %q", name, got.Get(name), want)
		}
	}
	for name, want := range map[string]string{
		"Set-Cookie": "", "X-Hop": "", "X-Request-Id": "req_1", "X-Ratelimit-Remaining-Requests": "7", "X-Aurea-Cost-Usd": "0.000003", "Openai-Organization": "org",
	} {
		if resp.Header.Get(name) != want {
			t.Errorf("the client got %s: %q, want %q", name, resp.Header.Get(name), want)
		}
	}
	if dump := fmt.Sprint(resp.Header); strings.Contains(dump, "the-provider-s-key") {
		t.Error(dump)
	}
}

// A body arrives as it was sent, byte for byte, whatever is in it.
func TestBodyIsUnchanged(t *testing.T) {
	t.Parallel()
	var got []byte
	url := between(t, func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		_, _ = io.WriteString(w, answer)
	})
	body := ` { "unknown_field" : [ 1e2 , {"deep":null} ],"max_tokens":5, "n":1,"logprobs":true,"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],
		"messages":[{"role":"user","content":[{"type":"text","text":"\u00e9\ud83d\ude00 é"}]}],"model":"test-model"}  `
	resp, err := http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 200 || string(got) != body {
		t.Errorf("%s\n%s", resp.Status, got)
	}
}

// A provider's own error comes through with its status, body and Retry-After.
func TestProviderErrorComesThrough(t *testing.T) {
	t.Parallel()
	const said = `{"error":{"message":"no such thing","type":"invalid_request_error","param":"messages[0]","code":"unknown_parameter"}}`
	url := between(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-Id", "req_2")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, said)
	})
	resp, err := http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(chat))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 400 || string(body) != said || resp.Header.Get("X-Request-Id") != "req_2" || resp.Header.Get("X-Aurea-Error") != "" {
		t.Errorf("%s %v: %s", resp.Status, resp.Header, body)
	}
}

// Lines of ten megabytes, any line ends, comments, and no end of the last line come through as they are.
func TestStreamBytesAreUnchanged(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 10<<20)
	sent := ": hello\r\n\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + long + "\"}}]}\n\n" +
		"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\r\rdata: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,\"total_tokens\":2}}\n\ndata: [DONE]\n\n"
	url := between(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, sent)
	})
	body := strings.Replace(chatStream, `{`, `{"stream_options":{"include_usage":true},`, 1)
	resp, err := http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	came, end, _ := bytes.Cut(got, []byte(": aurea "))
	if string(came) != sent || !bytes.Contains(end, []byte(`"cost_usd":"0.000003"`)) {
		t.Errorf("%d bytes of %d; then %s", len(came), len(sent), end)
	}
}

// A body that is too large, or does not come, costs nobody anything.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	url := between(t, func(http.ResponseWriter, *http.Request) { t.Error("something was sent") }, func(c *gateway.Config) {
		c.MaxBody, c.SlowBody = 1000, 200*time.Millisecond
	})
	large := strings.Replace(chat, "hi", strings.Repeat("x", 1000), 1)
	for name, body := range map[string]io.Reader{"announced": strings.NewReader(large), "chunked": io.MultiReader(strings.NewReader(large))} {
		resp, err := http.Post(url+"/v1/chat/completions", "application/json", body)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 413 || resp.Header.Get("X-Aurea-Error") != "body_too_large" {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	for name, raw := range map[string]string{
		"stalled":       "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n{\"model\"",
		"smuggled":      "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nPOST /v1/embeddings HTTP/1.1\r\nHost: a\r\n\r\n",
		"two lengths":   "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
		"odd encoding":  "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"split header":  "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nX-Aurea-Job: a\n b\r\nContent-Length: 2\r\n\r\n{}",
		"spaced header": "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length : 2\r\n\r\n{}",
	} {
		status := rawStatus(t, url, raw)
		if status != 400 && status != 501 {
			t.Errorf("%s: status %d", name, status)
		}
	}
}

// rawStatus sends bytes as they are and returns the status that comes back.
func rawStatus(t *testing.T, url, raw string) int {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// Hundreds of clients that leave at once leave nothing behind, and the next one is served.
func TestManyClientsLeave(t *testing.T) {
	h := newHouse(t)
	h.Provider.Configure(aureatest.Options{EventDelay: 500 * time.Millisecond}) // no stream ends before all have begun
	before := runtime.NumGoroutine()
	ctx, leave := context.WithCancel(t.Context())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var clients sync.WaitGroup
	for range 300 {
		clients.Go(func() {
			req, _ := http.NewRequestWithContext(ctx, http.MethodPost, h.url+"/v1/chat/completions", strings.NewReader(chatStream))
			req.Header.Set("X-Aurea-Job", "crowd")
			if resp, err := client.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
	soon(t, "all streams", func() bool { return h.Provider.Stats().InFlight > 200 })
	leave()
	clients.Wait()
	soon(t, "the provider to be left", func() bool { return h.Provider.Stats().InFlight == 0 })
	soon(t, "goroutines to end", func() bool { return runtime.NumGoroutine() < before+50 })
	h.Provider.Configure(aureatest.Options{})
	if resp, body := h.post(t, "/v1/chat/completions", chat, "X-Aurea-Job", "next"); resp.StatusCode != 200 {
		t.Errorf("%s: %s", resp.Status, body)
	}
}

// A client that reads nothing is left after a while, and so is the provider; others are not held up by it.
func TestStalledReader(t *testing.T) {
	t.Parallel()
	left := make(chan struct{})
	url := between(t, func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); !bytes.Contains(body, []byte(`"stream"`)) {
			_, _ = io.WriteString(w, answer)
			return
		}
		defer close(left)
		w.Header().Set("Content-Type", "text/event-stream")
		event := []byte("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + strings.Repeat("x", 64<<10) + "\"}}]}\n\n")
		for r.Context().Err() == nil {
			if _, err := w.Write(event); err != nil {
				return
			}
		}
	}, func(c *gateway.Config) { c.SlowBody = 300 * time.Millisecond })
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(chatStream), chatStream); err != nil {
		t.Fatal(err)
	}
	select {
	case <-left:
	case <-time.After(20 * time.Second):
		t.Error("the provider is still being read for a client that reads nothing")
	}
	resp, err := http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(chat))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
}
