package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// scenario is one call that goes wrong, as the client is told to make it.
type scenario struct {
	Model   string            `json:"model"`
	Headers map[string]string `json:"headers"`
	Prompt  string            `json:"prompt"`
	// MaxTokens is the output cap.
	MaxTokens int `json:"max_tokens"`
	// Retries is how often the SDK may repeat the call; nil leaves it as it is by default.
	Retries *int `json:"retries"`
	// Stream asks for a streamed answer.
	Stream bool `json:"stream"`

	// aside ends a call of the runner's that is under way meanwhile; it is counted with the client's.
	aside func()
}

// trouble is a way for a call to fail, and what should come of it.
type trouble struct {
	Name   string
	Says   string // what happens, for the table
	Code   string // ours; empty for a provider's own error
	Status int    // 0: it succeeds in the end
	// Requests is how many a client should make that obeys x-should-retry and else repeats 409, 429 and 5xx twice.
	Requests int64
	// Sent is how many of them reach the provider.
	Sent int64
	// Set makes the scenario, and does what has to be done before.
	Set func(ctx context.Context, w *world, format string, s *scenario) error
	// Ends says that the gateway is gone afterwards.
	Ends bool
}

var never = 0

// troubles are in the order in which they are tried: the one that ends the gateway is the last.
var troubles = []trouble{
	{
		Name: "budget_exceeded", Says: "the job's money does not suffice", Code: "budget_exceeded", Status: 402, Requests: 1,
		Set: func(_ context.Context, _ *world, _ string, s *scenario) error {
			s.Headers = map[string]string{"X-Aurea-Job": "poor", "X-Aurea-Max-Cost": "0.00000001"}
			return nil
		},
	},
	{
		Name: "budget_exceeded_stream", Says: "the same, streamed", Code: "budget_exceeded", Status: 402, Requests: 1,
		Set: func(_ context.Context, _ *world, _ string, s *scenario) error {
			s.Headers, s.Stream = map[string]string{"X-Aurea-Job": "poorer", "X-Aurea-Max-Cost": "0"}, true
			return nil
		},
	},
	{
		Name: "invalid_request", Says: "a limit that is no money", Code: "invalid_request", Status: 400, Requests: 1,
		Set: func(_ context.Context, _ *world, _ string, s *scenario) error {
			s.Headers = map[string]string{"X-Aurea-Job": "odd", "X-Aurea-Max-Cost": "plenty"}
			return nil
		},
	},
	{
		Name: "endpoint_mismatch", Says: "a model of the other format", Code: "endpoint_mismatch", Status: 400, Requests: 1,
		Set: func(_ context.Context, _ *world, format string, s *scenario) error {
			s.Model = map[string]string{"openai": "claude-haiku-4-5", "anthropic": "gpt-4o-mini"}[format]
			return nil
		},
	},
	{
		Name: "pii_blocked", Says: "personal data where none may be sent", Code: "pii_blocked", Status: 400, Requests: 1,
		Set: func(_ context.Context, _ *world, _ string, s *scenario) error {
			s.Headers, s.Prompt = map[string]string{"X-Aurea-Pii": "block"}, "Write to ann@example.com."
			return nil
		},
	},
	{
		Name: "unauthorized", Says: "no key for the provider", Code: "unauthorized", Status: 401, Requests: 1,
		Set: func(_ context.Context, _ *world, format string, s *scenario) error {
			s.Model = format + "/" + s.Model
			return nil
		},
	},
	{
		Name: "model_not_allowed", Says: "a model on the deny list", Code: "model_not_allowed", Status: 403, Requests: 1,
		Set: func(_ context.Context, _ *world, format string, s *scenario) error {
			s.Model = format + "-denied"
			return nil
		},
	},
	{
		Name: "model_not_found", Says: "a model that nobody serves", Code: "model_not_found", Status: 404, Requests: 1,
		Set: func(_ context.Context, _ *world, _ string, s *scenario) error {
			s.Model = "nobody-serves-this"
			return nil
		},
	},
	{
		Name: "not_found", Says: "a parent job that is not there", Code: "not_found", Status: 404, Requests: 1,
		Set: func(_ context.Context, _ *world, _ string, s *scenario) error {
			s.Headers = map[string]string{"X-Aurea-Job": "child", "X-Aurea-Parent-Job": "nobody"}
			return nil
		},
	},
	{
		Name: "job_conflict", Says: "a larger limit than the job has", Code: "job_conflict", Status: 409, Requests: 1,
		Set: func(_ context.Context, w *world, format string, s *scenario) error {
			if err := w.call(format, s.Model, map[string]string{"X-Aurea-Job": "fixed", "X-Aurea-Max-Cost": "1"}, http.StatusOK); err != nil {
				return err
			}
			s.Headers = map[string]string{"X-Aurea-Job": "fixed", "X-Aurea-Max-Cost": "2"}
			return nil
		},
	},
	{
		Name: "job_cancelled", Says: "a cancelled job", Code: "job_cancelled", Status: 409, Requests: 1,
		Set: func(_ context.Context, w *world, format string, s *scenario) error {
			s.Headers = map[string]string{"X-Aurea-Job": "over"}
			if err := w.call(format, s.Model, s.Headers, http.StatusOK); err != nil {
				return err
			}
			return w.cancel("over")
		},
	},
	{
		Name: "body_too_large", Says: "a body above `limits.max_body`", Code: "body_too_large", Status: 413, Requests: 1,
		Set: func(_ context.Context, _ *world, _ string, s *scenario) error {
			s.Prompt = strings.Repeat("more ", 50_000)
			return nil
		},
	},
	{
		Name: "request_over_limit", Says: "one call above the tokens of a minute", Code: "request_over_limit", Status: 413, Requests: 1,
		Set: func(_ context.Context, _ *world, format string, s *scenario) error {
			s.Model, s.MaxTokens = format+"-few", 4000
			return nil
		},
	},
	{
		Name: "price_unknown", Says: "a model without a price", Code: "price_unknown", Status: 422, Requests: 1,
		Set: func(_ context.Context, _ *world, format string, s *scenario) error {
			s.Model = format + "-no-price"
			return nil
		},
	},
	{
		Name: "rate_limited", Says: "no room in the minute (SDK's retries off)", Code: "rate_limited", Status: 429, Requests: 1,
		Set: func(_ context.Context, w *world, format string, s *scenario) error {
			s.Model, s.Retries = format+"-small-1", &never
			return w.call(format, s.Model, nil, http.StatusOK)
		},
	},
	{
		Name: "deadline_exceeded", Says: "no room before `X-Aurea-Timeout` (retries off)", Code: "deadline_exceeded", Status: 504, Requests: 1,
		Set: func(ctx context.Context, w *world, format string, s *scenario) error {
			s.Model, s.Retries, s.Headers = format+"-single", &never, map[string]string{"X-Aurea-Timeout": "1500ms"}
			if err := w.script(map[string]any{"model": s.Model, "delay": "1m", "times": -1}); err != nil {
				return err
			}
			var err error
			s.aside, err = w.occupy(ctx, format, s.Model)
			return err
		},
	},
	{
		Name: "upstream_error", Says: "the provider breaks the connection", Code: "upstream_error", Status: 502, Requests: 3, Sent: 3,
		Set: func(_ context.Context, w *world, format string, s *scenario) error {
			s.Model = format + "-try-reset"
			return w.script(map[string]any{"model": s.Model, "reset": true, "times": -1})
		},
	},
	{
		Name: "upstream_timeout", Says: "the provider takes too long (retries off)", Code: "upstream_timeout", Status: 504, Requests: 1, Sent: 1,
		Set: func(_ context.Context, w *world, format string, s *scenario) error {
			s.Model, s.Retries = format+"-try-slow", &never
			return w.script(map[string]any{"model": s.Model, "delay": "1m", "times": -1})
		},
	},
	{
		Name: "circuit_open", Says: "the provider failed again and again (retries off)", Code: "circuit_open", Status: 503, Requests: 1,
		Set: func(_ context.Context, w *world, format string, s *scenario) error {
			s.Model, s.Retries = format+"-try-broken", &never
			if err := w.script(map[string]any{"model": s.Model, "status": 500, "times": -1}); err != nil {
				return err
			}
			for range 5 {
				if err := w.call(format, s.Model, nil, http.StatusInternalServerError); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		Name: "provider_400", Says: "the provider's own 400", Status: 400, Requests: 1, Sent: 1,
		Set: func(_ context.Context, w *world, format string, s *scenario) error {
			s.Model = format + "-try-400"
			return w.script(map[string]any{"model": s.Model, "status": 400, "times": -1})
		},
	},
	{
		Name: "provider_429", Says: "the provider's own 429, once, with `Retry-After: 1`", Requests: 2, Sent: 2,
		Set: func(_ context.Context, w *world, format string, s *scenario) error {
			s.Model = format + "-try-429"
			return w.script(map[string]any{"model": s.Model, "status": 429, "headers": map[string]string{"Retry-After": "1"}})
		},
	},
	{
		Name: "broken_stream", Says: "the provider breaks off within a stream", Code: "upstream_error", Status: 200, Requests: 1, Sent: 1,
		Set: func(_ context.Context, w *world, format string, s *scenario) error {
			s.Model, s.Stream = format+"-try-cut", true
			return w.script(map[string]any{"model": s.Model, "truncate": 900})
		},
	},
	{
		Name: "unavailable", Says: "the gateway is stopped during the call (retries off)", Code: "unavailable", Status: 503, Requests: 1, Sent: 1, Ends: true,
		Set: func(ctx context.Context, w *world, format string, s *scenario) error {
			s.Model, s.Retries = format+"-try-last", &never
			if err := w.script(map[string]any{"model": s.Model, "delay": "1m", "times": -1}); err != nil {
				return err
			}
			go func() {
				if w.busy(ctx) == nil {
					w.gateway.terminate()
				}
			}()
			return nil
		},
	},
}

func path(format string) string {
	if format == "anthropic" {
		return "/v1/messages"
	}
	return "/v1/chat/completions"
}

func simple(model string, stream bool) any {
	return map[string]any{"model": model, "max_tokens": 20, "stream": stream, "messages": []any{map[string]string{"role": "user", "content": "Name a river."}}}
}

// call makes a call that is to have a status.
func (w *world) call(format, model string, headers map[string]string, want int) error {
	var text []byte
	status, err := w.send(context.Background(), http.MethodPost, w.url+path(format), simple(model, false), headers, &text)
	if status == want {
		return nil
	}
	return fmt.Errorf("%s %s: status %d, want %d: %w", path(format), model, status, want, err)
}

func (w *world) cancel(job string) error {
	var text []byte
	return w.ask(http.MethodPost, w.url+"/admin/v1/jobs/"+job+"/cancel", struct{}{}, &text)
}

// script adds a step to the provider's.
func (w *world) script(step map[string]any) error {
	var text []byte
	return w.ask(http.MethodPost, w.provider+"/sim/script", []any{step}, &text)
}

// busy waits until a call is at the provider.
func (w *world) busy(ctx context.Context) error {
	for ctx.Err() == nil {
		var stats struct {
			InFlight int64 `json:"in_flight"`
		}
		if err := w.get(w.provider+"/stats", &stats); err == nil && stats.InFlight > 0 {
			return nil
		}
		pause(ctx, 5*time.Millisecond)
	}
	return ctx.Err()
}

// occupy makes a call that stays at the provider until it is told to end.
func (w *world) occupy(ctx context.Context, format, model string) (end func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = w.send(ctx, http.MethodPost, w.url+path(format), simple(model, true), nil, nil)
	}()
	return func() { cancel(); <-gone }, w.busy(ctx)
}
