package ratelimit_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/ratelimit"
)

func cycle(b *testing.B, l *ratelimit.Limiter, f ratelimit.Feedback) {
	b.Helper()
	d := ratelimit.Demand{InputBytes: 2000, OutputCap: 500}
	permit, err := l.Acquire(context.Background(), d, -1)
	if err != nil {
		b.Error(err)
		return
	}
	permit.Done(f)
}

// What a call pays: leave and its end, never waiting.
func BenchmarkAcquire(b *testing.B) {
	headers := http.Header{"Content-Type": {"application/json"}, "Date": {"Mon, 23 Nov 2026 07:44:17 GMT"}, "X-Request-Id": {"r"}}
	full := headers.Clone()
	for _, dim := range headerNames {
		full.Set("X-Ratelimit-Limit-"+dim, "1000000000000")
		full.Set("X-Ratelimit-Remaining-"+dim, "999999999000")
		full.Set("X-Ratelimit-Reset-"+dim, "12ms")
	}
	const much = 1_000_000_000_000
	for _, c := range []struct {
		name   string
		limits ratelimit.Limits
		f      ratelimit.Feedback
	}{
		{"unlimited", ratelimit.Limits{}, ratelimit.Feedback{Status: 200, Header: headers, InputTokens: 500, OutputTokens: 100}},
		{"limited", ratelimit.Limits{RPM: much, TPM: much}, ratelimit.Feedback{Status: 200, Header: headers, InputTokens: 500, OutputTokens: 100}},
		{"headers", ratelimit.Limits{RPM: much, TPM: much}, ratelimit.Feedback{Status: 200, Header: full, InputTokens: 500, OutputTokens: 100}},
	} {
		b.Run(c.name, func(b *testing.B) {
			l := ratelimit.New(c.limits, ratelimit.Generic())
			b.ReportAllocs()
			for b.Loop() {
				cycle(b, l, c.f)
			}
		})
		b.Run(c.name+", parallel", func(b *testing.B) {
			l := ratelimit.New(c.limits, ratelimit.Generic())
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					cycle(b, l, c.f)
				}
			})
		})
	}
}

// What it costs to be refused while many others wait.
func BenchmarkRefused(b *testing.B) {
	l := ratelimit.New(ratelimit.Limits{RPM: 1, TPM: 1_000_000}, ratelimit.Generic())
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 10_000 {
		wg.Go(func() { l.Acquire(ctx, ratelimit.Demand{InputBytes: 2000}, -1) })
	}
	for l.Usage().Waiting < 9_999 {
		time.Sleep(time.Millisecond)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Acquire(ctx, ratelimit.Demand{InputBytes: 2000}, time.Second); err == nil {
			b.Fatal("let through")
		}
	}
	cancel()
	wg.Wait()
}

// In real time over loopback, against a bucket of a fiftieth of the limit: the share of the allowance that is used, and how many were refused.
func BenchmarkLoopback(b *testing.B) {
	for _, rpm := range []int64{600, 6_000, 60_000, 200_000} {
		b.Run(fmt.Sprint(rpm), func(b *testing.B) {
			var mu sync.Mutex
			m := &bucket{size: float64(rpm) / 50, perSecond: float64(rpm) / 60}
			var allowed, refused atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				now := time.Now()
				if m.left(now) < 1 {
					refused.Add(1)
					w.WriteHeader(http.StatusTooManyRequests)
					return
				}
				m.take(now, 1)
				allowed.Add(1)
			}))
			defer server.Close()
			client := server.Client()
			client.Transport.(*http.Transport).MaxIdleConnsPerHost = 64
			l := ratelimit.New(ratelimit.Limits{RPM: rpm}, ratelimit.Generic())
			const span = 5 * time.Second
			for b.Loop() {
				start := time.Now()
				var wg sync.WaitGroup
				for range 64 {
					wg.Go(func() {
						for {
							p, err := l.Acquire(b.Context(), ratelimit.Demand{InputBytes: 100}, max(span-time.Since(start), 0))
							if err != nil {
								return
							}
							resp, err := client.Get(server.URL)
							if err != nil {
								b.Error(err)
								p.Release()
								return
							}
							io.Copy(io.Discard, resp.Body)
							resp.Body.Close()
							p.Done(ratelimit.Feedback{Status: resp.StatusCode, InputTokens: -1, OutputTokens: -1})
						}
					})
				}
				wg.Wait()
			}
			b.ReportMetric(float64(allowed.Load())/(float64(rpm)*span.Minutes())/float64(b.N)*100, "%used")
			b.ReportMetric(float64(refused.Load()), "refused")
		})
	}
}
