package ratelimit

import "time"

// Usage is where a limiter stands.
type Usage struct {
	// Limits in force for all processes together, learned ones included.
	Limits Limits
	// Configured is what the operator, or a default, set.
	Configured Limits
	// Requests and Tokens let through in the last minute, by the second; Tokens as the provider counts them.
	Requests, Tokens int64
	Waiting, Flight  int
	// Held is how long the provider asked to wait still; 0 if it did not.
	Held time.Duration
	// Admitted counts calls since the start. Utilisation is the share of the allowance of the narrowest limit used since the first of them, 0 to 1.
	Admitted    int64
	Utilisation float64
}

// Usage returns where the limiter stands.
func (l *Limiter) Usage() Usage {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.account(now)
	u := Usage{
		Limits: l.limits, Configured: l.limits, Waiting: l.line.len(), Flight: int(l.flight), Admitted: l.books.admitted, Held: time.Duration(max(l.held-now, 0)),
	}
	for i, limit := range []*int64{&u.Limits.RPM, &u.Limits.TPM, &u.Limits.InputTPM, &u.Limits.OutputTPM} {
		*limit = l.learned.inForce(i)
	}
	for _, s := range l.books.seconds {
		if second := now / int64(time.Second); s.second > second-60 && s.second <= second {
			u.Requests += s.requests
			u.Tokens += s.tokens
		}
	}
	for i := range l.dims {
		if all := l.books.allowed[i]; all > 0 {
			u.Utilisation = max(u.Utilisation, min(float64(l.books.used[i])/all, 1))
		}
	}
	return u
}

// books are what was used of what was allowed, and what went in each of the last seconds.
type books struct {
	open     bool // since the first call
	until    int64
	allowed  [dimCount]float64
	used     weights
	admitted int64
	seconds  [64]second
}

type second struct{ second, requests, tokens int64 }

func (b *books) admit(now int64, w weights) {
	b.admitted++
	number := now / int64(time.Second)
	if s := &b.seconds[number%64]; s.second != number {
		*s = second{second: number}
	}
	b.change(now, w)
}

// change corrects what went at a time.
func (b *books) change(at int64, difference weights) {
	for i, n := range difference {
		b.used[i] += n
	}
	number := at / int64(time.Second)
	if s := &b.seconds[number%64]; s.second == number {
		s.requests += difference[dimRequests]
		s.tokens += difference[dimTokens]
	}
}

// account adds up the allowance until now, before a limit changes or is looked at.
func (l *Limiter) account(now int64) {
	if !l.books.open {
		return
	}
	passed := time.Duration(now - l.books.until).Minutes()
	l.books.until = now
	for i, d := range l.dims {
		l.books.allowed[i] += d.limit * passed
	}
}
