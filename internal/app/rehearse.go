package app

import (
	"fmt"
	"time"

	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/simulate"
)

// rehearse starts a simulated provider on loopback.
func (a *App) rehearse() (err error) {
	a.rehearsal, err = simulate.Start("127.0.0.1:0", simulate.Options{
		Latency: 120 * time.Millisecond, LatencyJitter: 250 * time.Millisecond, Fail: 0.04, Seed: 1,
		RPM: rehearsalRPM, TPM: rehearsalTPM, Algo: "bucket", Headers: true,
	})
	if err != nil {
		return fmt.Errorf("starting the simulated provider: %w", err)
	}
	return nil
}

// rehearsed returns the configured providers, openai and anthropic among them, as pointing to the simulated one. No real key is used.
func (a *App) rehearsed(configured []config.Provider) []config.Provider {
	key := []config.Secret{config.NewSecret("rehearsal")}
	seen := make(map[string]bool)
	var list []config.Provider
	for _, p := range configured {
		p.Keys, p.Headers, p.Unusable = key, nil, ""
		seen[p.Name] = true
		list = append(list, p)
	}
	for _, p := range []config.Provider{
		{Name: "openai", API: config.APIOpenAI, Profile: "openai"}, {Name: "anthropic", API: config.APIAnthropic, Profile: "anthropic"},
	} {
		if !seen[p.Name] {
			p.Keys = key
			list = append(list, p)
		}
	}
	for i := range list {
		list[i].BaseURL = a.rehearsal.URL()
		if list[i].API == config.APIOpenAI {
			list[i].BaseURL += "/v1"
		}
	}
	return list
}

// The simulated provider's limits per model. They are told in its headers, as a real one does.
const (
	rehearsalRPM = 1200
	rehearsalTPM = 20_000_000
)
