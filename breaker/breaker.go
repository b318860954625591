package breaker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Config is the same for all breakers of a [Registry]; zero fields switch their rule off, except where a default is given.
type Config struct {
	// Threshold opens after so many failures in a row. 0: off.
	Threshold int
	// FailureRatio opens when at least MinCalls calls ended in Window and this share of them failed. 0: off.
	FailureRatio float64
	MinCalls     int
	Window       time.Duration // default 10 s
	// Timeout is how long the circuit is open at first; it doubles with each failed probe up to MaxTimeout, which is never less than Timeout. Default 60 s.
	Timeout, MaxTimeout time.Duration
	// OnChange is told of each change of state. Default: nobody is. It must not call the breaker.
	OnChange func(name string, from, to State)
}

// Default is the configuration that Aurea starts with.
func Default() Config {
	return Config{Threshold: 5, FailureRatio: 0.5, MinCalls: 20, Window: 10 * time.Second, Timeout: 60 * time.Second, MaxTimeout: 120 * time.Second}
}

// State of a breaker.
type State string

// States.
const (
	Closed   State = "closed"
	Open     State = "open"
	HalfOpen State = "half_open"
)

// Outcome is what a call tells about the provider's health.
type Outcome int

// Outcomes. Excluded ones say nothing (the caller left, our own limits refused): they free their permit and count for nothing.
const (
	Success Outcome = iota
	Failure
	Excluded
)

// ErrOpen is matched by every refusal.
var ErrOpen = errors.New("circuit open")

// OpenError refuses a call, and says when it makes sense to come back.
type OpenError struct {
	Name       string
	RetryAfter time.Duration
}

func (e *OpenError) Error() string {
	return fmt.Sprintf("%s: %v, next try in %s", e.Name, ErrOpen, e.RetryAfter.Round(time.Millisecond))
}

// Is makes errors.Is(err, ErrOpen) true.
func (e *OpenError) Is(target error) bool { return target == ErrOpen }

const (
	// probeLimit frees the place of a probe that was never ended.
	probeLimit = 15 * time.Minute
	// probeWait is told to those who come while a probe is under way.
	probeWait = time.Second
	// After recovery the circuit lets through a growing share of calls: 10 % for rampStep, then 32, 55, 77 %, then all.
	rampStep  = 2 * time.Second
	rampSteps = 5
	// rampWait is told to those whose turn it is not; it is short, because the provider is well again.
	rampWait = 250 * time.Millisecond
	// buckets divide the rolling window.
	buckets = 10
)

var (
	errFailure  = errors.New("failure")
	errExcluded = errors.New("excluded")

	outcomes = [...]error{Success: nil, Failure: errFailure, Excluded: errExcluded}
)

// Breaker is one circuit. It is safe for concurrent use.
type Breaker struct {
	name string
	key  key // in a registry
	cfg  Config

	mu        sync.Mutex
	inner     *gobreaker.TwoStepCircuitBreaker[any]
	shown     State
	openTime  time.Duration // of the present or last opening
	openUntil time.Time
	opened    time.Time
	failed    time.Time // last failure
	probe     time.Time // when the probe under way began; zero for none
	closedAt  time.Time // when the circuit last closed again; zero if it never opened
	ramp      float64   // share of a call saved up while ramping
}

// New returns a circuit of its own, closed. Within an orchestrator they come from its [Registry].
func New(name string, cfg Config) *Breaker {
	if cfg.Window <= 0 {
		cfg.Window = 10 * time.Second
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = time.Minute
	}
	cfg.MaxTimeout = max(cfg.MaxTimeout, cfg.Timeout)
	b := &Breaker{name: name, cfg: cfg, shown: Closed}
	b.inner = b.fresh()
	return b
}

// fresh returns a closed state machine. Its own open time is next to nothing: how long the circuit stays open is decided here, because it doubles.
func (b *Breaker) fresh() *gobreaker.TwoStepCircuitBreaker[any] {
	return gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Name: b.name, MaxRequests: 1, Interval: b.cfg.Window, BucketPeriod: b.cfg.Window / buckets, Timeout: 1,
		ReadyToTrip: b.trips,
		IsExcluded:  func(err error) bool { return errors.Is(err, errExcluded) },
	})
}

func (b *Breaker) trips(c gobreaker.Counts) bool {
	if b.cfg.Threshold > 0 && int(c.ConsecutiveFailures) >= b.cfg.Threshold {
		return true
	}
	ended := c.TotalSuccesses + c.TotalFailures
	return b.cfg.FailureRatio > 0 && int(ended) >= max(b.cfg.MinCalls, 1) && float64(c.TotalFailures) >= b.cfg.FailureRatio*float64(ended)
}

// Open reports whether a call would be refused now, and for how long. It takes no permit.
func (b *Breaker) Open() (retryAfter time.Duration, open bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shown == Closed {
		return 0, false
	}
	now := time.Now()
	if b.shown == Open && now.Before(b.openUntil) {
		return b.openUntil.Sub(now), true
	}
	if b.shown == HalfOpen && b.probing(now) {
		return probeWait, true
	}
	return 0, false
}

// Allow admits a call or returns an *[OpenError]. done must be called once the call has ended; further calls of it do nothing.
func (b *Breaker) Allow() (done func(Outcome), err error) {
	p, err := b.Admit()
	if err != nil {
		return nil, err
	}
	return p.Done, nil
}

