package aurea

import (
	"reflect"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/policy"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/redact"
	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// settings are what a configuration says, and what hangs on it. They do not change: [Orchestrator.Reload] puts others in their place, and a call keeps those
// that it began with.
type settings struct {
	providers map[string]*upstream
	unusable  map[string]string
	router    *policy.Router
	rules     policy.Rules
	prices    *pricing.Table
	maxOutput func(string) int64
	capField  func(string) string
	caps      usage.CapRule
	noUnbound bool
	proven    bool
	retry     retry.Policy
	breakers  *breaker.Registry
	breaker   breaker.Config
	places    *places
	maxWait   time.Duration
	timeouts  Timeouts
	cutStops  func(string) bool
	jobLimit  money.Sum
	observe   func(Attempt)
	free      func(provider, method, path string) bool
	pii       func(settings string) PII
	redactor  *redact.Redactor

	retryRatio, retryBurst float64
}

// upstream is a provider with what the process knows about it.
type upstream struct {
	Provider
	keys    *keyring
	retries *retry.Budget
}

// newSettings takes a configuration with its defaults. What the process knows of providers is kept from the settings before, where it still fits.
func newSettings(cfg Config, before *settings) *settings {
	s := &settings{
		providers: make(map[string]*upstream), unusable: cfg.Unusable, router: cfg.Router, rules: cfg.Rules, prices: cfg.Prices, maxOutput: cfg.MaxOutput,
		capField: cfg.CapField, caps: cfg.Caps, noUnbound: cfg.RefuseUnbounded, proven: cfg.ProvenBound, retry: *cfg.Retry, breaker: *cfg.Breaker,
		maxWait: *cfg.MaxWait, timeouts: cfg.Timeouts, cutStops: cfg.CutStops, jobLimit: *cfg.JobLimit, observe: cfg.Observe, free: cfg.Free, pii: cfg.PII, redactor: cfg.Redactor,
		retryRatio: cfg.RetryRatio, retryBurst: cfg.RetryBurst,
	}
	if s.breakers = breaker.NewRegistry(s.breaker); before != nil && reflect.DeepEqual(before.breaker, s.breaker) {
		s.breakers = before.breakers
	}
	for _, p := range cfg.Providers {
		up := &upstream{Provider: p, keys: newKeyring(p.Keys()), retries: retry.NewBudget(s.retryRatio, s.retryBurst)}
		if before != nil {
			up.inherit(before, s)
		}
		s.providers[p.Name()] = up
	}
	s.places = newPlaces(s)
	return s
}

// inherit keeps which keys are set aside, and how many retries are saved up.
func (up *upstream) inherit(before, now *settings) {
	old, ok := before.providers[up.Name()]
	if !ok {
		return
	}
	if slices.Equal(old.Keys(), up.Keys()) {
		up.keys = old.keys
	}
	if before.retryRatio == now.retryRatio && before.retryBurst == now.retryBurst {
		up.retries = old.retries
	}
}

// Reload puts another configuration in force, for the calls that begin from now on; those under way end as they began. Store, Tracker, Tokenizer and Logger stay
// as they were given to [New]. So does what was learned: the limits that providers named, what was let through in the last minute, circuits (if their
// settings stay the same), keys that are set aside. If it fails, nothing has changed. Safe for concurrent use.
func (o *Orchestrator) Reload(cfg Config) error {
	if err := cfg.check(); err != nil {
		return err
	}
	cfg.Store, cfg.Logger = o.store, o.log
	cfg = cfg.withDefaults()
	o.settings.Store(newSettings(cfg, o.settings.Load()))
	o.limits.configure(cfg.Limits)
	return nil
}
