package openai_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/provider/openai"
	"github.com/andres20980/aurea-orchestrator/provider/providertest"
	"github.com/andres20980/aurea-orchestrator/usage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSuite(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Subject{
		New: func(client *http.Client, base string, keys ...string) aurea.Provider {
			return openai.New(openai.Config{Name: "openai", BaseURL: base + "/v1", Keys: keys, Client: client})
		},
		API: usage.Chat, Path: "/v1/chat/completions",
		Streams:    []usage.API{usage.Chat, usage.Completions, usage.Responses},
		Credential: func(r *http.Request) string { return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") },
	})
}

func TestPaths(t *testing.T) {
	t.Parallel()
	var path string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		w.Header().Set("X-Request-Id", "req_1")
		_, _ = io.WriteString(w, "{}")
	}))
	defer server.Close()
	p := openai.New(openai.Config{Name: "o", BaseURL: server.URL + "/v1/"})
	for api, want := range map[usage.API]string{
		usage.Chat: "/v1/chat/completions", usage.Completions: "/v1/completions", usage.Responses: "/v1/responses", usage.Embeddings: "/v1/embeddings",
	} {
		if got := p.Do(t.Context(), &aurea.Request{API: api, Body: []byte("{}")}); !got.OK() || path != want || got.RequestID != "req_1" {
			t.Errorf("%s went to %s: %+v", api, path, got)
		}
	}
	if got := p.Do(t.Context(), &aurea.Request{API: usage.Messages, Body: []byte("{}")}); got.Failure.Err == nil || got.Failure.Sent {
		t.Errorf("messages at an OpenAI-format provider: %+v", got)
	}
}
