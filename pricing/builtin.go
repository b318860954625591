package pricing

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // the tables
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

//go:embed prices.json
var pricesJSON []byte

//go:embed overlay.json
var overlayJSON []byte

// hashDigits is the length of a row's hash: 48 bits tell a few thousand rows apart.
const hashDigits = 12

// builtinRow is a row of prices.json or overlay.json. Prices are decimal text, in US dollars per million tokens; fees are per use.
type builtinRow struct {
	Provider string   `json:"provider"`
	Names    []string `json:"names"`
	Source   string   `json:"source"` // overlay only: where the figures are published
	// Patch says that an overlay row adds to the generated row instead of replacing it, under all names of that row, or
	// with Only under these.
	Patch bool `json:"patch"`
	Only  bool `json:"only"`

	Context     int64  `json:"context"`
	MaxOutput   int64  `json:"max_output"`
	ImageTokens int64  `json:"image_tokens"`
	Reasoning   *bool  `json:"reasoning"` // overlay only, where the name does not tell
	Fast        string `json:"fast"`

	Geo    map[string]string `json:"geo"`
	Prices []builtinPeriod   `json:"prices"`
	// Tiers, in an overlay row, are prices of other tiers in the row's last period.
	Tiers map[string]textRates `json:"tiers"`
	// Half lists tiers that cost half of everything.
	Half []string `json:"half"`
	// Fees, in a patch, are fees per use.
	Fees map[string]string `json:"fees"`
}

// builtinPeriod is what a model costs from a day on.
type builtinPeriod struct {
	From  string            `json:"from"`
	Rates textRates         `json:"rates"`
	Fees  map[string]string `json:"fees"`
	Long  []builtinBand     `json:"long"`
}

type builtinBand struct {
	Over  int64     `json:"over"`
	Incl  bool      `json:"inclusive"`
	Rates textRates `json:"rates"`
}

// textRates are rates written as an object of decimal texts.
type textRates struct{ Rates }

// UnmarshalJSONFrom reads the object without a detour over a map, which would be most of the table's loading time.
func (t *textRates) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return cmp.Or(err, errors.New("want an object of prices"))
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		d := slices.Index(dimensionNames[:], name.String())
		if d < 0 {
			return fmt.Errorf("%q is not a kind of token", name)
		}
		price, err := dec.ReadToken()
		if err != nil {
			return err
		}
		v, err := pico(price.String(), perMillion)
		if err != nil {
			return err
		}
		t.Rates = t.With(Dimension(d), v) // #nosec G115 -- an index of the array
	}
	_, err := dec.ReadToken()
	return err
}

var embedded = sync.OnceValue(func() *Table {
	t, err := readBuiltin(pricesJSON, overlayJSON)
	if err != nil {
		panic("pricing: the embedded table is damaged: " + err.Error()) // a test reads it
	}
	return t
})

// Embedded returns the table built into the program. It is read at the first call, in a few milliseconds, and shared.
func Embedded() *Table { return embedded() }

func readBuiltin(prices, overlay []byte) (*Table, error) {
	t := &Table{builtin: make(layer, 4096)}
	siblings := make(map[string][]string) // names of the same generated row
	err := eachRow(prices, func(row builtinRow, raw []byte) error {
		for _, name := range row.Names {
			siblings[row.Provider+"/"+name] = row.Names
		}
		return t.builtin.add(row, raw, false)
	})
	if err != nil {
		return nil, err
	}
	err = eachRow(overlay, func(row builtinRow, raw []byte) error {
		if row.Patch && !row.Only {
			row.Names = allNames(row, siblings)
		}
		return t.builtin.add(row, raw, true)
	})
	t.memo = newMemo(t.builtin)
	return t, err
}

// eachRow calls f with every row of a table and its bytes.
func eachRow(data []byte, f func(row builtinRow, raw []byte) error) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(data))
	for {
		tok, err := dec.ReadToken()
		if err != nil {
			return err
		}
		if dec.StackDepth() == 2 && tok.Kind() == '[' {
			break
		}
	}
	for dec.PeekKind() != ']' {
		start := dec.InputOffset()
		var row builtinRow
		if err := json.UnmarshalDecode(dec, &row, json.RejectUnknownMembers(true)); err != nil {
			return err
		}
		raw := bytes.Trim(data[start:dec.InputOffset()], ", \n")
		if err := f(row, raw); err != nil {
			return fmt.Errorf("%s: %w", raw, err)
		}
	}
	return nil
}

