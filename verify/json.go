package verify

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// page is what the APIs return, or one bucket of it.
type page struct {
	Data    []page  `json:"data"`
	HasMore bool    `json:"has_more"`
	Error   *object `json:"error"`

	Start   json.Number `json:"start_time"` // OpenAI, seconds
	End     json.Number `json:"end_time"`
	Starts  string      `json:"starting_at"` // Anthropic, RFC 3339
	Ends    string      `json:"ending_at"`
	Results []result    `json:"results"`
	Result  []result    `json:"result"` // OpenAI's documentation had it so
}

type object struct {
	Message string `json:"message"`
}

// result is one entry of a bucket, of any of the APIs.
type result struct {
	Object string `json:"object"`
	Model  string `json:"model"`

	InputTokens      *json.Number `json:"input_tokens"`
	InputCached      *json.Number `json:"input_cached_tokens"`
	InputCacheWrite  *json.Number `json:"input_cache_write_tokens"`
	InputText        *json.Number `json:"input_text_tokens"`
	InputAudio       *json.Number `json:"input_audio_tokens"`
	InputImage       *json.Number `json:"input_image_tokens"`
	OutputTokens     *json.Number `json:"output_tokens"`
	OutputText       *json.Number `json:"output_text_tokens"`
	OutputAudio      *json.Number `json:"output_audio_tokens"`
	OutputImage      *json.Number `json:"output_image_tokens"`
	Requests         *json.Number `json:"num_model_requests"`
	ProjectID        string       `json:"project_id"`
	ProjectName      string       `json:"project_name"`
	KeyID            string       `json:"api_key_id"`
	LineItem         string       `json:"line_item"`
	Amount           any          `json:"amount"` // {value, currency}, or cents as text
	Uncached         *json.Number `json:"uncached_input_tokens"`
	CacheRead        *json.Number `json:"cache_read_input_tokens"`
	CacheCreation    *creation    `json:"cache_creation"`
	WorkspaceID      string       `json:"workspace_id"`
	Currency         string       `json:"currency"`
	Description      string       `json:"description"`
	CostType         string       `json:"cost_type"`
	CacheWriteTokens *json.Number `json:"cache_creation_input_tokens"`
}

type creation struct {
	Short *json.Number `json:"ephemeral_5m_input_tokens"`
	Long  *json.Number `json:"ephemeral_1h_input_tokens"`
}

// readJSON reads pages one after the other, or in a list, and buckets alike.
func (p *part) readJSON(in io.Reader) error {
	dec := json.NewDecoder(in)
	dec.UseNumber()
	n := 0
	for {
		var raw json.RawMessage
		if err := dec.Decode(&raw); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return unknown("it is not JSON: %v", err)
		}
		content := sha256.Sum256(raw)
		if p.pages[content]++; p.pages[content] > 1 {
			p.again++
			continue
		}
		var pages []page
		if raw[0] == '[' {
			if err := decode(raw, &pages); err != nil {
				return unknown("its list holds no pages: %v", err)
			}
		} else {
			pages = make([]page, 1)
			if err := decode(raw, &pages[0]); err != nil {
				return unknown("its fields are others: %v", err)
			}
		}
		for i := range pages {
			p.unit++
			found, err := p.page(&pages[i], 0)
			if err != nil {
				return err
			}
			n += found
		}
		if n == 0 {
			return unknown("it has no buckets of time; its fields are %s", fields(raw))
		}
	}
	if p.format != "" {
		p.cover(p.format, time.Time{})
	}
	for f := range p.covered {
		for _, day := range p.empty {
			p.cover(f, day)
		}
	}
	return nil
}

func decode(raw []byte, v any) error {
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	return dec.Decode(v)
}

func fields(raw []byte) string {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil || len(m) == 0 {
		return "none"
	}
	return listed(sorted(m))
}

// page reads a page or a bucket, and returns how many buckets there were.
func (p *part) page(g *page, depth int) (int, error) {
	if g.Error != nil {
		return 0, fmt.Errorf("it is the provider's refusal, not its export: %s", g.Error.Message)
	}
	if g.Start == "" && g.Starts == "" {
		if depth > 1 {
			return 0, unknown("a page lies in a page")
		}
		p.more = g.HasMore
		n := 0
		for i := range g.Data {
			found, err := p.page(&g.Data[i], depth+1)
			if err != nil {
				return 0, err
			}
			n += found
		}
		if g.Data != nil && len(g.Data) == 0 && p.format != "" {
			n++
		}
		return n, nil
	}
	start, end, err := g.span()
	if err != nil {
		return 0, err
	}
	day, err := bucketOf(start, end)
	if err != nil {
		return 0, err
	}
	if g.Results == nil {
		g.Results = g.Result
	}
	for i := range g.Results {
		if err := p.result(&g.Results[i], day, start, end); err != nil {
			return 0, fmt.Errorf("the bucket of %s: %w", start.UTC().Format(time.RFC3339), err)
		}
	}
	if len(g.Results) == 0 { // a day on which there was nothing
		p.empty = append(p.empty, day)
		p.idle.reach(start, end)
		if p.whose = OpenAI; g.Starts != "" {
			p.whose = Anthropic
		}
	}
	return 1, nil
}

func (g *page) span() (start, end time.Time, err error) {
	if g.Starts != "" {
		if start, err = parseTime(g.Starts); err != nil {
			return start, end, err
		}
		if g.Ends != "" {
			end, err = parseTime(g.Ends)
		}
		return start, end, err
	}
	if start, err = parseTime(g.Start.String()); err != nil {
		return start, end, err
	}
	if g.End != "" {
		end, err = parseTime(g.End.String())
	}
	return start, end, err
}

