package aurea

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// ModelCall describes a call of a model that the program makes itself, through whatever client it likes, for [Execute].
type ModelCall struct {
	// Model is the model's name, as the allow lists, the limits and the prices know it.
	Model string
	// Provider is who serves it. Default: where the router sends the model, else who sells it under that name.
	Provider string
	// InputTokens is how long the request is expected to be. A request that turns out longer is booked at what it cost.
	InputTokens int64
	// OutputCap is the output cap that the request carries, in tokens over all answers it asks for. Default: the most that the model writes, as far as
	// that is known; else the call is refused with [CodePriceUnknown].
	OutputCap int64
	// Class decides who goes first when the provider's allowance is short.
	Class ratelimit.Class
	// MaxWait bounds each wait, for money and for the provider's allowance. Default: [Config.MaxWait]; below zero the wait is as long as ctx.
	MaxWait time.Duration
}

// Execute runs fn as one call of the job: it holds the worst that the call can cost, waits for the provider's allowance, asks the circuit breaker, runs fn,
// books the usage that fn returns, and runs fn again where its error says that trying again helps. Each attempt has a hold of its own.
//
// fn returns its result and what the provider counted; [usage.Parse] reads it from the raw JSON of an answer, cached tokens and all. With a zero [Usage] the whole hold is booked, because the call was made and nobody knows what it
// cost; Usage{Complete: true} says that it cost nothing. fn's context carries the hold, so that calls made inside it are known to belong to it, and ends
// with ctx.
//
// An error of fn is judged by what is in it: an HTTP status ([HTTPError], or the error types of OpenAI's and Anthropic's own packages for Go) as the same status
// from a provider; [NotSent], or a connection that was never made, as nothing sent; any other error as a call that may have been billed: what it
// held stays on the account as unconfirmed, unless fn returned the usage with the error. [Permanent] errors are not repeated.
//
// fn makes one request to the provider at most. The packages of OpenAI and Anthropic repeat requests by themselves, twice by default: switch that off with
// option.WithMaxRetries(0), because Execute holds the price of one request, repeats with a hold for each, and sees nothing of those inside. Of requests that such a
// client says it repeated, the earlier ones stay unconfirmed where the last one failed; where it succeeded, nobody can know of them.
//
// Execute returns fn's own error where fn was run, and an *[Error] where Aurea refused the call; what fn returned with an error is returned too.
// It is safe for concurrent use, and costs a few microseconds.
func Execute[T any](ctx context.Context, job *Job, call ModelCall, fn func(context.Context) (T, Usage, error)) (T, error) {
	e := &execution[T]{fn: fn}
	err := job.o.execute(ctx, job, call, e)
	return e.result, err
}

// execution is a function on its way along the path of a call.
type execution[T any] struct {
	fn     func(context.Context) (T, Usage, error)
	result T
}

func (e *execution[T]) run(ctx context.Context) (u Usage, err error) {
	e.result, u, err = e.fn(ctx)
	return u, err
}

type runner interface {
	run(ctx context.Context) (Usage, error)
}

// function is what of an execution does not depend on its result's type. It is used again and again: nothing of it is left with anybody.
type function struct {
	runner runner
	walk   walk
	resp   Response
	usage  Usage
	err    error  // of the last attempt
	before int64  // requests that the client made before the last one of the attempt
	answer Answer // likewise
	one    target
	few    [1]*target
}

var functions = sync.Pool{New: func() any { return new(function) }}

// execute walks the path with a function in the place of the exchange with a provider.
func (o *Orchestrator) execute(ctx context.Context, job *Job, call ModelCall, run runner) error {
	f, _ := functions.Get().(*function)
	err := f.execute(ctx, o, job, call, run)
	*f = function{} // unless the function panicked
	functions.Put(f)
	return err
}

func (f *function) execute(ctx context.Context, o *Orchestrator, job *Job, call ModelCall, run runner) error {
	w := &f.walk
	f.runner = run
	w.o, w.s, w.function, w.id, w.began = o, o.settings.Load(), f, NewCallID(), time.Now()
	w.call = Call{Job: job, Class: call.Class, MaxWait: call.MaxWait, Waiting: ctx}
	if call.MaxWait == 0 {
		w.call.MaxWait = w.s.maxWait
	}
	w.request = usage.Request{Model: call.Model, OutputCap: call.OutputCap, HasCap: call.OutputCap > 0, BodyBytes: call.InputTokens}
	if err := f.place(call); err != nil {
		return w.refuse(err)
	}
	if err := f.bound(call); err != nil {
		return w.refuse(err)
	}
	if _, err := w.attempts(ctx); err != nil && f.err == nil {
		return err
	}
	return f.err
}

