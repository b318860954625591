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

	// Where several processes, or one after another, share the limits, share is what this one may let through today, left what of the limits nobody
	// has taken yet, and lack what calls wanted beyond the share.
	shared            bool
	share, left, lack [2]int64
}

// askAgain is how long a call waits for a larger share before it looks again.
const askAgain = time.Second

// roll begins a new day when the clock says so. A clock that is set back does not give a day twice.
func (d *days) roll() time.Time {
	now := time.Now()
	if now.Before(d.end) {
		return now
	}
	y, m, day := now.In(d.zone).Date()
	d.begin, d.end = time.Date(y, m, day, 0, 0, 0, 0, d.zone), time.Date(y, m, day+1, 0, 0, 0, 0, d.zone)
	d.number++
	d.counts, d.share, d.lack = [2]int64{}, [2]int64{}, [2]int64{}
	d.left = [2]int64{1, 1} // nobody knows yet
	return now
}

func (d *days) ready(now int64, limits [2]int64, w weights) (at int64, why string) {
	wall := d.roll()
	for i, n := range [2]int64{w[dimRequests], w[dimTokens]} {
		over := d.counts[i] + n - limits[i]
		switch {
		case limits[i] == 0:
		case !d.shared && d.counts[i] > 0 && over > 0:
			return now + int64(max(d.end.Sub(wall.Round(0)), time.Millisecond)), dayNames[i]
		case d.shared && d.counts[i]+n > d.share[i] && (d.counts[i] > 0 || d.share[i] < limits[i]):
			d.lack[i] = max(d.lack[i], d.counts[i]+n-d.share[i])
			if d.left[i] > 0 {
				return now + int64(askAgain), dayNames[i]
			}
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
		switch {
		case limit > 0 && l.days.shared:
			limits[i] = limit
		case limit > 0:
			limits[i] = max(limit/l.owners, 1)
		}
	}
	return limits
}

// DayCount counts what limits per day are about.
type DayCount struct{ Requests, Tokens int64 }

// Day is how a limiter stands with its limits per day.
type Day struct {
	// Begin is when the day began, in the provider's zone.
	Begin time.Time
	// Limits are those of all processes together, 0 for none. Used was let through by this one, Share is what it may let through, Lack what calls that wait need beyond that.
	Limits, Used, Share, Lack DayCount
}

// Day returns how the limiter stands with its limits per day; ok is false if it has none.
func (l *Limiter) Day() (d Day, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limits.RPD <= 0 && l.limits.TPD <= 0 {
		return d, false
	}
	l.days.roll()
	count := func(n [2]int64) DayCount { return DayCount{n[dayRequests], n[dayTokens]} }
	return Day{
		Begin: l.days.begin, Limits: DayCount{l.limits.RPD, l.limits.TPD},
		Used: count(l.days.counts), Share: count(l.days.share), Lack: count(l.days.lack),
	}, true
}

// ShareDay says what this process may let through in all on the day that begins at begin, and what of the limits nobody has taken yet: while there is some, calls beyond
// the share look again after a second; else they wait for the next day. From the first call of it on the limiter lets nothing through that is not in its share. It
// is how limits per day hold over processes and restarts: take from a store before the use, and a crash can only have taken too much.
func (l *Limiter) ShareDay(begin time.Time, share, left DayCount) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.days.shared = true
	if l.days.roll(); !l.days.begin.Equal(begin) {
		return // of another day
	}
	l.days.share = [2]int64{share.Requests, share.Tokens}
	l.days.left = [2]int64{left.Requests, left.Tokens}
	l.days.lack = [2]int64{}
	l.pump()
}

// ReturnDay lowers the share of the day that begins at begin by at most n, never below what was let through, and returns by how much. What it returns no call
// can use any more, so that it may be given to other processes.
func (l *Limiter) ReturnDay(begin time.Time, n DayCount) DayCount {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.days.roll(); !l.days.begin.Equal(begin) {
		return DayCount{}
	}
	var back [2]int64
	for i, most := range [2]int64{n.Requests, n.Tokens} {
		back[i] = max(min(most, l.days.share[i]-l.days.counts[i]), 0)
		l.days.share[i] -= back[i]
	}
	return DayCount{back[dayRequests], back[dayTokens]}
}
