// Package setup turns a configuration, as package config reads it from the environment, .env and aurea.yaml, into what an Orchestrator is made of.
//
//	cfg, err := config.Load(config.Options{})
//	settings, err := setup.Config(cfg)
//	settings.Store, err = sqlite.Open(ctx, cfg.Database.Path(), sqlite.Options{}) // or none: in memory
//	orch, err := aurea.New(settings)
//
// Everything that can be configured is applied: limits, prices, providers, models and routes, allow and deny lists, retries, the breaker, time-outs and the limit of
// a job that names none. What stays for the program is where the books are kept, and who gets the log.
package setup

import (
	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/policy"
	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/tokens"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Config returns what the configuration says about an orchestrator. Store, Tracker and Logger are left for the caller. It fails if the price file cannot be
// read; see [Prices].
func Config(cfg *config.Config) (aurea.Config, error) {
	prices, err := Prices(cfg)
	if err != nil {
		return aurea.Config{}, err
	}
	settings := newSettings(cfg)
	limit := cfg.Budget.MaxJobCost
	return aurea.Config{
		Providers: settings.clients(), Unusable: settings.unusable(),
		Router: settings.router(prices.Provider),
		Rules:  policy.Rules{Allowed: cfg.Policy.AllowedModels, Denied: cfg.Policy.DeniedModels},
		Prices: prices,
		Limits: settings.limits, MaxOutput: settings.maxOutput, CapField: settings.capField,
		Caps: usage.CapRule{
			Default: cfg.Budget.OutputCap.Default, Floor: cfg.Budget.OutputCap.Floor,
			ReasoningDefault: cfg.Budget.OutputCap.ReasoningDefault, ReasoningFloor: cfg.Budget.OutputCap.ReasoningFloor,
		},
		RefuseUnbounded: cfg.Budget.UnboundedInput == "refuse", ProvenBound: cfg.Budget.Bound == "proven", Tokenizer: tokens.For,
		Retry:      &retry.Policy{MaxRetries: cfg.Retry.MaxRetries, BaseDelay: cfg.Retry.BaseDelay, MaxDelay: cfg.Retry.MaxDelay},
		RetryRatio: cfg.Retry.Budget.Ratio, RetryBurst: float64(cfg.Retry.Budget.Burst),
		Breaker: &breaker.Config{
			Threshold: cfg.Breaker.Threshold, FailureRatio: cfg.Breaker.FailureRatio, MinCalls: cfg.Breaker.MinCalls,
			Window: cfg.Breaker.Window, Timeout: cfg.Breaker.Timeout, MaxTimeout: cfg.Breaker.MaxTimeout,
		},
		MaxWait:  new(cfg.Limits.MaxWait),
		Timeouts: aurea.Timeouts{Request: cfg.Timeouts.Request, FirstByte: cfg.Timeouts.FirstByte, IdleStream: cfg.Timeouts.IdleStream},
		CutStops: settings.cutStops, Free: settings.free,
		PII: settings.pii, Redactor: settings.redactor(),
		JobLimit: &limit,
	}, nil
}
