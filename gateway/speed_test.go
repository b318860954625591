package gateway_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/gateway"
	"github.com/andres20980/aurea-orchestrator/observe"
	"github.com/andres20980/aurea-orchestrator/provider/openai"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
)

// BenchmarkLayer compares what a request costs without a gateway, through net/http's own reverse proxy, and through the gateway with everything on: job, limits, breaker,
// ledger in memory, metrics and log. Requests and answers have a kilobyte. Client and provider are in the process: what counts is the difference to "direct". It is time, and memory; the CPU of the
// gateway alone, as a program with its ledger on disk, is what BenchmarkGatewayCPU in package e2e measures.
func BenchmarkLayer(b *testing.B) {
	answer := []byte(`{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":"` +
		strings.Repeat("word ", 160) + `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":220,"completion_tokens":160,"total_tokens":380}}`)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	}))
	b.Cleanup(upstream.Close)
	target, err := url.Parse(upstream.URL)
	if err != nil {
		b.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: &http.Transport{MaxIdleConnsPerHost: 100}})
	b.Cleanup(proxy.Close)
	written := slog.New(slog.NewJSONHandler(struct{ io.Writer }{io.Discard}, nil)) // every line is made, and goes nowhere
	metrics := observe.NewMetrics()
	orch, err := aurea.New(aurea.Config{
		Providers: []aurea.Provider{openai.New(openai.Config{Name: "openai", BaseURL: upstream.URL + "/v1", Keys: []string{"key"}})},
		Limits: func(_, _, _ string) (ratelimit.Limits, ratelimit.Profile) {
			return ratelimit.Limits{RPM: 1 << 40, TPM: 1 << 50}, ratelimit.Profile{Burst: 1 << 20}
		},
		Observe: metrics.Attempt, Logger: written,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = orch.Close() })
	g := gateway.New(gateway.Config{
		Orchestrator: orch, Logger: written, Ended: func(c gateway.Call) { metrics.Request(c.Endpoint, c.Status, c.Refused) },
	})
	b.Cleanup(g.Close)
	layer := httptest.NewServer(g)
	b.Cleanup(layer.Close)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	body := `{"model":"gpt-4o-mini","max_tokens":200,"messages":[{"role":"user","content":"` + strings.Repeat("word ", 180) + `"}]}`
	for _, way := range []struct{ name, url string }{{"direct", upstream.URL}, {"reverse proxy", proxy.URL}, {"gateway", layer.URL}} {
		b.Run(way.name, func(b *testing.B) {
			b.SetParallelism(16)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					req, _ := http.NewRequestWithContext(b.Context(), http.MethodPost, way.url+"/v1/chat/completions", strings.NewReader(body))
					req.Header.Set("X-Aurea-Job", "bench")
					req.Header.Set("X-Aurea-Max-Cost", "1000000")
					resp, err := client.Do(req)
					if err != nil {
						b.Error(err)
						return
					}
					if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
						b.Errorf("%s %v", resp.Status, err)
					}
					_ = resp.Body.Close()
				}
			})
		})
	}
}
