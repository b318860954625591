package ratelimit_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/andres20980/aurea-orchestrator/ratelimit"
)

const seeds = 3

// each runs a test in virtual time for every common kind of enforcer, with several seeds.
func each(t *testing.T, test func(t *testing.T, algorithm string, seed uint64)) {
	t.Helper()
	for algorithm := range algorithms {
		for seed := range uint64(seeds) {
			t.Run(fmt.Sprint(algorithm, " ", seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { test(t, algorithm, seed) })
			})
		}
	}
}

// Saturation against every common kind of enforcer: no refusal, and at least 99 % of the allowance.
func TestRequests(t *testing.T) {
	t.Parallel()
	for _, rpm := range []float64{12, 60, 600, 6000} {
		t.Run(fmt.Sprint(rpm), func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, algorithm string, seed uint64) {
				p := newProvider(seed, algorithm, map[int]float64{requests: rpm}, countSum)
				if algorithm == "small bucket" && rpm < 70 {
					p.jitter = 0 // it holds a single call: no client could do better than to be exact
				}
				l := ratelimit.New(ratelimit.Limits{RPM: int64(rpm)}, ratelimit.Generic())
				span := 12 * time.Minute
				if rpm > 1000 {
					span = 3 * time.Minute
				}
				fill(t, p, saturate(t, l, p, 100, span, same(call{bytes: 100, in: 30})), requests, 0.99)
			})
		})
	}
}

// Azure judges on 10 s, or on single seconds.
func TestAzure(t *testing.T) {
	t.Parallel()
	for _, rpm := range []float64{60, 100, 600, 6000} {
		for seed := range uint64(seeds) {
			t.Run(fmt.Sprint(rpm, " ", seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					pr := profile(t, "azure")
					p := newProvider(seed, "sliding", map[int]float64{requests: rpm}, countSum)
					p.meters[requests] = &sliding{span: 10 * time.Second, limit: rpm / 6}
					p.jitter = pr.Margin
					l := ratelimit.New(ratelimit.Limits{RPM: int64(rpm)}, pr)
					fill(t, p, saturate(t, l, p, 80, 10*time.Minute, same(call{bytes: 100, in: 30})), requests, 0.94)
				})
			})
		}
	}
	t.Run("one second", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			p := newProvider(1, "sliding", map[int]float64{requests: 600}, countSum)
			p.meters[requests] = &sliding{span: time.Second, limit: 10}
			p.jitter = 2 * time.Millisecond
			l := ratelimit.New(ratelimit.Limits{RPM: 600}, profile(t, "azure"))
			fill(t, p, saturate(t, l, p, 80, 10*time.Minute, same(call{bytes: 100, in: 30})), requests, 0.95)
		})
	})
	t.Run("tokens", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			pr := profile(t, "azure")
			p := newProvider(1, "sliding", map[int]float64{requests: 3600, tokens: 600_000}, countSum)
			p.meters[requests], p.meters[tokens] = &sliding{span: 10 * time.Second, limit: 600}, &sliding{span: 10 * time.Second, limit: 100_000}
			p.jitter = pr.Margin
			l := ratelimit.New(ratelimit.Limits{RPM: 3600, TPM: 600_000}, pr)
			fill(t, p, saturate(t, l, p, 80, 10*time.Minute, prose(1000, 2000, 1000)), tokens, 0.95)
		})
	})
}

// A limit in tokens is used as fully as one in requests, whatever the provider counts.
func TestTokens(t *testing.T) {
	t.Parallel()
	const tpm = 600_000
	for name, c := range map[string]struct {
		profile ratelimit.Profile
		count   func(call) [4]float64
	}{
		"sum":   {ratelimit.Generic(), countSum},
		"max":   {profile(t, "openai"), countMax},
		"input": {profile(t, "gemini"), countInput},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, algorithm string, seed uint64) {
				p := newProvider(seed, algorithm, map[int]float64{requests: 100_000, tokens: tpm}, c.count)
				l := ratelimit.New(ratelimit.Limits{RPM: 100_000, TPM: tpm}, c.profile)
				share := saturate(t, l, p, 100, 10*time.Minute, prose(2000, 6000, 200))
				fill(t, p, share, tokens, 0.985)
			})
		})
	}
}

func TestThreeDimensions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		profile string
		count   func(call) [4]float64
		limits  map[int]float64
		bound   int
	}{
		"caps, output bound":  {"generic", countSum, map[int]float64{requests: 2000, input: 600_000, output: 60_000}, output},
		"caps, input bound":   {"generic", countSum, map[int]float64{requests: 2000, input: 300_000, output: 200_000}, input},
		"requests bound":      {"generic", countSum, map[int]float64{requests: 300, input: 900_000, output: 200_000}, requests},
		"actual, output":      {"anthropic", countActual, map[int]float64{requests: 2000, input: 600_000, output: 60_000}, output},
		"actual, input bound": {"anthropic", countActual, map[int]float64{requests: 2000, input: 300_000, output: 200_000}, input},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, algorithm string, seed uint64) {
				p := newProvider(seed, algorithm, c.limits, c.count)
				l := ratelimit.New(ratelimit.Limits{RPM: int64(c.limits[requests]), InputTPM: int64(c.limits[input]), OutputTPM: int64(c.limits[output])}, profile(t, c.profile))
				share := saturate(t, l, p, 100, 10*time.Minute, prose(1000, 2000, 100))
				fill(t, p, share, c.bound, 0.98)
			})
		})
	}
}

// A provider that counts otherwise than the profile says shows it in its headers. What it shows is learned in the first minute: before a limit is passed where it counts
// more, and soon enough where it counts less. The remaining of a small bucket says nothing.
func TestLearnsHowItCounts(t *testing.T) {
	t.Parallel()
	const tpm = 600_000
	for name, c := range map[string]struct {
		profile string
		count   func(call) [4]float64
		call    call
	}{
		"max, taken for a sum":          {"generic", countMax, call{bytes: 2120, in: 500, limit: 1500, out: 200}},
		"sum, taken for a max":          {"openai", countSum, call{bytes: 2120, in: 500, limit: 1500, out: 200}},
		"characters, fewer than tokens": {"openai", countCharacters, call{bytes: 8012, in: 2700, limit: 100, out: 50}},
		"characters, more than tokens":  {"openai", countCharacters, call{bytes: 8012, in: 1500, limit: 100, out: 50}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, algorithm string, seed uint64) {
				p := newProvider(seed, algorithm, map[int]float64{requests: 100_000, tokens: tpm}, c.count)
				p.headers, p.jitter = true, 20*time.Millisecond
				if algorithm == "small bucket" {
					t.Skip("cannot be told")
				}
				l := ratelimit.New(ratelimit.Limits{RPM: 100_000, TPM: tpm}, profile(t, c.profile))
				share := saturate(t, l, p, 100, 10*time.Minute, same(c.call))
				fill(t, p, share, tokens, 0.97)
			})
		})
	}
}
