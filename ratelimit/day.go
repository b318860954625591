package ratelimit

import "time"

// The limits per day, by index.
const (
	dayRequests = iota
	dayTokens
)

var dayNames = [2]string{"requests of the day", "tokens of the day"}

// days counts what limits per day allow, by the wall clock.
type days struct {
	zone       *time.Location
	begin, end time.Time
	number     int64 // of the day, 1 for the first one seen
	counts     [2]int64
}

// roll begins a new day when the clock says so. A clock that is set back does not give a day twice.
func (d *days) roll() time.Time {
	now := time.Now()
	if now.Before(d.end) {
		return now
	}
	y, m, day := now.In(d.zone).Date()
	d.begin, d.end = time.Date(y, m, day, 0, 0, 0, 0, d.zone), time.Date(y, m, day+1, 0, 0, 0, 0, d.zone)
	d.number++
	d.counts = [2]int64{}
	return now
}

func (d *days) ready(now int64, limits [2]int64, w weights) (at int64, why string) {
	wall := d.roll()
	for i, n := range [2]int64{w[dimRequests], w[dimTokens]} {
		if limits[i] > 0 && d.counts[i] > 0 && d.counts[i]+n > limits[i] {
			return now + int64(max(d.end.Sub(wall.Round(0)), time.Millisecond)), dayNames[i]
		}
	}
	return now, ""
}

// take counts a call and returns the day.
func (d *days) take(w weights) int64 {
	d.roll()
	d.counts[dayRequests] += w[dimRequests]
	d.counts[dayTokens] += w[dimTokens]
	return d.number
}

// change corrects what was counted on a day, if it is still that day.
func (d *days) change(number int64, difference weights) {
	if number > 0 && number == d.number {
		d.counts[dayRequests] += difference[dimRequests]
		d.counts[dayTokens] += difference[dimTokens]
	}
}

func (l *Limiter) dayLimits() (limits [2]int64) {
	for i, limit := range [2]int64{l.limits.RPD, l.limits.TPD} {
		if limit > 0 {
			limits[i] = max(limit/l.owners, 1)
		}
	}
	return limits
}

// Snapshot is what a limiter has let through today, to be kept over a restart.
type Snapshot struct {
	Day              time.Time `json:"day"` // when the day began
	Requests, Tokens int64
}

// Snapshot returns what was let through today, as far as there is a limit per day.
func (l *Limiter) Snapshot() Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.days.roll()
	return Snapshot{Day: l.days.begin, Requests: l.days.counts[dayRequests], Tokens: l.days.counts[dayTokens]}
}

// Restore counts what an earlier process let through, if that was today.
func (l *Limiter) Restore(s Snapshot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.days.roll(); s.Day.Equal(l.days.begin) {
		l.days.counts[dayRequests] += max(s.Requests, 0)
		l.days.counts[dayTokens] += max(s.Tokens, 0)
	}
}
