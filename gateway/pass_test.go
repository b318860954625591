package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/aureatest"
	"github.com/andres20980/aurea-orchestrator/gateway"
	"github.com/andres20980/aurea-orchestrator/provider/anthropic"
	"github.com/andres20980/aurea-orchestrator/provider/openai"
)

// passing returns a gateway before two providers that are one server; "files/*" and "wait" cost nothing at the first.
func passing(t *testing.T, upstream http.HandlerFunc) (at string) {
	t.Helper()
	p := httptest.NewServer(upstream)
	t.Cleanup(p.Close)
	orch, err := aurea.New(aurea.Config{
		Providers: []aurea.Provider{
			openai.New(openai.Config{Name: "first", BaseURL: p.URL + "/base/v1", Keys: []string{"the-provider-s-key"}}),
			anthropic.New(anthropic.Config{Name: "second", BaseURL: p.URL + "/base", Keys: []string{"the-provider-s-key"}}),
		},
		Prices: aureatest.Prices(),
		Free: func(provider, method, path string) bool {
			return aurea.ListsModels(provider, method, path) || provider == "first" && (strings.HasPrefix(path, "files/") || path == "wait")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = orch.Close() })
	g := gateway.New(gateway.Config{Orchestrator: orch})
	t.Cleanup(g.Close)
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	return s.URL
}

func send(t *testing.T, method, to, body string, headers ...string) (answered, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, to, strings.NewReader(body))
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
		t.Fatal(err)
	}
	return answered{resp.Status, resp.StatusCode, resp.Header}, string(b)
}

// What costs nothing goes through with its method, path, query, body and headers; credentials stay on their side.
func TestPassThrough(t *testing.T) {
	t.Parallel()
	var got atomic.Pointer[http.Request]
	at := passing(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got.Store(r.Clone(context.Background()))
		w.Header().Set("X-Request-Id", "req_1")
		w.Header().Set("Set-Cookie", "session=1")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, "%s %s", r.Method, body)
	})
	resp, body := send(t, http.MethodPut, at+"/p/first/files/a%20b?limit=2&key=the-client-s&api_key=x&order=asc", "\x00binary", "Authorization", "Bearer the-client-s", "X-Api-Key", "the-client-s",
		"X-Goog-Api-Key", "the-client-s", "Cookie", "a=b", "X-Own", "kept", "Content-Type", "application/octet-stream", "X-Aurea-Job", "j")
	if resp.StatusCode != http.StatusTeapot || body != "PUT \x00binary" || resp.Header.Get("X-Request-Id") != "req_1" || resp.Header.Get("Set-Cookie") != "" || resp.Header.Get("X-Aurea-Call-Id") == "" {
		t.Errorf("%s %q %v", resp.Status, body, resp.Header)
	}
	r := got.Load()
	if r.RequestURI != "/base/v1/files/a%20b?limit=2&order=asc" || r.Header.Get("X-Own") != "kept" || r.Header.Get("Content-Type") != "application/octet-stream" || r.Header.Get("Authorization") != "Bearer the-provider-s-key" {
		t.Errorf("upstream got %s %v", r.RequestURI, r.Header)
	}
	for name, values := range r.Header {
		if strings.Contains(strings.Join(values, " "), "the-client-s") || name == "Cookie" || strings.HasPrefix(name, "X-Aurea-") {
			t.Errorf("upstream got %s: %s", name, values)
		}
	}
	if resp, _ := send(t, http.MethodGet, at+"/p/second/v1/models/x", ""); resp.StatusCode != http.StatusTeapot || got.Load().RequestURI != "/base/v1/models/x" || got.Load().Header.Get("X-Api-Key") != "the-provider-s-key" {
		t.Errorf("%s %s", resp.Status, got.Load().RequestURI)
	}
}

