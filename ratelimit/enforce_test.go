package ratelimit_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/andres20980/aurea-orchestrator/ratelimit"
)

// enforcer is a provider's side: it sees requests at their arrival and says whether they are within its limit.
type enforcer interface {
	allow(now time.Time, weight float64) bool
}

// slidingEnforcer judges every window that ends now.
type slidingEnforcer struct {
	span    time.Duration
	limit   float64
	arrived []struct {
		at time.Time
		w  float64
	}
}

func (e *slidingEnforcer) allow(now time.Time, w float64) bool {
	for len(e.arrived) > 0 && now.Sub(e.arrived[0].at) >= e.span {
		e.arrived = e.arrived[1:]
	}
	sum := w
	for _, a := range e.arrived {
		sum += a.w
	}
	if sum > e.limit {
		return false
	}
	e.arrived = append(e.arrived, struct {
		at time.Time
		w  float64
	}{now, w})
	return true
}

// bucketEnforcer is a token bucket that is full at first.
type bucketEnforcer struct {
	capacity, level, perSecond float64
	last                       time.Time
}

func (e *bucketEnforcer) allow(now time.Time, w float64) bool {
	if e.last.IsZero() {
		e.level = e.capacity
	} else {
		e.level = min(e.capacity, e.level+now.Sub(e.last).Seconds()*e.perSecond)
	}
	e.last = now
	if e.level+1e-9 < w {
		return false
	}
	e.level -= w
	return true
}

// fixedEnforcer counts anew each minute.
type fixedEnforcer struct {
	limit, count float64
	minute       int64
}

func (e *fixedEnforcer) allow(now time.Time, w float64) bool {
	if m := now.Unix() / 60; m != e.minute {
		e.minute, e.count = m, 0
	}
	if e.count+w > e.limit {
		return false
	}
	e.count += w
	return true
}

// saturate sends as many calls as the limiter lets through for a time, each arriving after a network delay, and returns what was refused and what was allowed.
func saturate(l *ratelimit.Limiter, d ratelimit.Demand, judge func(now time.Time) bool, seed uint64, span time.Duration, late time.Duration) (allowed, refused int) {
	rng := rand.New(rand.NewPCG(seed, 1))
	var mu sync.Mutex
	var wg sync.WaitGroup
	end := time.Now().Add(span)
	ctx, cancel := context.WithDeadline(context.Background(), end)
	defer cancel()
	for range 64 {
		wg.Go(func() {
			for {
				p, err := l.Acquire(ctx, d, -1)
				if err != nil {
					if ctx.Err() != nil || time.Until(end) < 2*time.Second {
						return
					}
					time.Sleep(10 * time.Millisecond)
					continue
				}
				mu.Lock()
				delay := late + time.Duration(rng.Int64N(int64(150*time.Millisecond)))
				mu.Unlock()
				go func() {
					time.Sleep(delay)
					mu.Lock()
					defer mu.Unlock()
					if judge(time.Now()) {
						allowed++
					} else {
						refused++
					}
				}()
				p.Done(ratelimit.Feedback{Status: 200, InputTokens: -1, OutputTokens: -1})
			}
		})
	}
	wg.Wait()
	time.Sleep(time.Second)
	mu.Lock()
	defer mu.Unlock()
	return allowed, refused
}

// Ten minutes of saturation against every common kind of enforcer: no refusal, and at least 99 % of the allowance.
func TestReachesTheAllowanceWithoutA429(t *testing.T) {
	t.Parallel()
	const rpm = 600
	cases := []struct {
		name    string
		profile string
		make    func() enforcer
		least   float64
	}{
		{"sliding minute", "openai", func() enforcer { return &slidingEnforcer{span: time.Minute, limit: rpm} }, 0.99},
		{"full bucket", "openai", func() enforcer { return &bucketEnforcer{capacity: rpm, perSecond: rpm / 60.0} }, 0.99},
		{"bucket of 2 %", "openai", func() enforcer { return &bucketEnforcer{capacity: rpm * 0.02, perSecond: rpm / 60.0} }, 0.99},
		{"fixed minute", "openai", func() enforcer { return &fixedEnforcer{limit: rpm} }, 0.99},
		{"sliding 10 s", "azure", func() enforcer { return &slidingEnforcer{span: 10 * time.Second, limit: rpm / 6} }, 0.95},
	}
	for _, c := range cases {
		for seed := range uint64(3) {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					profile, err := ratelimit.ProfileNamed(c.profile)
					if err != nil {
						t.Fatal(err)
					}
					if c.profile == "azure" {
						profile.Margin = 150 * time.Millisecond // the delay of this test's network
					}
					e := c.make()
					l := ratelimit.New(ratelimit.Limits{RPM: rpm}, profile)
					allowed, refused := saturate(l, ratelimit.Demand{InputBytes: 100}, func(now time.Time) bool { return e.allow(now, 1) }, seed, 10*time.Minute, 0)
					if refused > 0 || float64(allowed) < c.least*rpm*10 {
						t.Errorf("seed %d: %d refused, %.2f %% used", seed, refused, float64(allowed)/rpm/10*100)
					}
				})
			})
		}
	}
}

// A limit in tokens, and three limits at once, are used as fully as one in requests.
func TestReachesTheAllowanceOfTokens(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run("tokens", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const tpm, most = 600_000, 3500
				e := &slidingEnforcer{span: time.Minute, limit: tpm}
				profile, _ := ratelimit.ProfileNamed("openai")
				l := ratelimit.New(ratelimit.Limits{RPM: 10_000, TPM: tpm}, profile)
				allowed, refused := saturate(l, ratelimit.Demand{InputBytes: 300, OutputCap: most}, func(now time.Time) bool { return e.allow(now, most) }, seed, 10*time.Minute, 0)
				if used := float64(allowed) * most / tpm / 10; refused > 0 || used < 0.99 {
					t.Errorf("seed %d: %d refused, %.2f %% used", seed, refused, used*100)
				}
			})
		})
		t.Run("three dimensions", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const rpm, itpm, otpm, in, most = 1000, 300_000, 60_000, 400, 100
				requests, input, output := &slidingEnforcer{span: time.Minute, limit: rpm}, &slidingEnforcer{span: time.Minute, limit: itpm}, &slidingEnforcer{span: time.Minute, limit: otpm}
				profile := ratelimit.Generic()
				l := ratelimit.New(ratelimit.Limits{RPM: rpm, InputTPM: itpm, OutputTPM: otpm}, profile)
				allowed, refused := saturate(l, ratelimit.Demand{InputBytes: 3 * in, OutputCap: most}, func(now time.Time) bool {
					a, b, c := requests.allow(now, 1), input.allow(now, in), output.allow(now, most)
					return a && b && c
				}, seed, 5*time.Minute, 0)
				if used := float64(allowed) * most / otpm / 5; refused > 0 || used < 0.99 {
					t.Errorf("seed %d: %d refused, %.2f %% used", seed, refused, used*100)
				}
			})
		})
	}
}
