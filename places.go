package aurea

import (
	"sync"
	"time"

	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/policy"
	"github.com/andres20980/aurea-orchestrator/retry"
)

// places remembers where the calls that programs make themselves count: which provider and model they are for, and whether those are allowed. All of it follows
// from the settings it belongs to, which do not change. Safe for concurrent use.
type places struct {
	s *settings

	mu    sync.RWMutex
	known map[placeID]*place
	// foreign are the providers that nobody configured: a program may call whom it likes, if there is a price.
	foreign map[string]*upstream
}

type placeID struct{ provider, model string }

type place struct {
	provider *upstream
	model    string // as the provider knows it
	settings string // the models entry that holds for it
	breaker  *breaker.Breaker
	err      error
}

// mostPlaces bounds the memory that made-up names can take.
const mostPlaces = 4096

func newPlaces(s *settings) *places {
	return &places{s: s, known: make(map[placeID]*place), foreign: make(map[string]*upstream)}
}

func (p *places) of(provider, model string) *place {
	id := placeID{provider, model}
	p.mu.RLock()
	found, ok := p.known[id]
	p.mu.RUnlock()
	if ok {
		return found
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if found, ok = p.known[id]; ok {
		return found
	}
	if len(p.known) >= mostPlaces {
		clear(p.known)
	}
	found = p.find(provider, model)
	p.known[id] = found
	return found
}

func (p *places) find(provider, model string) *place {
	if model == "" {
		return &place{err: &Error{Code: CodeInvalidRequest, Message: "the call names no model", Hint: "set Model"}}
	}
	route := p.route(provider, model)
	route, err := p.s.rules.Apply(model, route)
	if err != nil {
		return &place{err: notAllowed(err)}
	}
	t := route.Targets[0]
	if _, err := p.s.price(t.Provider, model, t.Model, time.Now()); err != nil {
		return &place{err: err} // before anything is kept for it: names can be made up
	}
	return &place{provider: p.upstream(t.Provider), model: t.Model, settings: t.Settings, breaker: p.s.breakers.Get(t.Provider, t.Model)}
}

// route is where the router sends the model. A provider that the caller names goes before, and one that nobody knows is found by who sells the model.
func (p *places) route(provider, model string) policy.Route {
	name := model
	if provider != "" {
		name = provider + "/" + model
	}
	for _, format := range []string{FormatOpenAI, FormatAnthropic} {
		route, err := p.s.router.Resolve(name, format)
		if err == nil && (provider == "" || route.Targets[0].Provider == provider) {
			return route
		}
	}
	if provider == "" {
		provider, _ = p.s.prices.Provider(model)
	}
	return policy.Route{Targets: []policy.Target{{Provider: provider, Model: model}}}
}

// upstream returns a configured provider, or one that stands for the program's own client.
func (p *places) upstream(name string) *upstream {
	if up, ok := p.s.providers[name]; ok {
		return up
	}
	up, ok := p.foreign[name]
	if !ok {
		f := foreign{name: name, keys: []string{""}}
		up = &upstream{Provider: f, keys: newKeyring(f.keys), retries: retry.NewBudget(p.s.retryRatio, p.s.retryBurst)}
		if len(p.foreign) >= mostPlaces {
			clear(p.foreign)
		}
		p.foreign[name] = up
	}
	return up
}

// foreign is a provider that only the program itself knows how to reach.
type foreign struct {
	Provider // nil: nothing is ever sent through it
	name     string
	keys     []string
}

func (f foreign) Name() string   { return f.name }
func (f foreign) Keys() []string { return f.keys }
