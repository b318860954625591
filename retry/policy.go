package retry

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// Policy is a schedule of retries. The zero value retries nothing. It is a plain value and safe to share.
type Policy struct {
	// MaxRetries is how often an attempt is repeated: 3 is at most 4 attempts.
	MaxRetries int
	// BaseDelay is the delay before the first retry, doubled for each next one up to MaxDelay.
	BaseDelay, MaxDelay time.Duration
	// Rand returns a uniform number in [0, 1). Default: math/rand/v2.
	Rand func() float64
}

// Delay returns the wait before retry n, counted from 0: min(MaxDelay, BaseDelay·2ⁿ) times a uniform number from 0.5 to 1, and never less than floor, to which jitter only adds. ok is false if the
// floor is longer than MaxDelay: then nobody should wait, and the provider's answer is passed on.
func (p Policy) Delay(n int, floor time.Duration) (d time.Duration, ok bool) {
	if floor > p.MaxDelay {
		return 0, false
	}
	d = p.MaxDelay
	if n < 62 && p.BaseDelay <= p.MaxDelay>>n {
		d = p.BaseDelay << n
	}
	random := p.Rand
	if random == nil {
		random = rand.Float64
	}
	d = time.Duration(float64(d) * (0.5 + random()/2))
	if d < floor {
		d = floor + time.Duration(float64(min(floor/10, time.Second))*random()) // callers that were told the same time do not come back as one
	}
	return d, true
}

// Budget bounds the retries of one provider: a retry takes 1, a first attempt gives a fraction, a limited number is saved up. It is safe for concurrent use.
type Budget struct {
	mu      sync.Mutex
	ratio   float64
	burst   float64
	saved   float64
	changed chan struct{} // closed and replaced when something is saved
}

// NewBudget returns a budget that is full. A ratio of 0.1 lets a tenth of the calls be retries in the long run; burst is what may be used at once.
func NewBudget(ratio, burst float64) *Budget {
	return &Budget{ratio: ratio, burst: burst, saved: burst, changed: make(chan struct{})}
}

// Deposit notes a first attempt.
func (b *Budget) Deposit() {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.saved
	b.saved = min(b.saved+b.ratio, b.burst)
	if before < 1 && b.saved >= 1 {
		close(b.changed)
		b.changed = make(chan struct{})
	}
}

// Withdraw takes a retry, if there is one.
func (b *Budget) Withdraw() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.saved < 1 {
		return false
	}
	b.saved--
	return true
}

// trickle lets one waiting retry through when no first attempts come that could pay for it; a batch at its end has none.
const trickle = time.Second

// Wait takes a retry as soon as there is one; without first attempts to pay for it, about one a second goes through.
func (b *Budget) Wait(ctx context.Context) error {
	timer := time.NewTimer(trickle)
	defer timer.Stop()
	for {
		b.mu.Lock()
		if b.saved >= 1 {
			b.saved--
			b.mu.Unlock()
			return nil
		}
		changed := b.changed
		b.mu.Unlock()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		case <-timer.C:
			return nil
		}
	}
}

// Permanent wraps an error so that [Do] does not repeat what led to it.
func Permanent(err error) error { return &permanent{err} }

type permanent struct{ error }

func (p *permanent) Unwrap() error { return p.error }

// IsPermanent reports whether err is, or wraps, one of [Permanent].
func IsPermanent(err error) bool {
	_, is := errors.AsType[*permanent](err)
	return is
}

// Do is the function [Do] for an operation without a result.
func (p Policy) Do(ctx context.Context, fn func(context.Context) error) error {
	_, err := Do(ctx, p, func(ctx context.Context, _ int) (struct{}, error) { return struct{}{}, fn(ctx) })
	return err
}

// Do calls fn until it succeeds, the policy or ctx ends, or fn returns a [Permanent] error. attempt counts from 0. A wait that cannot fit ctx's deadline is not
// begun: the last error is returned at once.
func Do[T any](ctx context.Context, p Policy, fn func(ctx context.Context, attempt int) (T, error)) (T, error) {
	for n := 0; ; n++ {
		v, err := fn(ctx, n)
		if err == nil || n >= p.MaxRetries || ctx.Err() != nil || IsPermanent(err) {
			return v, err
		}
		d, _ := p.Delay(n, 0)
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
			return v, err
		}
		timer := time.NewTimer(d)
		select {
		case <-ctx.Done():
			timer.Stop()
			return v, err
		case <-timer.C:
		}
	}
}
