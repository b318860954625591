package retry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/retry"
)

// silence is a time-out as providers report it.
type silence struct{}

func (silence) Error() string { return "silent for too long" }
func (silence) Timeout() bool { return true }

// The stream part of the table of docs/retries.md, row by row. Each row is judged before and after a byte has reached the caller.
func TestClassifyStreams(t *testing.T) {
	t.Parallel()
	event := func(code, kind, message string) retry.Failure {
		return retry.Failure{Status: 200, Code: code, Type: kind, Message: message, Err: errors.New("error event"), Sent: true}
	}
	cut := errors.New("cut")
	cases := []struct {
		name            string
		f               retry.Failure
		retry, failover bool // before a byte was delivered; afterwards both are false
		class           retry.Class
		reason          string
	}{
		{"no first byte, no head", retry.Failure{Err: silence{}, Sent: true}, true, false, retry.ProviderFailure, "timeout"},
		{"no first byte after the head", retry.Failure{Status: 200, Err: fmt.Errorf("%w: 2m0s", silence{}), Sent: true}, true, false, retry.ProviderFailure, "timeout"},
		{"idle", retry.Failure{Status: 200, Err: silence{}, Sent: true}, true, false, retry.ProviderFailure, "timeout"},
		{"cut", retry.Failure{Status: 200, Err: cut, Sent: true}, true, false, retry.ProviderFailure, "bad_answer"},
		{"no head at all", retry.Failure{Err: cut, Sent: true}, true, false, retry.ProviderFailure, "connection"},
		{"the caller leaves", retry.Failure{Status: 200, Err: fmt.Errorf("gone: %w", context.Canceled), Sent: true}, false, false, retry.Cancelled, "cancelled"},
		{"the caller leaves, and the stream says an error", retry.Failure{Status: 200, Type: "api_error", Err: context.Canceled, Sent: true}, false, false, retry.Cancelled, "cancelled"},

		{"overloaded", event("overloaded_error", "overloaded_error", "Overloaded"), true, false, retry.ProviderFailure, "stream_error"},
		{"overloaded, of responses", event("server_overloaded", "", ""), true, false, retry.ProviderFailure, "stream_error"},
		{"internal", event("api_error", "api_error", ""), true, false, retry.ProviderFailure, "stream_error"},
		{"server error", event("server_error", "", ""), true, false, retry.ProviderFailure, "stream_error"},
		{"a time-out of the provider", event("timeout_error", "timeout_error", ""), true, false, retry.ProviderFailure, "stream_error"},
		{"the number 502", event("502", "", "bad gateway"), true, false, retry.ProviderFailure, "stream_error"},
		{"the number 501", event("501", "", ""), false, true, retry.ProviderFailure, "stream_error"},
		{"a kind unknown here", event("novel_error", "", ""), true, false, retry.ProviderFailure, "stream_error"},
		{"only a text", event("", "", "out of memory"), true, false, retry.ProviderFailure, "stream_error"},
		{"rate, Anthropic", event("rate_limit_error", "rate_limit_error", ""), true, false, retry.RateLimited, "rate_limit"},
		{"rate, OpenAI", event("rate_limit_exceeded", "tokens", ""), true, false, retry.RateLimited, "rate_limit"},
		{"rate, by number", event("429", "", ""), true, false, retry.RateLimited, "rate_limit"},
		{"quota", event("insufficient_quota", "insufficient_quota", ""), false, true, retry.QuotaSpent, "quota"},
		{"spend limit", event("enforced_spend_limit_reached", "rate_limit_error", ""), false, true, retry.QuotaSpent, "quota"},
		{"billing", event("billing_error", "billing_error", ""), false, true, retry.QuotaSpent, "quota"},
		{"wrong key", event("authentication_error", "authentication_error", ""), false, true, retry.KeyRefused, "key"},
		{"wrong key, OpenAI", event("invalid_api_key", "invalid_request_error", ""), false, true, retry.KeyRefused, "key"},
		{"no permission", event("permission_error", "permission_error", ""), false, true, retry.KeyRefused, "key"},
		{"no such model", event("model_not_found", "invalid_request_error", ""), false, true, retry.Alive, "not_found"},
		{"bad request", event("", "invalid_request_error", ""), false, false, retry.Alive, "http_400"},
		{"bad request, by number", event("400", "BadRequestError", ""), false, false, retry.Alive, "http_400"},
		{"bad prompt", event("invalid_prompt", "", ""), false, false, retry.Alive, "http_400"},
		{"context too long", event("context_length_exceeded", "invalid_request_error", ""), false, false, retry.Alive, "refused"},
		{"content filter", event("content_filter", "server_error", ""), false, false, retry.Alive, "refused"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if v := retry.Classify(c.f); v.Retry != c.retry || v.Failover != c.failover || v.Class != c.class || v.Reason != c.reason {
				t.Errorf("before a byte: %+v", v)
			}
			c.f.Delivered = true
			if v := retry.Classify(c.f); v.Retry || v.Failover || v.Floor != 0 || v.Class != c.class || v.Reason != c.reason {
				t.Errorf("after a byte: %+v", v)
			}
		})
	}
	f := event("rate_limit_error", "rate_limit_error", "")
	f.Header = http.Header{"Retry-After": {"7"}}
	if v := retry.Classify(f); v.Floor != 7*time.Second {
		t.Errorf("a wait in the head: %+v", v)
	}
	f.Header = http.Header{"X-Should-Retry": {"true"}}
	f.Code, f.Type = "invalid_prompt", ""
	if v := retry.Classify(f); v.Retry {
		t.Errorf("a header that was sent before the error says nothing about it: %+v", v)
	}
}
