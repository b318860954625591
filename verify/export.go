package verify

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
)

// Format is a kind of export.
type Format string

// Formats, each as JSON (pages of the API) or CSV (a console's export).
const (
	// OpenAIUsage: /v1/organization/usage/{completions,embeddings} and the usage page's export (https://platform.openai.com/docs/api-reference/usage).
	OpenAIUsage Format = "openai-usage"
	// OpenAICosts: /v1/organization/costs and the cost export.
	OpenAICosts Format = "openai-costs"
	// AnthropicUsage: /v1/organizations/usage_report/messages and the Console's usage export (https://docs.claude.com/en/api/usage-cost-api).
	AnthropicUsage Format = "anthropic-usage"
	// AnthropicCosts: /v1/organizations/cost_report and the Console's cost export.
	AnthropicCosts Format = "anthropic-costs"
)

// Formats are all of them.
var Formats = []Format{OpenAIUsage, OpenAICosts, AnthropicUsage, AnthropicCosts}

// provider is whose export it is.
func (f Format) provider() string { name, _, _ := strings.Cut(string(f), "-"); return name }

func (f Format) costs() bool { return strings.HasSuffix(string(f), "-costs") }

// ErrFormat says that a file is none of the exports that are known.
var ErrFormat = errors.New("not an export that is known")

func unknown(format string, args ...any) error {
	return fmt.Errorf(`%w: %s

Accepted are, as JSON or CSV:
  openai-usage     pages of /v1/organization/usage/completions or /embeddings?bucket_width=1d&group_by=model, or the usage page's CSV (start_time, model, input_tokens, output_tokens, num_model_requests)
  openai-costs     pages of /v1/organization/costs?group_by=line_item, or the cost CSV (start_time, amount_value, line_item)
  anthropic-usage  pages of /v1/organizations/usage_report/messages?group_by[]=model, or the Console's usage CSV (usage_date_utc, model_version, usage_input_tokens_no_cache, usage_output_tokens)
  anthropic-costs  pages of /v1/organizations/cost_report?group_by[]=description, or the Console's cost CSV (usage_date_utc, model, cost_usd)`,
		ErrFormat, fmt.Sprintf(format, args...))
}

// unsaid is a count that an export does not give.
const unsaid = -1

// line is one entry of an export.
type line struct {
	format   Format
	day      time.Time
	model    string // as billed; empty where the export does not say
	other    bool   // model is the name of something that is no model
	requests int64
	// input counts all of it, with what the cache read and wrote.
	input, cacheRead, cacheWrite, output int64
	cost                                 amount
	keys                                 []string // id and name
	projects                             []string
}

// Filter chooses lines of an export. Empty lists take all.
type Filter struct {
	Keys     []string // ids or names of API keys
	Projects []string // ids or names of projects or workspaces
	From, To time.Time
}

func (f *Filter) takes(l *line) bool {
	in := func(want, have []string) bool {
		return len(want) == 0 || slices.ContainsFunc(have, func(h string) bool { return slices.Contains(want, h) })
	}
	return f.takesDay(l.day) && in(f.Keys, l.keys) && in(f.Projects, l.projects)
}

func (f *Filter) takesDay(day time.Time) bool {
	return (f.From.IsZero() || !day.Before(f.From)) && (f.To.IsZero() || day.Before(f.To))
}

// cellKey is what lines are summed by while they are read.
type cellKey struct {
	format Format
	day    int64 // Unix time of midnight
	model  string
	other  bool
}

// Books are the sums of one or more exports. The zero value is empty and usable; it is not safe for concurrent use.
type Books struct {
	Filter Filter
	cells  map[cellKey]*theirs
	// covered are the days that an export of a format has anything to say of, if only that there was nothing.
	covered map[Format]map[int64]bool
	spans   map[Format]span // of exports whose entries are finer than days
	names   []string
	read    map[[sha256.Size]byte]string // files by content
	said    map[uint64]int               // which file told an entry, to notice files that overlap
	notes   []string
	more    map[Format]string  // the file whose pages go on
	empty   map[string][]int64 // days of files with nothing else but empty buckets, by provider
	hidden  int                // lines that do not say the key or project that the filter asks for
	left    int                // lines of other keys and projects
}

// span is what the entries of an export reach over. What lies outside is not in it, though the export has entries of the day.
type span struct {
	from, to time.Time
	fine     bool // some are shorter than a day
}

// reach takes an entry in. One that does not say its end is a day's if it begins with the day.
func (s *span) reach(start, end time.Time) {
	day := dayOf(start)
	if end.IsZero() && start.Equal(day) {
		end = day.Add(24 * time.Hour)
	}
	if end.Before(start) {
		end = start
	}
	s.fine = s.fine || end.Sub(start) < 24*time.Hour
	if s.from.IsZero() || start.Before(s.from) {
		s.from = start
	}
	if end.After(s.to) {
		s.to = end
	}
}