// Calls below /p/PROVIDER/ are held, sent to that provider, and booked.
func TestPassedCallsArePaid(t *testing.T) {
	t.Parallel()
	var path atomic.Value
	at := passing(t, func(w http.ResponseWriter, r *http.Request) {
		path.Store(r.URL.Path)
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/messages") {
			_, _ = io.WriteString(w, `{"id":"1","type":"message","role":"assistant","model":"test-model","content":[],"stop_reason":"end_turn","usage":{"input_tokens":1000,"output_tokens":500}}`)
			return
		}
		_, _ = io.WriteString(w, `{"id":"1","object":"chat.completion","model":"test-model","choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":500,"total_tokens":1500}}`)
	})
	for _, c := range []struct{ to, want string }{{"/p/first/chat/completions", "/base/v1/chat/completions"}, {"/p/second/v1/messages", "/base/v1/messages"}} {
		resp, body := send(t, http.MethodPost, at+c.to, chat, "X-Aurea-Job", "j")
		if resp.StatusCode != 200 || resp.Header.Get("X-Aurea-Cost-Usd") != "0.002" || path.Load() != c.want {
			t.Errorf("%s: %s cost %q, sent to %v: %s", c.to, resp.Status, resp.Header.Get("X-Aurea-Cost-Usd"), path.Load(), body)
		}
	}
}

// What may cost something, and what may lead elsewhere, is refused and sent nowhere.
func TestPassRefuses(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	at := passing(t, func(http.ResponseWriter, *http.Request) { sent.Add(1) })
	host := strings.TrimPrefix(at, "http://")
	for _, c := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"POST", "/p/first/images/generations", 422, `providers.first.free_paths: [\"images/generations\"]`},
		{"GET", "/p/second/files/1", 422, "providers.second.free_paths"},
		{"POST", "/p/second/chat/completions", 422, ""},
		{"POST", "/p/first/models", 422, ""},
		{"GET", "/p/nobody/models", 404, "nobody"},
		{"GET", "/p/first", 404, ""},
		{"GET", "/p/first/", 404, ""},
		{"OPTIONS", "/p/first/models", 405, ""},
		{"TRACE", "/p/first/models", 405, ""},
		{"GET", "/p/first/files/../chat", 400, "cannot be passed on"},
		{"GET", "/p/first/files/%2e%2e/chat", 400, ""},
		{"GET", "/p/first/files/.%2e/chat", 400, ""},
		{"GET", "/p/first/files/%252e%252e/chat", 400, ""},
		{"GET", "/p/first/files/..%2fchat", 400, ""},
		{"GET", "/p/first/files/a%5c..%5cchat", 400, ""},
		{"GET", "/p/first//files/x", 400, ""},
		{"GET", "/p/first/files//evil.example", 400, ""},
		{"GET", "/p/first/files/./x", 400, ""},
		{"GET", "/p/first/files/a%0d%0aX-Evil:%201", 400, ""},
		{"GET", "/p/first/http://evil.example/files/x", 400, ""},
		{"GET", "/p/../p/first/files/x", 404, ""},
		{"GET", "/p/first%2ffiles/x", 404, ""},
	} {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", c.method, c.path)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		_ = conn.Close()
		if resp.StatusCode != c.status || !strings.Contains(string(body), c.says) {
			t.Errorf("%s %s: %d %s; want %d", c.method, c.path, resp.StatusCode, body, c.status)
		}
	}
	if sent.Load() != 0 {
		t.Errorf("%d requests were sent", sent.Load())
	}
}

// An answer comes as it is written, and a client that leaves takes the provider with it.
func TestPassStreams(t *testing.T) {
	t.Parallel()
	left := make(chan struct{})
	at := passing(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(left)
	})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"/p/first/wait", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := caller.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || line != "first\n" {
		t.Fatal(line, err)
	}
	leave()
	select {
	case <-left:
	case <-time.After(30 * time.Second):
		t.Error("the provider is still at it")
	}
}

// An answer that breaks off does not look whole.
func TestPassedAnswerBreaksOff(t *testing.T) {
	t.Parallel()
	at := passing(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "half")
	})
	resp, err := http.Get(at + "/p/first/models")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("it looks whole: %q", body)
	}
}

func FuzzPassPath(f *testing.F) {
	for _, path := range []string{"/p/first/files/x", "/p/first/files/%2e%2e/x", "/p/first/files/..;/x", "/p/first/files/%c0%ae%c0%ae/x", "/p/first/files/\u2025/x"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || !strings.HasPrefix(u.Path, "/p/first/") {
			return
		}
		_, rest, err := gateway.PassPath(u)
		if err != nil {
			return
		}
		to, err := url.Parse("http://provider.example/base/v1/" + rest)
		if err != nil {
			t.Fatalf("%q: %v", rest, err)
		}
		if clean := to.JoinPath(); to.Host != "provider.example" || !strings.HasPrefix(clean.Path, "/base/v1/") || clean.Path != to.Path || to.RawQuery != "" {
			t.Errorf("%q leads to %s", path, clean)
		}
	})
}
