package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/retry"
)

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

// The table of docs/retries.md, row by row.
func TestClassify(t *testing.T) {
	t.Parallel()
	reset := errors.New("read: connection reset by peer")
	cases := []struct {
		name            string
		f               retry.Failure
		retry, failover bool
		class           retry.Class
		floor           time.Duration
	}{
		{"an answer", retry.Failure{Status: 200}, false, false, retry.Alive, 0},
		{"400", retry.Failure{Status: 400}, false, false, retry.Alive, 0},
		{"401", retry.Failure{Status: 401}, false, true, retry.KeyRefused, 0},
		{"402", retry.Failure{Status: 402}, false, true, retry.QuotaSpent, 0},
		{"403", retry.Failure{Status: 403}, false, true, retry.KeyRefused, 0},
		{"404", retry.Failure{Status: 404, Code: "model_not_found"}, false, true, retry.Alive, 0},
		{"408", retry.Failure{Status: 408}, true, false, retry.Alive, 0},
		{"409", retry.Failure{Status: 409}, true, false, retry.Alive, 0},
		{"413", retry.Failure{Status: 413}, false, false, retry.Alive, 0},
		{"422", retry.Failure{Status: 422}, false, false, retry.Alive, 0},
		{"429", retry.Failure{Status: 429, Code: "rate_limit_exceeded"}, true, false, retry.RateLimited, 0},
		{"429, Retry-After", retry.Failure{Status: 429, Header: header("Retry-After", "7")}, true, false, retry.RateLimited, 7 * time.Second},
		{"429, Retry-After-Ms", retry.Failure{Status: 429, Header: header("Retry-After-Ms", "250", "Retry-After", "7")}, true, false, retry.RateLimited, 250 * time.Millisecond},
		{"429, delay in the body", retry.Failure{Status: 429, Delay: 3 * time.Second}, true, false, retry.RateLimited, 3 * time.Second},
		{"429, reset of the dimension used up", retry.Failure{Status: 429, Header: header(
			"X-Ratelimit-Remaining-Requests", "12", "X-Ratelimit-Reset-Requests", "6m0s", "X-Ratelimit-Remaining-Tokens", "0", "X-Ratelimit-Reset-Tokens", "120ms",
		)}, true, false, retry.RateLimited, 120 * time.Millisecond},
		{"429, quota", retry.Failure{Status: 429, Code: "insufficient_quota"}, false, true, retry.QuotaSpent, 0},
		{"429, quota by type", retry.Failure{Status: 429, Type: "insufficient_quota"}, false, true, retry.QuotaSpent, 0},
		{"429, spend limit of Anthropic", retry.Failure{Status: 429, Type: "rate_limit_error", Code: "enforced_spend_limit_reached"}, false, true, retry.QuotaSpent, 0},
		{"429, spend limit of OpenAI", retry.Failure{Status: 429, Code: "project_spend_limit_exceeded"}, false, true, retry.QuotaSpent, 0},
		{"quota is permanent whatever the header says", retry.Failure{Status: 429, Code: "insufficient_quota", Header: header("X-Should-Retry", "true")}, false, true, retry.QuotaSpent, 0},
		{"400, no credit left", retry.Failure{Status: 400, Message: "Your credit balance is too low to access the API."}, false, true, retry.QuotaSpent, 0},
		{"500", retry.Failure{Status: 500}, true, false, retry.ProviderFailure, 0},
		{"501", retry.Failure{Status: 501}, false, true, retry.ProviderFailure, 0},
		{"502", retry.Failure{Status: 502}, true, false, retry.ProviderFailure, 0},
		{"503, Retry-After", retry.Failure{Status: 503, Header: header("Retry-After", "2")}, true, false, retry.ProviderFailure, 2 * time.Second},
		{"504", retry.Failure{Status: 504}, true, false, retry.ProviderFailure, 0},
		{"524", retry.Failure{Status: 524}, true, false, retry.ProviderFailure, 0},
		{"529", retry.Failure{Status: 529}, true, false, retry.ProviderFailure, 0},
		{"a redirect", retry.Failure{Status: 302}, false, false, retry.ProviderFailure, 0},
		{"x-should-retry false", retry.Failure{Status: 503, Header: header("X-Should-Retry", "false")}, false, false, retry.ProviderFailure, 0},
		{"x-should-retry true", retry.Failure{Status: 400, Header: header("X-Should-Retry", "true")}, true, false, retry.Alive, 0},
		{"context too long", retry.Failure{Status: 400, Code: "context_length_exceeded"}, false, false, retry.Alive, 0},
		{"a byte was delivered", retry.Failure{Status: 503, Delivered: true}, false, false, retry.ProviderFailure, 0},
		{"no connection", retry.Failure{Err: errors.New("connection refused")}, true, false, retry.ProviderFailure, 0},
		{"reset", retry.Failure{Err: reset, Sent: true}, true, false, retry.ProviderFailure, 0},
		{"reset after delivery", retry.Failure{Err: reset, Sent: true, Delivered: true}, false, false, retry.ProviderFailure, 0},
		{"cut short", retry.Failure{Status: 200, Err: io.ErrUnexpectedEOF, Sent: true}, true, false, retry.ProviderFailure, 0},
		{"time-out", retry.Failure{Err: os.ErrDeadlineExceeded, Sent: true}, true, false, retry.ProviderFailure, 0},
		{"the caller left", retry.Failure{Err: fmt.Errorf("send: %w", context.Canceled), Sent: true}, false, false, retry.Cancelled, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := retry.Classify(c.f)
			if v.Retry != c.retry || v.Failover != c.failover || v.Class != c.class || v.Floor != c.floor || v.Reason == "" {
				t.Errorf("got %+v", v)
			}
		})
	}
}

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"0": 0, "7": 7 * time.Second, "1.5": 1500 * time.Millisecond, " 3 ": 3 * time.Second, "1e2": 100 * time.Second,
		"Mon, 23 Nov 2026 12:00:30 GMT": 30 * time.Second, "Monday, 23-Nov-26 12:01:00 GMT": time.Minute, "Mon Nov 23 12:00:05 2026": 5 * time.Second,
		"99999999999999999999": 365 * 24 * time.Hour,
	} {
		if got, ok := retry.ParseRetryAfter(header("Retry-After", text), now); !ok || got != want {
			t.Errorf("%q: got %s, %t; want %s", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "-1", "-0", "NaN", "Inf", "+Inf", "-Inf", "0x10", "1_000", "soon", "1s", "Mon, 23 Nov 2026 11:59:59 GMT", "12:00"} {
		if got, ok := retry.ParseRetryAfter(header("Retry-After", text), now); ok {
			t.Errorf("%q: got %s, want nothing", text, got)
		}
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, s := range []string{"1", "1.5", "Mon, 23 Nov 2026 12:00:30 GMT", "-1", "1e400"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, seconds, ms string) {
		d, ok := retry.ParseRetryAfter(http.Header{"Retry-After": {seconds}, "Retry-After-Ms": {ms}}, time.Unix(1e9, 0))
		if d < 0 || d > 366*24*time.Hour || !ok && d != 0 {
			t.Fatalf("%q, %q: %s, %t", seconds, ms, d, ok)
		}
		v := retry.Classify(retry.Failure{Status: 429, Header: http.Header{"Retry-After": {seconds}, "X-Ratelimit-Reset-Tokens": {ms}}})
		if v.Floor < 0 {
			t.Fatalf("floor %s", v.Floor)
		}
	})
}

func TestDelay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := retry.Policy{
			BaseDelay: time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(time.Minute)).Draw(t, "base")), MaxDelay: time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "max")),
			Rand: func() float64 { return rapid.Float64Range(0, 0.999999).Draw(t, "random") },
		}
		n := rapid.IntRange(0, 2000).Draw(t, "n")
		floor := time.Duration(rapid.Int64Range(0, int64(2*time.Hour)).Draw(t, "floor"))
		d, ok := p.Delay(n, floor)
		if ok != (floor <= p.MaxDelay) {
			t.Fatalf("ok %t with a floor of %s and a cap of %s", ok, floor, p.MaxDelay)
		}
		if !ok {
			return
		}
		full := p.MaxDelay
		if n < 40 && p.BaseDelay<<n < full && p.BaseDelay<<n>>n == p.BaseDelay {
			full = p.BaseDelay << n
		}
		if d < floor || d < full/2-1 || d > max(full, floor+floor/10+time.Second) {
			t.Fatalf("retry %d after %s; base %s, cap %s, floor %s", n, d, p.BaseDelay, p.MaxDelay, floor)
		}
	})
}

func TestBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := retry.NewBudget(0.1, 3)
		for range 3 {
			if !b.Withdraw() {
				t.Fatal("refused what was saved up")
			}
		}
		if b.Withdraw() {
			t.Fatal("a fourth retry")
		}
		for range 11 {
			b.Deposit()
		}
		if !b.Withdraw() || b.Withdraw() {
			t.Fatal("eleven first attempts pay for one retry")
		}
		began := time.Now()
		if err := b.Wait(t.Context()); err != nil || time.Since(began) > time.Second {
			t.Fatalf("waited %s, %v", time.Since(began), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.Wait(ctx); err == nil {
			t.Fatal("waited for nobody")
		}
	})
}

func TestDo(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	p := retry.Policy{MaxRetries: 3, BaseDelay: time.Second, MaxDelay: time.Minute}
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		v, err := retry.Do(t.Context(), p, func(_ context.Context, n int) (int, error) {
			if calls++; n < 2 {
				return 0, down
			}
			return 42, nil
		})
		if v != 42 || err != nil || calls != 3 {
			t.Errorf("got %d, %v after %d calls", v, err, calls)
		}
		calls = 0
		_, err = retry.Do(t.Context(), p, func(context.Context, int) (int, error) { calls++; return 0, retry.Permanent(down) })
		if calls != 1 || !errors.Is(err, down) {
			t.Errorf("a permanent error was repeated %d times: %v", calls, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err = retry.Do(ctx, p, func(context.Context, int) (int, error) { return 0, down })
		if !errors.Is(err, down) || time.Since(began) != 0 {
			t.Errorf("a wait that cannot fit was begun: %s, %v", time.Since(began), err)
		}
	})
}

func ExamplePolicy_Delay() {
	p := retry.Policy{MaxRetries: 3, BaseDelay: time.Second, MaxDelay: time.Minute, Rand: func() float64 { return 1 }}
	for n := range 3 {
		d, _ := p.Delay(n, 0)
		fmt.Println(d)
	}
	_, ok := p.Delay(0, 2*time.Minute)
	fmt.Println(ok)
	// Output:
	// 1s
	// 2s
	// 4s
	// false
}
