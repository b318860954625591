package verify

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// columns are the names that exports give to what is read of them; the first that is there counts. Consoles change them now and then.
var columns = map[string][]string{
	"start":       {"start_time_iso", "start_time", "starting_at", "usage_date_utc", "usage_date", "date_utc", "date", "day", "timestamp"},
	"end":         {"end_time_iso", "end_time", "ending_at"},
	"model":       {"model", "model_version", "model_name", "model_id", "snapshot_id"},
	"requests":    {"num_model_requests", "num_requests", "n_requests", "requests", "request_count"},
	"input":       {"input_tokens", "n_context_tokens_total", "context_tokens", "prompt_tokens"},
	"uncached":    {"usage_input_tokens_no_cache", "uncached_input_tokens", "input_tokens_no_cache", "input_uncached_tokens"},
	"cached":      {"input_cached_tokens", "cached_input_tokens", "n_cached_context_tokens_total"},
	"read":        {"usage_input_tokens_cache_read", "cache_read_input_tokens", "cache_read_tokens"},
	"write":       {"usage_input_tokens_cache_write", "cache_creation_input_tokens", "input_cache_write_tokens"},
	"write5":      {"usage_input_tokens_cache_write_5m", "cache_creation_ephemeral_5m_input_tokens", "cache_creation_5m_input_tokens"},
	"write60":     {"usage_input_tokens_cache_write_1h", "cache_creation_ephemeral_1h_input_tokens", "cache_creation_1h_input_tokens"},
	"inputtext":   {"input_text_tokens"},
	"inputaudio":  {"input_audio_tokens"},
	"inputimage":  {"input_image_tokens"},
	"output":      {"output_tokens", "usage_output_tokens", "n_generated_tokens_total", "completion_tokens"},
	"outputtext":  {"output_text_tokens"},
	"outputaudio": {"output_audio_tokens"},
	"outputimage": {"output_image_tokens"},
	"cost":        {"amount_value", "cost_usd", "amount_usd", "cost_in_major", "cost"},
	"currency":    {"amount_currency", "currency"},
	"item":        {"line_item"},
	"costtype":    {"cost_type"},
	"keyid":       {"api_key_id"},
	"key":         {"api_key", "api_key_name"},
	"projectid":   {"project_id", "workspace_id"},
	"project":     {"project_name", "workspace", "workspace_name"},
}

// normal is a header without what differs between exports: case, blanks, points and brackets.
func normal(header string) string {
	return strings.Trim(strings.NewReplacer(" ", "_", "-", "_", ".", "_", "(", "", ")", "").Replace(strings.ToLower(strings.TrimSpace(header))), "_")
}

// table is a CSV file: where its columns are.
type table struct {
	at     map[string]int
	record []string
}

func (t *table) has(column string) bool { _, ok := t.at[column]; return ok }

func (t *table) text(column string) string {
	if i, ok := t.at[column]; ok && i < len(t.record) {
		return strings.TrimSpace(t.record[i])
	}
	return ""
}

// whole refuses a record that was cut off, or that swallowed others: what is not in it would be taken for nothing.
func (t *table) whole(columns int) error {
	for _, text := range t.record {
		if strings.ContainsAny(text, "\r\n") {
			return errors.New("a quotation mark is not closed before the end of the line: the file is damaged or cut off")
		}
	}
	for _, i := range t.at {
		if i >= len(t.record) {
			return fmt.Errorf("it has %d fields, and the first line %d: the file is damaged or cut off", len(t.record), columns)
		}
	}
	return nil
}

func (t *table) count(column string, missing int64) (int64, error) {
	if !t.has(column) {
		return missing, nil
	}
	n, err := parseCount(t.text(column))
	if err != nil {
		err = fmt.Errorf("column %s: %w", column, err)
	}
	return n, err
}

