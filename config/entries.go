package config

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// providerName leaves out the slash, which ends a provider's name in PROVIDER/NAME.
var providerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (r *reader) providers(v value, c *Config) {
	r.entries(v, func(name string, v value) {
		if !providerName.MatchString(name) {
			r.fail(value{key: "providers." + showKey(name), line: v.line}, "is not a name for a provider", "write letters, digits, . _ and - only")
			return
		}
		p := Provider{Name: name}
		r.mapping(v, providerFields(&p))
		c.Providers = append(c.Providers, p)
	})
}

// headers reads header names and values. Names that differ only in case are the same header.
func (r *reader) headers(v value) map[string]Secret {
	out := map[string]Secret{}
	for _, p := range r.pairs(v) {
		at := value{key: join(v.key, showKey(p.name)), node: p.value.node, line: p.keyLine}
		switch lower := strings.ToLower(p.name); {
		case !headerName.MatchString(p.name):
			r.fail(at, "is not the name of a header", "write a name such as OpenAI-Organization: and a blank behind the colon")
			continue
		case ownHeaders[lower]:
			r.fail(at, "is written by Aurea itself", "take it out")
			continue
		default:
			for other := range out {
				if strings.EqualFold(other, p.name) {
					r.fail(at, "is there twice", "header names do not differ by case; keep one of the two")
				}
			}
		}
		if text := r.secret(at, parseHeaderValue, false); text.IsSet() {
			out[p.name] = text
		}
	}
	return out
}

// parseField reads the name of a JSON field.
func parseField(text string) (string, error) {
	if !variable.MatchString(text) {
		return "", bad("is not the name of a field", "write a name such as max_tokens or max_completion_tokens")
	}
	return text, nil
}

func (r *reader) models(v value, c *Config) {
	r.entries(v, func(name string, v value) {
		m := Model{Key: name}
		r.mapping(v, modelFields(&m))
		if len(m.Route) > 0 {
			for _, beside := range []struct{ key, value string }{{"provider", m.Provider}, {"upstream", m.Upstream}} {
				if beside.value != "" {
					at := v.key + "." + beside.key
					r.fail(value{key: at, line: r.lines[at]}, "stands beside route, which names provider and model itself", "keep one of the two")
				}
			}
		}
		c.Models = append(c.Models, m)
	})
}

// route reads a list of targets, each PROVIDER/MODEL or {target: PROVIDER/MODEL, weight: N}.
func (r *reader) route(v value) []Target {
	var out []Target
	items := r.items(v)
	if len(items) == 0 && resolve(v.node).Kind == yaml.SequenceNode {
		r.fail(v, "is an empty route", "name at least one target, or write provider instead")
	}
	for _, item := range items {
		var t Target
		before := len(r.errs)
		if resolve(item.node).Kind == yaml.MappingNode {
			r.mapping(item, targetFields(&t))
			if t.Provider == "" && len(r.errs) == before {
				r.fail(item, "names no target", "write {target: PROVIDER/MODEL, weight: 2}")
			}
		} else {
			r.target(item, &t)
		}
		if t.Provider != "" {
			r.lines[routeLine(v.key, t.Provider)] = item.line
			out = append(out, t)
		}
	}
	return out
}

// routeLine is where the line of a route's target is kept.
func routeLine(key, provider string) string { return key + ": " + provider }

func (r *reader) target(v value, t *Target) {
	into(t, func(text string) (Target, error) {
		provider, model, ok := strings.Cut(text, "/")
		if !ok || !providerName.MatchString(provider) || model == "" || strings.TrimSpace(model) != model {
			return *t, bad("is not a target", "write PROVIDER/MODEL with the name of a provider above")
		}
		if strings.ContainsAny(model, "*?") {
			return *t, bad("is a pattern, and a target is one model", "write PROVIDER/MODEL with the name the provider knows")
		}
		return Target{Provider: provider, Model: model, Weight: t.Weight}, nil
	})(r, v)
}

// names reads a list of model names or globs.
func (r *reader) names(v value) []string {
	var out []string
	for _, item := range r.items(v) {
		var name string
		into(&name, parseName)(r, item)
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}

// texts reads a list of texts.
func (r *reader) texts(v value, parse func(string) (string, error)) []string {
	var out []string
	for _, item := range r.items(v) {
		var text string
		into(&text, parse)(r, item)
		if text != "" {
			out = append(out, text)
		}
	}
	return out
}

func (r *reader) price(name string, v value) Price {
	p := Price{Model: name}
	before := len(r.errs)
	r.mapping(v, overrideFields(&p))
	if len(r.errs) > before {
		return p
	}
	given, positive := 0, 0
	for _, usd := range p.fields() {
		if usd != nil {
			given++
			if *usd > 0 {
				positive++
			}
		}
	}
	switch {
	case strings.ContainsAny(name, "*?"):
		r.fail(v, "is a pattern, and a price belongs to one model", "write the exact name")
	case p.Free && given > 0:
		r.fail(v, "is free and has prices", "keep free: true alone, or take it out")
	case !p.Free && p.Input == nil && p.Output == nil:
		r.fail(v, "has no price", `write {input: "0.25", output: "1.25"} in US dollars per million tokens, or {free: true}`)
	case !p.Free && positive == 0:
		r.fail(v, "costs nothing by these prices", "write {free: true} if that is so")
	}
	return p
}
