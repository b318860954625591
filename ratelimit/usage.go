package ratelimit

import "time"

// day counts what a limit per day allows. A day begins at midnight UTC.
type day struct {
	begin time.Time
	count int64
}

func (d *day) roll(now time.Time) {
	if begin := now.UTC().Truncate(24 * time.Hour); !begin.Equal(d.begin) {
		d.begin, d.count = begin, 0
	}
}

func (d *day) ready(now time.Time, limit, n int64) time.Time {
	if limit == 0 {
		return now
	}
	d.roll(now)
	if d.count > 0 && d.count+n > limit {
		return d.begin.Add(24 * time.Hour)
	}
	return now
}

func (d *day) take(now time.Time, n int64) {
	d.roll(now)
	d.count += n
}

func (d *day) giveBack(at time.Time, n int64) {
	if !at.Before(d.begin) {
		d.count -= n
	}
}

func (l *Limiter) dayLimit(i int) int64 {
	limit := []int64{l.limits.RPD, l.limits.TPD}[i]
	if limit == 0 {
		return 0
	}
	return max(limit/l.owners, 1)
}

// Usage is where a limiter stands.
type Usage struct {
	// Limits in force for all processes together, learned ones included.
	Limits Limits
	// Requests and Tokens let through in the last minute.
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
	now := time.Now()
	l.account(now)
	u := Usage{
		Limits: l.limits, Waiting: l.queues[0].Len() + l.queues[1].Len(), Flight: int(l.flight), Admitted: l.admitted,
		Held: max(l.held.Sub(now), 0),
	}
	s := l.learned.limits
	u.Limits.RPM, u.Limits.TPM, u.Limits.InputTPM, u.Limits.OutputTPM = s[dimRequests], s[dimTokens], s[dimInput], s[dimOutput]
	u.Requests = l.dims[dimRequests].let(now)
	u.Tokens = l.dims[dimTokens].let(now)
	for i := range l.dims {
		if l.avail[i] > 0 {
			u.Utilisation = max(u.Utilisation, float64(l.used[i])/max(l.avail[i], float64(l.used[i])))
		}
	}
	return u
}

// account adds up the allowance until now, before a limit changes or is looked at.
func (l *Limiter) account(now time.Time) {
	if l.began.IsZero() {
		l.began, l.availAt = now, now
	}
	passed := now.Sub(l.availAt).Minutes()
	l.availAt = now
	for i, d := range l.dims {
		l.avail[i] += float64(d.limit) * passed
	}
}