// formatOf says what a result is. What counts no tokens is none.
func (r *result) formatOf() Format {
	_, isObject := r.Amount.(map[string]any)
	switch {
	case isObject:
		return OpenAICosts
	case r.Amount != nil:
		return AnthropicCosts
	case r.Uncached != nil || r.CacheCreation != nil:
		return AnthropicUsage
	case r.InputTokens != nil && r.Object != "organization.usage.moderations.result":
		return OpenAIUsage
	}
	return ""
}

func (p *part) result(r *result, day, start, end time.Time) error {
	f := r.formatOf()
	if f == "" {
		if !strings.HasPrefix(r.Object, "organization.usage.") {
			return unknown("a result has neither tokens nor an amount")
		}
		if p.skipped == nil {
			p.skipped = map[string]int{}
		}
		p.skipped[strings.TrimSuffix(strings.TrimPrefix(r.Object, "organization.usage."), ".result")]++
		return nil
	}
	if p.format != "" && f != p.format {
		return fmt.Errorf("%w: it is %s, and --format says %s", ErrFormat, f, p.format)
	}
	p.cover(f, day)
	p.reach(f, start, end)
	l := line{
		format: f, day: day, model: r.Model, requests: unsaid, input: unsaid, cacheRead: unsaid, cacheWrite: unsaid, output: unsaid,
		keys: some(r.KeyID), projects: some(r.ProjectID, r.ProjectName, r.WorkspaceID),
	}
	var err error
	switch f {
	case OpenAIUsage:
		err = r.openAIUsage(&l)
	case AnthropicUsage:
		err = r.anthropicUsage(&l)
	case OpenAICosts:
		m, _ := r.Amount.(map[string]any)
		l.model, l.other = "", false
		if r.LineItem != "" {
			var isModel bool
			l.model, isModel = lineItem(r.LineItem)
			l.other = !isModel
		}
		currency, _ := m["currency"].(string)
		err = p.setCost(&l, fmt.Sprint(m["value"]), currency, false)
	case AnthropicCosts:
		if l.model == "" && r.CostType != "" && r.CostType != "tokens" {
			l.model, l.other = r.CostType, true
		} else if l.model == "" && r.Description != "" {
			l.model, l.other = r.Description, true
		}
		err = p.setCost(&l, fmt.Sprint(r.Amount), r.Currency, true)
	}
	if err != nil {
		return err
	}
	return p.take(&l, start, r.Object, r.LineItem, r.Description)
}

// setCost reads an amount; only dollars are compared.
func (p *part) setCost(l *line, value, currency string, cents bool) error {
	if currency != "" && !strings.EqualFold(currency, "usd") {
		return fmt.Errorf("an amount is in %s: only US dollars can be compared", currency)
	}
	a, err := parseAmount(value, cents)
	if err != nil {
		return err
	}
	l.cost = a
	p.most = max(p.most, a.decimals)
	return nil
}

// openAIUsage: input_tokens is all of the input. Where parts are told that add up to more, it was the text alone, as the API had it before
// (https://platform.openai.com/docs/api-reference/usage/completions_object).
func (r *result) openAIUsage(l *line) (err error) {
	var parts int64
	if l.requests, err = count(r.Requests, unsaid); err == nil {
		if l.input, parts, err = whole(r.InputTokens, r.InputText, r.InputAudio, r.InputImage); err == nil {
			l.input = max(l.input, parts)
			if l.output, parts, err = whole(r.OutputTokens, r.OutputText, r.OutputAudio, r.OutputImage); err == nil {
				l.output = max(l.output, parts)
			}
		}
	}
	if err == nil {
		l.cacheRead, err = count(r.InputCached, unsaid)
	}
	if err == nil {
		l.cacheWrite, err = count(r.InputCacheWrite, unsaid)
	}
	return err
}

func whole(all *json.Number, kinds ...*json.Number) (n, parts int64, err error) {
	if n, err = count(all, 0); err != nil {
		return 0, 0, err
	}
	for _, k := range kinds {
		part, err := count(k, 0)
		if err != nil {
			return 0, 0, err
		}
		parts += part
	}
	return n, parts, nil
}

// anthropicUsage: the counts exclude each other (https://docs.claude.com/en/api/admin-api/usage-cost/get-messages-usage-report).
func (r *result) anthropicUsage(l *line) (err error) {
	plain, err := count(r.Uncached, 0)
	if err != nil {
		return err
	}
	if l.cacheRead, err = count(r.CacheRead, 0); err != nil {
		return err
	}
	if l.cacheWrite, err = count(r.CacheWriteTokens, 0); err != nil {
		return err
	}
	if c := r.CacheCreation; c != nil {
		short, err := count(c.Short, 0)
		if err != nil {
			return err
		}
		long, err := count(c.Long, 0)
		if err != nil {
			return err
		}
		l.cacheWrite = short + long
	}
	l.input = plain + l.cacheRead + l.cacheWrite
	l.output, err = count(r.OutputTokens, 0)
	return err
}

func count(n *json.Number, missing int64) (int64, error) {
	if n == nil {
		return missing, nil
	}
	return parseCount(n.String())
}

func some(texts ...string) (all []string) {
	for _, t := range texts {
		if t != "" {
			all = append(all, t)
		}
	}
	return all
}
