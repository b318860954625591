package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/andres20980/aurea-orchestrator/ratelimit"
)

func Example() {
	profile, err := ratelimit.ProfileNamed("openai")
	if err != nil {
		fmt.Println(err)
		return
	}
	l := ratelimit.New(ratelimit.Limits{RPM: 500, TPM: 200_000}, profile)

	permit, err := l.Acquire(context.Background(), ratelimit.Demand{InputBytes: 2_400, OutputCap: 500}, time.Minute)
	if err != nil {
		fmt.Println(err)
		return
	}
	// The call is sent here; this is its answer.
	permit.Done(ratelimit.Feedback{
		Status: http.StatusOK, InputTokens: 610, OutputTokens: 112,
		Header: http.Header{"X-Ratelimit-Limit-Requests": {"300"}},
	})

	u := l.Usage()
	fmt.Println("let through:", u.Requests, "request,", u.Tokens, "tokens")
	fmt.Println("requests a minute, as the provider has it:", u.Limits.RPM)
	// Output:
	// let through: 1 request, 610 tokens
	// requests a minute, as the provider has it: 300
}

// A gateway that may not wait passes on when to come back.
func ExampleLimiter_Acquire_refused() {
	l := ratelimit.New(ratelimit.Limits{RPM: 2}, ratelimit.Generic())
	for range 2 {
		permit, err := l.Acquire(context.Background(), ratelimit.Demand{InputBytes: 100}, 0)
		var wait *ratelimit.WaitError
		switch {
		case errors.As(err, &wait):
			fmt.Println("429, Retry-After:", int(wait.RetryAfter.Seconds())+1, "because of", wait.Dimension)
		case err == nil:
			fmt.Println("let through")
			permit.Done(ratelimit.Feedback{Status: http.StatusOK, InputTokens: 25, OutputTokens: 10})
		}
	}
	// Output:
	// let through
	// 429, Retry-After: 31 because of requests
}

// What a request counts before anything is known of it.
func ExampleEstimate() {
	for _, name := range []string{"openai", "azure", "gemini"} {
		profile, _ := ratelimit.ProfileNamed(name)
		fmt.Println(name, ratelimit.Estimate(profile, ratelimit.Demand{InputBytes: 3_000, OutputCap: 1_500}))
	}
	// Output:
	// openai 1500
	// azure 2500
	// gemini 1000
}
