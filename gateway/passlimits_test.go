package gateway_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/aureatest"
	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/gateway"
	"github.com/andres20980/aurea-orchestrator/provider/anthropic"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
)

func freeOf(cfg *aurea.Config) {
	cfg.Free = func(string, string, string) bool { return true }
}

func (r *routed) free(t *testing.T, headers ...string) (answered, string) {
	t.Helper()
	return send(t, http.MethodGet, r.url+"/p/first/files/x", "", headers...)
}

// What is passed through keeps a limit of its own: it waits for it, and is refused at once where the wait cannot fit.
func TestPassedRequestsKeepALimit(t *testing.T) {
	t.Parallel()
	r := newRouted(t, func(cfg *aurea.Config) {
		freeOf(cfg)
		cfg.Limits = func(_, model, _ string) (ratelimit.Limits, ratelimit.Profile) {
			if model != aurea.FreeModel {
				return ratelimit.Limits{}, ratelimit.Profile{}
			}
			return ratelimit.Limits{Concurrency: 1}, ratelimit.Profile{}
		}
	})
	inside, leave := make(chan struct{}, 10), make(chan struct{})
	r.answers = func(int) reply {
		inside <- struct{}{}
		<-leave
		return reply{status: 200, body: `{}`}
	}
	first := make(chan string, 2)
	go func() {
		resp, _ := r.free(t) // of the one key
		first <- resp.Status
	}()
	go func() {
		resp, _ := r.free(t) // of the other
		first <- resp.Status
	}()
	<-inside
	<-inside
	resp, said := r.free(t, "X-Aurea-Timeout", "50ms")
	if resp.StatusCode != 429 && resp.StatusCode != 504 || r.first.Load() != 2 {
		t.Errorf("%s, %d requests: %s", resp.Status, r.first.Load(), said)
	}
	close(leave)
	for range 2 {
		if status := <-first; status != "200 OK" {
			t.Error(status)
		}
	}
	if resp, said := r.free(t); resp.StatusCode != 200 || resp.Header.Get("X-Aurea-Attempts") != "1" {
		t.Errorf("after the others: %s %v %s", resp.Status, resp.Header, said)
	}
}

// A key that is refused, or whose quota is spent, is set aside while another is there; what is forbidden is no reason for that.
func TestPassedRequestsRotateKeys(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		said     reply
		status   int
		attempts int64
	}{
		"refused":   {reply{status: 401, body: `{"error":{"code":"invalid_api_key"}}`}, 200, 2},
		"spent":     {reply{status: 429, body: `{"error":{"code":"insufficient_quota","type":"insufficient_quota"}}`}, 200, 2},
		"forbidden": {reply{status: 403, body: `{"error":{"code":"no_access"}}`}, 403, 1},
		"unknown":   {reply{status: 404, body: `{"error":{"code":"not_found"}}`}, 404, 1},
		"failing":   {reply{status: 500, body: `{"error":{"code":"server_error"}}`}, 500, 1},
	} {
		r := newRouted(t, freeOf)
		r.answers = func(key int) reply {
			if key == 0 {
				return c.said
			}
			return reply{status: 200, body: `{}`}
		}
		resp, said := r.free(t)
		if resp.StatusCode == 200 && c.status != 200 { // the other key came first
			resp, said = r.free(t)
		}
		if n := resp.Header.Get("X-Aurea-Attempts"); resp.StatusCode != c.status || c.status != 200 && said != c.said.body || c.status != 200 && n != strconv.FormatInt(c.attempts, 10) {
			t.Errorf("%s: %s after %s attempts: %s", name, resp.Status, n, said)
		}
		before := r.keys[0].Load()
		for range 4 {
			_, _ = r.free(t)
		}
		if asked := r.keys[0].Load() > before; asked == (c.attempts == 2) && r.keys[0].Load() > 0 {
			t.Errorf("%s: the key was asked %d times", name, r.keys[0].Load())
		}
	}
}

// The circuit of what is passed through opens by itself, and not that of the calls beside it.
func TestPassedRequestsHaveACircuit(t *testing.T) {
	t.Parallel()
	r := newRouted(t, func(cfg *aurea.Config) {
		freeOf(cfg)
		cfg.Breaker = &breaker.Config{Threshold: 3, Timeout: time.Minute}
	})
	var down atomic.Bool
	down.Store(true)
	r.answers = func(int) reply {
		if down.Load() {
			return reply{status: 502, body: `{}`}
		}
		return reply{status: 200, body: answer}
	}
	for range 3 {
		if resp, _ := r.free(t); resp.StatusCode != 502 || resp.Header.Get("X-Aurea-Error") != "" {
			t.Fatal(resp.Status)
		}
	}
	sent := r.first.Load()
	if resp, said := r.free(t); resp.StatusCode != 503 || resp.Header.Get("X-Aurea-Error") != "circuit_open" || resp.Header.Get("Retry-After") == "" || r.first.Load() != sent {
		t.Errorf("%s %v %s", resp.Status, resp.Header, said)
	}
	down.Store(false)
	if resp, said := r.call(t, "alone"); resp.StatusCode != 200 {
		t.Errorf("a call beside it: %s %s", resp.Status, said)
	}
}

// A count of tokens is no longer waited for than the client waits, and is made with another key where one is refused.
func TestCountingTokens(t *testing.T) {
	t.Parallel()
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Own") == "slow":
			_, _ = io.Copy(io.Discard, r.Body) // so that the server sees the client leave
			<-r.Context().Done()
		case r.Header.Get("X-Api-Key") == "key-number-0":
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"type":"error","error":{"type":"authentication_error","message":"no"}}`)
		default:
			_, _ = io.WriteString(w, `{"input_tokens":7}`)
		}
	}))
	t.Cleanup(p.Close)
	orch, err := aurea.New(aurea.Config{
		Providers: []aurea.Provider{anthropic.New(anthropic.Config{Name: "first", BaseURL: p.URL, Keys: []string{"key-number-0", "key-number-1"}})},
		Prices:    aureatest.Prices(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = orch.Close() })
	g := gateway.New(gateway.Config{Orchestrator: orch})
	t.Cleanup(g.Close)
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	for range 4 {
		if resp, said := send(t, http.MethodPost, s.URL+"/v1/messages/count_tokens", chat); resp.StatusCode != 200 || said != `{"input_tokens":7}` {
			t.Errorf("%s %s", resp.Status, said)
		}
	}
	if resp, said := send(t, http.MethodPost, s.URL+"/v1/messages/count_tokens", chat, "X-Aurea-Timeout", "50ms", "X-Own", "slow"); resp.StatusCode != 504 {
		t.Errorf("%s %s", resp.Status, said)
	}
}
