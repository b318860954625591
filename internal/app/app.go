// Package app puts the parts together: a configuration becomes a store, a hand on the money, providers and an orchestrator, and is closed again in
// the right order. Nothing else knows all of them.
package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/logging"
	"github.com/andres20980/aurea-orchestrator/observe"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/redact"
	"github.com/andres20980/aurea-orchestrator/setup"
	"github.com/andres20980/aurea-orchestrator/simulate"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/postgres"
	"github.com/andres20980/aurea-orchestrator/store/sqlite"
)

// App is a running installation.
type App struct {
	Config       *config.Config
	Log          *slog.Logger
	Redactor     *redact.Redactor
	Store        store.Store
	Tracker      *budget.Tracker
	Orchestrator *aurea.Orchestrator

	rehearsal     *simulate.Running
	metrics       *observe.Metrics
	stopExpecting func()
}

// Logger returns the logger that the configuration asks for. Everything through it is redacted.
func Logger(cfg *config.Config, w io.Writer) (*slog.Logger, *redact.Redactor) {
	l := cfg.Logging
	red := redact.New(redact.Options{
		PII: l.RedactPII, IBAN: l.RedactIBAN, BirthDates: l.RedactBirthDates, Literals: l.RedactLiterals, Patterns: l.RedactPatterns, Allow: l.RedactAllow,
	})
	return logging.New(w, logging.Options{Level: cfg.Logging.Level, Format: cfg.Logging.Format, Redactor: red}), red
}

// OpenStore opens the database. log is told what was found and mended.
func OpenStore(ctx context.Context, cfg *config.Config, log *slog.Logger) (store.Store, error) {
	if cfg.Database.Driver() == config.Postgres {
		o := postgres.Options{Logger: log}
		if cfg.StateDir != "" {
			o.StateDir = filepath.Join(cfg.StateDir, "owners")
		}
		st, err := postgres.Open(ctx, cfg.Database.Reveal(), o)
		if err != nil {
			return nil, err
		}
		return st, nil
	}
	st, err := sqlite.Open(ctx, cfg.Database.Path(), sqlite.Options{Logger: log})
	if err != nil {
		return nil, err
	}
	return st, nil
}

// JobIDs returns the ids of some jobs, newest first, without opening the database for anything but that: for a shell's completion.
func JobIDs(ctx context.Context, cfg *config.Config, most int) ([]string, error) {
	if cfg.Database.Driver() != config.SQLite {
		return nil, nil
	}
	return sqlite.JobIDs(ctx, cfg.Database.Path(), most)
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
	if o.Simulate {
		if err = a.rehearse(); err != nil {
			return a, err
		}
	}
	a.metrics = observe.NewMetrics()
	engine, err := a.engine(cfg)
	if err != nil {
		return a, err
	}
	if o.MaxRetries != nil {
		engine.Retry.MaxRetries = *o.MaxRetries
	}
	if a.Store, err = OpenStore(ctx, cfg, log); err != nil {
		return a, err
	}
	if a.Tracker, err = budget.Open(ctx, a.Store, budget.Options{Logger: log, MaxCall: cfg.Timeouts.Request}); err != nil {
		return a, err
	}
	a.stopExpecting = a.expecting(ctx)
	engine.Store, engine.Tracker, engine.Logger = a.Store, a.Tracker, log
	a.Orchestrator, err = aurea.New(engine)
	return a, err
}

// Check says what [Open] would find wrong with a configuration that could be read, without opening anything: above all a price file that is not there.
func Check(cfg *config.Config) error {
	if _, err := setup.Config(cfg); err != nil {
		return &ConfigError{err}
	}
	return nil
}

// Prices returns the price table that a configuration asks for.
func Prices(cfg *config.Config) (*pricing.Table, error) {
	table, err := setup.Prices(cfg)
	if err != nil {
		return nil, &ConfigError{err}
	}
	return table, nil
}

// Close ends everything in the order that loses nothing: first what makes calls, then the money, then the database.
func (a *App) Close(ctx context.Context) error {
	var errs []error
	if a.Orchestrator != nil {
		errs = append(errs, a.Orchestrator.Close())
	}
	if a.stopExpecting != nil {
		a.stopExpecting()
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
