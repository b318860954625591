// Package app puts the parts together: a configuration becomes a store, a hand on the money, providers and an orchestrator, and is closed again in
// the right order. Nothing else knows all of them.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/logging"
	"github.com/andres20980/aurea-orchestrator/policy"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/redact"
	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/simulate"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/sqlite"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// App is a running installation.
type App struct {
	Config       *config.Config
	Log          *slog.Logger
	Redactor     *redact.Redactor
	Prices       *pricing.Table
	Store        store.Store
	Tracker      *budget.Tracker
	Orchestrator *aurea.Orchestrator

	rehearsal *simulate.Running
}

// Logger returns the logger that the configuration asks for. Everything through it is redacted.
func Logger(cfg *config.Config, w io.Writer) (*slog.Logger, *redact.Redactor) {
	red := redact.New(redact.Options{PII: cfg.Logging.RedactPII})
	return logging.New(w, logging.Options{Level: cfg.Logging.Level, Format: cfg.Logging.Format, Redactor: red}), red
}

// OpenStore opens the database.
func OpenStore(ctx context.Context, cfg *config.Config) (store.Store, error) {
	if cfg.Database.Driver() != config.SQLite {
		return nil, fmt.Errorf("database %s: this version keeps its ledger in SQLite only; write sqlite:FILE", cfg.Database)
	}
	st, err := sqlite.Open(ctx, cfg.Database.Path(), sqlite.Options{})
	if err != nil {
		return nil, err
	}
	return st, nil
}

// Prices returns the price table: the built-in one, the operator's file over it, his overrides over both.
func Prices(cfg *config.Config) (*pricing.Table, error) {
	table := pricing.Embedded()
	if cfg.Prices.File != "" {
		f, err := os.Open(cfg.Prices.File)
		if err != nil {
			return nil, fmt.Errorf("prices.file: %w", err)
		}
		defer f.Close()
		if table, err = table.WithFile(f); err != nil {
			return nil, fmt.Errorf("prices.file %s: %w", cfg.Prices.File, err)
		}
	}
	overrides := make(map[string]pricing.Override)
	for _, p := range cfg.Prices.Overrides {
		overrides[p.Model] = pricing.Override{
			Free: p.Free, Input: p.Input, Output: p.Output, CacheRead: p.CacheRead, CacheWrite: p.CacheWrite, CacheWrite1h: p.CacheWrite1h,
			AudioInput: p.AudioInput, AudioOutput: p.AudioOutput,
		}
	}
	return table.WithOverrides(overrides), nil
}

// Options of [Open].
type Options struct {
	// Simulate puts a simulated provider, started on loopback, in the place of every configured one.
	Simulate bool
	// MaxRetries replaces retry.max_retries if not nil.
	MaxRetries *int
}

// Open starts everything that a command with calls needs. Close it.
func Open(ctx context.Context, cfg *config.Config, log *slog.Logger, red *redact.Redactor, o Options) (_ *App, err error) {
	a := &App{Config: cfg, Log: log, Redactor: red}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close(context.WithoutCancel(ctx)))
		}
	}()
	if a.Prices, err = Prices(cfg); err != nil {
		return a, &ConfigError{err}
	}
	providers := cfg.Providers
	if o.Simulate {
		if providers, err = a.rehearse(providers); err != nil {
			return a, err
		}
	}
	if len(providers) == 0 {
		return a, &ConfigError{errors.New("no provider is configured: set OPENAI_API_KEY or ANTHROPIC_API_KEY, write providers: in aurea.yaml, or rehearse with --simulate")}
	}
	if a.Store, err = OpenStore(ctx, cfg); err != nil {
		return a, err
	}
	if a.Tracker, err = budget.Open(ctx, a.Store, budget.Options{Logger: log, MaxCall: cfg.Timeouts.Request}); err != nil {
		return a, err
	}
	a.Orchestrator, err = aurea.New(a.engine(providers, o))
	return a, err
}

func (a *App) engine(providers []config.Provider, o Options) aurea.Config {
	cfg := a.Config
	settings := newSettings(cfg, providers)
	limit := cfg.Budget.MaxJobCost
	retries := retry.Policy{MaxRetries: cfg.Retry.MaxRetries, BaseDelay: cfg.Retry.BaseDelay, MaxDelay: cfg.Retry.MaxDelay}
	if o.MaxRetries != nil {
		retries.MaxRetries = *o.MaxRetries
	}
	return aurea.Config{
		Store: a.Store, Tracker: a.Tracker, Providers: settings.clients(), Unusable: settings.unusable(),
		Router: settings.router(a.Prices.Provider),
		Rules:  policy.Rules{Allowed: cfg.Policy.AllowedModels, Denied: cfg.Policy.DeniedModels},
		Prices: a.Prices,
		Limits: settings.limits, MaxOutput: settings.maxOutput, CapField: settings.capField,
		Caps: usage.CapRule{
			Default: cfg.Budget.OutputCap.Default, Floor: cfg.Budget.OutputCap.Floor,
			ReasoningDefault: cfg.Budget.OutputCap.ReasoningDefault, ReasoningFloor: cfg.Budget.OutputCap.ReasoningFloor,
		},
		RefuseUnbounded: cfg.Budget.UnboundedInput == "refuse",
		Retry:           &retries, RetryRatio: cfg.Retry.Budget.Ratio, RetryBurst: float64(cfg.Retry.Budget.Burst),
		Breaker: &breaker.Config{
			Threshold: cfg.Breaker.Threshold, FailureRatio: cfg.Breaker.FailureRatio, MinCalls: cfg.Breaker.MinCalls,
			Window: cfg.Breaker.Window, Timeout: cfg.Breaker.Timeout, MaxTimeout: cfg.Breaker.MaxTimeout,
		},
		Timeouts: aurea.Timeouts{Request: cfg.Timeouts.Request, FirstByte: cfg.Timeouts.FirstByte, IdleStream: cfg.Timeouts.IdleStream},
		JobLimit: &limit, Logger: a.Log,
	}
}

// Close ends everything in the order that loses nothing: first what makes calls, then the money, then the database.
func (a *App) Close(ctx context.Context) error {
	var errs []error
	if a.Orchestrator != nil {
		errs = append(errs, a.Orchestrator.Close())
	}
	if a.Tracker != nil {
		errs = append(errs, a.Tracker.Close(ctx))
	}
	if a.Store != nil {
		errs = append(errs, a.Store.Close())
	}
	if a.rehearsal != nil {
		errs = append(errs, a.rehearsal.Close())
	}
	return errors.Join(errs...)
}

// ConfigError is a mistake of the operator's that no retry mends.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns the mistake.
func (e *ConfigError) Unwrap() error { return e.Err }
