package policy

import (
	"slices"
	"strings"
)

// The wire formats an endpoint or a provider can speak.
const (
	OpenAI    = "openai"
	Anthropic = "anthropic"
)

// Provider is what a [Router] needs to know of a configured provider.
type Provider struct {
	// Name is the provider's name in the configuration. It contains no slash.
	Name string
	// API is the format it speaks, [OpenAI] or [Anthropic].
	API string
}

// Model is one entry of the models in the configuration.
type Model struct {
	// Key is a model name, or a glob as [Match] reads it.
	Key string
	// Provider is the provider that serves the model. Empty: found by the rules for names that have
	// no entry. Ignored if Route is set.
	Provider string
	// Upstream is the name sent to the provider. Empty: the name the caller asked for.
	Upstream string
	// Route lists the targets to try, first to last.
	Route []RouteTarget
}

// RouteTarget is one target of a [Model]'s route.
type RouteTarget struct {
	// Provider and Model are where the call goes, and the name that provider knows.
	Provider, Model string
	// Weight is its share of the first attempts relative to the other targets. 0: not given.
	Weight int64
}

// Route is where a call may go: the targets to try, in the order of the configuration.
type Route struct {
	// Entry is the key of the models entry that matched the requested name, "" if none did.
	Entry string
	// Targets has at least one element in every route that [Router.Resolve] returns.
	Targets []Target
}

// Target is one provider that can serve a call.
type Target struct {
	// Provider is the name of a configured provider.
	Provider string
	// Model is the name sent upstream.
	Model string
	// Weight is the weight in the configuration, 0 if it gives none.
	Weight int64
	// Settings is the key of the models entry whose limits apply to this target, "" if none does.
	// A call that reaches a model through an alias or as PROVIDER/NAME counts against the same entry
	// as one that asks for it by its plain name.
	Settings string
}

// Order returns the targets in the order to try them. Where no target has a weight that is the order
// of the configuration. Otherwise each next target is drawn from the rest in proportion to its weight
// (1 where none is given); random(n) returns a uniform number in [0, n), as rand.Int64N does.
func (r Route) Order(random func(n int64) int64) []Target {
	rest := slices.Clone(r.Targets)
	if !slices.ContainsFunc(rest, func(t Target) bool { return t.Weight > 0 }) {
		return rest
	}
	for i := range rest {
		var total int64
		for _, t := range rest[i:] {
			total += max(t.Weight, 1)
		}
		draw := random(total)
		for j := i; ; j++ {
			draw -= max(rest[j].Weight, 1)
			if draw < 0 || j == len(rest)-1 {
				picked := rest[j]
				copy(rest[i+1:j+1], rest[i:j])
				rest[i] = picked
				break
			}
		}
	}
	return rest
}

// Router finds the providers for a model name. It is not changed after [NewRouter] and safe for
// concurrent use.
type Router struct {
	providers []Provider
	api       map[string]string // provider name → format
	exact     map[string]*Model
	globs     []*Model // in the order of the configuration
	catalogue func(model string) (provider string, ok bool)
}

// NewRouter returns a router over the configured providers and the models entries, both in the order
// of the configuration. The catalogue names the provider a well-known model belongs to; it may be nil.
func NewRouter(providers []Provider, models []Model, catalogue func(model string) (provider string, ok bool)) *Router {
	r := &Router{
		providers: slices.Clone(providers),
		api:       make(map[string]string, len(providers)),
		exact:     make(map[string]*Model, len(models)),
		catalogue: catalogue,
	}
	for _, p := range providers {
		r.api[p.Name] = p.API
	}
	for _, m := range models {
		entry := &m
		if IsGlob(m.Key) {
			r.globs = append(r.globs, entry)
		} else if _, taken := r.exact[m.Key]; !taken {
			r.exact[m.Key] = entry
		}
	}
	return r
}

