package app

import (
	"log/slog"
	"slices"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/setup"
)

// Planning returns an orchestrator to plan with: it has the configuration's prices, routes and limits, books in memory, and no use for API keys. A provider without
// one is planned for as if it had one; where no provider is configured, OpenAI and Anthropic are, as with their keys in the environment. Close it.
func Planning(cfg *config.Config, log *slog.Logger) (*aurea.Orchestrator, error) {
	own := *cfg
	own.Providers = slices.Clone(cfg.Providers)
	if len(own.Providers) == 0 {
		own.Providers = []config.Provider{
			{Name: "openai", API: config.APIOpenAI, BaseURL: "https://api.openai.com/v1", Profile: "openai"},
			{Name: "anthropic", API: config.APIAnthropic, BaseURL: "https://api.anthropic.com", Profile: "anthropic"},
		}
	}
	for i := range own.Providers {
		own.Providers[i].Unusable = ""
	}
	engine, err := setup.Config(&own)
	if err != nil {
		return nil, &ConfigError{err}
	}
	engine.Logger = log
	return aurea.New(engine)
}
