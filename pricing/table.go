package pricing

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
)

// Table finds the price of a model. It is immutable and safe for concurrent use; the With methods return a new one.
type Table struct {
	overrides map[string]Override
	file      layer
	builtin   layer
	memo      *memo // nil: nothing is remembered
}

// layer holds one source's rows by key. A key has one row per period, the earliest first.
type layer map[string][]Price

// Empty returns a table that knows no model: the start for a table that is only a file, or only overrides.
func Empty() *Table { return &Table{} }

// at returns the row of a key that holds at a moment. Before its first period a model costs what it cost at first.
func (l layer) at(key string, at time.Time) (Price, bool) {
	rows := l[key]
	if len(rows) == 0 {
		return Price{}, false
	}
	found := rows[0]
	for _, r := range rows[1:] {
		if !r.ValidFrom.After(at) {
			found = r
		}
	}
	return found, true
}

// Override is an operator's word on what a model costs, in US dollars per million tokens. A nil field is not given.
//
// With Input, all prices of input are the operator's, and what he leaves out costs as much as Input; with Output likewise. What is said of neither
// is taken from the table below, as are the limits of the model.
type Override struct {
	Input, Output, CacheRead, CacheWrite, CacheWrite1h, AudioInput, AudioOutput *money.USD
	// MaxOutput and ContextWindow are in tokens; 0 leaves the table's.
	MaxOutput, ContextWindow int64
	// Free says that the model costs nothing.
	Free bool
}

// WithOverrides returns a table in which the operator's prices go before all others. A key is a model's exact name, or PROVIDER/NAME, which
// goes before the bare name.
func (t *Table) WithOverrides(byName map[string]Override) *Table {
	c := *t
	c.overrides = maps.Clone(t.overrides)
	if c.overrides == nil {
		c.overrides = make(map[string]Override, len(byName))
	}
	maps.Copy(c.overrides, byName)
	c.memo = newMemo(c.file, c.builtin)
	return &c
}

// apply puts the override over what the catalogue knows of the model, if anything.
func (o Override) apply(key string, base Price) Price {
	p := base
	p.Name, p.Origin, p.Match, p.Free = key, OriginOverride, matchExact, o.Free
	if o.MaxOutput > 0 {
		p.MaxOutput = o.MaxOutput
	}
	if o.ContextWindow > 0 {
		p.ContextWindow = o.ContextWindow
	}
	if o.Free {
		p.Rates, p.Tiers, p.Bands, p.Geo, p.Fast = freeRates(), nil, nil, nil, Ratio{}
		p.WebSearch, p.FileSearch, p.Request, p.SearchSizes, p.Refused = 0, 0, 0, nil, ""
		return p.hashed()
	}
	if o.Input != nil {
		for _, d := range []Dimension{CacheRead, CacheWrite, CacheWrite1h, AudioIn, ImageIn, CacheReadAudio} {
			p.Rates = p.Rates.Without(d)
		}
	}
	if o.Output != nil {
		for _, d := range []Dimension{Reasoning, AudioOut, ImageOut} {
			p.Rates = p.Rates.Without(d)
		}
	}
	if o.Input != nil || o.Output != nil {
		p.Tiers, p.Bands = nil, nil
		p.Refused = "" // the operator knows what he pays
	}
	for d, v := range o.prices() {
		if v != nil {
			p.Rates = p.Rates.With(d, perToken(*v))
		}
	}
	return p.hashed()
}

func (o Override) prices() map[Dimension]*money.USD {
	return map[Dimension]*money.USD{
		Input: o.Input, Output: o.Output, CacheRead: o.CacheRead, CacheWrite: o.CacheWrite, CacheWrite1h: o.CacheWrite1h,
		AudioIn: o.AudioInput, AudioOut: o.AudioOutput,
	}
}

// perToken turns dollars per million tokens into dollars per token. A price has at most twelve digits after the point, so the division
// rounds up at most once.
func perToken(perMillion money.USD) money.USD {
	v, err := perMillion.MulRatio(1, 1_000_000)
	if err != nil {
		return money.Max // a negative price does not pass the configuration
	}
	return v
}

func freeRates() (r Rates) {
	for d := range dimensions {
		r = r.With(d, 0)
	}
	return r
}

// Models returns the keys of the rows of a provider, sorted; of all providers if it is "".
func (t *Table) Models(provider string) []string {
	keys := make(map[string]bool)
	for _, l := range []layer{t.file, t.builtin} {
		for key, rows := range l {
			if provider == "" || canonical(rows[0].Provider) == canonical(provider) {
				keys[key] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

// aliases are other names under which a provider is configured or listed, by the name that this table uses.
var aliases = map[string]string{
	"google": "gemini", "models": "gemini", "x-ai": "xai", "aws": "bedrock", "bedrock_converse": "bedrock", "together": "together_ai",
	"fireworks": "fireworks_ai", "fireworks_ai-embedding-models": "fireworks_ai", "mistralai": "mistral", "moonshotai": "moonshot",
	"voyageai": "voyage", "cohere_chat": "cohere", "text-completion-openai": "openai", "deepinfra": "deepinfra",
}

func canonical(provider string) string {
	provider = strings.ToLower(provider)
	if name, ok := aliases[provider]; ok {
		return name
	}
	return provider
}

// others lists, by the name this table uses, the aliases of a provider.
var others = func() map[string][]string {
	m := make(map[string][]string)
	for alias, name := range aliases {
		m[name] = append(m[name], alias)
	}
	for _, list := range m {
		slices.Sort(list)
	}
	return m
}()

// spellings returns a provider's name as configured, then the other names by which it is known.
func spellings(provider string) []string {
	c := canonical(provider)
	names := []string{provider}
	for _, other := range append([]string{c}, others[c]...) {
		if other != provider {
			names = append(names, other)
		}
	}
	return names
}

// Priced returns how many models the file of [Table.WithFile] gives a price.
func (t *Table) Priced() (n int) {
	for _, rows := range t.file {
		if rows[0].usable() {
			n++
		}
	}
	return n
}
