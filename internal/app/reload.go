package app

import (
	"errors"
	"fmt"
	"reflect"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/setup"
)

// engine is what a configuration says to the orchestrator. With a rehearsal its providers are the simulated one.
func (a *App) engine(cfg *config.Config) (aurea.Config, error) {
	own := *cfg
	if a.rehearsal != nil {
		own.Providers = a.rehearsed(cfg.Providers)
	}
	if len(own.Providers) == 0 {
		return aurea.Config{}, &ConfigError{errors.New("no provider is configured: set OPENAI_API_KEY or ANTHROPIC_API_KEY, write providers: in aurea.yaml, or rehearse with --simulate")}
	}
	engine, err := setup.Config(&own)
	if err != nil {
		return aurea.Config{}, &ConfigError{err}
	}
	engine.Observe = a.metrics.Attempt
	return engine, nil
}

// Reload puts another configuration in force for the calls that begin from now on. If it fails, nothing has changed. It returns the keys that have changed and
// need a restart.
func (s *Server) Reload(cfg *config.Config) (restart []string, err error) {
	before := s.config.Load()
	if was := before.Sources().File; was != "" && cfg.Sources().File != was {
		return nil, &ConfigError{fmt.Errorf("%s is gone; put it back, or restart to do without it", was)}
	}
	engine, err := s.app.engine(cfg)
	if err != nil {
		return nil, err
	}
	if err := s.app.Orchestrator.Reload(engine); err != nil {
		return nil, &ConfigError{err}
	}
	s.gateway.Reload(cfg.Limits.MaxBody, cfg.Limits.MaxWait)
	s.config.Store(cfg)
	for _, k := range []struct {
		name    string
		changed bool
	}{
		{"database", cfg.Database != before.Database},
		{"listen", cfg.Listen != before.Listen},
		{"tls", cfg.TLS != before.TLS},
		{"timezone", cfg.Timezone.String() != before.Timezone.String()},
		{"logging", !reflect.DeepEqual(cfg.Logging, before.Logging)},
	} {
		if k.changed {
			restart = append(restart, k.name)
		}
	}
	return restart, nil
}
