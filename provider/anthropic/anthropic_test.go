package anthropic_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/provider/anthropic"
	"github.com/andres20980/aurea-orchestrator/provider/providertest"
	"github.com/andres20980/aurea-orchestrator/usage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSuite(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Subject{
		New: func(client *http.Client, base string, keys ...string) aurea.Provider {
			return anthropic.New(anthropic.Config{Name: "anthropic", BaseURL: base, Keys: keys, Client: client})
		},
		API: usage.Messages, Path: "/v1/messages",
		Streams:    []usage.API{usage.Messages},
		Credential: func(r *http.Request) string { return r.Header.Get("X-Api-Key") },
	})
}

func TestVersionAndDetails(t *testing.T) {
	t.Parallel()
	var seen http.Header
	var path string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen, path = r.Header, r.URL.Path
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, strings.Join([]string{
			`{"type":"error","error":{"type":"rate_limit_error","message":"spent","details":`, `{"error_code":"enforced_spend_limit_reached"}},"request_id":"r"}`,
		}, ""))
	}))
	defer server.Close()
	p := anthropic.New(anthropic.Config{Name: "a", BaseURL: server.URL + "/v1"})
	got := p.Do(t.Context(), &aurea.Request{API: usage.Messages, Body: []byte("{}")})
	if path != "/v1/messages" || seen.Get("Anthropic-Version") != anthropic.Version || got.Failure.Code != "enforced_spend_limit_reached" {
		t.Errorf("%s, version %q, %+v", path, seen.Get("Anthropic-Version"), got.Failure)
	}
	p.Do(t.Context(), &aurea.Request{API: usage.Messages, Body: []byte("{}"), Header: http.Header{"Anthropic-Version": {"2024-01-01"}, "Anthropic-Beta": {"b"}}})
	if seen.Get("Anthropic-Version") != "2024-01-01" || seen.Get("Anthropic-Beta") != "b" {
		t.Errorf("the caller's version and beta: %v", seen)
	}
}
