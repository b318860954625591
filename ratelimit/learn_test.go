package ratelimit

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func pass(t *testing.T, l *Limiter, f Feedback) *Permit {
	t.Helper()
	p, err := l.Acquire(t.Context(), Demand{InputBytes: 300, OutputCap: 100}, -1)
	if err != nil {
		t.Fatal(err)
	}
	p.Done(f)
	return p
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func TestReadings(t *testing.T) {
	t.Parallel()
	later := time.Now().Add(2 * time.Hour).UTC().Format(time.RFC3339)
	soon := time.Now().Add(time.Minute).UTC().Format(time.RFC3339)
	for name, c := range map[string]struct {
		header http.Header
		want   map[int][2]int64 // limit, remaining
	}{
		"openai": {
			header("x-ratelimit-limit-requests", "60", "x-ratelimit-remaining-requests", "59", "x-ratelimit-reset-requests", "1s",
				"x-ratelimit-limit-tokens", "150000", "x-ratelimit-remaining-tokens", "149984", "x-ratelimit-reset-tokens", "6m0s"),
			map[int][2]int64{dimRequests: {60, 59}, dimTokens: {150_000, 149_984}},
		},
		"anthropic": {
			header("anthropic-ratelimit-requests-limit", "50", "anthropic-ratelimit-requests-remaining", "49", "anthropic-ratelimit-requests-reset", soon,
				"anthropic-ratelimit-input-tokens-limit", "40000", "anthropic-ratelimit-input-tokens-remaining", "39000",
				"anthropic-ratelimit-output-tokens-limit", "8000", "anthropic-ratelimit-output-tokens-remaining", "8000", "anthropic-ratelimit-tokens-limit", "48000"),
			map[int][2]int64{dimRequests: {50, 49}, dimInput: {40_000, 39_000}, dimOutput: {8000, 8000}, dimTokens: {48_000, -1}},
		},
		"longer names": {
			header("X-RateLimit-Limit-Project-Tokens", "900", "X-RateLimit-Remaining-Project-Tokens", "800", "x-ratelimit-limit-tokens", "1000", "x-ratelimit-limit-tokens-minute", "950"),
			map[int][2]int64{dimTokens: {900, 800}},
		},
		"days":               {header("x-ratelimit-limit-requests-day", "1000", "x-ratelimit-limit-tokens-per-day", "9", "x-ratelimit-limit-requests", "200", "x-ratelimit-reset-requests", "7h12m"), nil},
		"a day by its reset": {header("anthropic-ratelimit-requests-limit", "50", "anthropic-ratelimit-requests-reset", later), nil},
		"seconds":            {header("x-ratelimit-limit-requests", "200", "x-ratelimit-reset-requests", "59.5"), map[int][2]int64{dimRequests: {200, -1}}},
		"garbage": {
			header("x-ratelimit-limit-requests", "many", "x-ratelimit-limit-tokens", "-5", "x-ratelimit-limit-input-tokens", "99999999999999999999", "x-ratelimit-limit", "7",
				"x-ratelimit-limit-input-output-tokens", "3", "x-ratelimit-limit-images", "3", "ratelimit-policy", "10;w=1", "anthropic-ratelimit-output-tokens-limit", ""),
			nil,
		},
		"remaining is garbage": {header("x-ratelimit-limit-requests", " 60 ", "x-ratelimit-remaining-requests", "NaN", "x-ratelimit-reset-requests", "?"), map[int][2]int64{dimRequests: {60, -1}}},
		"none":                 {nil, nil},
	} {
		got := map[int][2]int64{}
		for _, r := range readings(c.header) {
			got[r.dim] = [2]int64{r.limit, r.remaining}
		}
		if c.want == nil {
			c.want = map[int][2]int64{}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

// Whatever a provider's headers say, the limiter goes on, and never above what is configured.
func FuzzHeaders(f *testing.F) {
	f.Add("X-Ratelimit-Limit-Requests", "60", "X-Ratelimit-Remaining-Requests", "59")
	f.Add("Anthropic-Ratelimit-Input-Tokens-Limit", "1", "Anthropic-Ratelimit-Input-Tokens-Reset", "2026-11-23T07:44:17Z")
	f.Add("x-RATELIMIT-limit-tokens", "0", "x-ratelimit-limit-tokens", "9223372036854775807")
	f.Add("ratelimit-limit-", "1e9", "ratelimit--limit-requests", "\x00")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		l := New(Limits{RPM: 1000, TPM: 1_000_000}, Profile{})
		for _, h := range []http.Header{{name1: {value1}, name2: {value2}}, header("X-Ratelimit-Limit-Requests", value1, "X-Ratelimit-Remaining-Requests", value2), {name1: nil}} {
			p, err := l.Acquire(t.Context(), Demand{InputBytes: 3}, -1)
			if err != nil {
				return // a limit of the provider's that is too small, or a minute's wait
			}
			p.Done(Feedback{Status: 200, Header: h, InputTokens: 1, OutputTokens: 1})
			if u := l.Usage(); u.Limits.RPM > 1000 || u.Limits.RPM < 1 || u.Limits.TPM > 1_000_000 || u.Limits.TPM < 1 {
				t.Fatalf("%+v", u.Limits)
			}
			l = New(Limits{RPM: 1000, TPM: 1_000_000}, Profile{})
		}
	})
}

func TestLimitsFromHeaders(t *testing.T) {
	t.Parallel()
	both := func(requests, tokens string) http.Header {
		return header("x-ratelimit-limit-requests", requests, "x-ratelimit-limit-tokens", tokens)
	}
	for name, c := range map[string]struct {
		limits  Limits
		headers []http.Header
		want    [dimCount]int64
	}{
		"a guess is replaced by more":     {Limits{RPM: 60, TPM: 1000, GuessRPM: true, GuessTPM: true}, []http.Header{both("500", "30000")}, [dimCount]int64{500, 30_000, 0, 0}},
		"and by less":                     {Limits{RPM: 60, TPM: 1000, GuessRPM: true, GuessTPM: true}, []http.Header{both("5", "900")}, [dimCount]int64{5, 900, 0, 0}},
		"a configured limit is lowered":   {Limits{RPM: 60, TPM: 10_000}, []http.Header{both("5", "900")}, [dimCount]int64{5, 900, 0, 0}},
		"and raised only to what it was":  {Limits{RPM: 60, TPM: 10_000}, []http.Header{both("5", "900"), both("7", "90000")}, [dimCount]int64{7, 10_000, 0, 0}},
		"what is lifted stays so":         {Limits{}, []http.Header{both("5", "900")}, [dimCount]int64{}},
		"what is not named stays":         {Limits{RPM: 60, TPM: 10_000}, []http.Header{both("5", "900"), nil, both("x", "")}, [dimCount]int64{5, 900, 0, 0}},
		"apart, where tokens are a guess": {Limits{RPM: 60, TPM: 1000, GuessTPM: true}, []http.Header{header("anthropic-ratelimit-input-tokens-limit", "40000", "anthropic-ratelimit-output-tokens-limit", "8000")}, [dimCount]int64{60, 48_000, 40_000, 8000}},
		"apart, where they are not":       {Limits{RPM: 60, TPM: 1000}, []http.Header{header("anthropic-ratelimit-input-tokens-limit", "40000", "anthropic-ratelimit-output-tokens-limit", "8000")}, [dimCount]int64{60, 1000, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := New(c.limits, Profile{})
				for _, h := range c.headers {
					pass(t, l, Feedback{Status: 200, Header: h, InputTokens: -1, OutputTokens: -1})
				}
				u := l.Usage().Limits
				if got := [dimCount]int64{u.RPM, u.TPM, u.InputTPM, u.OutputTPM}; got != c.want {
					t.Errorf("got %v, want %v", got, c.want)
				}
			})
		})
	}
}

