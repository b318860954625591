package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/aureatest"
	"github.com/andres20980/aurea-orchestrator/gateway"
	"github.com/andres20980/aurea-orchestrator/provider/anthropic"
	"github.com/andres20980/aurea-orchestrator/provider/openai"
	"github.com/andres20980/aurea-orchestrator/retry"
)

// What the gateway adds to a stream is an event of its own wherever the provider stopped, half an event is not handed on, and nothing is added to the provider's own word that it failed.
func TestHowStreamsEnd(t *testing.T) {
	t.Parallel()
	const (
		usage  = `data: {"id":"1","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`
		delta  = `data: {"id":"1","choices":[{"index":0,"delta":{"content":"he"}}]}`
		failed = `data: {"error":{"message":"over","type":"server_error","code":"overloaded"}}`
		cut    = `data: {"error":{"message":`
	)
	for _, c := range []struct{ name, said, ours, half string }{
		{"whole", delta + "\n\n" + usage + "\n\ndata: [DONE]\n\n", "", ""},
		{"whole, with CR and LF", delta + "\r\n\r\n" + usage + "\r\n\r\ndata: [DONE]\r\n\r\n", "", ""},
		{"whole, with CR", delta + "\r\r" + usage + "\r\rdata: [DONE]\r\r", "", ""},
		{"no last blank line", delta + "\n\n" + usage + "\n\ndata: [DONE]\n", "\n", ""},
		{"no end of the last line", delta + "\n\n" + usage + "\n\ndata: [DONE]", "\n\n", ""},
		{"one CR at the end", delta + "\r\r" + usage + "\r\rdata: [DONE]\r", "\n\n", ""},
		{"one CR and LF at the end", delta + "\r\n\r\n" + usage + "\r\n\r\ndata: [DONE]\r\n", "\n", ""},
		{"broken off after an event", delta + "\n\n", cut, ""},
		{"broken off within a line", delta + "\n\n", cut, delta[:20]},
		{"broken off after a line", delta + "\n\n", cut, delta + "\n"},
		{"an error of the provider's", delta + "\n\n" + failed + "\n\n", "", ""},
		{"an error without a blank line", delta + "\n\n" + failed, "\n\n", ""},
	} {
		r := newRouted(t, nil)
		r.answers = says(200, c.said+c.half, "Content-Type", "text/event-stream")
		body := strings.Replace(chat, `"model"`, `"stream":true,"stream_options":{"include_usage":true},"model"`, 1)
		_, got := send(t, http.MethodPost, r.url+"/v1/chat/completions", strings.Replace(body, aureatest.Model, "alone", 1))
		rest, same := strings.CutPrefix(got, c.said)
		ours, _, told := strings.Cut(rest, ": aurea {")
		if !same || !told || !strings.HasPrefix(ours, c.ours) || !strings.Contains(c.ours, cut) && ours != c.ours || ours != "" && !strings.HasSuffix(ours, "\n") {
			t.Errorf("%s: %q and then %q", c.name, c.said, strings.TrimPrefix(got, c.said))
		}
	}
}

// Whoever is sent to the gateway by a page of another origin is not let in: nobody asks for a key, and the page would spend.
func TestForeignPages(t *testing.T) {
	t.Parallel()
	r := newRouted(t, nil)
	r.answers = says(200, answer)
	own := strings.TrimPrefix(r.url, "http://")
	for _, c := range []struct {
		name, host, origin, site string
		status                   int
	}{
		{"a program", own, "", "", 200},
		{"a page of another origin", own, "https://evil.example", "", 401},
		{"a page of no origin", own, "null", "", 401},
		{"a page of another port", own, "http://127.0.0.1:1", "", 401},
		{"a page of the gateway's own", own, "http://" + own, "same-origin", 200},
		{"a browser from another site", own, "", "cross-site", 401},
		{"a page whose name leads here", "evil.example", "http://evil.example", "same-origin", 401},
		{"a program that is a page", own, "app://notes.example", "cross-site", 200},
		{"a proxy's name", "aurea.example", "", "", 200},
	} {
		for _, path := range []string{"/v1/chat/completions", "/p/first/chat/completions"} {
			body := strings.Replace(chat, aureatest.Model, "alone", 1)
			if strings.HasPrefix(path, "/p/") {
				body = chat
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Host = c.host
			for name, value := range map[string]string{"Origin": c.origin, "Sec-Fetch-Site": c.site, "Content-Type": "text/plain"} {
				if value != "" {
					req.Header.Set(name, value)
				}
			}
			resp, err := caller.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			said, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != c.status {
				t.Errorf("%s at %s: %s %s", c.name, path, resp.Status, said)
			}
		}
	}
}

// A provider that changes the protocol, which nobody asked for, is left at once: its answer has no end.
func TestSwitchingProtocols(t *testing.T) {
	t.Parallel()
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn) // until it is left
		_ = conn.(*net.TCPConn).Close()
	}))
	t.Cleanup(p.Close)
	orch, err := aurea.New(aurea.Config{
		Providers: []aurea.Provider{
			openai.New(openai.Config{Name: "first", BaseURL: p.URL}), anthropic.New(anthropic.Config{Name: "second", BaseURL: p.URL}),
		},
		Prices: aureatest.Prices(),
		Retry:  &retry.Policy{MaxRetries: 1, BaseDelay: time.Millisecond, MaxDelay: time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = orch.Close() })
	g := gateway.New(gateway.Config{Orchestrator: orch})
	t.Cleanup(g.Close)
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	for path, headers := range map[string][]string{
		"/p/first/chat/completions":          nil,
		"/p/first/models":                    nil,
		"/p/second/v1/messages":              nil,
		"/p/second/v1/messages/count_tokens": {"X-Aurea-Timeout", "30s"},
	} {
		method, body := http.MethodPost, chat
		if strings.HasSuffix(path, "models") {
			method, body = http.MethodGet, ""
		}
		if resp, said := send(t, method, s.URL+path, body, headers...); resp.StatusCode != http.StatusBadGateway {
			t.Errorf("%s: %s %s", path, resp.Status, said)
		}
	}
}

