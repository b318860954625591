package ratelimit

import "time"

const (
	// After a 429 that says nothing the pace starts lower and comes back: backStep per stepEvery up to slowShare, then smallStep.
	backShare = 0.97
	slowShare = 0.985
	backStep  = 0.02
	smallStep = 0.001
	stepEvery = 10 * time.Second
	// bareHold is how long a 429 holds that says nothing.
	bareHold = time.Second
	// cutShare of the limit is left if less than half of it was used when a 429 came.
	cutShare = 0.7
	// Each 429, but for those that come in a row, says that the network's delay may differ by more than the margin: it grows widen times, and shrinks after a
	// time without one.
	widen       = 1.5
	widenEvery  = 10 * time.Second
	shrinkAfter = 10 * time.Minute
)

// learned is what answers taught.
type learned struct {
	configured [dimCount]int64
	guess      [dimCount]bool
	named      [dimCount]int64 // by the provider's headers, 0 if it did not
	cut        [dimCount]int64 // by 429s that said nothing, 0 if not
	cutAt      int64
	pace       float64
	paceAt     int64   // last change of the pace
	wide       float64 // how many times their margin windows have
	wideAt     int64   // last change of it
	remaining  [dimCount]comparison
	ratios     samples // tokens per byte
	outputs    samples // tokens
}

// inForce returns a limit for all processes together.
func (l *learned) inForce(i int) int64 {
	limit := l.limit(i)
	if l.cut[i] > 0 && limit > 0 {
		limit = min(limit, l.cut[i])
	}
	return limit
}

// limit is what is configured and what the provider named.
func (l *learned) limit(i int) int64 {
	configured, named := l.configured[i], l.named[i]
	apart := l.guess[dimTokens] && l.named[dimInput] > 0 && l.named[dimOutput] > 0
	switch {
	case i == dimTokens && apart && named == 0:
		return l.named[dimInput] + l.named[dimOutput]
	case named == 0:
		return configured
	case l.guess[i]:
		return named
	case configured > 0:
		return min(configured, named)
	case i == dimInput || i == dimOutput:
		if l.guess[dimTokens] {
			return named // nobody said that the directions are not counted apart
		}
	}
	return 0 // the operator lifted it
}

// weigh returns what a call counts, by what was learned.
func (l *Limiter) weigh(d Demand) weights {
	output, known := l.learned.output()
	return l.profile.estimate(d, l.learned.ratio(), output, known)
}

// tooLarge refuses what could never go. A limit that is a guess lets it go alone, and so does the share of one process.
func (l *Limiter) tooLarge(w weights) error {
	for i := dimTokens; i < dimCount; i++ {
		limit := l.learned.limit(i)
		if limit == 0 || l.learned.guess[i] || l.learned.configured[i] == 0 {
			continue
		}
		size := w[i]
		if l.profile.Counting == CountActual {
			size -= w[dimOutput] // how long the answer will be nobody knows
		}
		if float64(size)*min(l.learned.remaining[i].scale(), 1) > float64(limit) {
			return &TooLargeError{Dimension: dimNames[i], Size: size, Limit: limit}
		}
	}
	if l.limits.TPD > 0 && w[dimTokens] > l.limits.TPD {
		return &TooLargeError{Dimension: dayNames[dayTokens], Size: w[dimTokens], Limit: l.limits.TPD}
	}
	return nil
}

// refused takes in a 429 about the rate, that may have said how long to wait, and what the limit is.
func (l *Limiter) refused(now int64, p *Permit, wait time.Duration, named bool) {
	for i := range l.learned.remaining {
		l.learned.remaining[i].distrust(now)
	}
	if s := &l.learned; s.wide == 1 || now-s.wideAt >= int64(widenEvery) {
		s.wide, s.wideAt = min(s.wide*widen, 100), now
	}
	switch {
	case wait > 0:
		l.apply(now)
		l.holdFor(now, wait, providerAsked)
	case named:
		l.apply(now)
		l.holdFor(now, bareHold, providerAsked)
	default:
		l.slowDown(now, p)
		l.holdFor(now, bareHold, providerAsked)
	}
	l.asked = max(l.asked, now+int64(max(min(wait, maxHold), bareHold)))
}

// slowDown answers a 429 that says nothing: the limit is what was let through in the last window, if that was at least half of it; else 0.7 of it. At most once a window.
func (l *Limiter) slowDown(now int64, p *Permit) {
	s := &l.learned
	if s.cutAt != 0 && now-s.cutAt < int64(time.Minute) {
		return
	}
	fullest, most := -1, -1.0
	for i, d := range l.dims {
		if d.limit > 0 {
			if share := float64(d.let(now)) / d.limit; share > most {
				fullest, most = i, share
			}
		}
	}
	if fullest < 0 {
		return
	}
	d := l.dims[fullest]
	share := cutShare
	if most >= 0.5 {
		share = float64(d.let(now)-p.weight[fullest]) / d.limit
	}
	s.cutAt, s.paceAt = max(now, 1), now
	s.cut[fullest] = max(int64(float64(s.inForce(fullest))*min(share, 1)), 1)
	s.pace = min(backShare, l.profile.Pace)
	l.apply(now)
}

// speedUp comes back from a slowed pace, and then from a limit that was cut without the provider naming one.
func (l *Limiter) speedUp(now int64) {
	s := &l.learned
	if s.wide > 1 && now-s.wideAt >= int64(shrinkAfter) {
		s.wide, s.wideAt = max(s.wide/widen, 1), now
		l.apply(now)
	}
	if s.cutAt == 0 || now-s.paceAt < int64(stepEvery) {
		return
	}
	s.paceAt = now
	switch {
	case s.pace < min(slowShare, l.profile.Pace):
		s.pace = min(s.pace+backStep, slowShare, l.profile.Pace)
	case s.pace < l.profile.Pace:
		s.pace = min(s.pace+smallStep, l.profile.Pace)
	default:
		cut := false
		for i, limit := range s.cut {
			if limit > 0 {
				if s.cut[i] += max(limit/1000, 1); s.cut[i] >= s.limit(i) {
					s.cut[i] = 0
				}
				cut = cut || s.cut[i] > 0
			}
		}
		if !cut {
			s.cutAt = 0
		}
	}
	l.apply(now)
}
