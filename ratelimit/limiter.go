package ratelimit

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"
)

// Errors of [Limiter.Acquire], matched with errors.Is.
var (
	// ErrWouldWait: the call would have to wait longer than it may. The error is a [*WaitError].
	ErrWouldWait = errors.New("rate limit reached")
	// ErrTooLarge: the call alone is larger than a limit.
	ErrTooLarge = errors.New("request larger than a rate limit")
)

// WaitError says when a call that may not wait would go through.
type WaitError struct {
	// RetryAfter is when a call of this size, coming then, goes through unless others come first.
	RetryAfter time.Duration
	// Dimension is what is used up: requests, tokens, input tokens, output tokens, calls under way, requests of the day …
	Dimension string
}

func (e *WaitError) Error() string {
	return fmt.Sprintf("%v (%s): there is room in %s", ErrWouldWait, e.Dimension, e.RetryAfter.Round(time.Millisecond))
}

// Is makes errors.Is(err, ErrWouldWait) true.
func (e *WaitError) Is(target error) bool { return target == ErrWouldWait }

// maxHold is the longest a Retry-After holds everything back.
const maxHold = time.Minute

// dims are the dimensions of a limiter, by index.
const (
	dimRequests = iota
	dimTokens
	dimInput
	dimOutput
	dimCount
)

// weights is what a call takes of each dimension.
type weights [dimCount]int64

// Limiter admits calls to one provider, key and model. It is safe for concurrent use.
type Limiter struct {
	mu      sync.Mutex
	profile Profile
	limits  Limits // configured
	owners  int64
	dims    [dimCount]*dimension
	flight  int64
	days    [2]day // requests, tokens

	queues  [2]*list.List // of *waiter, by class
	served  [2]float64    // virtual time of the classes
	timer   *time.Timer
	held    time.Time // nothing goes before
	probing bool      // one call goes first after a hold
	probe   *Permit

	learned  learner
	admitted int64
	began    time.Time
	used     weights
	avail    [dimCount]float64 // allowance until availAt, with the limits as they were
	availAt  time.Time
}

// waiter waits for its turn. It holds nothing.
type waiter struct {
	permit *Permit
	done   chan struct{}
	class  Class
}

// Permit is leave to send one call. End it once, with Done or Release.
type Permit struct {
	l      *Limiter
	demand Demand
	weight weights
	at     time.Time
	waited time.Duration
	once   sync.Once
}

// New returns a limiter.
func New(limits Limits, profile Profile) *Limiter {
	l := &Limiter{profile: profile.withDefaults(), limits: limits, owners: 1, queues: [2]*list.List{list.New(), list.New()}}
	for i, name := range []string{"requests", "tokens", "input tokens", "output tokens"} {
		l.dims[i] = newDimension(name, l.profile)
	}
	l.learned.init(limits)
	l.apply()
	return l
}

// apply sets the dimensions to the limits in force.
func (l *Limiter) apply() {
	for i, limit := range l.learned.limits {
		if limit > 0 {
			limit = max(limit/l.owners, 1)
		}
		l.dims[i].setLimit(limit, l.learned.pace)
	}
}

// SetOwners divides the limits among n processes that share them.
func (l *Limiter) SetOwners(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < 1 || int64(n) == l.owners {
		return
	}
	l.account(time.Now())
	l.owners = int64(n)
	l.apply()
	l.pump()
}

// Acquire waits for leave to send a call: at most maxWait (0: not at all; negative: as long as ctx). A wait that cannot fit maxWait or ctx's deadline is refused at once
// with a *[WaitError]; a call larger than a limit matches [ErrTooLarge].
func (l *Limiter) Acquire(ctx context.Context, d Demand, maxWait time.Duration) (*Permit, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	start := time.Now()
	l.mu.Lock()
	p := &Permit{l: l, demand: d, weight: l.weigh(d)}
	if err := l.tooLarge(p.weight); err != nil {
		l.mu.Unlock()
		return nil, err
	}
	if l.queues[0].Len()+l.queues[1].Len() == 0 {
		if at, _ := l.ready(start, p.weight); !at.After(start) {
			l.admit(start, p)
			l.mu.Unlock()
			return p, nil
		}
	}
	wait, dim := l.expectedWait(start, p.weight, d.Class)
	deadline, has := ctx.Deadline()
	if maxWait >= 0 && wait > maxWait || has && start.Add(wait).After(deadline) {
		l.mu.Unlock()
		return nil, &WaitError{RetryAfter: wait, Dimension: dim}
	}
	w := &waiter{permit: p, done: make(chan struct{}), class: d.Class}
	place := l.queues[d.Class].PushBack(w)
	l.pump()
	l.mu.Unlock()
	return l.wait(ctx, w, place, start, maxWait)
}

