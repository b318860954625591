package config

import (
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// finish fills in what depends on several values, and checks that they fit together.
func (l *loader) finish() {
	l.defaultDatabase()
	l.providersFromEnvironment()
	l.completeProviders()
	l.checkReferences()
	l.outputCaps()
	c := l.cfg
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		l.errs = append(l.errs, &Error{
			Source: "configuration", Key: "tls", rank: rankEnvironment, Problem: "has one of cert and key and not the other", Hint: "give both, or neither",
		})
	}
	// The ceiling of the open time is never below where it starts.
	c.Breaker.MaxTimeout = max(c.Breaker.MaxTimeout, c.Breaker.Timeout)
}

func (l *loader) defaultDatabase() {
	if base := l.xdg("XDG_STATE_HOME", ".local/state"); base != "" {
		l.cfg.StateDir = filepath.Join(base, "aurea")
	}
	if l.cfg.Database.Driver() != "" {
		return
	}
	if l.cfg.StateDir == "" {
		l.errs = append(l.errs, &Error{
			Source: "environment", Key: "HOME", rank: rankEnvironment, Problem: "is not set, so there is no place for the database",
			Hint: "set HOME or XDG_STATE_HOME, or name the database with --database or AUREA_DATABASE",
		})
		return
	}
	l.cfg.Database = Database{driver: SQLite, target: Secret{filepath.Join(l.cfg.StateDir, "aurea.db")}}
}

// wellKnown are the providers whose variables and addresses everybody knows.
var wellKnown = []struct{ name, api, address, keyVariable, urlVariable string }{
	{"openai", APIOpenAI, openAIBaseURL, "OPENAI_API_KEY", "OPENAI_BASE_URL"},
	{"anthropic", APIAnthropic, anthropicBaseURL, "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"},
}

// providersFromEnvironment adds the well-known providers that have a key in the environment or are
// named by a model, and completes those the file has.
func (l *loader) providersFromEnvironment() {
	named := map[string]bool{}
	for _, m := range l.cfg.Models {
		named[m.Provider] = true
		for _, t := range m.Route {
			named[t.Provider] = true
		}
	}
	for _, known := range wellKnown {
		at := slices.IndexFunc(l.cfg.Providers, func(p Provider) bool { return p.Name == known.name })
		if _, hasKey := l.env(known.keyVariable); at < 0 && (hasKey || named[known.name]) {
			at = len(l.cfg.Providers)
			l.cfg.Providers = append(l.cfg.Providers, Provider{Name: known.name})
		}
		if at < 0 {
			continue
		}
		p := &l.cfg.Providers[at]
		if p.API == "" {
			p.API = known.api
		}
		if p.API != known.api {
			continue // the operator gave the name to something else
		}
		if p.BaseURL == "" && !l.written(p, "base_url") {
			p.BaseURL = known.address
			fromVariable(l, known.urlVariable, p, "base_url", false, assign(&p.BaseURL, parseBaseURL))
		}
		if len(p.Keys) == 0 && l.keyless(p) == "" && !l.written(p, "api_key") && !l.written(p, "api_keys") {
			fromVariable(l, known.keyVariable, p, "api_key", true, func(text string) error {
				key, err := parseKey(text)
				p.addKey(key)
				return err
			})
		}
	}
}

// fromVariable sets a provider's key from a variable, if that is set.
func fromVariable(l *loader, variable string, p *Provider, key string, secret bool, set func(string) error) {
	text, ok := l.env(variable)
	if !ok {
		return
	}
	source, rank := l.origin(variable)
	if err := set(text); err != nil {
		problem, hint := explainValue(text, secret, err)
		l.errs = append(l.errs, &Error{Source: source, Key: variable, Problem: problem, Hint: hint, rank: rank})
		return
	}
	l.sources.origins["providers."+p.Name+"."+key] = source + " " + variable
}

// written reports whether the file gives a provider's key a value that did not become one: such a
// mistake is not covered up with the environment's value.
func (l *loader) written(p *Provider, key string) bool {
	if l.file == nil {
		return false
	}
	path := "providers." + p.Name + "." + key
	return slices.ContainsFunc(l.file.errs, func(e *Error) bool {
		return e.Key == path || strings.HasPrefix(e.Key, path+"[")
	})
}

// keyless returns the variable an API key of the provider refers to in vain, "" if none does.
func (l *loader) keyless(p *Provider) string {
	if l.file == nil {
		return ""
	}
	path := "providers." + p.Name + ".api_key"
	for _, key := range sortedKeys(l.file.unsets) {
		if key == path || strings.HasPrefix(key, path+"s[") {
			return l.file.unsets[key]
		}
	}
	return ""
}