// A 429 that says nothing: the limit is what was let through, or 0.7 of it; then it comes back, by steps.
func TestBare429(t *testing.T) {
	t.Parallel()
	bare := Feedback{Status: 429, RateLimited: true, InputTokens: -1, OutputTokens: -1}
	good := Feedback{Status: 200, InputTokens: -1, OutputTokens: -1}
	synctest.Test(t, func(t *testing.T) {
		l := New(Limits{RPM: 600}, Profile{})
		for range 400 {
			pass(t, l, good)
		}
		pass(t, l, bare)
		if u := l.Usage(); u.Limits.RPM != 400 || u.Held != time.Second || l.learned.pace != 0.97 {
			t.Fatalf("%+v, pace %v", u, l.learned.pace)
		}
		start := time.Now()
		pass(t, l, bare) // within the same window, after the log has room
		if u := l.Usage(); u.Limits.RPM != 400 {
			t.Fatalf("cut twice: %+v", u)
		}
		var paces []float64
		var steps []time.Duration
		pace := 0.97
		for l.Usage().Limits.RPM < 600 {
			if l.learned.pace != pace {
				pace = l.learned.pace
				paces, steps = append(paces, pace), append(steps, time.Since(start))
			}
			if time.Since(start) > 24*time.Hour {
				t.Fatalf("after a day %+v", l.Usage())
			}
			pass(t, l, good)
		}
		if len(paces) != 11 || paces[0] != 0.985 || paces[10] != 0.995 || steps[0] < 10*time.Second || steps[1]-steps[0] < 9*time.Second {
			t.Errorf("paces %v after %v", paces, steps)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		l := New(Limits{RPM: 600}, Profile{})
		for range 10 {
			pass(t, l, good)
		}
		pass(t, l, bare)
		if u := l.Usage(); u.Limits.RPM != 420 {
			t.Errorf("%+v", u.Limits)
		}
		quota := bare
		quota.RateLimited = false
		l = New(Limits{RPM: 600}, Profile{})
		pass(t, l, quota)
		if u := l.Usage(); u.Limits.RPM != 600 || u.Held != 0 {
			t.Errorf("a quota is not a rate: %+v", u)
		}
		named := bare
		named.Header = header("x-ratelimit-limit-requests", "500")
		pass(t, l, named)
		if u := l.Usage(); u.Limits.RPM != 500 || u.Held != time.Second {
			t.Errorf("it named its limit: %+v", u)
		}
	})
}

// Refusals widen the margin, not without end, and it shrinks again.
func TestMarginGrows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(Limits{RPM: 600}, Profile{})
		for range 30 {
			pass(t, l, Feedback{Status: 429, RateLimited: true, RetryAfter: 15 * time.Second, InputTokens: -1, OutputTokens: -1})
		}
		if span := time.Duration(l.dims[0].windows[0].span); span != 61500*time.Millisecond {
			t.Errorf("window of %v", span)
		}
		for range 600 * 60 * 3 {
			pass(t, l, Feedback{Status: 200, InputTokens: -1, OutputTokens: -1})
		}
		if span := time.Duration(l.dims[0].windows[0].span); span != 60250*time.Millisecond {
			t.Errorf("window of %v after hours", span)
		}
	})
}