// Our keys are in nothing that a client gets, whoever repeats them, and its own go nowhere.
func TestKeysStayOnTheirSide(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, path string
		stream     bool
	}{
		{"an answer", "/p/first/chat/completions", false}, {"a stream", "/p/first/chat/completions", true}, {"what costs nothing", "/p/first/files/x", false},
	} {
		for _, status := range []int{200, 300, 400, 500} {
			seen := make(chan http.Header, 10)
			at := passing(t, func(w http.ResponseWriter, r *http.Request) {
				seen <- r.Header.Clone()
				key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
				w.Header().Set("X-Repeats", key)
				w.Header().Set("Location", "https://elsewhere.example/?key="+key)
				w.Header().Set("Content-Type", map[bool]string{true: "text/event-stream", false: "application/json"}[c.stream])
				w.WriteHeader(status)
				said := fmt.Sprintf(`{"id":"%s","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`, key)
				if c.stream {
					said = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + key + "\"}}]}\n\ndata: " + said + "\n\ndata: [DONE]\n\n"
				}
				for at := 0; at < len(said); at += 7 {
					_, _ = io.WriteString(w, said[at:min(at+7, len(said))])
					_ = http.NewResponseController(w).Flush()
				}
			})
			body := chat
			if c.stream {
				body = strings.Replace(chat, `{`, `{"stream":true,"stream_options":{"include_usage":true},`, 1)
			}
			resp, said := send(t, http.MethodPost, at+c.path, body, "X-Aurea-Timeout", "5s", "Authorization", "Bearer the-client-s", "X-Api-Key", "the-client-s", "X-Litellm-Api-Key", "the-client-s",
				"X-Portkey-Virtual-Key", "the-client-s", "X-Auth-Token", "the-client-s", "Cf-Aig-Authorization", "the-client-s", "Ocp-Apim-Subscription-Key", "the-client-s", "Idempotency-Key", "kept")
			if strings.Contains(said+fmt.Sprint(resp.Header), "the-provider-s-key") || status < 500 && !strings.Contains(said, "[key]") {
				t.Errorf("%s, %d: %s %v %s", c.name, status, resp.Status, resp.Header, said)
			}
			got := <-seen
			if strings.Contains(fmt.Sprint(got), "the-client-s") || got.Get("Idempotency-Key") != "kept" {
				t.Errorf("%s, %d: the provider got %v", c.name, status, got)
			}
		}
	}
}

// A client that sends more than it may is told so, although it looks only when it has sent all of it; one that asks first, or has far too much, is told at once.
func TestTooLargeIsHeard(t *testing.T) {
	t.Parallel()
	const most = 1 << 20
	g := gateway.New(gateway.Config{MaxBody: most})
	t.Cleanup(g.Close)
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	for _, c := range []struct {
		name, head string
		body       int
	}{
		{"announced", "Content-Length: 2000000\r\n", 2_000_000},
		{"in chunks", "Transfer-Encoding: chunked\r\n", 2_000_000},
		{"far too much", "Content-Length: 3000000000\r\n", 0},
		{"asked before", "Content-Length: 2000000\r\nExpect: 100-continue\r\n", 0},
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		body := strings.Repeat("x", c.body)
		if strings.Contains(c.head, "chunked") {
			body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", c.body, body)
		}
		if _, err := fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\n%s\r\n%s", "x", c.head, body); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else {
			if said, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(said), "body_too_large") {
				t.Errorf("%s: %s %s", c.name, resp.Status, said)
			}
			_ = resp.Body.Close()
		}
		_ = conn.Close()
	}
}
