package ratelimit

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// maxHold is the longest a Retry-After holds everything back.
	maxHold = time.Minute
	// probeWait is how long the others wait for the call that goes first after a hold. Refusals come sooner; an answer can take minutes.
	probeWait = 10 * time.Second
	// providerAsked is the reason of a hold after a 429.
	providerAsked = "the provider asked to wait"
	// unknownWait is advised where only the end of somebody else's call makes room.
	unknownWait = time.Second
)

// Limiter admits calls to one provider, key and model. It is safe for concurrent use.
type Limiter struct {
	profile Profile
	base    time.Time
	once    sync.Once
	closed  chan struct{}

	mu     sync.Mutex
	limits Limits // configured
	owners int64
	dims   [dimCount]*dimension
	days   days
	flight int64
	line   line

	timer     *time.Timer
	oversleep func() time.Duration // nil but in tests of late timers

	awake, awakeWall int64 // until when the share is ours, by either clock; 0 if that has no end
	asked            int64 // until when the provider has told this process to send nothing
	notify           func()

	last    int64 // when a call was let through
	held    int64 // nothing goes before
	heldBy  string
	probing bool // one call goes first after a hold
	probe   *Permit

	learned learned
	books   books
}

// Permit is leave to send one call. End it once, with [Permit.Done] or [Permit.Release]. It is safe for concurrent use.
type Permit struct {
	l       *Limiter
	demand  Demand
	ended   bool
	waited  time.Duration
	weight  weights
	at      int64
	day     int64
	entries [dimCount]int64 // numbers of the log entries
	seen    [dimCount]view
}

// New returns a limiter.
func New(limits Limits, profile Profile) *Limiter {
	l := &Limiter{profile: profile.withDefaults(), base: time.Now(), closed: make(chan struct{}), owners: 1}
	for i := range l.dims {
		l.dims[i] = newDimension(l.profile)
	}
	l.learned.pace, l.learned.wide = l.profile.Pace, 1
	l.days.zone = l.profile.Day
	l.configure(limits)
	return l
}

func (l *Limiter) now() int64 { return int64(time.Since(l.base)) }

// Configure replaces the limits. What was let through under the old ones counts against the new ones at once; limits that a provider named stay known.
func (l *Limiter) Configure(limits Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.configure(limits)
	l.pump()
}

func (l *Limiter) configure(limits Limits) {
	l.limits = limits
	l.learned.configured = [dimCount]int64{limits.RPM, limits.TPM, limits.InputTPM, limits.OutputTPM}
	l.learned.guess = [dimCount]bool{dimRequests: limits.GuessRPM, dimTokens: limits.GuessTPM}
	l.learned.cut = [dimCount]int64{}
	l.apply(l.now())
}

// ColdStart says that a process used the limits until a moment ago, and nobody knows how far: for a minute there are no bursts, and the first request goes one
// interval from now. Call it after a crash, before the first Acquire.
func (l *Limiter) ColdStart() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for _, d := range l.dims {
		d.cold = now + int64(time.Minute)
	}
	if d := l.dims[dimRequests]; d.limit > 0 {
		d.next = max(d.next, float64(now)+1/d.rate)
	}
}

// apply sets the dimensions to the limits in force. The books are closed before.
func (l *Limiter) apply(now int64) {
	l.account(now)
	for i, d := range l.dims {
		d.setLimit(now, float64(l.learned.inForce(i))/float64(l.owners)/l.learned.remaining[i].scale(), l.learned.pace, l.learned.wide)
	}
}

// Weigh returns what the limiter would count for a call, by what it has learned so far: tokens as the limits on both directions count them, and each direction for
// itself. The error is the *[TooLargeError] that [Limiter.Acquire] would refuse the call with for its size. Nothing is taken.
func (l *Limiter) Weigh(d Demand) (tokens, input, output int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.weigh(d)
	return w[dimTokens], w[dimInput], w[dimOutput], l.tooLarge(w)
}