// allNames returns the names of all generated rows that a patch names.
func allNames(patch builtinRow, siblings map[string][]string) []string {
	var names []string
	for _, name := range patch.Names {
		for _, n := range append([]string{name}, siblings[patch.Provider+"/"+name]...) {
			if !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return names
}

// add enters a row under each of its names. An overlay's row replaces a generated one, or patches it; among generated rows the first
// has the name.
func (l layer) add(row builtinRow, raw []byte, overlay bool) error {
	for _, name := range row.Names {
		keys := rowKeys(row.Provider, name)
		periods, err := row.periods()
		if err != nil {
			return err
		}
		if row.Patch {
			periods = slices.Clone(l[keys[0]])
		}
		if len(periods) == 0 {
			return fmt.Errorf("%s has no prices, or patches a row that is not there", keys[0])
		}
		for i := range periods {
			p := &periods[i]
			p.Match, p.Origin = matchExact, OriginEmbedded
			if overlay {
				p.Origin = OriginOverlay
			}
			if err := row.describe(p, i == len(periods)-1); err != nil {
				return err
			}
			p.Hash = hashOf([]byte(p.Hash), raw, []byte(p.ValidFrom.Format(time.DateOnly)))
		}
		for _, key := range keys {
			if _, known := l[key]; overlay || !known {
				l[key] = named(periods, key)
			}
		}
	}
	return nil
}

func named(periods []Price, key string) []Price {
	periods = slices.Clone(periods)
	for i := range periods {
		periods[i].Name = key
	}
	return periods
}

// firstParty are the providers whose models are found under their bare names.
var firstParty = map[string]bool{
	"openai": true, "anthropic": true, "gemini": true, "xai": true, "deepseek": true, "mistral": true, "cohere": true, "moonshot": true,
	"voyage": true, "perplexity": true, "minimax": true, "zai": true,
}

// rowKeys returns the keys of a row: PROVIDER/NAME, and for first parties the bare name too. The key of a first party is never such that
// another's name could be taken for it: openai/gpt-4o is what OpenRouter calls its own offer.
func rowKeys(provider, name string) []string {
	if firstParty[provider] && !strings.Contains(name, "/") {
		return []string{name}
	}
	return []string{provider + "/" + name}
}

// describe sets what a row says besides its prices.
func (row builtinRow) describe(p *Price, last bool) (err error) {
	p.Provider = row.Provider
	p.ContextWindow = cmp.Or(row.Context, p.ContextWindow)
	p.MaxOutput = cmp.Or(row.MaxOutput, p.MaxOutput)
	p.ImageTokens = cmp.Or(row.ImageTokens, p.ImageTokens)
	if row.Reasoning != nil {
		p.Reasoning = *row.Reasoning
	}
	if row.Fast != "" {
		if p.Fast, err = ratio(row.Fast); err != nil {
			return err
		}
	}
	for place, factor := range row.Geo {
		if p.Geo == nil {
			p.Geo = make(map[string]Ratio, len(row.Geo))
		}
		if p.Geo[place], err = ratio(factor); err != nil {
			return err
		}
	}
	if err := p.addFees(row.Fees); err != nil {
		return err
	}
	return row.addTiers(p, last)
}

func (row builtinRow) addTiers(p *Price, last bool) error {
	tiers := make(map[string]Rates)
	for _, tier := range row.Half {
		r := p.Rates
		for d := range dimensions {
			if v, ok := r.Get(d); ok && (d != CacheRead || !p.google()) { // see cheapensReads
				half, err := v.MulRatio(1, 2)
				if err != nil {
					return err
				}
				r = r.With(d, half)
			}
		}
		tiers[tier] = r
	}
	for tier, prices := range row.Tiers {
		if last {
			tiers[tier] = prices.Rates
		}
	}
	for tier, r := range p.Tiers {
		if _, ok := tiers[tier]; !ok {
			tiers[tier] = r
		}
	}
	if len(tiers) > 0 {
		p.Tiers = tiers
	}
	return nil
}

func (row builtinRow) periods() ([]Price, error) {
	all := make([]Price, 0, len(row.Prices))
	for _, period := range row.Prices {
		var p Price
		if period.From != "" {
			var err error
			if p.ValidFrom, err = time.Parse(time.DateOnly, period.From); err != nil {
				return nil, err
			}
		}
		p.Rates = period.Rates.Rates
		if err := p.addFees(period.Fees); err != nil {
			return nil, err
		}
		for _, long := range period.Long {
			p.Bands = append(p.Bands, Band{Over: long.Over, Inclusive: long.Incl, Rates: long.Rates.Rates})
		}
		all = append(all, p)
	}
	return all, nil
}

func (p *Price) addFees(fees map[string]string) error {
	for fee, text := range fees {
		price, err := pico(text, perUnit)
		if err != nil {
			return err
		}
		switch fee {
		case "web_search":
			p.WebSearch = price
		case "file_search":
			p.FileSearch = price
		case "request":
			p.Request = price
		default:
			return fmt.Errorf("%q is not a fee", fee)
		}
	}
	return nil
}

func hashOf(parts ...[]byte) string {
	h := sha256.New()
	for _, part := range parts {
		_, _ = h.Write(part)
		_, _ = h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil))[:hashDigits]
}

// hashed names the row by its content.
func (p Price) hashed() Price {
	p.Hash = ""
	p.Hash = hashOf(fmt.Appendf(nil, "%+v", p))
	return p
}

// thinks reports whether a model of that name thinks unasked: OpenAI's o series and GPT-5 and later
// (https://platform.openai.com/docs/guides/reasoning), and what says so itself.
func thinks(name string) bool {
	if strings.Contains(name, "non-reasoning") || strings.HasSuffix(name, "-chat-latest") {
		return false
	}
	for _, word := range []string{"reason", "think", "deepseek-r", "magistral", "qwq", "grok-4", "gemini-2.5", "gemini-3"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	base := strings.TrimPrefix(name[strings.LastIndexByte(name, '/')+1:], "ft:")
	series := strings.TrimPrefix(base, "gpt-")
	switch base {
	case series: // o1, o3-mini, but not olmo
		return len(base) > 1 && base[0] == 'o' && base[1] >= '1' && base[1] <= '9'
	default:
		return series != "" && series[0] >= '5' && series[0] <= '9'
	}
}