// place finds where the call counts and what its model costs.
func (f *function) place(call ModelCall) error {
	p := f.walk.s.places.of(call.Provider, call.Model)
	if p.err != nil {
		return p.err
	}
	price, err := f.walk.s.price(p.provider.Name(), call.Model, p.model, f.walk.began)
	if err != nil {
		return err
	}
	f.one = target{
		provider: p.provider, model: p.model, settings: p.settings, key: p.provider.keys.pick(), price: price, breaker: p.breaker, limits: f.walk.o.limits,
	}
	f.few[0] = &f.one
	f.walk.targets = f.few[:]
	return nil
}

// bound finds the most that the call can cost if it is as long as expected.
func (f *function) bound(call ModelCall) (err error) {
	t := &f.one
	if call.InputTokens < 0 || call.OutputCap < 0 {
		return &Error{Code: CodeInvalidRequest, Message: "a call cannot have fewer than no tokens", Hint: "set InputTokens and OutputCap to what the request has"}
	}
	t.tokens = call.InputTokens
	if t.outputCap = call.OutputCap; t.outputCap == 0 {
		t.outputCap = t.price.MaxOutput
		if most := f.walk.s.maxOutput(t.settings); most > 0 {
			t.outputCap = most
		}
	}
	t.worst, err = usage.BoundTokens(*t.price, call.InputTokens, t.outputCap)
	if _, writes := t.price.Rates.Get(pricing.Output); err == nil && t.outputCap == 0 && writes && !t.price.Free {
		err = errors.New("how much the model can write is not known")
	}
	if errors.Is(err, money.ErrOverflow) {
		return storeFailed(err)
	}
	if err != nil {
		return &Error{Code: CodePriceUnknown, Message: t.model + ": " + err.Error(), Err: err, Hint: "give the call an OutputCap"}
	}
	t.kind = usage.BoundCount
	return f.walk.raise(t)
}

// exchange runs the function in the place of a provider.
func (f *function) exchange(ctx context.Context, hold *budget.Hold) *Response {
	f.resp, f.usage, f.err, f.before = Response{}, Usage{}, nil, 0
	if err := hold.Sent(); err != nil {
		f.err = storeFailed(err)
		f.resp.Failure = retry.Failure{Err: err}
		return &f.resp
	}
	f.usage, f.err = f.runner.run(&holding{Context: ctx, o: f.walk.o, hold: hold, breaker: f.one.breaker})
	if f.err == nil {
		f.resp.Status = 200
		return &f.resp
	}
	f.resp.Failure, f.before = failureOf(f.err)
	f.resp.Status, f.resp.Header = f.resp.Failure.Status, f.resp.Failure.Header
	return &f.resp
}

// bill books what the function says; see [Execute].
func (f *function) bill(t *target, resp *Response) bill {
	reported := f.usage != Usage{}
	switch {
	case reported:
		return f.walk.priced(t, f.usage)
	case resp.OK():
		return bill{outcome: outcomeEstimated, cost: t.worst}
	case !resp.Failure.Sent && resp.Status == 0:
		return bill{outcome: outcomeUnsent}
	case resp.Failure.Err != nil:
		return bill{outcome: outcomeCut, doubt: t.worst}
	default:
		return bill{outcome: outcomeError, doubt: f.earlier(t)}
	}
}

// earlier is what the requests may have cost that a client repeated by itself: nobody saw their answers.
func (f *function) earlier(t *target) money.USD {
	sum, err := t.worst.Mul(f.before)
	if err != nil {
		return t.worst
	}
	return sum
}

// holding is the context of a function that is run as a call.
type holding struct {
	context.Context
	o       *Orchestrator
	hold    *budget.Hold
	breaker *breaker.Breaker
}

type holdingKey struct{}

// Value gives the calls made inside the function the hold they are enclosed by.
func (h *holding) Value(key any) any {
	if key == (holdingKey{}) {
		return h
	}
	return h.Context.Value(key)
}

// enclosing returns the holds of the calls that cannot end before one made with ctx.
func (o *Orchestrator) enclosing(ctx context.Context) (holds []*budget.Hold) {
	for h, _ := ctx.Value(holdingKey{}).(*holding); h != nil; h, _ = h.Context.Value(holdingKey{}).(*holding) {
		if h.o == o {
			holds = append(holds, h.hold)
		}
	}
	return holds
}

// inside reports whether a call made with ctx is part of one that the same circuit let through: it belongs to that one's trial.
func (o *Orchestrator) inside(ctx context.Context, circuit *breaker.Breaker) bool {
	for h, _ := ctx.Value(holdingKey{}).(*holding); h != nil; h, _ = h.Context.Value(holdingKey{}).(*holding) {
		if h.o == o && h.breaker == circuit {
			return true
		}
	}
	return false
}