// Acquire waits for leave to send a call: at most maxWait (0: not at all; negative: as long as ctx). A wait that cannot fit maxWait or ctx's deadline is refused at once
// with a *[WaitError]; a call larger than a limit with a *[TooLargeError]. If ctx ends first, Acquire returns its cause, and nothing was taken.
func (l *Limiter) Acquire(ctx context.Context, d Demand, maxWait time.Duration) (*Permit, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if d.Class != Batch {
		d.Class = Interactive
	}
	select {
	case <-l.closed:
		return nil, ErrClosed
	default:
	}
	p := &Permit{l: l, demand: d}
	l.mu.Lock()
	now := l.now()
	p.weight = l.weigh(d)
	if err := l.tooLarge(p.weight); err != nil {
		l.mu.Unlock()
		return nil, err
	}
	if l.line.len() == 0 {
		if l.ready(now, p.weight).why == "" {
			l.admit(now, p, now)
			l.mu.Unlock()
			return p, nil
		}
	}
	if deadline, has := ctx.Deadline(); has || maxWait >= 0 {
		h := l.expect(now, p.weight, d.Class)
		wait := time.Duration(h.at - now)
		if maxWait == 0 || maxWait > 0 && wait > maxWait || has && wait > time.Until(deadline) {
			l.mu.Unlock()
			return nil, h.refusal(now)
		}
	}
	w := &waiter{permit: p, done: make(chan struct{}), since: now, weight: p.weight}
	l.line.join(w)
	if l.line.first() == w {
		l.pump()
	}
	l.mu.Unlock()
	return l.wait(ctx, w, maxWait)
}