func (l *Limiter) wait(ctx context.Context, w *waiter, place *list.Element, start time.Time, maxWait time.Duration) (*Permit, error) {
	var expired <-chan time.Time
	if maxWait >= 0 {
		timer := time.NewTimer(maxWait)
		defer timer.Stop()
		expired = timer.C
	}
	var err error
	select {
	case <-w.done:
		w.permit.waited = time.Since(start)
		return w.permit, nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-expired:
		err = &WaitError{RetryAfter: time.Second, Dimension: "waiting"}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-w.done: // it was let through in the same moment
		l.release(w.permit)
	default:
		l.queues[w.class].Remove(place)
	}
	l.pump()
	return nil, err
}

// weigh returns what a call counts, by what was learned.
func (l *Limiter) weigh(d Demand) weights {
	in, out := estimate(l.profile, d, l.learned.ratio(), l.learned.output())
	return weights{1, combine(l.profile, in, out), in, out}
}

// tooLarge refuses what could never go. A limit that is a guess lets it go alone.
func (l *Limiter) tooLarge(w weights) error {
	for i, d := range l.dims {
		if d.limit == 0 || w[i] <= d.limit || l.learned.guess[i] {
			continue
		}
		if l.owners > 1 && w[i] <= d.limit*l.owners {
			continue // larger than this process's share only: it goes alone
		}
		return fmt.Errorf("%w: it counts %d %s, the limit is %d a minute", ErrTooLarge, w[i], d.name, d.limit*l.owners)
	}
	return nil
}