func (s *span) join(o span) {
	if o.from.IsZero() {
		return
	}
	fine := s.fine || o.fine
	s.reach(o.from, o.to)
	s.fine = fine
}

// theirs is what an export says of one model on one day.
type theirs struct {
	names                                          map[string]bool
	requests, input, cacheRead, cacheWrite, output int64
	cost                                           money.Sum
	slack                                          money.Sum // by how much cost may be off
	lines                                          int64     // of this file
}

// finish gives the days of files that had nothing but empty buckets to the formats of the others of their provider. Where there are none it is taken for
// usage: nothing is nothing in either.
func (b *Books) finish() {
	for whose, days := range b.empty {
		known := false
		for f := range b.covered {
			known = known || f.provider() == whose
		}
		if !known {
			b.covered[Format(whose+"-usage")] = map[int64]bool{}
		}
		for f, covered := range b.covered {
			if f.provider() != whose {
				continue
			}
			for _, day := range days {
				covered[day] = true
			}
		}
	}
	clear(b.empty)
}

// Formats returns the formats that were read.
func (b *Books) Formats() []Format {
	b.finish()
	var all []Format
	for _, f := range Formats {
		if b.covered[f] != nil {
			all = append(all, f)
		}
	}
	return all
}

// Unmatched reports whether the filter on keys and projects took nothing of what was there.
func (b *Books) Unmatched() bool { return len(b.cells) == 0 && b.left > 0 }

// Notes are remarks for people on what was read.
func (b *Books) Notes() []string { return b.notes }

func (b *Books) note(format string, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}

