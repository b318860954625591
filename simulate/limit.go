package simulate

import (
	"math"
	"math/bits"
	"time"
)

// The names of Options.Algo.
const (
	algoSliding = "sliding"
	algoBucket  = "bucket"
	algoFixed   = "fixed"
)

// rule is one limit as it is judged. Times are nanoseconds on a clock that does not step.
type rule struct {
	algo     string
	window   int64   // sliding, fixed
	quota    int64   // sliding, fixed: what a window takes
	capacity float64 // bucket
	rate     float64 // bucket: refill per nanosecond
}

func newRule(o *Options, perMinute int64, window time.Duration) rule {
	r := rule{algo: o.Algo, window: int64(window), rate: float64(perMinute) / float64(time.Minute)}
	r.capacity = math.Max(float64(perMinute)*o.BucketFraction, 1)
	hi, lo := bits.Mul64(uint64(perMinute), uint64(window)) // #nosec G115 -- not negative
	share, _ := bits.Div64(hi, lo, uint64(time.Minute))     // at most 1440 times the limit
	r.quota = max(int64(share), 1)                          // #nosec G115 -- below 2^51
	return r
}

// largest is the most that one request may count.
func (r *rule) largest() int64 {
	if r.algo == algoBucket {
		return int64(r.capacity)
	}
	return r.quota
}

// meter counts against one rule.
type meter struct {
	// sliding: what was let in and when, oldest first, and its sum.
	log  []entry
	head int   // of log
	gone int64 // entries dropped before log[0], so that a ticket finds its entry
	sum  int64 // fixed: of the slot
	slot int64 // fixed

	level  float64 // bucket
	at     int64   // bucket: when level was right
	primed bool    // bucket: it was full once
}

type entry struct{ at, n int64 }

// ticket finds what a request counted.
type ticket struct {
	number int64 // sliding: of the entry; fixed: the slot
	n      int64
}

// hair is what floats may err by. It is lent once, never per request, because the level carries on from what was taken.
const hair = 1e-6

// advance forgets what no longer counts.
func (m *meter) advance(r *rule, now int64) {
	switch r.algo {
	case algoBucket:
		if !m.primed {
			m.level, m.primed = r.capacity, true
		} else {
			m.level = math.Min(r.capacity, m.level+float64(now-m.at)*r.rate)
		}
		m.at = now
	case algoFixed:
		if slot := now / r.window; slot != m.slot {
			m.slot, m.sum = slot, 0
		}
	default:
		for m.head < len(m.log) && now-m.log[m.head].at >= r.window {
			m.sum -= m.log[m.head].n
			m.head++
		}
		if m.head > 64 && m.head > len(m.log)/2 {
			m.gone += int64(m.head)
			m.log = m.log[:copy(m.log, m.log[m.head:])]
			m.head = 0
		}
	}
}

// left is what would be let in now. advance comes first.
func (m *meter) left(r *rule) int64 {
	if r.algo == algoBucket {
		return int64(math.Floor(math.Max(m.level+hair, 0)))
	}
	return max(r.quota-m.sum, 0)
}

// wait is how long until n fits if nothing else comes; n is at most the rule's largest.
func (m *meter) wait(r *rule, now, n int64) time.Duration {
	if m.left(r) >= n {
		return 0
	}
	switch r.algo {
	case algoBucket:
		return time.Duration(math.Ceil((float64(n) - m.level) / r.rate))
	case algoFixed:
		return time.Duration((m.slot+1)*r.window - now)
	}
	left := r.quota - m.sum
	for _, e := range m.log[m.head:] {
		if left += e.n; left >= n {
			return time.Duration(e.at + r.window - now)
		}
	}
	return time.Duration(r.window)
}

// overdrawn reports whether refused requests have used up a second allowance; more of them change nothing.
func (m *meter) overdrawn(r *rule) bool {
	if r.algo == algoBucket {
		return m.level <= -r.capacity
	}
	return m.sum >= 2*r.quota
}

// full is how long until nothing counts any more.
func (m *meter) full(r *rule, now int64) time.Duration {
	switch {
	case r.algo == algoBucket:
		return time.Duration(math.Ceil(math.Max(r.capacity-m.level, 0) / r.rate))
	case m.sum == 0:
		return 0
	case r.algo == algoFixed:
		return time.Duration((m.slot+1)*r.window - now)
	case len(m.log) > m.head:
		return time.Duration(m.log[len(m.log)-1].at + r.window - now)
	}
	return 0
}

// take counts n. It is the caller who knows that it fits, or wants it counted all the same.
func (m *meter) take(r *rule, now, n int64) ticket {
	switch r.algo {
	case algoBucket:
		m.level -= float64(n)
		return ticket{n: n}
	case algoFixed:
		m.sum += n
		return ticket{m.slot, n}
	}
	m.log = append(m.log, entry{now, n})
	m.sum += n
	return ticket{m.gone + int64(len(m.log)) - 1, n}
}

// giveBack takes back what a request counted and did not use, if it still counts.
func (m *meter) giveBack(r *rule, now int64, t ticket, used int64) {
	unused := t.n - used
	if unused <= 0 {
		return
	}
	m.advance(r, now)
	switch r.algo {
	case algoBucket:
		m.level = math.Min(r.capacity, m.level+float64(unused))
	case algoFixed:
		if m.slot == t.number {
			m.sum -= min(unused, m.sum)
		}
	default:
		if i := t.number - m.gone; i >= int64(m.head) && i < int64(len(m.log)) {
			unused = min(unused, m.log[i].n)
			m.log[i].n -= unused
			m.sum -= unused
		}
	}
}
