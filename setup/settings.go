package setup

import (
	"cmp"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/policy"
	"github.com/andres20980/aurea-orchestrator/provider/anthropic"
	"github.com/andres20980/aurea-orchestrator/provider/openai"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/redact"
)

// settings answers what the configuration says about a provider or a model.
type settings struct {
	cfg    *config.Config
	byName map[string]config.Provider
	models map[string]config.Model
}

func newSettings(cfg *config.Config) *settings {
	s := &settings{cfg: cfg, byName: make(map[string]config.Provider), models: make(map[string]config.Model)}
	for _, p := range cfg.Providers {
		s.byName[p.Name] = p
	}
	for _, m := range cfg.Models {
		s.models[m.Key] = m
	}
	return s
}

// clients makes the providers.
func (s *settings) clients() []aurea.Provider {
	var list []aurea.Provider
	for _, p := range s.cfg.Providers {
		headers := make(map[string]string, len(p.Headers))
		for name, value := range p.Headers {
			headers[name] = value.Reveal()
		}
		keys := make([]string, len(p.Keys))
		for i, k := range p.Keys {
			keys[i] = k.Reveal()
		}
		if p.API == config.APIAnthropic {
			list = append(list, anthropic.New(anthropic.Config{Name: p.Name, BaseURL: p.BaseURL, Keys: keys, Headers: headers}))
		} else {
			list = append(list, openai.New(openai.Config{Name: p.Name, BaseURL: p.BaseURL, Keys: keys, Headers: headers}))
		}
	}
	return list
}

func (s *settings) unusable() map[string]string {
	why := make(map[string]string)
	for _, p := range s.cfg.Providers {
		if p.Unusable != "" {
			why[p.Name] = p.Unusable
		}
	}
	return why
}

func (s *settings) router(catalogue func(string) (string, bool)) *policy.Router {
	var providers []policy.Provider
	for _, p := range s.cfg.Providers {
		providers = append(providers, policy.Provider{Name: p.Name, API: p.API})
	}
	var models []policy.Model
	for _, m := range s.cfg.Models {
		entry := policy.Model{Key: m.Key, Provider: m.Provider, Upstream: m.Upstream}
		for _, t := range m.Route {
			entry.Route = append(entry.Route, policy.RouteTarget{Provider: t.Provider, Model: t.Model, Weight: t.Weight})
		}
		models = append(models, entry)
	}
	return policy.NewRouter(providers, models, catalogue)
}

// limits returns the limits of a model: its entry's, else the defaults, which are a guess unless the operator wrote them down.
func (s *settings) limits(provider, model, key string) (ratelimit.Limits, ratelimit.Profile) {
	m, p := s.models[key], s.byName[provider]
	profile, err := ratelimit.ProfileNamed(p.Profile)
	if err != nil {
		profile = ratelimit.Generic()
	}
	if p.Burst > 0 {
		profile.Burst = int(p.Burst)
	}
	for _, settlement := range []string{p.Settlement, m.Settlement} {
		if settlement != "" {
			profile.Refund = settlement == "refund"
		}
	}
	number := func(l config.Limit) int64 {
		n, _ := l.Value()
		return n
	}
	l := ratelimit.Limits{
		InputTPM: number(m.InputTPM), OutputTPM: number(m.OutputTPM), RPD: number(m.RPD), TPD: number(m.TPD), Concurrency: number(m.Concurrency),
		RPM: number(m.RPM.Or(s.cfg.Limits.DefaultRPM)),
	}
	l.GuessRPM = !m.RPM.IsSet() && !s.cfg.Limits.DefaultRPMSet
	if !m.InputTPM.IsSet() && !m.OutputTPM.IsSet() { // tokens counted apart need no common limit
		l.TPM = number(m.TPM.Or(s.cfg.Limits.DefaultTPM))
		l.GuessTPM = !m.TPM.IsSet() && !s.cfg.Limits.DefaultTPMSet
	} else {
		l.TPM = number(m.TPM)
	}
	if model == aurea.FreeModel { // a guess about models says nothing of files, and nobody counts their tokens
		l.TPM, l.GuessTPM = 0, false
		if l.GuessRPM {
			l.RPM, l.GuessRPM = 0, false
		}
	}
	return l, profile
}

// free reports whether a request costs nothing: what the operator says, and asking which models there are.
func (s *settings) free(provider, method, path string) bool {
	for _, glob := range s.byName[provider].FreePaths {
		if policy.Match(glob, path) {
			return true
		}
	}
	return aurea.ListsModels(provider, method, path)
}

// cutStops reports whether the operator said so: no provider of the profiles promises it.
func (s *settings) cutStops(provider string) bool {
	stops := s.byName[provider].CutStopsGeneration
	return stops != nil && *stops
}

// pii is what the operator says of personal data in requests for a model.
func (s *settings) pii(key string) aurea.PII { return aurea.PII(cmp.Or(s.models[key].PII, s.cfg.PII)) }

// redactor finds what the operator's log hides, and personal data whether the log hides it or not.
func (s *settings) redactor() *redact.Redactor {
	l := s.cfg.Logging
	return redact.New(redact.Options{PII: true, IBAN: l.RedactIBAN, BirthDates: l.RedactBirthDates, Literals: l.RedactLiterals, Patterns: l.RedactPatterns, Allow: l.RedactAllow})
}

func (s *settings) maxOutput(key string) int64 { return s.models[key].MaxOutput }

// capField is the name of the output cap in a chat completion: OpenAI renamed it, most that are compatible did not.
func (s *settings) capField(provider string) string {
	p := s.byName[provider]
	switch {
	case p.OutputCapField != "":
		return p.OutputCapField
	case p.Profile == "openai" || p.Profile == "azure":
		return "max_completion_tokens"
	default:
		return "max_tokens"
	}
}
