package aurea

import (
	"context"
	"errors"
	"time"

	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/retry"
)

// Do takes one call along the path that every call takes: policy, masking, bound, and then attempts, each of which asks the breaker, sets
// money aside, waits for the provider's allowance, is sent, and is settled. There is no second way to spend money.
//
// The answer of a provider, errors included, is an [Answer]. What Aurea itself refuses is an *[Error], and then nothing was spent on
// the attempt that was refused. Do is safe for concurrent use; ctx ends waiting at once and a call on the wire as soon as the provider allows.
func (o *Orchestrator) Do(ctx context.Context, call Call) (*Answer, error) {
	if err := o.owns(call.Job); err != nil {
		return nil, err
	}
	w := o.enter(ctx, call)
	for _, step := range []func() error{w.read, w.policy, w.mask, w.bound} {
		if err := step(); err != nil {
			return nil, w.refuse(err)
		}
	}
	return w.attempts(ctx)
}

// attempts repeats the attempt while the retry policy says so. A retry that is refused ends the call with the provider's last answer.
func (w *walk) attempts(ctx context.Context) (*Answer, error) {
	for {
		next, err := w.attempt(ctx)
		if err != nil && w.moveOn(err) {
			continue
		}
		if err != nil && w.last == nil {
			return nil, w.refuse(err)
		}
		if err != nil || !next.again {
			return w.answer()
		}
		if err := sleep(ctx, next.delay); err != nil {
			return w.answer()
		}
	}
}

// attempt is one request to one provider, from the breaker to the books.
func (w *walk) attempt(ctx context.Context) (next step, err error) {
	t := w.target()
	inside := w.o.inside(w.call.Waiting, t.breaker)
	if err := w.lookAtBreaker(t); err != nil && !inside {
		return step{}, err
	}
	if err := w.mayRetry(t); err != nil {
		return step{}, err
	}
	hold, err := w.hold(t)
	if err != nil {
		return step{}, err
	}
	permit, err := w.limit(t)
	if err != nil {
		hold.Release()
		return step{}, err
	}
	circuit, err := t.breaker.Admit()
	if err != nil && !inside {
		permit.Release()
		hold.Release()
		return step{}, circuitOpen(t, err)
	}
	booked := false
	defer func() {
		if !booked { // a function of the caller's panicked
			w.abandon(t, hold, permit, circuit)
		}
	}()
	resp := w.send(ctx, t, hold)
	verdict := w.judge(ctx, resp)
	bill := w.bill(t, resp)
	next = w.decide(ctx, t, verdict)
	circuit.Done(breakerOutcome(verdict))
	permit.Done(feedback(resp, verdict, bill))
	w.settle(ctx, t, hold, resp, bill, next)
	booked = true
	w.learn(t, bill)
	w.record(ctx, t, resp, verdict, next)
	return next, nil
}

// lookAtBreaker refuses before anybody waits for money or for the allowance of a provider that is known to be down.
func (w *walk) lookAtBreaker(t *target) error {
	if after, open := t.breaker.Open(); open {
		return &Error{
			Code: CodeCircuitOpen, RetryAfter: after,
			Message: t.provider.Name() + "/" + t.model + " is failing; its circuit is open",
			Hint:    "calls go through again after " + after.Round(time.Second).String(),
		}
	}
	return nil
}

// hold sets the worst-case price of this attempt aside on every account of the job's path. A bound that does not fit is looked at again first.
func (w *walk) hold(t *target) (*budget.Hold, error) {
	w.lookAgain(t)
	for {
		hold, err := w.o.money.Hold(w.call.Waiting, w.call.Job.path, budget.Ask{
			Call: w.row(t), Amount: t.worst, MaxWait: w.call.MaxWait, Enclosing: w.o.enclosing(w.call.Waiting),
		})
		if err == nil {
			w.queued += hold.Waited()
			return hold, nil
		}
		if !w.refusedMoney(t, err) {
			return nil, holdRefused(w.call.Waiting, err)
		}
	}
}

