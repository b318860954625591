package main

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// provider, model and what is in them are the package's own shapes.
type provider struct {
	ID     string  `json:"id"`
	Models []model `json:"models"`
}

type model struct {
	ID      string         `json:"id"`
	Context number         `json:"context_window"`
	Match   match          `json:"match"`
	Prices  jsontext.Value `json:"prices"`
}

type match struct {
	Or         []match `json:"or"`
	And        []match `json:"and"`
	Equals     string  `json:"equals"`
	StartsWith string  `json:"starts_with"`
	EndsWith   string  `json:"ends_with"`
	Contains   string  `json:"contains"`
	Regex      string  `json:"regex"`
}

type number struct {
	Text string `json:"number"`
}

type period struct {
	Constraint struct {
		Type  string `json:"type"`
		Start string `json:"start_date"`
	} `json:"constraint"`
	Prices map[string]price `json:"prices"`
}

type price struct {
	Text  string `json:"number"`
	Base  number `json:"base"`
	Tiers []struct {
		Start number `json:"start"`
		Price number `json:"price"`
	} `json:"tiers"`
}

func (p price) base() string { return cmp.Or(p.Text, p.Base.Text) }

// names under which Aurea knows the providers; the others keep the package's.
var names = map[string]string{
	"google": "gemini", "x-ai": "xai", "aws": "bedrock", "together": "together_ai", "fireworks": "fireworks_ai",
	"moonshotai": "moonshot", "voyageai": "voyage",
}

// Subscriptions and routers whose rows are not prices of an API that takes a key of its own.
var left = regexp.MustCompile(`^(cursor|github-copilot|huggingface_.*)$`)

// kinds are the prices per million tokens that Aurea knows, and fees those per thousand uses. A model with a price of another kind
// (per hour, page or character) is left out: half a price is none.
var kinds = map[string]string{
	"input_mtok": "input", "cache_read_mtok": "cache_read", "cache_write_mtok": "cache_write", "cache_write_1h_mtok": "cache_write_1h",
	"input_audio_mtok": "audio_input", "input_image_mtok": "image_input", "output_mtok": "output", "output_reasoning_mtok": "reasoning",
	"output_audio_mtok": "audio_output", "output_image_mtok": "image_output",
}

var (
	fees    = map[string]string{"web_searches_kcount": "web_search", "storage_searches_kcount": "file_search", "requests_kcount": "request"}
	ignored = map[string]bool{"cache_audio_read_mtok": true, "cache_image_read_mtok": true} // subsets of cache_read that answers do not report
)

// The rows as they are written; see builtinRow in package pricing.
type row struct {
	Provider string      `json:"provider"`
	Names    []string    `json:"names"`
	Context  int64       `json:"context,omitzero"`
	Prices   []rowPeriod `json:"prices"`
}

type rowPeriod struct {
	From  string            `json:"from,omitempty"`
	Rates map[string]string `json:"rates"`
	Fees  map[string]string `json:"fees,omitempty"`
	Long  []rowBand         `json:"long,omitempty"`
}

type rowBand struct {
	Over  int64             `json:"over"`
	Incl  bool              `json:"inclusive,omitzero"`
	Rates map[string]string `json:"rates"`
}

func render(providers []provider) ([]byte, int, error) {
	var rows []row
	for _, p := range providers {
		if left.MatchString(p.ID) {
			continue
		}
		for _, m := range p.Models {
			if p.ID == "openai" && strings.HasPrefix(m.ID, "gpt-oss") {
				continue // open weights, which OpenAI does not serve
			}
			r, ok, err := convert(p.ID, m)
			if err != nil {
				return nil, 0, fmt.Errorf("%s/%s: %w", p.ID, m.ID, err)
			}
			if ok {
				rows = append(rows, r)
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Names[0], b.Names[0]))
	})
	var out bytes.Buffer
	fmt.Fprintf(&out, "{\"source\":\"npm @pydantic/genai-prices %s, https://github.com/pydantic/genai-prices\",\n", version)
	out.WriteString("\"licence\":\"MIT, Copyright (c) Pydantic Services Inc. 2025 to present\",\n\"rows\":[\n")
	for i, r := range rows {
		line, err := json.Marshal(r, json.Deterministic(true))
		if err != nil {
			return nil, 0, err
		}
		out.Write(line)
		if i < len(rows)-1 {
			out.WriteByte(',')
		}
		out.WriteByte('\n')
	}
	out.WriteString("]}\n")
	return out.Bytes(), len(rows), nil
}

