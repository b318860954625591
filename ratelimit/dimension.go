package ratelimit

import (
	"math"
	"time"
)

// Times within a limiter are nanoseconds on the monotonic clock since it was made, so that a log entry is two words.

const (
	// One interval of lateness is made up for, and at least minCredit where several are shorter than a timer is exact: several calls then go at once, which is less
	// than any provider's bucket.
	minCredit = float64(5 * time.Millisecond)
	// A bucket of a fiftieth of a minute is the smallest that is common. What goes at once has to fit it, with the call itself and with what the network brings together;
	// where a call alone fills it, no more is made up for than pacing leaves free.
	smallBucket = float64(time.Second)
	longCredit  = 0.005
	// maxEarned bounds what may go at once because it was given back, which the provider has not counted either.
	maxEarned = float64(500 * time.Millisecond)
	// maxDebt is how long a call larger than the limit keeps others waiting at most, in minutes of the limit.
	maxDebt = 10
	// mostMargin is how far 429s widen the margin of a window at most, as a share of it.
	mostMargin = 0.025
	// grain is how finely the log remembers times. Rounding is towards later, so never in our favour; it bounds the log to some thousand entries.
	grain = int64(10 * time.Millisecond)
)

// never is later than any time.
const never = math.MaxInt64

// entry is what was let through within one grain.
type entry struct {
	at     int64 // of the last one in it
	weight int64
}

// dimension is one limit per minute: of requests, of tokens. Its weights are as the limiter counts, so its limit is, too.
type dimension struct {
	limit  float64 // per minute, 0 for none
	rate   float64 // per nanosecond, as paced
	next   float64 // when the next may go
	earned float64 // how far next may be in the past at least: what is left of lateness, and what was given back

	last     int64   // when the last one went
	interval float64 // what it took of the pace
	catchUp  float64
	burst    float64
	cold     int64 // no bursts before
	windows  []window

	log      []entry // oldest first; as long as the longest window
	first    int64   // number of log[0]
	admitted int64   // weight let through ever
	expired  int64   // weight that left the longest window
}

// window is a span of time that a provider judges.
type window struct {
	base, margin time.Duration
	span         int64 // with the margin; longer than base where less than one request fits a window
	room         int64
	sum          int64
	tail         int64 // number of the oldest entry within
}

func newDimension(p Profile) *dimension {
	d := &dimension{next: math.Inf(-1), catchUp: float64(p.CatchUp), burst: float64(p.Burst)}
	for _, w := range p.Windows {
		d.windows = append(d.windows, window{base: w, margin: p.Margin})
	}
	return d
}

// setLimit changes the limit per minute, the share of it that pacing lets through, and how many times their margin windows have. What is owed already is owed at
// the new pace.
func (d *dimension) setLimit(now int64, limit, pace, wide float64) {
	rate := limit / float64(time.Minute) * pace
	if d.rate > 0 && rate > 0 {
		if owed := d.next - float64(now); owed > 0 {
			d.next = float64(now) + owed*d.rate/rate
		}
		d.interval *= d.rate / rate
	}
	d.limit, d.rate = limit, rate
	if limit == 0 {
		d.forget()
		return
	}
	for i := range d.windows {
		w := &d.windows[i]
		share := limit * w.base.Minutes()
		margin := min(float64(w.margin)*wide, max(float64(w.margin), float64(w.base)*mostMargin))
		w.room, w.span = max(int64(share+1e-6), 1), int64(w.base)+int64(margin)
		if share < 1 {
			w.span = int64(float64(w.span) / share)
		}
	}
}

// skip leaves one call out.
func (d *dimension) skip(now int64) {
	if d.rate > 0 {
		d.next = max(d.next, float64(now)) + 1/d.rate
	}
}

func (d *dimension) forget() {
	d.first += int64(len(d.log))
	d.log, d.next = nil, math.Inf(-1)
	for i := range d.windows {
		d.windows[i].sum, d.windows[i].tail = 0, d.first
	}
}

// minute is the index of the longest window.
func (d *dimension) minute() *window {
	longest := &d.windows[0]
	for i := range d.windows {
		if d.windows[i].base > longest.base {
			longest = &d.windows[i]
		}
	}
	return longest
}

