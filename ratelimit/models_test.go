package ratelimit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/ratelimit"
)

func ExampleRateLimiter() {
	l := ratelimit.NewRateLimiter(ratelimit.Limits{RPM: 60, TPM: 100_000})
	l.SetModelLimits("gpt-4o", ratelimit.Limits{RPM: 10, TPM: 50_000})

	waited, err := l.CheckAndWait(context.Background(), "gpt-4o", 1_000)
	fmt.Println(waited.Round(time.Second), err)
	fmt.Println("another at once:", l.TryAcquire("gpt-4o", 60_000))

	u := l.Usage("gpt-4o")
	fmt.Println(u.Requests, "request,", u.Tokens, "tokens of", u.Limits.RPM, "and", u.Limits.TPM)
	// Output:
	// 0s <nil>
	// another at once: false
	// 1 request, 1000 tokens of 10 and 50000
}

// By its own count, no minute ever holds more than the limits allow, and the limits are used.
func TestRateLimiter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := ratelimit.NewRateLimiter(ratelimit.Limits{RPM: 600, TPM: 6000})
		l.SetModelLimits("big", ratelimit.Limits{RPM: 60})
		type sent struct {
			at     time.Time
			tokens int64
		}
		var mu sync.Mutex
		log := map[string][]sent{}
		var wg sync.WaitGroup
		for model, tokens := range map[string]int64{"a": 12, "b": 1, "big": 100_000} {
			for range 8 {
				wg.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
					defer cancel()
					for {
						if _, err := l.CheckAndWait(ctx, model, tokens); err != nil {
							return
						}
						mu.Lock()
						log[model] = append(log[model], sent{time.Now(), tokens})
						mu.Unlock()
					}
				})
			}
		}
		wg.Wait()
		for model, most := range map[string]struct{ calls, tokens int64 }{"a": {600, 6000}, "b": {600, 6000}, "big": {60, 1 << 60}} {
			all := log[model]
			for i := range all {
				var calls, tokens int64
				for _, s := range all[i:] {
					if s.at.Sub(all[i].at) < time.Minute {
						calls, tokens = calls+1, tokens+s.tokens
					}
				}
				if calls > most.calls || tokens > most.tokens {
					t.Fatalf("%s: %d calls, %d tokens in a minute", model, calls, tokens)
				}
			}
			if want := float64(10*min(most.calls, most.tokens/max(all[0].tokens, 1))) * 0.985; float64(len(all)) < want {
				t.Errorf("%s: %d calls in ten minutes, want %.0f", model, len(all), want)
			}
		}
		if _, err := l.CheckAndWait(t.Context(), "a", 6001); !errors.Is(err, ratelimit.ErrTooLarge) {
			t.Errorf("%v", err)
		}
		l.SetModelLimits("a", ratelimit.Limits{})
		if !l.TryAcquire("a", 1<<40) {
			t.Error("a limit that was lifted still holds")
		}
		var got map[string]any
		if b, err := json.Marshal(l.Usage("b")); err != nil || json.Unmarshal(b, &got) != nil || got["rpm_limit"] != 600.0 || got["tpm_limit"] != 6000.0 || got["requests"] == nil || got["tokens"] == nil {
			t.Errorf("%v, %v", got, err)
		}
	})
}
