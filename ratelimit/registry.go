package ratelimit

import (
	"maps"
	"sync"
	"time"
)

// Key is what a limit is about. KeyID names the credential, and is not the credential itself.
type Key struct{ Provider, KeyID, Model string }

const (
	// manyLimiters is from when on a new limiter drops those that nobody used for idleLimiter: names of models can come from outside.
	manyLimiters = 1024
	idleLimiter  = 10 * time.Minute
)

// Registry holds one limiter per key. It is safe for concurrent use.
type Registry struct {
	find func(Key) (Limits, Profile)

	mu       sync.Mutex
	limiters map[Key]*Limiter
}

// NewRegistry returns a registry that asks find for the limits of a key at its first use.
func NewRegistry(find func(Key) (Limits, Profile)) *Registry {
	return &Registry{find: find, limiters: make(map[Key]*Limiter)}
}

// Get returns the limiter of a key, made at its first use.
func (r *Registry) Get(key Key) *Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.limiters[key]
	if !ok {
		if len(r.limiters) >= manyLimiters {
			maps.DeleteFunc(r.limiters, func(_ Key, l *Limiter) bool { return l.idle() })
		}
		l = New(r.find(key))
		r.limiters[key] = l
	}
	return l
}

// All returns the limiters there are.
func (r *Registry) All() map[Key]*Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.limiters)
}

// idle reports whether a new limiter would do as well: nobody uses it, its windows are empty, and it counts no day.
func (l *Limiter) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if l.flight > 0 || l.line.len() > 0 || l.limits.RPD > 0 || l.limits.TPD > 0 || now-max(l.last, l.held) < int64(idleLimiter) {
		return false
	}
	for _, d := range l.dims {
		if d.limit > 0 && (d.let(now) > 0 || d.next > float64(now)) {
			return false
		}
	}
	return true
}
