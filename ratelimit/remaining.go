package ratelimit

import "time"

// What a provider says is left shows how it counts, if one is careful: a bucket's "remaining" means something else than a window's, and some are of another size
// than the limit. Let D be the limit less what is left, S what this limiter let through in the last minute by its own count, and k what the provider counts for one
// of ours.
//
//   - The first call after a minute of silence shows k alone, whatever the provider keeps: D = k·S.
//   - While S grows, one that keeps windows shows D = k·S, and one that keeps a bucket, which refills as fast as we send, D = (k − 1)·S. What the first call showed
//     tells the two apart, and from headers that mean something else.
//   - D is never less than what was counted for the call itself. Where a bucket is full before each call it is just that.
//
// Each is believed after agreeing answers in a row; then the limit is divided by k. See https://platform.openai.com/docs/guides/rate-limits and
// https://docs.anthropic.com/en/api/rate-limits for the headers, which do not say what is kept.
const (
	agreeing = 20
	// distinct is how far k has to be from the one in force, spread how far those of agreeing answers may be apart, and alike how far those of two ways of finding it.
	distinct = 0.01
	spread   = 1.05
	alike    = 1.25
	// Proportions beyond these are no way of counting but headers that mean something else.
	leastScale = 0.25
	mostScale  = 4
	// Nothing is learned from answers to calls that began longer ago than stale, and after a 429 no k below 1 for distrusted.
	stale      = 20 * time.Second
	distrusted = time.Hour
	// underWay is how long a call can take to the provider.
	underWay = 250 * time.Millisecond
)

// comparison is what was learned of one dimension.
type comparison struct {
	factor  float64 // k; 0 as long as nothing was learned
	first   float64 // k as the first call after silence showed it, 0 for none
	windows bool    // that is what the provider keeps
	until   int64   // no factor below 1 before

	growing, alone run
}

// run is a row of answers that agree.
type run struct {
	n           int
	least, most float64 // proportions
	from, to    float64 // S while it grows; for calls alone the sums of what we and of what the provider counted
}

func (r *run) add(proportion, sum float64) {
	if r.n > 0 && max(proportion, r.most) > spread*min(proportion, r.least) {
		r.n = 0
	}
	if r.n == 0 {
		*r = run{0, proportion, proportion, sum, sum}
	}
	r.n++
	r.least, r.most = min(r.least, proportion), max(r.most, proportion)
	r.from, r.to = min(r.from, sum), max(r.to, sum)
}

// scale is what the limit is divided by.
func (c *comparison) scale() float64 {
	if c.factor == 0 {
		return 1
	}
	return c.factor
}

// distrust takes back what made the limit wider, because of a 429.
func (c *comparison) distrust(now int64) {
	factor := c.factor
	*c = comparison{until: now + int64(distrusted)}
	if factor > 1 {
		c.factor = factor
	}
}

// set puts a proportion in force, if it is one.
func (c *comparison) set(now int64, k float64) bool {
	if k < 1 && now < c.until {
		k = 1
	}
	if k < leastScale || k > mostScale {
		return false
	}
	if k > c.scale()*(1+distinct) || k < c.scale()*(1-distinct) {
		c.factor = k
	}
	return true
}

func near(a, b, ratio float64) bool { return a > 0 && b > 0 && a <= b*ratio && b <= a*ratio }

// view is what a dimension had let through when a call went.
type view struct{ sum, admitted, expired int64 }

func (d *dimension) view() view {
	if d.limit == 0 {
		return view{}
	}
	return view{d.minute().sum, d.admitted, d.expired}
}

// compare takes in what an answer says is left, and reports whether the limit changes. Where the count of a call changes until its end there is nothing to compare, and
// where processes share a limit the others are in the provider's number.
func (l *Limiter) compare(now int64, p *Permit, r reading) bool {
	d, c := l.dims[r.dim], &l.learned.remaining[r.dim]
	if r.dim == dimRequests || l.profile.Counting == CountActual || l.profile.Refund || l.owners > 1 {
		return false
	}
	if d.limit == 0 || p.entries[r.dim] < 0 || now-p.at > int64(stale) || r.remaining > r.limit {
		return false
	}
	d.expire(now)
	seen := p.seen[r.dim]
	// S when the call went, as corrected since, without what may have been on its way still.
	sum := float64(d.minute().sum - (d.admitted - seen.admitted) + (d.expired - seen.expired))
	arrived := max(sum-d.limit*underWay.Minutes(), 0)
	used, weight := float64(r.limit-r.remaining), float64(p.weight[r.dim])
	if r.limit >= 1000 && r.remaining%1000 == 0 {
		used += 500 // Anthropic tells tokens to the nearest thousand
	}
	before := c.scale()
	if used <= 0 || weight <= 0 {
		return false
	}
	if sum <= weight {
		c.first, c.windows = used/weight, false
	}
	c.grow(now, used, arrived, d.limit, l.learned.pace)
	c.single(now, used, weight)
	return c.scale() != before
}

// grow learns while what was let through grows.
func (c *comparison) grow(now int64, used, arrived, limit, pace float64) {
	if arrived < limit/10 || c.first < leastScale || c.first > mostScale {
		return
	}
	r := &c.growing
	if r.add(used/arrived, arrived); r.n < agreeing {
		return
	}
	switch bucket := r.most + c.scale()/pace; {
	case c.windows && near(r.most, c.scale(), spread):
		c.set(now, r.most) // more exactly, now that more is in the window
	case r.to < 2*r.from:
		return
	case near(r.most, c.first, alike):
		c.windows = c.set(now, r.most)
	case near(bucket, c.first, alike) && bucket > 1:
		c.set(now, bucket)
	}
	r.n = 0
}

// single learns from what was counted for each call at most: together no more than the sum of it.
func (c *comparison) single(now int64, used, weight float64) {
	if used < weight*leastScale || used > 2*weight*c.scale() {
		c.alone.n = 0
		return
	}
	r := &c.alone
	if r.n == 0 {
		*r = run{}
	}
	r.n++
	r.from, r.to = r.from+weight, r.to+used
	if r.n >= agreeing {
		if k := r.to / r.from; k < c.scale() {
			c.set(now, k)
		}
		r.n = 0
	}
}
