// Package anthropic is the provider for Anthropic's Messages API and everything that speaks its format.
//
// Addresses and headers follow Anthropic's API reference (https://docs.anthropic.com/en/api): BaseURL is the root, the key goes into x-api-key, every request
// names an anthropic-version, errors are {"type":"error","error":{"type","message"},"request_id"}.
package anthropic

import (
	"fmt"
	"net/http"
	"strings"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/provider"
	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Version is the anthropic-version that is sent when the caller names none.
const Version = "2023-06-01"

// Config is [provider.Config]; BaseURL is the root, such as https://api.anthropic.com. A version at its end is dropped, so
// that no address becomes /v1/v1.
type Config = provider.Config

// New returns the provider. It is safe for concurrent use.
func New(cfg Config) *provider.HTTP {
	cfg.BaseURL = strings.TrimSuffix(strings.TrimRight(cfg.BaseURL, "/"), "/v1")
	return provider.New(cfg, provider.Dialect{
		Format: aurea.FormatAnthropic,
		Path: func(req *aurea.Request) (string, error) {
			if req.API != usage.Messages {
				return "", fmt.Errorf("an Anthropic-format provider has no endpoint for %s", req.API)
			}
			return "/v1/messages", nil
		},
		Header: func(h http.Header, key string, _ *aurea.Request) {
			if key != "" {
				h.Set("X-Api-Key", key)
			}
			if h.Get("Anthropic-Version") == "" {
				h.Set("Anthropic-Version", Version)
			}
		},
		ReadError: readError,
		RequestID: "Request-Id",
		Count:     &counting,
	})
}

// counting is Anthropic's own count: free, with rate limits of its own, and an estimate that "may differ by a small amount"
// (https://docs.claude.com/en/docs/build-with-claude/token-counting; the fields are those of MessageCountTokensParams and BetaMessageCountTokensParams in
// https://github.com/anthropics/anthropic-sdk-go). What can add input that it does not see (containers, MCP servers, a managed context) is in neither list.
var counting = provider.Counting{
	API: usage.Messages, Path: "/v1/messages/count_tokens",
	Takes: []string{"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "output_format"},
	Idle: []string{
		"max_tokens", "stream", "metadata", "stop_sequences", "temperature", "top_k", "top_p", "service_tier", "inference_geo", "speed", "cache_control",
	},
}

// readError also reads error.details.error_code, which tells a spend cap from a rate limit.
func readError(body []byte, f *retry.Failure) {
	e := provider.ErrorObject(body)
	f.Type, f.Message = e["type"], e["message"]
	if f.Code = e["details.error_code"]; f.Code == "" {
		f.Code = e["type"]
	}
}