func convert(provider string, m model) (r row, ok bool, err error) {
	r.Provider = cmp.Or(names[provider], provider)
	if provider == "google" && strings.Contains(m.ID, "claude") {
		r.Provider = "vertex_ai"
	}
	r.Names = exactNames(m)
	_, _ = fmt.Sscan(m.Context.Text, &r.Context)
	var all []period
	if m.Prices.Kind() == '[' {
		err = json.Unmarshal(m.Prices, &all)
	} else {
		all = make([]period, 1)
		err = json.Unmarshal(m.Prices, &all[0].Prices)
	}
	if err != nil {
		return r, false, err
	}
	for _, source := range merge(all) {
		p, known := convertPeriod(provider, source)
		if !known {
			return r, false, nil
		}
		r.Prices = append(r.Prices, p)
	}
	return r, len(r.Names) > 0 && len(r.Prices) > 0, nil
}

// merge returns one set of prices per date. Prices that hold only at some hours of the day count all day where they are
// dearer, so that a call that crosses the hour is never priced below what it costs.
func merge(all []period) []period {
	var dated []period
	for _, p := range all {
		if p.Constraint.Type != "time_of_date" {
			dated = append(dated, p)
		}
	}
	slices.SortStableFunc(dated, func(a, b period) int { return cmp.Compare(a.Constraint.Start, b.Constraint.Start) })
	for _, p := range all {
		if p.Constraint.Type != "time_of_date" || len(dated) == 0 {
			continue
		}
		last := &dated[len(dated)-1]
		for kind, v := range p.Prices {
			if dearer(v.base(), last.Prices[kind].base()) {
				last.Prices[kind] = v
			}
		}
	}
	return dated
}

func dearer(a, b string) bool {
	var x, y float64 // a comparison only
	_, _ = fmt.Sscan(a, &x)
	_, _ = fmt.Sscan(b, &y)
	return x > y
}

func convertPeriod(provider string, source period) (p rowPeriod, known bool) {
	p = rowPeriod{From: source.Constraint.Start, Rates: map[string]string{}, Fees: map[string]string{}}
	bands := map[string]*rowBand{}
	for key, v := range source.Prices {
		kind, isKind := kinds[key]
		fee, isFee := fees[key]
		switch {
		case ignored[key] || v.base() == "0" || v.base() == "":
		case isFee:
			p.Fees[fee] = perUse(v.base())
		case !isKind:
			return p, false
		default:
			p.Rates[kind] = v.base()
			for _, t := range v.Tiers {
				if bands[t.Start.Text] == nil {
					bands[t.Start.Text] = band(provider, t.Start.Text)
				}
				bands[t.Start.Text].Rates[kind] = t.Price.Text
			}
		}
	}
	for _, b := range bands {
		p.Long = append(p.Long, *b)
	}
	slices.SortFunc(p.Long, func(a, b rowBand) int { return cmp.Compare(a.Over, b.Over) })
	return p, p.Rates["input"] != ""
}

// band reads a threshold. The package means "more than"; a threshold of 199,999 is how it says "from 200,000". OpenAI's, which it
// mostly writes as 271,999, is "more than 272K" in OpenAI's own words (https://developers.openai.com/api/docs/models/gpt-5.4-pro).
func band(provider, start string) *rowBand {
	b := &rowBand{Rates: map[string]string{}}
	_, _ = fmt.Sscan(start, &b.Over)
	if b.Over%1000 == 999 {
		b.Over++
		b.Incl = provider != "openai" && provider != "aws"
	}
	return b
}

// perUse turns a price per thousand into one per use, by moving the point.
func perUse(text string) string {
	whole, fraction, _ := strings.Cut(text, ".")
	whole = strings.Repeat("0", max(0, 4-len(whole))) + whole
	out := strings.TrimLeft(whole[:len(whole)-3], "0") + "." + strings.TrimRight(whole[len(whole)-3:]+fraction, "0")
	if out[0] == '.' {
		out = "0" + out
	}
	return strings.TrimSuffix(out, ".")
}

// partial are beginnings of names that are not names themselves.
var partial = regexp.MustCompile(`[-@.:/]$|-20\d\d$|^ft:gpt-4-0$`)

// exactNames are the names that a row is found under. The package matches by prefix and pattern; Aurea does not, so a prefix
// counts as the one name it is.
func exactNames(m model) []string {
	seen := map[string]bool{}
	var list []string
	add := func(name string, beginning bool) {
		tuned := strings.HasPrefix(name, "ft:") && !strings.HasPrefix(m.ID, "ft:") // another row has the tuned model's own price
		if name == "" || seen[name] || tuned || beginning && partial.MatchString(name) {
			return
		}
		seen[name] = true
		list = append(list, name)
	}
	add(m.ID, strings.HasSuffix(m.ID, "-"))
	var walk func(match)
	walk = func(x match) {
		add(x.Equals, false)
		for _, part := range []string{x.StartsWith, x.EndsWith, x.Contains} {
			add(part, true)
		}
		for _, y := range slices.Concat(x.Or, x.And) {
			walk(y)
		}
	}
	walk(m.Match)
	if len(list) > 1 {
		slices.Sort(list[1:])
	}
	return list
}
