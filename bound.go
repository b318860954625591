package aurea

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// bound prepares each target's request as it will be sent and finds the most it can cost.
func (w *walk) bound() error {
	for _, t := range w.targets {
		if err := w.prepare(t); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) prepare(t *target) (err error) {
	t.plain = w.call.Body
	if t.model != w.request.Model {
		if t.plain, err = usage.SetField(t.plain, "model", quoted(t.model)); err != nil {
			return &Error{Code: CodeInvalidRequest, Message: "model: " + err.Error(), Err: err}
		}
	}
	if len(w.request.Unbounded) > 0 && w.s.noUnbound {
		return unboundedRefused(&w.request)
	}
	if most := w.s.maxOutput(t.settings); most > 0 {
		own := *t.price
		own.MaxOutput = most
		t.price = &own
	}
	return w.shape(t)
}

// shape makes the request as it will be sent, with the output cap in force, and finds its bound.
func (w *walk) shape(t *target) (err error) {
	req := w.request
	t.body, t.injected = t.plain, 0
	req.BodyBytes, req.InputTokens = int64(len(t.body)), t.input
	if _, priority := w.o.unasked.Load(t.provider.Name()); priority && req.Tier == "" {
		req.Tier = "auto"
	}
	if err := w.capOutput(t, &req); err != nil {
		return err
	}
	t.hideUsage = false
	if req.Stream {
		if t.body, t.hideUsage, err = usage.IncludeUsage(w.call.API, t.body); err != nil {
			return &Error{Code: CodeInvalidRequest, Message: err.Error(), Err: err}
		}
	}
	req.BodyBytes, t.request = int64(len(t.body)), req
	t.inputLen = req.BodyBytes - req.MediaBytes
	t.outputCap = t.cap * max(req.Choices, 1)
	if t.worst, t.kind, err = usage.Bound(*t.price, req, t.cap); err != nil {
		return boundRefused(t.model, err)
	}
	return w.raise(t)
}

// raise adds to a bound what the provider has billed past it before.
func (w *walk) raise(t *target) (err error) {
	t.raised = w.o.excess.of(w, t)
	t.worst, err = t.worst.Add(t.raised)
	return err
}

// capOutput finds the output cap in force, and puts one into a request that has none where the budget asks for it.
func (w *walk) capOutput(t *target, req *usage.Request) (err error) {
	choice := usage.CapChoice{Batch: w.call.Item != nil}
	if !choice.Batch && !req.HasCap {
		choice.Free, choice.Calls = room(w.o.money.Glance(w.call.Job.path))
	}
	var inject bool
	if t.cap, inject, err = w.s.caps.Choose(*t.price, *req, choice); err != nil {
		return &Error{Code: CodePriceUnknown, Message: err.Error(), Err: err}
	}
	if !inject {
		return nil
	}
	t.injected = t.cap
	if t.body, err = usage.InjectCap(w.call.API, w.s.capField(t.provider.Name()), t.body, t.cap); err != nil {
		return &Error{Code: CodeInvalidRequest, Message: err.Error(), Err: err}
	}
	req.BodyBytes = int64(len(t.body))
	return nil
}

// room returns the least that is free on a path, and the calls that share it.
func room(path []budget.Standing) (free money.USD, calls int) {
	free = money.Max
	for _, s := range path {
		free = min(free, s.Free().Clamp())
		calls = max(calls, s.InFlight+s.Waiting)
	}
	return free, calls
}

func quoted(s string) []byte {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil { // configured names are UTF-8; what is not becomes U+FFFD
		b, _ = jsontext.AppendQuote(nil, strings.ToValidUTF8(s, "\uFFFD"))
	}
	return b
}

// excessKey names what has one bound: a provider's model, and apart from it what one job expects of that model of its functions.
func (w *walk) excessKey(t *target) string {
	key := t.provider.Name() + "/" + t.model
	if w.function != nil {
		key = "expected by " + w.call.Job.ID + " of " + key
	}
	return key
}

// servedUnasked notes that a provider's account serves requests that name no tier as priority: so an OpenAI project can be set up
// (https://platform.openai.com/docs/guides/priority-processing). From then on such requests are held at that price.
func (o *Orchestrator) servedUnasked(provider string, asked, served string) {
	if asked == "" && strings.EqualFold(served, pricing.Priority) {
		o.unasked.LoadOrStore(provider, struct{}{})
	}
}

// excess remembers how far past their bounds calls have been billed: the next ones are held at so much more. Safe for concurrent use.
type excess struct {
	any atomic.Bool

	mu    sync.Mutex
	known recent[string, money.USD]
}

// mostExcesses bounds the memory; what was billed past its bound longest ago is forgotten first.
const mostExcesses = 10_000

// of returns what is added to a target's bound.
func (e *excess) of(w *walk, t *target) money.USD {
	if !e.any.Load() {
		return 0
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	more, _ := e.known.get(w.excessKey(t))
	return more
}

// billedPast raises the bound of a model whose provider billed more than was held, up to what the model can cost at all: a usage that cannot be true must not
// close the model to everybody.
func (w *walk) billedPast(t *target, cost money.USD) {
	most := t.worst
	if p := t.price; p.ContextWindow > 0 && p.MaxOutput > 0 {
		if possible, err := usage.BoundTokens(*p, p.ContextWindow, p.MaxOutput); err == nil {
			most = max(most, possible)
		}
	} else if hundred, err := t.worst.Mul(100); err == nil {
		most = hundred
	}
	e := &w.o.excess
	key := w.excessKey(t)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.known.most = mostExcesses
	old, _ := e.known.get(key)
	e.known.put(key, max(old, t.raised+min(cost, most)-t.worst))
	e.any.Store(true)
}
