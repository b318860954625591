package pricing

import (
	"regexp"
	"strings"
	"time"
)

const (
	matchExact = "exact"
	matchAlias = "alias"
)

// Lookup returns the price of a model at a moment. provider is the configured provider's name, which may be empty; model is the
// name that goes upstream. The steps, each over the operator's words, the file and the built-in table in that order:
//
//  1. the exact name, as PROVIDER/NAME in the operator's words first; then PROVIDER/NAME; then the name without a prefix that names the
//     configured provider (openai/gpt-4o at openai); for a fine-tuned model (ft:BASE:ORG::ID) the row ft:BASE, never BASE;
//  2. the same without one date at the end of the name (-2024-08-06, -20240806 or @20240806), with Match "alias".
//
// It returns an *[UnknownPriceError] if no step finds a row, or the row found has no price.
//
// Lookup is safe for concurrent use, and quick for names that it has met before.
func (t *Table) Lookup(provider, model string, at time.Time) (Price, error) {
	p, err := t.Row(provider, model, at)
	if err != nil {
		return Price{}, err
	}
	return *p, nil
}

// Row is [Table.Lookup] without the copy: the price is shared and must not be changed.
func (t *Table) Row(provider, model string, at time.Time) (*Price, error) {
	return t.memo.lookup(provider, model, at, t.lookup)
}

func (t *Table) lookup(provider, model string, at time.Time) (Price, error) {
	p, ok := t.find(provider, model, at)
	p.Match = matchExact
	if !ok {
		if name := undated(fineTuned(model)); name != model {
			p, ok = t.find(provider, name, at)
			p.Match = matchAlias
		}
	}
	if !ok {
		return Price{}, &UnknownPriceError{Provider: provider, Model: model}
	}
	if !p.usable() {
		return Price{}, &UnknownPriceError{Provider: provider, Model: model, Zero: p.Name, Refused: p.Refused}
	}
	if p.Origin == OriginOverride {
		p.Provider = provider
	}
	p.Reasoning = p.Reasoning || thinks(p.Name)
	return p, nil
}

// find looks for one spelling of the model through all sources.
func (t *Table) find(provider, model string, at time.Time) (Price, bool) {
	if provider != "" {
		if o, ok := t.overrides[provider+"/"+model]; ok {
			base, _ := t.catalogue(provider, model, at)
			return o.apply(provider+"/"+model, base), true
		}
	}
	for _, key := range keys(provider, model) {
		if o, ok := t.overrides[key]; ok {
			base, _ := t.catalogue(provider, model, at)
			return o.apply(key, base), true
		}
	}
	return t.catalogue(provider, model, at)
}

// catalogue searches the file, then the built-in table. In the built-in one a provider's own row goes before the bare name, which is its first
// party's: fireworks/deepseek-v4-pro is not sold at DeepSeek's price.
func (t *Table) catalogue(provider, model string, at time.Time) (Price, bool) {
	names := keys(provider, model)
	for _, key := range names {
		if p, ok := t.file.at(key, at); ok {
			return p, true
		}
	}
	for _, own := range []bool{true, false} {
		for _, key := range names {
			if p, ok := t.builtin.at(key, at); ok && (canonical(p.Provider) == canonical(provider) || !own) {
				return p, true
			}
		}
	}
	return Price{}, false
}

// keys returns the keys under which a table may hold a model, in the order in which they count.
func keys(provider, model string) []string {
	names := []string{model}
	if base := fineTuned(model); base != model {
		names = append(names, base)
	}
	var all []string
	all = append(all, names...)
	if provider == "" {
		return all
	}
	known := spellings(provider)
	for _, name := range names {
		for _, p := range known {
			all = append(all, p+"/"+name)
		}
	}
	for _, p := range known {
		if rest, ok := strings.CutPrefix(model, p+"/"); ok {
			all = append(all, rest)
			if base := fineTuned(rest); base != rest {
				all = append(all, base)
			}
			for _, q := range known {
				all = append(all, q+"/"+rest)
			}
		}
	}
	return all
}

// fineTuned returns ft:BASE for ft:BASE:ORG::ID, and any other name unchanged.
func fineTuned(model string) string {
	rest, ok := strings.CutPrefix(model, "ft:")
	if !ok {
		return model
	}
	base, _, _ := strings.Cut(rest, ":")
	return "ft:" + base
}

var date = regexp.MustCompile(`(-20\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])|[-@]20\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01]))$`)

// undated takes one date off the end of a name.
func undated(model string) string {
	if m := date.FindStringIndex(model); m != nil && m[0] > 0 {
		return model[:m[0]]
	}
	return model
}

// Snapshot returns the price of the model that an answer names, if that is a dated snapshot of the requested one with a row of
// its own: gpt-4o-2024-05-13 costs more than the gpt-4o that was asked for. A price that the operator gave to the requested name stands
// against the built-in table's row for the snapshot.
func (t *Table) Snapshot(provider, requested, answered string, at time.Time) (Price, bool) {
	if answered == "" || answered == requested || undated(answered) == answered {
		return Price{}, false
	}
	for _, p := range append(spellings(provider), "") {
		if undated(answered) == strings.TrimPrefix(requested, p+"/") {
			price, err := t.Lookup(provider, answered, at)
			if err == nil && price.Match == matchExact && !t.weaker(price, provider, requested, at) {
				return price, true
			}
		}
	}
	return Price{}, false
}

// weaker reports whether the operator or his file priced the requested name, and the snapshot's price comes from a source that counts less.
func (t *Table) weaker(snapshot Price, provider, requested string, at time.Time) bool {
	rank := map[string]int{OriginOverride: 2, OriginFile: 1}
	own, err := t.Lookup(provider, requested, at)
	return err == nil && rank[snapshot.Origin] < rank[own.Origin]
}

// Provider returns who sells a model under that very name himself, such as "openai" for gpt-4o. Resellers do not count.
func (t *Table) Provider(model string) (string, bool) {
	for _, l := range []layer{t.file, t.builtin} {
		for _, name := range []string{model, fineTuned(model), undated(fineTuned(model))} {
			if rows := l[name]; len(rows) > 0 && rows[0].Provider != "" {
				return canonical(rows[0].Provider), true
			}
		}
	}
	return "", false
}