// Admit is [Breaker.Allow] for callers that count every nanosecond.
func (b *Breaker) Admit() (*Permit, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var now time.Time
	if b.shown != Closed || !b.closedAt.IsZero() {
		now = time.Now()
		if wait, refused := b.refuses(now); refused {
			return nil, &OpenError{Name: b.name, RetryAfter: wait}
		}
	}
	inner := b.inner
	end, err := inner.Allow()
	if err != nil {
		return nil, &OpenError{Name: b.name, RetryAfter: probeWait}
	}
	if b.shown != Closed {
		b.probe = now
		b.change(HalfOpen)
	}
	return &Permit{b: b, inner: inner, end: end}, nil
}

// refuses decides for the states that gobreaker does not know.
func (b *Breaker) refuses(now time.Time) (time.Duration, bool) {
	switch {
	case b.shown == Open && now.Before(b.openUntil):
		return b.openUntil.Sub(now), true
	case b.shown == HalfOpen && b.probing(now):
		return probeWait, true
	case b.shown == HalfOpen && !b.probe.IsZero(): // a probe that was never ended: start over, still half open
		b.inner = b.halfOpen()
		b.probe = time.Time{}
	case b.shown == Closed && !b.closedAt.IsZero():
		return b.ramps(now)
	}
	return 0, false
}

func (b *Breaker) probing(now time.Time) bool {
	return !b.probe.IsZero() && now.Sub(b.probe) < probeLimit
}

// halfOpen returns a state machine that has just been opened, so that it admits one probe.
func (b *Breaker) halfOpen() *gobreaker.TwoStepCircuitBreaker[any] {
	inner := b.fresh()
	for {
		end, err := inner.Allow()
		if err != nil {
			return inner
		}
		end(errFailure)
		if inner.State() != gobreaker.StateClosed {
			return inner
		}
	}
}

// ramps lets a growing share of the calls through after a recovery. The first call always goes, so little traffic is never refused for long.
func (b *Breaker) ramps(now time.Time) (time.Duration, bool) {
	step := int(now.Sub(b.closedAt) / rampStep)
	if step >= rampSteps-1 {
		b.closedAt = time.Time{}
		return 0, false
	}
	b.ramp += 0.1 + 0.9*float64(step)/(rampSteps-1)
	if b.ramp < 1 {
		return rampWait, true
	}
	b.ramp--
	return 0, false
}

// Permit is the leave to make one call. It is safe for concurrent use.
type Permit struct {
	b     *Breaker
	inner *gobreaker.TwoStepCircuitBreaker[any]
	end   func(error)
	ended bool // under b.mu
}

// Done says how the call ended. Further calls do nothing, and so does a nil Permit.
func (p *Permit) Done(o Outcome) {
	if p == nil {
		return
	}
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	if !p.ended {
		p.ended = true
		p.b.end(p.inner, p.end, o)
	}
}

// end reports an outcome and follows the state machine's change.
func (b *Breaker) end(inner *gobreaker.TwoStepCircuitBreaker[any], end func(error), o Outcome) {
	if o != Failure && b.shown == Closed && inner == b.inner { // nothing but a failure opens a circuit
		end(outcomes[o])
		return
	}
	now := time.Now()
	if o == Failure {
		b.failed = now
	}
	if inner != b.inner { // begun before the state machine was replaced
		return
	}
	before := inner.State()
	end(outcomes[o])
	// With an open time of one nanosecond an opened machine shows as half open at the next look.
	after := inner.State()
	switch {
	case b.shown == Closed && after != gobreaker.StateClosed:
		b.open(now, b.cfg.Timeout)
	case b.shown == HalfOpen && o == Excluded && before == gobreaker.StateHalfOpen:
		b.probe = time.Time{}
	case b.shown == HalfOpen && after == gobreaker.StateClosed:
		b.probe, b.closedAt, b.ramp = time.Time{}, now, 1
		b.change(Closed)
	case b.shown == HalfOpen && o == Failure && before == gobreaker.StateHalfOpen:
		b.open(now, min(2*b.openTime, b.cfg.MaxTimeout))
	}
}

func (b *Breaker) open(now time.Time, d time.Duration) {
	b.opened, b.openTime, b.openUntil, b.probe = now, d, now.Add(d), time.Time{}
	b.closedAt = time.Time{}
	b.change(Open)
}

func (b *Breaker) change(to State) {
	from := b.shown
	b.shown = to
	if from != to && b.cfg.OnChange != nil {
		b.cfg.OnChange(b.name, from, to)
	}
}

// Call runs fn if the circuit admits it; an error of fn is a failure, unless it is ctx's own, which is excluded. A panic counts as a failure.
func (b *Breaker) Call(ctx context.Context, fn func(context.Context) error) error {
	done, err := b.Allow()
	if err != nil {
		return err
	}
	defer done(Failure) // if fn panics
	err = fn(ctx)
	switch {
	case err == nil:
		done(Success)
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		done(Excluded)
	}
	return err
}

// State returns the state as a caller meets it: an open time that has passed is half open.
func (b *Breaker) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state(time.Now())
}

func (b *Breaker) state(now time.Time) State {
	if b.shown == Open && !now.Before(b.openUntil) {
		return HalfOpen
	}
	return b.shown
}

// Reset closes the circuit and forgets what it counted; calls under way count no more.
func (b *Breaker) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inner = b.fresh()
	b.openTime, b.openUntil, b.opened, b.failed, b.probe, b.closedAt = 0, time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}
	b.change(Closed)
}