func TestWhatIsCounted(t *testing.T) {
	t.Parallel()
	named := func(name string) Profile {
		p, err := ProfileNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	refund := func(p Profile) Profile { p.Refund = true; return p }
	injected := Demand{InputBytes: 300, OutputCap: 4000, CapInjected: true}
	own := Demand{InputBytes: 300, OutputCap: 4000}
	// Input of 300 bytes is 100 tokens at first, and was 60; the answer has 50.
	for name, c := range map[string]struct {
		profile       Profile
		demand        Demand
		first, answer weights
	}{
		"generic":                       {Generic(), own, weights{1, 4100, 100, 4000}, weights{1, 4060, 60, 4000}},
		"generic, refund":               {refund(Generic()), own, weights{1, 4100, 100, 4000}, weights{1, 110, 60, 50}},
		"openai":                        {named("openai"), own, weights{1, 4000, 100, 4000}, weights{1, 4000, 60, 4000}},
		"openai, no cap":                {named("openai"), Demand{InputBytes: 300}, weights{1, 100, 100, 0}, weights{1, 60, 60, 0}},
		"openai, refund":                {refund(named("openai")), own, weights{1, 4000, 100, 4000}, weights{1, 110, 60, 50}},
		"azure":                         {named("azure"), injected, weights{1, 4100, 100, 4000}, weights{1, 4060, 60, 4000}},
		"gemini":                        {named("gemini"), own, weights{1, 100, 100, 0}, weights{1, 60, 60, 0}},
		"anthropic, a cap of its own":   {named("anthropic"), own, weights{1, 4100, 100, 4000}, weights{1, 90, 40, 50}},
		"anthropic, ours":               {named("anthropic"), injected, weights{1, 1124, 100, 1024}, weights{1, 90, 40, 50}},
		"anthropic, as it was formerly": {refund(named("anthropic")), injected, weights{1, 4100, 100, 4000}, weights{1, 90, 40, 50}},
		"anthropic, no cap":             {named("anthropic"), Demand{InputBytes: 300}, weights{1, 1124, 100, 1024}, weights{1, 90, 40, 50}},
	} {
		l := New(Limits{RPM: 1000, TPM: 1_000_000, InputTPM: 1_000_000, OutputTPM: 1_000_000}, c.profile)
		p, err := l.Acquire(t.Context(), c.demand, 0)
		if err != nil {
			t.Fatal(err)
		}
		if p.weight != c.first {
			t.Errorf("%s: %v at first, want %v", name, p.weight, c.first)
		}
		if got := Estimate(c.profile, c.demand); got != c.first[dimTokens] {
			t.Errorf("%s: estimate %d", name, got)
		}
		p.Done(Feedback{Status: 200, InputTokens: 60, OutputTokens: 50, CacheReadTokens: 20})
		if p.weight != c.answer {
			t.Errorf("%s: %v after the answer, want %v", name, p.weight, c.answer)
		}
		for i, d := range l.dims {
			if d.let(l.now()) != c.answer[i] {
				t.Errorf("%s: the log has %d %s", name, d.let(l.now()), dimNames[i])
			}
		}
	}
}

func TestLearnsLengths(t *testing.T) {
	t.Parallel()
	l := New(Limits{}, Profile{Counting: CountActual})
	if _, known := l.OutputP95(); known {
		t.Error("it knows before it saw anything")
	}
	for i := range 200 {
		pass(t, l, Feedback{Status: 200, InputTokens: 75, OutputTokens: int64(i)})
	}
	if p95, known := l.OutputP95(); !known || p95 < 188 || p95 > 195 {
		t.Errorf("p95 %d", p95)
	}
	if w := l.weigh(Demand{InputBytes: 4000, OutputCap: 100_000}); w[dimInput] != 1000 || w[dimOutput] < 370 || w[dimOutput] > 390 {
		t.Errorf("%v", w)
	}
	pass(t, l, Feedback{Status: 500, InputTokens: -1, OutputTokens: -1})
	if len(l.learned.ratios.values) != keptSamples || len(l.learned.ratios.sorted) != keptSamples {
		t.Error("more is kept than is used")
	}
}

// Headers that mean something else change nothing.
func TestRemainingThatMeansSomethingElse(t *testing.T) {
	t.Parallel()
	for name, left := range map[string]func(i int) int64{
		"always all": func(int) int64 { return 100_000 }, "always nothing": func(int) int64 { return 0 }, "always the same": func(int) int64 { return 99_999 },
		"a small bucket": func(i int) int64 { return int64(2000 - i%7) }, "more than the limit": func(int) int64 { return 200_000 },
		"random": func(int) int64 { return rand.Int64N(100_000) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := New(Limits{TPM: 100_000}, Profile{})
				for i := range 2000 {
					pass(t, l, Feedback{
						Status: 200, InputTokens: 100, OutputTokens: 10,
						Header: header("x-ratelimit-limit-tokens", "100000", "x-ratelimit-remaining-tokens", strconv.FormatInt(left(i), 10)),
					})
				}
				if scale := l.learned.remaining[dimTokens].scale(); scale != 1 {
					t.Errorf("scale %v", scale)
				}
			})
		})
	}
}

// Timers that wake late, and now and then very late, cost nothing.
func TestLateTimers(t *testing.T) {
	t.Parallel()
	for _, rpm := range []int64{30, 60, 600, 6000, 60_000} {
		t.Run(strconv.FormatInt(rpm, 10), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(1, uint64(rpm)))
				l := New(Limits{RPM: rpm}, Profile{})
				l.oversleep = func() time.Duration {
					if rng.IntN(200) == 0 {
						return time.Duration(rng.IntN(40)) * time.Millisecond
					}
					return time.Duration(500+rng.IntN(1500)) * time.Microsecond
				}
				span := 5 * time.Minute
				if rpm > 1000 {
					span = time.Minute
				}
				end, n := time.Now().Add(span), 0
				for {
					p, err := l.Acquire(t.Context(), Demand{}, max(time.Until(end), 0))
					if err != nil {
						break
					}
					p.Done(Feedback{Status: 200, InputTokens: -1, OutputTokens: -1})
					n++
				}
				if share := float64(n) / (float64(rpm) * span.Minutes()); share < 0.99 || share > 1.0001 {
					t.Errorf("%.4f used", share)
				}
			})
		})
	}
}