// Read adds an export. name is how errors call it; format overrides what the content says, empty does not. A file that was read before is left out with a note.
// It returns an error matching [ErrFormat] for what is no known export, and one for a file that tells again what an earlier one told.
func (b *Books) Read(r io.Reader, name string, format Format) error {
	if b.cells == nil {
		b.cells, b.covered, b.more = map[cellKey]*theirs{}, map[Format]map[int64]bool{}, map[Format]string{}
		b.empty, b.spans = map[string][]int64{}, map[Format]span{}
		b.read, b.said = map[[sha256.Size]byte]string{}, map[uint64]int{}
	}
	if format != "" && !slices.Contains(Formats, format) {
		return unknown("%s: there is no format %q", name, format)
	}
	hash := sha256.New()
	in := bufio.NewReaderSize(io.TeeReader(r, hash), 1<<16)
	p := part{format: format, name: name, filter: &b.Filter, cells: map[cellKey]*theirs{}, covered: map[Format]map[int64]bool{}, spans: map[Format]span{}, said: map[uint64]entry{}, pages: map[[sha256.Size]byte]int{}}
	start, err := firstByte(in)
	switch {
	case errors.Is(err, io.EOF):
		return unknown("%s is empty", name)
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case start == '{' || start == '[':
		err = p.readJSON(in)
	default:
		err = p.readCSV(in)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	sum := [sha256.Size]byte(hash.Sum(nil))
	if before, again := b.read[sum]; again {
		b.note("%s is the same as %s, and counted once", name, before)
		return nil
	}
	b.read[sum] = name
	return b.add(&p)
}

// firstByte skips a byte order mark and white space.
func firstByte(in *bufio.Reader) (byte, error) {
	if head, err := in.Peek(3); err == nil && bytes.Equal(head, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(3) // they are there
	}
	for {
		c, err := in.ReadByte()
		if err != nil {
			return 0, err
		}
		if c != ' ' && c != '\n' && c != '\r' {
			return c, in.UnreadByte()
		}
	}
}

// part is one file.
type part struct {
	format  Format // given
	name    string
	filter  *Filter
	cells   map[cellKey]*theirs
	covered map[Format]map[int64]bool
	spans   map[Format]span
	idle    span        // of buckets without results
	empty   []time.Time // days of buckets without results
	whose   string      // those buckets are, by how they tell the time
	said    map[uint64]entry
	unit    int                       // pages so far: within one, entries that look alike are different ones
	pages   map[[sha256.Size]byte]int // by content
	left    int                       // lines of other keys and projects
	again   int                       // pages that were there before
	skipped map[string]int
	more    bool
	hidden  int
	most    int // digits after the point
}

func (p *part) cover(f Format, day time.Time) {
	if p.covered[f] == nil {
		p.covered[f] = map[int64]bool{}
	}
	if !day.IsZero() && p.filter.takesDay(day) {
		p.covered[f][day.Unix()] = true
	}
}

// reach notes what an entry covers.
func (p *part) reach(f Format, start, end time.Time) {
	s := p.spans[f]
	s.reach(start, end)
	p.spans[f] = s
}

// entry is where something was told.
type entry struct {
	day  string
	unit int
}

// take counts a line. The rest of what it says, with its bucket, tells it from others. It is an error if another page of the file told it.
func (p *part) take(l *line, start time.Time, rest ...string) error {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d %q %q %q %q", l.format, start.Unix(), l.model, l.keys, l.projects, rest)
	id, at := h.Sum64(), entry{l.day.Format(time.DateOnly), p.unit}
	if before, again := p.said[id]; again && before.unit != at.unit {
		return fmt.Errorf("its pages tell of %s twice: give each page once, or ask for projects and keys (group_by) to tell them apart", at.day)
	}
	p.said[id] = at
	if len(p.filter.Keys) > 0 && len(l.keys) == 0 || len(p.filter.Projects) > 0 && len(l.projects) == 0 {
		p.hidden++
	}
	if !p.filter.takes(l) {
		if p.filter.takesDay(l.day) {
			p.left++
		}
		return nil
	}
	k := cellKey{format: l.format, day: l.day.Unix(), model: l.model, other: l.other}
	if l.model != "" && !l.other {
		k.model = Fold(l.format.provider(), l.model)
	}
	t := p.cells[k]
	if t == nil {
		t = &theirs{names: map[string]bool{}}
		p.cells[k] = t
	}
	t.add(&theirs{
		requests: l.requests, input: l.input, cacheRead: l.cacheRead, cacheWrite: l.cacheWrite, output: l.output,
		cost: l.cost.sum, slack: money.SumOf(l.cost.float()), lines: 1,
	})
	t.names[l.model] = true
	return nil
}

func (t *theirs) add(o *theirs) {
	plus := func(to *int64, n int64) {
		if n == unsaid || *to == unsaid {
			*to = unsaid
		} else {
			*to += n
		}
	}
	plus(&t.requests, o.requests)
	plus(&t.input, o.input)
	plus(&t.cacheRead, o.cacheRead)
	plus(&t.cacheWrite, o.cacheWrite)
	plus(&t.output, o.output)
	t.cost, t.slack, t.lines = t.cost.Plus(o.cost), t.slack.Plus(o.slack), t.lines+o.lines
	for name := range o.names {
		t.names[name] = true
	}
}

// add counts a file.
func (b *Books) add(p *part) error {
	for id, at := range p.said {
		if before, again := b.said[id]; again {
			return fmt.Errorf("%s tells again what %s told of %s: give each page and each day once, or ask for projects and keys (group_by) to tell them apart",
				p.name, b.names[before], at.day)
		}
	}
	for id := range p.said {
		b.said[id] = len(b.names)
	}
	b.names = append(b.names, p.name)
	if len(p.covered) == 0 {
		for _, day := range p.empty {
			if p.filter.takesDay(day) {
				b.empty[p.whose] = append(b.empty[p.whose], day.Unix())
			}
		}
	}
	for f, days := range p.covered {
		s := b.spans[f]
		s.join(p.spans[f])
		s.join(p.idle)
		b.spans[f] = s
		if b.covered[f] == nil {
			b.covered[f] = map[int64]bool{}
		}
		for d := range days {
			b.covered[f][d] = true
		}
		if p.more {
			b.more[f] = p.name
		} else {
			delete(b.more, f) // the last page
		}
	}
	if p.again > 0 {
		b.note("%s has %d of its pages twice; they are counted once", p.name, p.again)
	}
	for _, what := range sorted(p.skipped) {
		b.note("%s: %d entries of %s are not compared: they are not calls of a model that count tokens", p.name, p.skipped[what], what)
	}
	b.hidden += p.hidden
	b.left += p.left
	rounding := roundingOf(p.most)
	for k, t := range p.cells {
		if k.format.costs() {
			for range min(t.lines, 1_000_000) {
				t.slack = t.slack.Add(rounding)
			}
		}
		if b.cells[k] == nil {
			b.cells[k] = &theirs{names: map[string]bool{}}
		}
		b.cells[k].add(t)
	}
	return nil
}

// dayOf is the day in UTC that a moment lies in.
func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// bucketOf checks that a span of time lies within one day, and returns the day.
func bucketOf(start, end time.Time) (time.Time, error) {
	day := dayOf(start)
	if start.Year() < 2015 || start.Year() > 2200 {
		return day, fmt.Errorf("an entry begins at %s", start.Format(time.RFC3339))
	}
	if end.After(day.Add(24 * time.Hour)) {
		return day, fmt.Errorf("an entry goes from %s to %s: export by day (in UTC) or finer", start.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339))
	}
	return day, nil
}