// readCSV reads a console's export, separated by commas, semicolons or tabs.
func (p *part) readCSV(in io.Reader) error {
	first, rest, err := firstLine(in)
	if err != nil {
		return err
	}
	r := csv.NewReader(io.MultiReader(strings.NewReader(first), rest))
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	for _, c := range []rune{'\t', ';'} {
		if strings.Count(first, string(c)) > strings.Count(first, string(r.Comma)) {
			r.Comma = c
		}
	}
	header, err := r.Read()
	if err != nil {
		return unknown("it is not CSV: %v", err)
	}
	t := &table{at: map[string]int{}}
	for column, names := range columns {
		for _, name := range slices.Backward(names) {
			if i := slices.IndexFunc(header, func(h string) bool { return normal(h) == name }); i >= 0 {
				t.at[column] = i
			}
		}
	}
	var format Format
	for n := 2; ; n++ {
		if t.record, err = r.Read(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if len(strings.Join(t.record, "")) == 0 {
			continue
		}
		if err := t.whole(len(header)); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if format == "" {
			if format, err = p.formatOf(t, header); err != nil {
				return err
			}
		}
		if err := p.row(t, format); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if format == "" {
		if format, err = p.formatOf(t, header); err != nil {
			return err
		}
		p.cover(format, time.Time{})
	}
	return nil
}

// firstLine is the header, at most a megabyte of it.
func firstLine(in io.Reader) (string, io.Reader, error) {
	var b strings.Builder
	one := make([]byte, 1)
	for b.Len() < 1<<20 {
		n, err := in.Read(one)
		if n == 1 {
			b.WriteByte(one[0])
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return "", nil, err
		}
		if errors.Is(err, io.EOF) || n == 1 && one[0] == '\n' {
			return b.String(), in, nil
		}
	}
	return "", nil, unknown("its first line is longer than a megabyte")
}

// formatOf says which export a table is, by its columns.
func (p *part) formatOf(t *table, header []string) (Format, error) {
	found := func(why string) error {
		names := slices.Clone(header)
		for i := range names {
			names[i] = strconv.Quote(names[i])
		}
		return unknown("%s; the columns are %s", why, strings.Join(names, ", "))
	}
	if !t.has("start") {
		return "", found("it has no column of days")
	}
	tokens := t.has("output") || t.has("input") || t.has("uncached")
	if !tokens && !t.has("cost") {
		return "", found("it has neither tokens nor amounts")
	}
	if p.format != "" {
		if p.format.costs() && !t.has("cost") || !p.format.costs() && !tokens {
			return "", found(fmt.Sprintf("it is not %s", p.format))
		}
		return p.format, nil
	}
	has := func(names ...string) bool {
		return slices.ContainsFunc(header, func(h string) bool { return slices.Contains(names, normal(h)) })
	}
	model := strings.ToLower(t.text("model"))
	provider := ""
	switch {
	case has("usage_date_utc", "model_version", "usage_input_tokens_no_cache", "usage_output_tokens", "uncached_input_tokens") || strings.HasPrefix(model, "claude"):
		provider = Anthropic
	case has("start_time", "start_time_iso", "num_model_requests", "n_context_tokens_total", "amount_value", "line_item", "organization_id"):
		provider = OpenAI
	default:
		return "", found("it does not tell whose it is; say so with --format")
	}
	if !tokens || t.has("item") {
		return Format(provider + "-costs"), nil
	}
	return Format(provider + "-usage"), nil
}

func (p *part) row(t *table, f Format) error {
	start, err := parseTime(t.text("start"))
	if err != nil {
		return err
	}
	var end time.Time
	if text := t.text("end"); text != "" {
		if end, err = parseTime(text); err != nil {
			return err
		}
	}
	day, err := bucketOf(start, end)
	if err != nil {
		return err
	}
	p.cover(f, day)
	p.reach(f, start, end)
	l := line{
		format: f, day: day, model: t.text("model"), requests: unsaid, input: unsaid, cacheRead: unsaid, cacheWrite: unsaid, output: unsaid,
		keys: some(t.text("keyid"), t.text("key")), projects: some(t.text("projectid"), t.text("project")),
	}
	switch {
	case f.costs():
		if t.text("cost") == "" { // a day on which there was nothing
			return nil
		}
		if item := t.text("item"); item != "" && f == OpenAICosts {
			model, isModel := lineItem(item)
			l.model, l.other = model, !isModel
		}
		if kind := t.text("costtype"); l.model == "" && kind != "" {
			l.model, l.other = kind, true
		}
		err = p.setCost(&l, t.text("cost"), t.text("currency"), false)
	case f == OpenAIUsage:
		if t.text("output") == "" && t.text("input") == "" && t.text("uncached") == "" {
			return nil
		}
		err = t.openAIUsage(&l)
	default:
		err = t.anthropicUsage(&l)
	}
	if err != nil {
		return err
	}
	return p.take(&l, start, t.text("item"))
}

func (t *table) sum(columns ...string) (sum int64, err error) {
	for _, c := range columns {
		n, err := t.count(c, 0)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

func (t *table) openAIUsage(l *line) (err error) {
	if l.requests, err = t.count("requests", unsaid); err != nil {
		return err
	}
	if l.cacheRead, err = t.count("cached", unsaid); err != nil {
		return err
	}
	if l.cacheWrite, err = t.count("write", unsaid); err != nil {
		return err
	}
	input, err := t.sum("input")
	if err != nil {
		return err
	}
	if !t.has("input") {
		if input, err = t.sum("uncached", "cached"); err != nil {
			return err
		}
	}
	parts, err := t.sum("inputtext", "inputaudio", "inputimage")
	if err != nil {
		return err
	}
	l.input = max(input, parts)
	output, err := t.sum("output")
	if err != nil {
		return err
	}
	if parts, err = t.sum("outputtext", "outputaudio", "outputimage"); err != nil {
		return err
	}
	l.output = max(output, parts)
	return nil
}

func (t *table) anthropicUsage(l *line) (err error) {
	plain := "uncached"
	if !t.has(plain) {
		plain = "input"
	}
	if l.cacheRead, err = t.sum("read"); err != nil {
		return err
	}
	if l.cacheWrite, err = t.sum("write5", "write60"); err != nil {
		return err
	}
	if !t.has("write5") && !t.has("write60") {
		if l.cacheWrite, err = t.sum("write"); err != nil {
			return err
		}
	}
	if l.input, err = t.sum(plain); err != nil {
		return err
	}
	l.input += l.cacheRead + l.cacheWrite
	l.output, err = t.sum("output")
	return err
}

// parseTime reads a moment as exports write it; a day alone is its midnight in UTC.
func parseTime(text string) (time.Time, error) {
	if whole, zeros, point := strings.Cut(text, "."); point && strings.Trim(zeros, "0") == "" {
		text = whole // 1759622400.0
	}
	if digitsOnly(text) && len(text) >= 9 && len(text) <= 11 {
		n, err := strconv.ParseInt(text, 10, 64)
		return time.Unix(n, 0).UTC(), err
	}
	for _, layout := range []string{
		time.RFC3339Nano, time.DateOnly, time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04Z07:00", "2006-01-02 15:04:05Z07:00", "2006/1/2",
	} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no day or time that is known (2026-11-23, 2026-11-23T00:00:00Z, 1763856000)", text)
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func listed(names []string) string { return strings.Join(names, ", ") }