// limit waits for the provider's allowance: requests and tokens together, or nothing. Each key has its own; where one would have to be waited for, another may not.
func (w *walk) limit(t *target) (*ratelimit.Permit, error) {
	permit, wait, err := w.withoutWaiting(t)
	if wait {
		permit, err = t.limiter().Acquire(w.call.Waiting, t.demand(w.call.Class), w.call.MaxWait)
	}
	if err != nil {
		return nil, limitRefused(w.call.Waiting, t, err)
	}
	w.queued += permit.Waited()
	return permit, nil
}

// withoutWaiting takes the allowance of the first of several keys that has one now, the target's own before the others. If one has to
// wait, the target has the key that is to be waited for least.
func (w *walk) withoutWaiting(t *target) (permit *ratelimit.Permit, wait bool, err error) {
	others := t.provider.keys.others(t.key)
	if len(others) == 0 {
		return nil, true, nil
	}
	least, best := time.Duration(-1), t.key
	for _, key := range append([]int{t.key}, others...) {
		t.key = key
		permit, err := t.limiter().Acquire(w.call.Waiting, t.demand(w.call.Class), 0)
		short, ok := errors.AsType[*ratelimit.WaitError](err)
		if !ok {
			return permit, false, err
		}
		if least < 0 || short.RetryAfter < least {
			least, best = short.RetryAfter, key
		}
	}
	t.key = best
	return nil, true, nil
}

// send performs the exchange. The hold is marked as sent when a connection is there and before the first byte is written to it.
func (w *walk) send(ctx context.Context, t *target, hold *budget.Hold) *Response {
	w.tried++
	t.sent = true
	if w.started = w.began; w.tried > 1 || w.queued > 0 || w.function == nil {
		w.started = time.Now()
	}
	if w.function != nil {
		return w.function.exchange(ctx, hold)
	}
	if w.s.timeouts.Request > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, w.s.timeouts.Request, errRequestTimeout)
		defer cancel()
	}
	if w.call.OnSend != nil {
		w.call.OnSend(Sending{Provider: t.provider.Name(), Model: t.model, Attempt: w.tried, Queued: w.queued, InjectedCap: t.injected})
	}
	req := &Request{API: w.call.API, Model: t.model, Body: t.body, Header: w.call.Header, Key: t.key, OnSend: hold.Sent}
	resp := w.exchange(ctx, t, req)
	if resp == nil {
		resp = &Response{Failure: retry.Failure{Err: errNoResponse, Sent: true}}
	}
	return resp
}

func (w *walk) exchange(ctx context.Context, t *target, req *Request) *Response {
	if !w.request.Stream {
		return t.provider.Do(ctx, req)
	}
	return w.stream(ctx, t, req)
}

var errNoResponse = errors.New("the provider's client returned nothing")

// settle ends the hold, exactly once, with what the attempt cost; the money, the call's row and the batch item go down together. It does not
// fail the answer already earned: what cannot be written now is kept and written later.
func (w *walk) settle(ctx context.Context, t *target, hold *budget.Hold, resp *Response, bill bill, next step) {
	w.keep(t, resp, bill)
	end := budget.End{Call: w.rowEnded(t, resp, bill), Cost: bill.cost, Doubt: bill.doubt}
	if item := w.call.Item; item != nil && !next.again {
		end.Completion = item.Complete(w.last, next.retryAt)
	}
	ending := hold.End(end)
	w.last.RetryAt = next.retryAt
	if end.Completion == nil {
		return
	}
	w.last.Recorded = written(ctx, ending)
}

// written waits until an end is on disk, which makes a batch item done, and reports whether it got there. A caller that was cut off does not
// wait for a disk that stays full: the journal has it.
func written(ctx context.Context, ending *budget.Ending) bool {
	select {
	case <-ending.Done():
		return ending.Err() == nil && !ending.Rejected()
	case <-ctx.Done():
	}
	select {
	case <-ending.Done():
		return ending.Err() == nil && !ending.Rejected()
	case <-time.After(writeGrace):
		return false
	}
}

// writeGrace is how long the books are waited for after the caller was cut off; a disk that is full may stay so.
const writeGrace = 3 * time.Second

// errRequestTimeout tells our own time-out from the caller's deadline.
var errRequestTimeout = errors.New("no complete answer within timeouts.request")