// expire forgets what is out of every window.
func (d *dimension) expire(now int64) {
	end := d.first + int64(len(d.log))
	oldest, minute := end, d.minute()
	for i := range d.windows {
		w := &d.windows[i]
		for w.tail < end && now-d.log[w.tail-d.first].at >= w.span {
			w.sum -= d.log[w.tail-d.first].weight
			if w == minute {
				d.expired += d.log[w.tail-d.first].weight
			}
			w.tail++
		}
		oldest = min(oldest, w.tail)
	}
	switch gone := oldest - d.first; {
	case oldest == end && cap(d.log) > 1024:
		d.log, d.first = nil, end
	case gone > 64 && gone*2 > int64(len(d.log)) || oldest == end:
		d.log = d.log[:copy(d.log, d.log[gone:])]
		d.first = oldest
	}
}

// ready returns when weight may go, at the earliest.
func (d *dimension) ready(now, weight int64) int64 {
	if d.limit == 0 || weight == 0 {
		return now
	}
	d.expire(now)
	at := now
	if d.next > float64(now) {
		at = nanoseconds(d.next)
	}
	for i := range d.windows {
		w := &d.windows[i]
		at = max(at, d.room(now, w, min(weight, w.room)))
	}
	return at
}

// room returns when a window has room for weight, if nothing else comes.
func (d *dimension) room(now int64, w *window, weight int64) int64 {
	over := w.sum + weight - w.room
	at := now
	for j := w.tail - d.first; over > 0 && j < int64(len(d.log)); j++ {
		over -= d.log[j].weight
		at = max(at, d.log[j].at+w.span)
	}
	return at
}

// after returns when weight goes at the earliest if ahead of it, of which the first goes at head, go all that wait.
func (d *dimension) after(now, head, ahead, weight int64) int64 {
	if d.limit == 0 || weight == 0 {
		return now
	}
	at := nanoseconds(max(d.next, float64(head)) + float64(ahead)/d.rate)
	for i := range d.windows {
		w := &d.windows[i]
		queue := ahead + min(weight, w.room)
		full := (queue - 1) / w.room // so many windows have to pass, whatever the rest
		if t := d.room(now, w, queue-full*w.room); float64(t)+float64(full)*float64(w.span) < never/2 {
			at = max(at, t+full*w.span)
		}
	}
	return at
}

func nanoseconds(f float64) int64 {
	if f >= never/2 {
		return never / 2
	}
	return int64(math.Ceil(f))
}

// take lets weight through that somebody waited with since a time, and returns the number of its log entry.
func (d *dimension) take(now, weight, since int64) int64 {
	if d.limit == 0 || weight == 0 {
		return -1
	}
	interval := min(float64(weight), d.limit*maxDebt) / d.rate
	d.next = max(d.next, float64(now)-max(d.credit(now, interval, float64(now-since)), d.earned)) + interval
	d.earned = max(float64(now)-d.next, 0) // who comes next makes up for the rest
	d.last, d.interval = now, interval
	d.admitted += weight
	if n := len(d.log); n > 0 && d.log[n-1].at/grain == now/grain {
		d.log[n-1].at = now
		d.log[n-1].weight += weight
	} else {
		d.log = append(d.log, entry{now, weight})
	}
	for i := range d.windows {
		d.windows[i].sum += weight
	}
	return d.first + int64(len(d.log)) - 1
}

// credit is how much time that passed unused is made up for: timers wake late, and a process does not always run. Nobody waited while it was idle.
func (d *dimension) credit(now int64, interval, waited float64) float64 {
	c := min(max(interval, minCredit, waited), d.catchUp)
	c = min(c, slack(interval))
	if now < d.cold {
		return c
	}
	return max(c, (d.burst-1)*interval)
}

// slack is how much time a small bucket holds besides a call of some length.
func slack(interval float64) float64 { return max(smallBucket-interval, interval*longCredit) }

// change corrects what was let through, if it is still remembered: a difference below zero is given back.
func (d *dimension) change(now, number, difference int64) {
	if d.limit == 0 || number < d.minute().tail || difference == 0 {
		return
	}
	d.log[number-d.first].weight += difference
	for i := range d.windows {
		if d.windows[i].tail <= number {
			d.windows[i].sum += difference
		}
	}
	gift := -float64(difference) / d.rate
	bound := d.next - gift
	if number == d.first+int64(len(d.log))-1 {
		d.interval = max(d.interval-gift, 0)
	} else if gift > 0 {
		// The last one was counted, whatever is given back of those before it.
		bound = min(d.next, max(bound, float64(d.last)+d.interval-min(maxEarned, slack(d.interval))))
	}
	d.earned += max(d.next-bound, 0)
	d.next = bound
	d.earned = min(d.earned, maxEarned, slack(d.interval), max(float64(now)-d.next, 0))
}

// let returns what was let through in the last minute.
func (d *dimension) let(now int64) int64 {
	d.expire(now)
	return d.minute().sum
}
