// Package openai is the provider for OpenAI and everything that speaks its format.
//
// Addresses and headers follow OpenAI's API reference (https://platform.openai.com/docs/api-reference): BaseURL ends with the version, the key is a
// Bearer token, errors are {"error":{"message","type","param","code"}}.
package openai

import (
	"fmt"
	"net/http"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/provider"
	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Config is [provider.Config]; BaseURL ends with the version, such as https://api.openai.com/v1.
type Config = provider.Config

var paths = map[usage.API]string{
	usage.Chat: "/chat/completions", usage.Completions: "/completions", usage.Responses: "/responses", usage.Embeddings: "/embeddings",
}

// New returns the provider. It is safe for concurrent use.
func New(cfg Config) *provider.HTTP {
	return provider.New(cfg, provider.Dialect{
		Format: aurea.FormatOpenAI,
		Path: func(req *aurea.Request) (string, error) {
			path, ok := paths[req.API]
			if !ok {
				return "", fmt.Errorf("an OpenAI-format provider has no endpoint for %s", req.API)
			}
			return path, nil
		},
		Header: func(h http.Header, key string, _ *aurea.Request) {
			if key != "" {
				h.Set("Authorization", "Bearer "+key)
			}
		},
		ReadError: readError,
		RequestID: "X-Request-Id",
		Count:     &counting,
	})
}

// counting is OpenAI's own count for responses (https://platform.openai.com/docs/api-reference/responses/input-tokens; the fields are those of
// InputTokenCountParams in https://github.com/openai/openai-go). Stored conversations and prompts are left out: they can change between the count and the call.
// Compatible providers that have no such endpoint answer 404.
var counting = provider.Counting{
	API: usage.Responses, Path: "/responses/input_tokens",
	Takes: []string{"model", "input", "instructions", "text", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "truncation", "personality"},
	Idle: []string{
		"max_output_tokens", "max_tool_calls", "stream", "stream_options", "temperature", "top_p", "top_logprobs", "user", "metadata", "store", "include", "background",
		"prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "safety_identifier", "service_tier",
	},
}

func readError(body []byte, f *retry.Failure) {
	e := provider.ErrorObject(body)
	f.Code, f.Type, f.Message = e["code"], e["type"], e["message"]
}
