package ratelimit

import (
	"net/http"
	"time"
)

// Waited returns how long Acquire took.
func (p *Permit) Waited() time.Duration { return p.waited }

// Release gives back a permit whose call was never sent. After the first of Release and Done both do nothing.
func (p *Permit) Release() {
	l := p.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.ended {
		return
	}
	l.release(p)
	l.pump()
}

func (l *Limiter) release(p *Permit) {
	p.ended = true
	now := l.now()
	var back weights
	for i, n := range p.weight {
		back[i] = -n
	}
	l.correct(now, p, back)
	l.flight--
	l.books.admitted--
	if l.probe == p {
		l.probe = nil
	}
}

// correct changes what a call counts.
func (l *Limiter) correct(now int64, p *Permit, difference weights) {
	for i, d := range l.dims {
		d.change(now, p.entries[i], difference[i])
		p.weight[i] += difference[i]
	}
	l.days.change(p.day, difference)
	l.books.change(p.at, difference)
}

// Feedback is how a call ended.
type Feedback struct {
	Status int // the provider's, 0 if no answer came
	Header http.Header
	// RetryAfter is how long a 429 asks to wait; 0 if it does not say.
	RetryAfter time.Duration
	// RateLimited says that a 429 is about the rate, and not about a spent quota.
	RateLimited bool
	// InputTokens and OutputTokens are the provider's own count, −1 if it gave none. CacheReadTokens are those of the input that came from its prompt cache.
	InputTokens, OutputTokens, CacheReadTokens int64
}

// Done ends a permit whose call was sent, and learns from its answer. After the first of Release and Done both do nothing.
func (p *Permit) Done(f Feedback) {
	l := p.l
	said := readings(f.Header)
	if f.Status == http.StatusTooManyRequests && f.RateLimited && l.notify != nil {
		defer l.notify()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.ended {
		return
	}
	p.ended = true
	l.flight--
	now := l.now()
	if l.probe == p {
		l.probe, l.probing = nil, false
	}
	l.count(now, p, f)
	l.headers(now, p, said)
	if f.Status == http.StatusTooManyRequests && f.RateLimited {
		l.refused(now, p, f.RetryAfter, len(said) > 0)
	}
	l.speedUp(now)
	l.pump()
}

// count puts the provider's numbers in the place of the estimate, in both directions. What it counted and was not used goes back only where the profile says so.
func (l *Limiter) count(now int64, p *Permit, f Feedback) {
	in, out := f.InputTokens, f.OutputTokens
	if l.profile.CacheReadsFree && in >= 0 {
		in = max(in-max(f.CacheReadTokens, 0), 0)
	}
	if in >= 0 && p.demand.InputBytes > 0 {
		l.learned.ratios.add(float64(in) / float64(p.demand.InputBytes))
	}
	if out >= 0 {
		l.learned.outputs.add(float64(out))
	}
	if in < 0 {
		return
	}
	if out < 0 {
		out = p.weight[dimOutput]
	}
	var difference weights
	for i, n := range l.profile.settled(p.demand, in, out) {
		difference[i] = n - p.weight[i]
	}
	l.correct(now, p, difference)
}
