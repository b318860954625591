// Package bench holds the benchmarks that need other libraries to compare with; it is a module of its own so that programs that use Aurea do not get them.
package bench

import (
	"context"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
)

// What a call costs around the function that makes it, when nothing goes wrong: Aurea's budget, limits, breaker and retry with the books in memory, and failsafe-go's
// retry and breaker alone.
func BenchmarkCall(b *testing.B) {
	b.Run("aurea budget+limits+breaker+retry", func(b *testing.B) {
		orch, err := aurea.New(aurea.Config{Limits: func(_, _, _ string) (ratelimit.Limits, ratelimit.Profile) {
			return ratelimit.Limits{RPM: 1 << 40, TPM: 1 << 50}, ratelimit.Profile{Burst: 1 << 20}
		}})
		if err != nil {
			b.Fatal(err)
		}
		defer orch.Close()
		job, err := orch.Job("bench", 1_000_000*aurea.Dollar)
		if err != nil {
			b.Fatal(err)
		}
		call := aurea.ModelCall{Model: "gpt-4o-mini", InputTokens: 100, OutputCap: 50}
		fn := func(context.Context) (string, aurea.Usage, error) {
			return "hi", aurea.Usage{Input: 90, Output: 10}, nil
		}
		for range 100_000 { // until the lease is as large as the pace asks for
			if _, err := aurea.Execute(b.Context(), job, call, fn); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := aurea.Execute(b.Context(), job, call, fn); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("failsafe-go breaker+retry", func(b *testing.B) {
		retries := retrypolicy.NewBuilder[string]().WithMaxRetries(3).WithBackoff(time.Second, time.Minute).WithJitterFactor(0.5).Build()
		breaker := circuitbreaker.NewBuilder[string]().WithFailureThreshold(5).WithDelay(time.Minute).Build()
		executor := failsafe.With(retries, breaker)
		fn := func() (string, error) { return "hi", nil }
		b.ReportAllocs()
		for b.Loop() {
			if _, err := executor.Get(fn); err != nil {
				b.Fatal(err)
			}
		}
	})
}