func (l *loader) completeProviders() {
	for i := range l.cfg.Providers {
		p := &l.cfg.Providers[i]
		path := "providers." + p.Name
		if p.API == "" && !l.written(p, "api") {
			l.failAt(path, "has no api", "write api: openai or api: anthropic, the format the provider speaks")
		}
		if p.BaseURL == "" && !l.written(p, "base_url") {
			l.failAt(path, "has no base_url", "write the address of its API, such as "+openAIBaseURL)
		}
		if p.API == APIAnthropic {
			// The endpoints bring their own /v1.
			p.BaseURL = strings.TrimRight(strings.TrimSuffix(p.BaseURL, "/v1"), "/")
		}
		host := ""
		if u, err := url.Parse(p.BaseURL); err == nil {
			host = strings.ToLower(u.Hostname())
			if p.API == APIOpenAI && host != "" && u.Path == "" {
				l.note(path+".base_url", "has no path; most providers of this format want the version at the end, as in "+p.BaseURL+"/v1")
			}
		}
		if p.Profile == "" {
			p.Profile = profileOf(host)
		}
		p.Unusable = l.unusable(p, host)
	}
}

// profileOf returns the profile of a provider's own host, generic for every other.
func profileOf(host string) string {
	switch {
	case host == "api.openai.com" || strings.HasSuffix(host, ".api.openai.com"):
		return "openai"
	case host == "api.anthropic.com":
		return "anthropic"
	case host == "generativelanguage.googleapis.com":
		return "gemini"
	case strings.HasSuffix(host, ".openai.azure.com"), strings.HasSuffix(host, ".cognitiveservices.azure.com"),
		strings.HasSuffix(host, ".services.ai.azure.com"):
		return "azure"
	}
	return "generic"
}

// unusable says why a call to the provider cannot succeed for want of a key.
func (l *loader) unusable(p *Provider, host string) string {
	if len(p.Keys) > 0 {
		return ""
	}
	if name := l.keyless(p); name != "" {
		return fmt.Sprintf("provider %s has no API key: its api_key is ${%s}, which is not set; set %s in the environment or in .env", p.Name, name, name)
	}
	for name := range p.Headers {
		if credentialHeader(name) {
			return ""
		}
	}
	for _, known := range wellKnown {
		if u, err := url.Parse(known.address); err == nil && host == u.Hostname() {
			return fmt.Sprintf("provider %s has no API key; set %s in the environment or in .env, or write providers.%s.api_key", p.Name, known.keyVariable, p.Name)
		}
	}
	return ""
}

// checkReferences reports providers that models name and nobody configured.
func (l *loader) checkReferences() {
	names := make([]string, len(l.cfg.Providers))
	for i, p := range l.cfg.Providers {
		names[i] = p.Name
	}
	check := func(key, place, provider string) {
		if provider == "" || slices.Contains(names, provider) || l.refused("providers."+provider) {
			return
		}
		hint := "add it to providers"
		if near := nearest(provider, names); near != "" {
			hint = "did you mean " + near + "?"
		} else if len(names) > 0 {
			hint += "; configured are " + strings.Join(names, ", ")
		}
		l.failAtLine(key, place, show(provider)+" is not a configured provider", hint)
	}
	for _, m := range l.cfg.Models {
		path := "models." + m.Key
		check(path+".provider", path+".provider", m.Provider)
		for _, t := range m.Route {
			check(path+".route", routeLine(path+".route", t.Provider), t.Provider)
		}
	}
}

// refused reports whether the file has that entry, but with a mistake that kept it out.
func (l *loader) refused(key string) bool {
	return l.file != nil && slices.ContainsFunc(l.file.errs, func(e *Error) bool { return e.Key == key || e.Key == "providers" })
}

// outputCaps keeps each floor at or below its default: one that is not written moves with the other.
func (l *loader) outputCaps() {
	o := &l.cfg.Budget.OutputCap
	for _, pair := range []struct {
		floor, cap         *int64
		floorName, capName string
	}{
		{&o.Floor, &o.Default, "floor", "default"},
		{&o.ReasoningFloor, &o.ReasoningDefault, "reasoning_floor", "reasoning_default"},
	} {
		if *pair.floor <= *pair.cap {
			continue
		}
		const path = "budget.output_cap."
		_, floorSet := l.sources.origins[path+pair.floorName]
		_, capSet := l.sources.origins[path+pair.capName]
		switch {
		case floorSet && capSet:
			l.failAt(path+pair.floorName, fmt.Sprintf("%d is above %s, %d", *pair.floor, pair.capName, *pair.cap), "write a floor up to the default")
		case floorSet:
			*pair.cap = *pair.floor
		default:
			*pair.floor = *pair.cap
		}
	}
}
