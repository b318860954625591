package ratelimit

import (
	"math"
	"time"
)

const (
	// paceShare of the limit is what pacing lets through.
	paceShare = 0.995
	// A timer that wakes late loses nothing: this much lateness is made up for, at least and at most. Below the first, several intervals may go at once, which is less than any provider's bucket.
	minCredit = 5 * time.Millisecond
	maxCredit = 50 * time.Millisecond
	// grain is how finely the log remembers times; rounding is towards later, so never in our favour.
	grain = 10 * time.Millisecond
)

// entry is what was let through within one grain.
type entry struct {
	at     time.Time // of the last one in it
	weight int64
}

// dimension is one limit per minute: of requests, of tokens.
type dimension struct {
	name    string
	limit   int64   // per minute, 0 for none
	rate    float64 // per second, as paced
	next    time.Time
	burst   int
	windows []window
	log     []entry // oldest first; as long as the longest window
}

type window struct {
	span  time.Duration // with its margin
	share float64       // of the limit per minute
	sum   int64
	tail  int // index into log of the oldest entry within
}

func newDimension(name string, p Profile) *dimension {
	d := &dimension{name: name, burst: p.Burst}
	for _, w := range p.Windows {
		d.windows = append(d.windows, window{span: w + p.Margin, share: w.Minutes()})
	}
	return d
}

func (d *dimension) setLimit(limit int64, pace float64) {
	d.limit = limit
	d.rate = float64(limit) / 60 * pace
}

// expire forgets what is out of every window.
func (d *dimension) expire(now time.Time) {
	oldest := len(d.log)
	for i := range d.windows {
		w := &d.windows[i]
		for w.tail < len(d.log) && now.Sub(d.log[w.tail].at) > w.span {
			w.sum -= d.log[w.tail].weight
			w.tail++
		}
		oldest = min(oldest, w.tail)
	}
	if oldest > 64 && oldest*2 > len(d.log) {
		d.log = append(d.log[:0], d.log[oldest:]...)
		for i := range d.windows {
			d.windows[i].tail -= oldest
		}
	}
}

// ready returns when weight may go, at the earliest.
func (d *dimension) ready(now time.Time, weight int64) time.Time {
	if d.limit == 0 || weight == 0 {
		return now
	}
	d.expire(now)
	at := now
	if d.next.After(at) {
		at = d.next
	}
	for i := range d.windows {
		w := &d.windows[i]
		room := int64(math.Ceil(float64(d.limit) * w.share)) // a window shorter than a minute gets its share, rounded as the provider must to allow anything
		over := w.sum + weight - room
		for j := w.tail; over > 0 && j < len(d.log); j++ {
			over -= d.log[j].weight
			if t := d.log[j].at.Add(w.span); t.After(at) {
				at = t
			}
		}
	}
	return at
}

// take lets weight through.
func (d *dimension) take(now time.Time, weight int64) {
	if d.limit == 0 || weight == 0 {
		return
	}
	interval := time.Duration(float64(weight) / d.rate * float64(time.Second))
	credit := min(max(interval, minCredit), maxCredit)
	if d.burst > 1 {
		credit = max(credit, time.Duration(d.burst-1)*interval)
	}
	if earliest := now.Add(-credit); d.next.Before(earliest) {
		d.next = earliest
	}
	d.next = d.next.Add(interval)
	d.add(now, weight)
}

func (d *dimension) add(now time.Time, weight int64) {
	if n := len(d.log); n > 0 && now.Sub(d.log[n-1].at) < grain && d.log[n-1].at.Truncate(grain).Equal(now.Truncate(grain)) {
		inside := true
		for i := range d.windows {
			inside = inside && d.windows[i].tail < n
		}
		if inside {
			d.log[n-1].at = now
			d.log[n-1].weight += weight
			for i := range d.windows {
				d.windows[i].sum += weight
			}
			return
		}
	}
	d.log = append(d.log, entry{now, weight})
	for i := range d.windows {
		d.windows[i].sum += weight
	}
}

// giveBack takes weight out again that was let through at a time, as far as it is still remembered.
func (d *dimension) giveBack(at time.Time, weight int64) {
	if d.limit == 0 || weight <= 0 {
		return
	}
	d.next = d.next.Add(-time.Duration(float64(weight) / d.rate * float64(time.Second)))
	for j := len(d.log) - 1; j >= 0 && weight > 0; j-- {
		if d.log[j].at.Before(at) {
			return
		}
		if j > 0 && !d.log[j-1].at.Before(at) {
			continue
		}
		back := min(weight, d.log[j].weight)
		d.log[j].weight -= back
		for i := range d.windows {
			if d.windows[i].tail <= j {
				d.windows[i].sum -= back
			}
		}
		return
	}
}

// let returns what was let through in the last minute.
func (d *dimension) let(now time.Time) int64 {
	d.expire(now)
	var longest *window
	for i := range d.windows {
		if longest == nil || d.windows[i].span > longest.span {
			longest = &d.windows[i]
		}
	}
	return longest.sum
}