func (l *Limiter) wait(ctx context.Context, w *waiter, maxWait time.Duration) (*Permit, error) {
	var expired <-chan time.Time
	if maxWait > 0 {
		timer := time.NewTimer(maxWait)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-w.done:
		return w.permit, nil
	case <-ctx.Done():
	case <-expired:
	case <-l.closed:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-w.done: // it was let through in the same moment
		if ctx.Err() == nil {
			return w.permit, nil
		}
		l.release(w.permit)
		l.pump()
	default:
		first := l.line.first() == w
		l.line.leave(w)
		if first {
			l.pump()
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	select {
	case <-l.closed:
		return nil, ErrClosed
	default:
	}
	now := l.now()
	return nil, l.expect(now, w.weight, w.permit.demand.Class).refusal(now)
}

// ErrClosed refuses calls that had not begun when the limiter was closed.
var ErrClosed = errors.New("the limiter is closed")

// Close refuses all calls that wait, and those to come, with [ErrClosed]. Calls under way are not concerned. Closing twice is harmless.
func (l *Limiter) Close() { l.once.Do(func() { close(l.closed) }) }

// hurdle is what keeps a call.
type hurdle struct {
	at      int64  // it cannot go sooner
	why     string // "" if it may go
	blocked bool   // besides, somebody else's call has to end
}

func (h *hurdle) until(at int64, why string) {
	if at > h.at {
		h.at, h.why = at, why
	}
}

func (h *hurdle) block(why string) {
	if h.blocked = true; h.why == "" {
		h.why = why
	}
}

// ready returns what keeps a call.
func (l *Limiter) ready(now int64, w weights) hurdle {
	h := hurdle{at: now}
	for i, d := range l.dims {
		if d.limit > 0 {
			h.until(d.ready(now, w[i]), dimNames[i])
		}
	}
	if l.limits.RPD > 0 || l.limits.TPD > 0 {
		h.until(l.days.ready(now, l.dayLimits(), w))
	}
	h.until(l.held, l.heldBy)
	if l.lapsed(now) && l.shared() {
		h.until(now+int64(lapseWait), lapsed)
	}
	if l.probing && l.probe != nil && now < l.probe.at+int64(probeWait) {
		h.block("the first call after a wait is under way")
	}
	if l.limits.Concurrency > 0 && l.flight >= max(l.limits.Concurrency/l.owners, 1) {
		h.block("calls under way")
	}
	return h
}

// expect returns what keeps a call that comes now, those who wait already included; it cannot go sooner than that.
func (l *Limiter) expect(now int64, w weights, class Class) hurdle {
	h := l.ready(now, w)
	first := l.line.first()
	if first == nil {
		return h
	}
	head := l.ready(now, first.weight)
	if h.until(head.at, head.why); head.blocked {
		h.block(head.why)
	}
	ahead := l.line.ahead(class)
	for i, d := range l.dims {
		if d.limit > 0 && ahead[i] > 0 {
			h.until(d.after(now, head.at, ahead[i], w[i]), dimNames[i])
		}
	}
	if h.why == "" {
		h.why = "others came first"
	}
	return h
}

// refusal is the error for a call that meets a hurdle and may not wait.
func (h hurdle) refusal(now int64) error {
	wait := time.Duration(h.at - now)
	if h.blocked {
		wait = max(wait, unknownWait)
	}
	return &WaitError{RetryAfter: max(wait, time.Millisecond), Dimension: h.why}
}

// admit lets a call through now that has waited since a time.
func (l *Limiter) admit(now int64, p *Permit, since int64) {
	if !l.books.open {
		l.books.open, l.books.until = true, now
	}
	l.last = now
	p.at, p.waited = now, time.Duration(now-since)
	if l.probing {
		if l.probe != nil {
			l.probing = false // it has taken too long to be waited for
		} else {
			l.probe = p
		}
	}
	for i, d := range l.dims {
		p.entries[i] = d.take(now, p.weight[i], since)
		p.seen[i] = d.view()
	}
	if l.limits.RPD > 0 || l.limits.TPD > 0 {
		p.day = l.days.take(p.weight)
	}
	l.flight++
	l.books.admit(now, p.weight)
}

// pump lets everybody through whose turn has come, and sets the timer for the next. The first in line holds back who comes after, so a large call cannot starve.
func (l *Limiter) pump() {
	for {
		w := l.line.first()
		if w == nil {
			if l.timer != nil {
				l.timer.Stop()
			}
			return
		}
		now := l.now()
		p := w.permit
		p.weight = l.weigh(p.demand) // by what was learned meanwhile
		if h := l.ready(now, p.weight); h.why != "" {
			l.sleep(now, h)
			return
		}
		l.line.leave(w)
		l.line.served[p.demand.Class] += classCost[p.demand.Class] * l.cost(p.weight)
		l.admit(now, p, w.since)
		close(w.done)
	}
}

// cost is what fairness is about: tokens, or calls where tokens are not limited.
func (l *Limiter) cost(w weights) float64 {
	if l.dims[dimTokens].limit == 0 && l.dims[dimInput].limit == 0 && l.dims[dimOutput].limit == 0 {
		return 1
	}
	return float64(max(w[dimTokens], 1))
}

// sleep sets the timer to when a hurdle may be gone. The end of a call needs none.
func (l *Limiter) sleep(now int64, h hurdle) {
	if h.at <= now && l.probe != nil {
		h.at = l.probe.at + int64(probeWait)
	}
	if h.at <= now {
		return
	}
	d := time.Duration(h.at - now)
	if l.oversleep != nil {
		d += l.oversleep()
	}
	if l.timer != nil {
		l.timer.Reset(d)
		return
	}
	l.timer = time.AfterFunc(d, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.pump()
	})
}

// HoldFor lets nothing through for a while, at most a minute; then one call goes first, and the others when it has ended. The reason is what refusals say is
// waited for.
func (l *Limiter) HoldFor(d time.Duration, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holdFor(l.now(), d, reason)
	l.pump()
}

func (l *Limiter) holdFor(now int64, d time.Duration, reason string) {
	if d <= 0 {
		return
	}
	if until := now + int64(min(d, maxHold)); until > l.held {
		l.held, l.heldBy = until, reason
	}
	if !l.probing {
		l.probing, l.probe = true, nil
	}
}
