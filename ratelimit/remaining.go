package ratelimit

import "time"

// What a provider says is left shows how it counts. Let D be its limit less that, and S what this limiter let through in the last minute, by its own count:
//
//   - D is never more than the provider counted in a minute, whether it keeps windows or buckets. D > S says that it counts more than we do, or that somebody else
//     uses the key.
//   - A provider that keeps windows shows D in proportion to S while S grows.
//   - D is never less than what it counted for this call alone, whatever it keeps. With a bucket that is full before each call it is just that.
//
// Each of these is believed after agreeing answers of the number below in a row; then the limit is divided by the proportion.
const (
	agreeing = 20
	// clear is how far a proportion has to be from the one in force, and spread how far those of agreeing answers may be apart.
	clear  = 0.02
	spread = 1.05
	// Proportions beyond these are no way of counting but headers that mean something else.
	leastScale = 0.25
	mostScale  = 4
	// Nothing is learned from answers to calls that began longer ago than stale, and after a 429 no proportion below 1 for distrusted.
	stale      = 20 * time.Second
	distrusted = time.Hour
	// underWay is how long a call can take to the provider.
	underWay = 250 * time.Millisecond
)

// comparison is what was learned of one dimension.
type comparison struct {
	factor float64 // what the provider counts for one of ours; 0 as long as nothing was learned
	until  int64   // no factor below 1 before

	above, below, alone run
}

// run is a row of answers that agree.
type run struct {
	n           int
	least, most float64 // proportions
	from, to    float64 // S
}

func (r *run) add(proportion, sum float64) {
	if r.n == 0 {
		*r = run{0, proportion, proportion, sum, sum}
	}
	r.n++
	r.least, r.most = min(r.least, proportion), max(r.most, proportion)
	r.from, r.to = min(r.from, sum), max(r.to, sum)
}

func (r *run) reset() { r.n = 0 }

// scale is what the limit is divided by.
func (c *comparison) scale() float64 {
	if c.factor == 0 {
		return 1
	}
	return c.factor
}

// distrust takes back what made the limit wider.
func (c *comparison) distrust(now int64) {
	c.above.reset()
	c.below.reset()
	c.alone.reset()
	c.until = now + int64(distrusted)
	if c.factor < 1 {
		c.factor = 0
	}
}

// view is what a dimension had let through when a call went.
type view struct{ sum, admitted, expired int64 }

func (d *dimension) view() view {
	if d.limit == 0 {
		return view{}
	}
	return view{d.minute().sum, d.admitted, d.expired}
}

// compare takes in what an answer says is left, and reports whether the limit changes.
func (l *Limiter) compare(now int64, p *Permit, r reading) bool {
	d, c := l.dims[r.dim], &l.learned.remaining[r.dim]
	if l.owners > 1 || d.limit == 0 || p.entries[r.dim] < 0 || now-p.at > int64(stale) || r.remaining > r.limit {
		return false // other processes are in the provider's number
	}
	d.expire(now)
	after := d.admitted - p.seen[r.dim].admitted
	// What was let through in the minute before the call, corrections since included; and with everything since.
	then := float64(d.minute().sum - after + d.expired - p.seen[r.dim].expired)
	all := then + float64(after)
	arrived := then - d.limit*underWay.Minutes()
	used := float64(r.limit - r.remaining)
	if r.limit >= 1000 && r.remaining%1000 == 0 {
		used += 500 // Anthropic tells tokens to the nearest thousand
	}
	if used <= 0 {
		return false
	}
	before := c.scale()
	c.higher(used, all, float64(r.limit))
	if r.dim != dimRequests && l.profile.Counting != CountActual && !l.profile.Refund {
		c.lower(now, used, arrived, float64(p.weight[r.dim]), d.limit)
	} else if c.factor > 1 {
		c.lower(now, used, arrived, 0, d.limit)
	}
	return c.scale() != before
}

// higher learns that the provider counts more than we do.
func (c *comparison) higher(used, all, limit float64) {
	if all <= 0 || used-c.scale()*all <= clear*limit {
		c.above.reset()
		return
	}
	if c.above.add(used/all, all); c.above.n >= agreeing {
		c.factor = min(c.above.most, mostScale)
		c.above.reset()
	}
}

// lower learns that it counts less.
func (c *comparison) lower(now int64, used, arrived, weight, limit float64) {
	if c.factor <= 1 && now < c.until {
		return
	}
	least := leastScale
	if now < c.until || weight == 0 {
		least = 1
	}
	if arrived > limit/20 && arrived > 5*weight {
		proportion := used / arrived
		if c.below.n > 0 && max(proportion, c.below.most) > spread*min(proportion, c.below.least) {
			c.below.reset()
		}
		c.below.add(proportion, arrived)
		if c.below.n >= agreeing && (c.below.to >= 2*c.below.from || c.factor > 1) {
			c.narrow(c.below.most, least)
			c.below.reset()
		}
	}
	if weight == 0 {
		return
	}
	proportion := used / weight
	if proportion < leastScale || proportion > c.scale()*(1-clear) {
		c.alone.reset()
		return
	}
	if c.alone.add(proportion, arrived); c.alone.n >= agreeing {
		c.narrow(c.alone.most, least)
		c.alone.reset()
	}
}

func (c *comparison) narrow(proportion, least float64) {
	if proportion < leastScale {
		return
	}
	if proportion = max(proportion, least); proportion < c.scale()*(1-clear) {
		c.factor = proportion
	}
}
