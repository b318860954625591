package breaker

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Registry holds one breaker per provider and model. One registry per process is the rule. It is safe for concurrent use.
type Registry struct {
	cfg      Config
	mu       sync.RWMutex
	breakers map[key]*Breaker
}

type key struct{ provider, model string }

// NewRegistry returns a registry whose breakers all have the same configuration.
func NewRegistry(cfg Config) *Registry {
	return &Registry{cfg: cfg, breakers: make(map[key]*Breaker)}
}

// Get returns the breaker of a provider's model, closed if it is new.
func (r *Registry) Get(provider, model string) *Breaker {
	k := key{provider, model}
	r.mu.RLock()
	b, ok := r.breakers[k]
	r.mu.RUnlock()
	if ok {
		return b
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if b, ok = r.breakers[k]; !ok {
		name := provider + "/" + model
		if provider == "" {
			name = model
		}
		b = New(name, r.cfg)
		b.key = k
		r.breakers[k] = b
	}
	return b
}

// Reset resets every breaker.
func (r *Registry) Reset() {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, b := range r.breakers {
		b.Reset()
	}
}

// ResetOne resets the breaker of a provider's model, and reports whether there is one.
func (r *Registry) ResetOne(provider, model string) bool {
	r.mu.RLock()
	b, ok := r.breakers[key{provider, model}]
	r.mu.RUnlock()
	if ok {
		b.Reset()
	}
	return ok
}

// Status is a breaker for people and programs; the JSON names are a contract.
type Status struct {
	// Provider and Model are what a breaker of a [Registry] stands for.
	Provider string `json:"-"`
	Model    string `json:"-"`

	Name             string     `json:"name"`
	State            State      `json:"state"`
	FailureCount     int        `json:"failure_count"`
	SuccessCount     int        `json:"success_count"`
	FailureThreshold int        `json:"failure_threshold"`
	Timeout          float64    `json:"timeout"` // seconds: the open time in force, or the first one
	OpenedAt         *time.Time `json:"opened_at"`
	LastFailureTime  *time.Time `json:"last_failure_time"`
}

// Status returns the breaker's state and what it counted in its window.
func (b *Breaker) Status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	counts := b.inner.Counts()
	s := Status{
		Provider: b.key.provider, Model: b.key.model, Name: b.name, State: b.state(time.Now()), FailureCount: int(counts.TotalFailures), SuccessCount: int(counts.TotalSuccesses),
		FailureThreshold: b.cfg.Threshold, Timeout: max(b.openTime, b.cfg.Timeout).Seconds(),
	}
	if !b.opened.IsZero() {
		at := b.opened
		s.OpenedAt = &at
	}
	if !b.failed.IsZero() {
		at := b.failed
		s.LastFailureTime = &at
	}
	return s
}

// Snapshot returns the status of every breaker, by name.
func (r *Registry) Snapshot() []Status {
	r.mu.RLock()
	all := make([]*Breaker, 0, len(r.breakers))
	for _, b := range r.breakers {
		all = append(all, b)
	}
	r.mu.RUnlock()
	out := make([]Status, len(all))
	for i, b := range all {
		out[i] = b.Status()
	}
	slices.SortFunc(out, func(a, b Status) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