// Resolve returns the route for the model name a caller asked for on an endpoint of the given format,
// [OpenAI] or [Anthropic]:
//
//  1. The models entry of that exact name, else the first glob that matches. Its route or its provider
//     decides; an entry with neither only adds settings to what follows.
//  2. PROVIDER/NAME, if that provider is configured. Names such as "meta-llama/Llama-3" that only
//     look like it are left whole.
//  3. The catalogue's provider for the name, if it is configured.
//  4. The only configured provider that speaks the format.
//
// The requested name goes upstream, except in 2 and where the entry renames it. Targets that speak
// another format are left out of a route. The error is a [*ModelNotFound] where nothing applies, and
// an [*EndpointMismatch] where the model is served only in another format.
func (r *Router) Resolve(model, format string) (Route, error) {
	if model == "" {
		return Route{}, &ModelNotFound{Hint: "the request names no model"}
	}
	entry := r.entry(model)
	if entry == nil {
		t, err := r.unconfigured(model, format)
		if err != nil {
			return Route{}, err
		}
		return r.speaking(model, format, Route{Targets: []Target{t}})
	}
	route := Route{Entry: entry.Key}
	switch {
	case len(entry.Route) > 0:
		for _, t := range entry.Route {
			target := Target{Provider: t.Provider, Model: t.Model, Weight: t.Weight, Settings: entry.Key}
			if key, ok := r.settings(t.Provider, t.Model); ok {
				target.Settings = key
			}
			route.Targets = append(route.Targets, target)
		}
	case entry.Provider != "":
		route.Targets = []Target{{Provider: entry.Provider, Model: model, Settings: entry.Key}}
	default:
		t, err := r.unconfigured(model, format)
		if err != nil {
			return Route{}, err
		}
		t.Settings = entry.Key
		route.Targets = []Target{t}
	}
	if entry.Upstream != "" && len(entry.Route) == 0 {
		route.Targets[0].Model = entry.Upstream
	}
	return r.speaking(model, format, route)
}

// ResolveAt returns the route to one provider for the model name that it knows. Its limits are those of the entry that a caller of PROVIDER/NAME or of NAME meets,
// if that leads there. The errors are those of [Router.Resolve].
func (r *Router) ResolveAt(provider, model, format string) (Route, error) {
	if model == "" {
		return Route{}, &ModelNotFound{Hint: "the request names no model"}
	}
	key, _ := r.settings(provider, model)
	return r.speaking(model, format, Route{Targets: []Target{{Provider: provider, Model: model, Settings: key}}})
}

// entry returns the models entry for a name: the exact one, else the first glob.
func (r *Router) entry(model string) *Model {
	if m, ok := r.exact[model]; ok {
		return m
	}
	for _, m := range r.globs {
		if Match(m.Key, model) {
			return m
		}
	}
	return nil
}

// settings returns the key of the entry whose limits hold for a provider's model that was reached by
// another name: the entry a caller of PROVIDER/MODEL or of MODEL would have met, unless that entry
// leads elsewhere.
func (r *Router) settings(provider, model string) (string, bool) {
	for _, name := range []string{provider + "/" + model, model} {
		m := r.entry(name)
		if m != nil && len(m.Route) == 0 && (m.Provider == "" || m.Provider == provider) &&
			(m.Upstream == "" || m.Upstream == model) {
			return m.Key, true
		}
	}
	return "", false
}

// unconfigured finds the target for a name whose entry, if any, does not say where it goes.
func (r *Router) unconfigured(model, format string) (Target, error) {
	if provider, name, ok := strings.Cut(model, "/"); ok && name != "" {
		if _, configured := r.api[provider]; configured {
			key, _ := r.settings(provider, name)
			return Target{Provider: provider, Model: name, Settings: key}, nil
		}
	}
	if r.catalogue != nil {
		if provider, ok := r.catalogue(model); ok {
			if _, configured := r.api[provider]; configured {
				return Target{Provider: provider, Model: model}, nil
			}
		}
	}
	var only []string
	for _, p := range r.providers {
		if p.API == format {
			only = append(only, p.Name)
		}
	}
	if len(only) == 1 {
		return Target{Provider: only[0], Model: model}, nil
	}
	return Target{}, r.notFound(model, format, only)
}

// speaking returns route with only the targets whose provider is configured and speaks format.
func (r *Router) speaking(model, format string, route Route) (Route, error) {
	var kept []Target
	var mismatch *EndpointMismatch
	var missing string
	for _, t := range route.Targets {
		switch api, configured := r.api[t.Provider]; {
		case !configured:
			missing = t.Provider
		case api == format:
			kept = append(kept, t)
		case mismatch == nil:
			mismatch = &EndpointMismatch{Model: model, Provider: t.Provider, Speaks: api, Asked: format}
		}
	}
	switch {
	case len(kept) > 0:
		route.Targets = kept
		return route, nil
	case mismatch != nil:
		return Route{}, mismatch
	default:
		return Route{}, &ModelNotFound{
			Model: model,
			Hint:  "its entry in models names the provider " + quote(missing) + ", which is not configured; add it to providers",
		}
	}
}
