package ratelimit

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// keptSamples of tokens per byte and of output are kept, and believed from minSamples on.
	keptSamples = 128
	minSamples  = 5
	// After a 429 without headers the pace starts lower and comes back: 2 % per stepEvery up to slowShare, then 0.1 %.
	backShare = 0.97
	slowShare = 0.985
	stepEvery = 10 * time.Second
)

// learner is what answers taught.
type learner struct {
	limits     [dimCount]int64 // in force, for all owners together
	configured [dimCount]int64
	guess      [dimCount]bool
	pace       float64
	paceAt     time.Time // last change of the pace
	cut        time.Time // last 429 that lowered a limit
	ratios     samples
	outputs    samples
}

func (s *learner) init(l Limits) {
	s.configured = [dimCount]int64{l.RPM, l.TPM, l.InputTPM, l.OutputTPM}
	s.limits = s.configured
	s.guess = [dimCount]bool{dimRequests: l.GuessRPM, dimTokens: l.GuessTPM}
	s.pace = paceShare
}

// samples are the last values of something.
type samples struct {
	values []float64
	next   int
	p95    float64
}

func (s *samples) add(v float64) {
	if len(s.values) < keptSamples {
		s.values = append(s.values, v)
	} else {
		s.values[s.next] = v
	}
	s.next = (s.next + 1) % keptSamples
	sorted := slices.Clone(s.values)
	slices.Sort(sorted)
	s.p95 = sorted[min(len(sorted)*95/100, len(sorted)-1)]
}

func (s *samples) ready() bool { return len(s.values) >= minSamples }

func (s *learner) ratio() float64 {
	if s.ratios.ready() {
		return s.ratios.p95
	}
	return firstRatio
}

func (s *learner) output() int64 {
	if s.outputs.ready() {
		return int64(s.outputs.p95)
	}
	return firstOutput
}

// OutputP95 returns the 95th percentile of the output tokens seen; false before enough were.
func (l *Limiter) OutputP95() (int64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.learned.output(), l.learned.outputs.ready()
}

// learn takes in an answer.
func (l *Limiter) learn(now time.Time, p *Permit, f Feedback) {
	s := &l.learned
	if f.InputTokens >= 0 && p.demand.InputBytes > 0 {
		s.ratios.add(float64(f.InputTokens) / float64(p.demand.InputBytes))
	}
	if f.OutputTokens >= 0 {
		s.outputs.add(float64(f.OutputTokens))
	}
	if (l.profile.Refund || l.profile.Counting == CountActual) && f.InputTokens >= 0 && f.OutputTokens >= 0 {
		l.refund(p, weights{0, p.weight[dimTokens] - f.InputTokens - f.OutputTokens, p.weight[dimInput] - f.InputTokens, p.weight[dimOutput] - f.OutputTokens})
	}
	l.headers(now, f.Header)
	if f.Status == http.StatusTooManyRequests && f.RateLimited {
		if f.RetryAfter > 0 {
			l.holdFor(now, f.RetryAfter)
		} else {
			l.slowDown(now)
		}
	}
	l.speedUp(now)
}

func (l *Limiter) refund(p *Permit, unused weights) {
	for i, d := range l.dims {
		if unused[i] > 0 {
			d.giveBack(p.at, unused[i])
			l.used[i] -= unused[i]
		}
	}
}

// headers takes in the limits that the provider names.
func (l *Limiter) headers(now time.Time, h http.Header) {
	changed := false
	for name, values := range h {
		i, ok := limitHeader(name)
		if !ok || len(values) == 0 {
			continue
		}
		limit, err := strconv.ParseInt(strings.TrimSpace(values[0]), 10, 64)
		if err != nil || limit <= 0 || limit > math.MaxInt64/1000 {
			continue
		}
		s := &l.learned
		if s.configured[i] == 0 {
			continue // the operator lifted it, or counts otherwise
		}
		if !s.guess[i] {
			limit = min(limit, s.configured[i])
		}
		if limit != s.limits[i] {
			l.account(now)
			s.limits[i] = limit
			changed = true
		}
	}
	if changed {
		l.apply()
	}
}

// limitHeader tells which dimension a header limits: x-ratelimit-limit-requests, anthropic-ratelimit-input-tokens-limit and their like.
func limitHeader(name string) (int, bool) {
	name = strings.ToLower(name)
	if !strings.Contains(name, "ratelimit") || !strings.Contains(name, "limit-") && !strings.HasSuffix(name, "-limit") {
		return 0, false
	}
	name = name[strings.Index(name, "ratelimit")+len("ratelimit"):]
	if !strings.Contains(name, "limit") || strings.Contains(name, "remaining") || strings.Contains(name, "reset") || strings.Contains(name, "day") || strings.Contains(name, "project") {
		return 0, false
	}
	switch {
	case strings.Contains(name, "input-tokens"):
		return dimInput, true
	case strings.Contains(name, "output-tokens"):
		return dimOutput, true
	case strings.Contains(name, "tokens"):
		return dimTokens, true
	case strings.Contains(name, "requests"):
		return dimRequests, true
	}
	return 0, false
}

// slowDown answers a 429 that says nothing: the limit is what was let through in the last window, if that was at least half of it; else 0.7 of it. At most once a window.
func (l *Limiter) slowDown(now time.Time) {
	s := &l.learned
	if now.Sub(s.cut) < time.Minute && !s.cut.IsZero() {
		return
	}
	s.cut = now
	l.account(now)
	fullest, share := -1, 0.0
	for i, d := range l.dims {
		if d.limit > 0 {
			if u := float64(d.let(now)) / float64(d.limit); u > share || fullest < 0 {
				fullest, share = i, u
			}
		}
	}
	if fullest < 0 {
		return
	}
	if share >= 0.5 {
		s.limits[fullest] = max(l.dims[fullest].let(now)*l.owners, 1)
	} else {
		s.limits[fullest] = max(int64(float64(s.limits[fullest])*0.7), 1)
	}
	s.pace, s.paceAt = backShare, now
	l.apply()
	l.holdFor(now, time.Second)
}

// speedUp comes back from a slowed pace, and from a limit that was cut without the provider naming one.
func (l *Limiter) speedUp(now time.Time) {
	s := &l.learned
	if s.cut.IsZero() || now.Sub(s.paceAt) < stepEvery {
		return
	}
	s.paceAt = now
	step := 0.001
	if s.pace < slowShare {
		step = 0.02
	}
	if s.pace < paceShare {
		s.pace = min(s.pace+step, max(slowShare, min(s.pace+0.001, paceShare)))
	} else {
		for i := range s.limits {
			if s.configured[i] > s.limits[i] {
				s.limits[i] = min(s.configured[i], s.limits[i]+max(s.limits[i]/1000, 1))
			}
		}
	}
	l.account(now)
	l.apply()
}