// ready returns when a call may go at the earliest, and what keeps it.
func (l *Limiter) ready(now time.Time, w weights) (time.Time, string) {
	at, dim := now, ""
	if l.held.After(at) {
		at, dim = l.held, "the provider asked to wait"
	}
	if l.probing && l.probe != nil {
		at, dim = later(at, now.Add(time.Second)), "the first call after a wait is under way"
	}
	if l.limits.Concurrency > 0 && l.flight >= max(l.limits.Concurrency/l.owners, 1) {
		at, dim = later(at, now.Add(time.Second)), "calls under way"
	}
	for i := range l.days {
		if t := l.days[i].ready(now, l.dayLimit(i), []int64{1, w[dimTokens]}[i]); t.After(at) {
			at, dim = t, []string{"requests of the day", "tokens of the day"}[i]
		}
	}
	for i, d := range l.dims {
		if t := d.ready(now, min(w[i], max(d.limit, 1))); t.After(at) {
			at, dim = t, d.name
		}
	}
	return at, dim
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// expectedWait is when a call that joins its class's queue now will go, by the pace of what is before it.
func (l *Limiter) expectedWait(now time.Time, w weights, class Class) (time.Duration, string) {
	at, dim := l.ready(now, w)
	wait := at.Sub(now)
	var before weights
	for c, q := range l.queues {
		share := 1.0
		if Class(c) != class && class == Interactive {
			share = 0.25 // of five, four are interactive
		}
		for e := q.Front(); e != nil; e = e.Next() {
			for i, n := range e.Value.(*waiter).permit.weight {
				before[i] += int64(math.Ceil(float64(n) * share))
			}
		}
	}
	for i, d := range l.dims {
		if d.limit == 0 || before[i] == 0 {
			continue
		}
		queued := time.Duration(float64(before[i]) / d.rate * float64(time.Second))
		if t := later(d.next, now).Add(queued).Sub(now); t > wait {
			wait, dim = t, d.name
		}
	}
	return max(wait, time.Millisecond), dim
}

// admit lets a call through now.
func (l *Limiter) admit(now time.Time, p *Permit) {
	l.account(now)
	p.at = now
	for i, d := range l.dims {
		d.take(now, p.weight[i])
		l.used[i] += p.weight[i]
	}
	l.days[0].take(now, 1)
	l.days[1].take(now, p.weight[dimTokens])
	l.flight++
	l.admitted++
	if l.probing {
		l.probe = p
	}
}

// pump lets everybody through whose turn has come, and sets the timer for the next. The head of the queue holds back who comes after it, so a large call cannot starve.
func (l *Limiter) pump() {
	for {
		now := time.Now()
		q := l.head()
		if q == nil {
			return
		}
		w := q.Front().Value.(*waiter)
		at, _ := l.ready(now, w.permit.weight)
		if at.After(now) {
			l.wakeAt(at.Sub(now))
			return
		}
		q.Remove(q.Front())
		l.served[w.class] += classCost[w.class] * float64(max(w.permit.weight[dimTokens], 1))
		l.admit(now, w.permit)
		close(w.done)
	}
}

// classCost is how fast a class's virtual time runs: a batch call costs as much as four interactive ones.
var classCost = [2]float64{Interactive: 1, Batch: 4}

// head returns the queue whose turn it is.
func (l *Limiter) head() *list.List {
	a, b := l.queues[Interactive], l.queues[Batch]
	switch {
	case a.Len() == 0 && b.Len() == 0:
		l.served = [2]float64{}
		return nil
	case b.Len() == 0:
		l.served[Batch] = max(l.served[Batch], l.served[Interactive]) // idle time is not saved up
		return a
	case a.Len() == 0:
		l.served[Interactive] = max(l.served[Interactive], l.served[Batch])
		return b
	case l.served[Interactive] <= l.served[Batch]:
		return a
	default:
		return b
	}
}

func (l *Limiter) wakeAt(d time.Duration) {
	if l.timer == nil {
		l.timer = time.AfterFunc(d, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.pump()
		})
		return
	}
	l.timer.Reset(d)
}

// Waited returns how long Acquire took.
func (p *Permit) Waited() time.Duration { return p.waited }

// Release gives back a permit whose call was never sent.
func (p *Permit) Release() {
	p.once.Do(func() {
		p.l.mu.Lock()
		defer p.l.mu.Unlock()
		p.l.release(p)
		p.l.pump()
	})
}

func (l *Limiter) release(p *Permit) {
	for i, d := range l.dims {
		d.giveBack(p.at, p.weight[i])
		l.used[i] -= p.weight[i]
	}
	l.days[0].giveBack(p.at, 1)
	l.days[1].giveBack(p.at, p.weight[dimTokens])
	l.flight--
	l.admitted--
	if l.probe == p {
		l.probe = nil
	}
}

// HoldFor lets nothing through for a while, at most a minute; then one call goes first, and the others when it has ended.
func (l *Limiter) HoldFor(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holdFor(time.Now(), d)
	l.pump()
}

func (l *Limiter) holdFor(now time.Time, d time.Duration) {
	until := now.Add(min(d, maxHold))
	if until.After(l.held) {
		l.held = until
	}
	l.probing, l.probe = true, nil
}

// Feedback is how a call ended.
type Feedback struct {
	Status int // the provider's, 0 if no answer came
	Header http.Header
	// RetryAfter is how long a 429 asks to wait; 0 if it does not say.
	RetryAfter time.Duration
	// RateLimited says that a 429 is about the rate, and not about a spent quota.
	RateLimited bool
	// InputTokens and OutputTokens are the provider's own count, −1 if it gave none.
	InputTokens, OutputTokens int64
}

// Done ends a permit whose call was sent, and learns from its answer.
func (p *Permit) Done(f Feedback) {
	p.once.Do(func() {
		l := p.l
		l.mu.Lock()
		defer l.mu.Unlock()
		l.flight--
		now := time.Now()
		if l.probe == p {
			l.probe, l.probing = nil, false
		}
		l.learn(now, p, f)
		l.pump()
	})
}
