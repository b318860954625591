package ratelimit

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// RateLimiter limits calls by model: for programs that want nothing but to go no faster than so many requests and tokens a minute. It is safe for
// concurrent use.
//
//	l := ratelimit.NewRateLimiter(ratelimit.Limits{RPM: 60, TPM: 100_000})
//	l.SetModelLimits("gpt-4o", ratelimit.Limits{RPM: 500, TPM: 200_000})
//	waited, err := l.CheckAndWait(ctx, "gpt-4o", 1_200)
//
// A call counts in full from the moment in which it is let through, with the tokens that were named, and nothing has to be given back. Programs that can tell how
// a call ended do better with a [Limiter]: it learns from the answers.
type RateLimiter struct {
	registry *Registry

	mu       sync.Mutex
	defaults Limits
	own      map[string]Limits
}

// NewRateLimiter returns a limiter that holds every model, by itself, to the default limits.
func NewRateLimiter(defaults Limits) *RateLimiter {
	r := &RateLimiter{defaults: defaults, own: make(map[string]Limits)}
	r.registry = NewRegistry(func(k Key) (Limits, Profile) { return r.limits(k.Model), Profile{Counting: CountInput} })
	return r
}

func (r *RateLimiter) limits(model string) Limits {
	r.mu.Lock()
	defer r.mu.Unlock()
	if own, ok := r.own[model]; ok {
		return own
	}
	return r.defaults
}

// SetModelLimits gives a model limits of its own, in the place of all the defaults; what it has let through counts against them at once. A limit of 0 is none.
func (r *RateLimiter) SetModelLimits(model string, l Limits) {
	r.mu.Lock()
	r.own[model] = l
	r.mu.Unlock()
	r.of(model).Configure(l)
}

func (r *RateLimiter) of(model string) *Limiter { return r.registry.Get(Key{Model: model}) }

// CheckAndWait waits, as long as ctx allows, until a call of so many tokens may go, and returns how long that took. A call larger than a limit is refused with a
// *[TooLargeError], and one whose turn cannot come before ctx's deadline with a *[WaitError], both at once.
func (r *RateLimiter) CheckAndWait(ctx context.Context, model string, tokens int64) (waited time.Duration, err error) {
	p, err := r.of(model).Acquire(ctx, Demand{InputTokens: max(tokens, 1)}, -1)
	if err != nil {
		return 0, err
	}
	p.count(tokens)
	return p.Waited(), nil
}

// TryAcquire lets a call of so many tokens go if it may go now.
func (r *RateLimiter) TryAcquire(model string, tokens int64) bool {
	p, err := r.of(model).Acquire(context.Background(), Demand{InputTokens: max(tokens, 1)}, 0)
	if err != nil {
		return false
	}
	p.count(tokens)
	return true
}

// count ends a permit as a call that used what it named.
func (p *Permit) count(tokens int64) {
	p.Done(Feedback{Status: http.StatusOK, InputTokens: max(tokens, 0), OutputTokens: 0})
}

// Usage returns where a model stands.
func (r *RateLimiter) Usage(model string) Usage { return r.of(model).Usage() }

// MarshalJSON writes requests and tokens of the last minute, rpm_limit and tpm_limit (0 for none), and who waits.
func (u Usage) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Requests    int64   `json:"requests"`
		Tokens      int64   `json:"tokens"`
		RPM         int64   `json:"rpm_limit"`
		TPM         int64   `json:"tpm_limit"`
		Waiting     int     `json:"waiting"`
		Flight      int     `json:"in_flight"`
		Held        float64 `json:"held_seconds"`
		Admitted    int64   `json:"admitted"`
		Utilisation float64 `json:"utilisation"`
	}{u.Requests, u.Tokens, u.Limits.RPM, u.Limits.TPM, u.Waiting, u.Flight, u.Held.Seconds(), u.Admitted, u.Utilisation})
}
