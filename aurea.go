package aurea

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/policy"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Config is what an [Orchestrator] is made of. Store, Tracker, Router, Prices and at least one provider are required.
type Config struct {
	// Store keeps jobs; Tracker is this process's hand on the money in the same store. The caller closes both, after the Orchestrator.
	Store   store.Store
	Tracker *budget.Tracker
	// Providers by name.
	Providers []Provider
	// Unusable says, by name of a provider, why no call can go to it; such calls are refused with that text.
	Unusable map[string]string
	// Router and Rules say which models may be called, and where they go.
	Router *policy.Router
	Rules  policy.Rules
	// Prices by model. A model without a price is refused.
	Prices *pricing.Table
	// Limits returns the limits and the counting profile of a provider's model; settings is [policy.Target.Settings]. Default: no limits.
	Limits func(provider, model, settings string) (ratelimit.Limits, ratelimit.Profile)
	// MaxOutput returns the operator's own maximum output of a model in tokens, 0 where he gave none. Default: none.
	MaxOutput func(settings string) int64
	// CapField returns the name of the output cap in a chat completion for a provider. Default: max_completion_tokens for a
	// provider called openai, else max_tokens.
	CapField func(provider string) string
	// Caps are the rules for requests without an output cap; zero values are replaced by the defaults of [usage.DefaultCaps].
	Caps usage.CapRule
	// RefuseUnbounded refuses requests whose input nobody can bound (files by URL, stored conversations) instead of holding the model's
	// whole context.
	RefuseUnbounded bool
	// Retry is the schedule of retries. Without a MaxDelay it runs from 1 s to 60 s; without MaxRetries nothing is retried.
	Retry retry.Policy
	// RetryRatio and RetryBurst bound the retries per provider: each first attempt adds Ratio, each retry takes 1, at
	// most Burst are saved up. Default: 0.1 and 1000.
	RetryRatio, RetryBurst float64
	// Breaker is the same for every provider and model.
	Breaker breaker.Config
	// Timeouts of an attempt. Default: 10 minutes.
	Timeouts Timeouts
	// JobLimit is the limit of a job that names none. Default: 10 dollars; a limit of 0 lets nothing be spent.
	JobLimit *money.Sum
	// Logger gets one line per attempt, at debug level for batch items and info for others. Default: none.
	Logger *slog.Logger
}

// Timeouts bound one attempt.
type Timeouts struct {
	// Request is the longest an attempt may take from connecting to the last byte.
	Request time.Duration
}

// Orchestrator runs model calls under budgets, limits, retries and breakers. One per process is the rule: limits and breakers are shared
// by all jobs. It is safe for concurrent use.
type Orchestrator struct {
	store     store.Store
	money     *budget.Tracker
	providers map[string]*upstream
	unusable  map[string]string
	router    *policy.Router
	rules     policy.Rules
	prices    *pricing.Table
	limits    *limits
	maxOutput func(string) int64
	capField  func(string) string
	caps      usage.CapRule
	noUnbound bool
	retry     retry.Policy
	breakers  *breaker.Registry
	timeouts  Timeouts
	jobLimit  money.Sum
	log       *slog.Logger
	excess    sync.Map // price key → *atomic.Int64: how far past the bound a provider has billed
}

// upstream is a provider with what the process knows about it.
type upstream struct {
	Provider
	keys    *keyring
	retries *retry.Budget
}

// New returns an orchestrator; [Orchestrator.Close] it when it is no longer used.
func New(cfg Config) (*Orchestrator, error) {
	if cfg.Store == nil || cfg.Tracker == nil || cfg.Router == nil || cfg.Prices == nil || len(cfg.Providers) == 0 {
		return nil, errors.New("aurea: Config needs Store, Tracker, Router, Prices and at least one of Providers")
	}
	cfg = cfg.withDefaults()
	o := &Orchestrator{
		store: cfg.Store, money: cfg.Tracker, providers: make(map[string]*upstream), unusable: cfg.Unusable, router: cfg.Router,
		rules: cfg.Rules, prices: cfg.Prices, maxOutput: cfg.MaxOutput, capField: cfg.CapField, caps: cfg.Caps,
		noUnbound: cfg.RefuseUnbounded, retry: cfg.Retry, breakers: breaker.NewRegistry(cfg.Breaker),
		timeouts: cfg.Timeouts, jobLimit: *cfg.JobLimit, log: cfg.Logger,
	}
	o.limits = newLimits(cfg.Limits, cfg.Store, cfg.Tracker.Owner)
	for _, p := range cfg.Providers {
		if _, twice := o.providers[p.Name()]; twice {
			return nil, fmt.Errorf("aurea: two providers are called %q", p.Name())
		}
		o.providers[p.Name()] = &upstream{
			Provider: p, keys: newKeyring(p.Keys()), retries: retry.NewBudget(cfg.RetryRatio, cfg.RetryBurst),
		}
	}
	return o, nil
}

func (c Config) withDefaults() Config {
	if c.Limits == nil {
		c.Limits = func(_, _, _ string) (ratelimit.Limits, ratelimit.Profile) {
			return ratelimit.Limits{}, ratelimit.Profile{}
		}
	}
	if c.MaxOutput == nil {
		c.MaxOutput = func(string) int64 { return 0 }
	}
	if c.CapField == nil {
		c.CapField = func(provider string) string {
			if provider == "openai" {
				return "max_completion_tokens"
			}
			return "max_tokens"
		}
	}
	if c.Retry.MaxDelay == 0 {
		c.Retry.BaseDelay, c.Retry.MaxDelay = time.Second, time.Minute
	}
	if c.RetryRatio == 0 && c.RetryBurst == 0 {
		c.RetryRatio, c.RetryBurst = 0.1, 1000
	}
	if c.Timeouts.Request == 0 {
		c.Timeouts.Request = 10 * time.Minute
	}
	if c.JobLimit == nil {
		ten := money.SumOf(10 * money.Dollar)
		c.JobLimit = &ten
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Caps = c.Caps.WithDefaults()
	return c
}

// Close stops what the orchestrator does in the background. It does not close the Store or the Tracker.
func (o *Orchestrator) Close() { o.limits.close() }
