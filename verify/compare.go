package verify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Verdict says how ledger and export stand to each other on a day, for a model.
type Verdict string

// Verdicts.
const (
	Equal             Verdict = "equal"
	WithinUnconfirmed Verdict = "within unconfirmed" // billed more, by no more than what the ledger holds as unconfirmed
	BilledMore        Verdict = "billed more"
	BilledLess        Verdict = "billed less"
	NotInExport       Verdict = "not in the export"
	NotInLedger       Verdict = "not in the ledger"
)

// Agrees reports whether the ledger is right about the bill: it counts unconfirmed money against limits until it is known.
func (v Verdict) Agrees() bool { return v == Equal || v == WithinUnconfirmed }

// AllModels is the model of a comparison where the export does not tell models apart.
const AllModels = "all models"

// Ledger is the side of the ledger, without rehearsals.
type Ledger struct {
	Days   []store.DaySum
	Doubts []store.OpenDoubt
}

// Options of a comparison.
type Options struct {
	// Providers are those of the ledger that the export is of; empty: the one that is called like the export's.
	Providers []string
	// Same says which names are one model, where [Fold] cannot know: the ledger's or the export's name to another.
	Same map[string]string
	// From and To are days; To is exclusive. Zero: all that the export covers. The ledger's sums go from the day before to the day after, because calls run over midnight.
	From, To time.Time
	// Now, and Lag: how long after its end a day is not settled, because exports lag. Final settles at once.
	Now   time.Time
	Lag   time.Duration
	Final bool
	// MaxCall is the longest that a call lasts.
	MaxCall time.Duration
}

// Side is one side's figures of a day and model. A nil figure is not known. The ledger's requests are the answered ones, and as many of those that failed or were cut as
// the export has: no documentation says whether these count.
type Side struct {
	Requests         *int64     `json:"requests"`
	InputTokens      *int64     `json:"input_tokens"` // all of it
	CacheReadTokens  *int64     `json:"cache_read_tokens"`
	CacheWriteTokens *int64     `json:"cache_write_tokens"`
	OutputTokens     *int64     `json:"output_tokens"`
	Cost             *money.Sum `json:"cost_usd"`
}

// Cell is the comparison of a day and model.
type Cell struct {
	Day      string `json:"day"`
	Provider string `json:"provider"`
	Model    string `json:"model"`
	// Names are those that the export has for it.
	Names       []string  `json:"billed_as"`
	Ours        Side      `json:"ledger"`
	Theirs      Side      `json:"export"`
	Difference  Side      `json:"difference"` // theirs − ours
	Rounding    money.Sum `json:"rounding_usd"`
	Unconfirmed money.Sum `json:"unconfirmed_usd"`
	// Calls are the calls that are unconfirmed.
	Calls   int     `json:"unconfirmed_calls"`
	Verdict Verdict `json:"verdict"`
	Note    string  `json:"note"`

	cell *cell
}

// Report is what a comparison found.
type Report struct {
	Cells       []Cell
	Formats     []Format
	Notes       []string
	Total       Side // of the ledger
	Billed      Side
	Unconfirmed money.Sum
	Verdicts    map[Verdict]int
	// Proven settles what the export proves; Left is what it does not, with the reason.
	Proven []Proof
	Left   []Remainder
	// Unexplained is what dead processes had leased and cannot be laid to any call.
	Unexplained money.Sum
}

// Agrees reports whether every day and model agrees.
func (r *Report) Agrees() bool {
	for v, n := range r.Verdicts {
		if n > 0 && !v.Agrees() {
			return false
		}
	}
	return true
}

// figures are what is compared.
type figures struct {
	requests, maybe                        int64 // maybe as many more requests
	input, cacheRead, cacheWrite, output   int64
	cost, slack                            money.Sum
	hasTokens, hasCost, present            bool
	estimated, booked, over, complete, cut int64
}

// cell is a day and model while it is compared.
type cell struct {
	provider, model string
	day             time.Time
	ours, theirs    figures
	names           map[string]bool
	other           bool
	covered         bool
	doubts          []*store.OpenDoubt
	verdict         Verdict
	note            string
}

type modelKey struct{ provider, model string }

// comparison is one while it is made.
type comparison struct {
	o       Options
	b       *Books
	cells   map[modelKey]map[int64]*cell
	unknown []*store.OpenDoubt // whose day is not known
	free    []*store.OpenDoubt // without a call
	into    map[modelKey]bool  // calls of the day before the first ran into it
}

// Span returns the days that are compared: those from the first to the last that the exports cover, within the given ones. to is exclusive.
func (b *Books) Span(from, to time.Time) (first, end time.Time) {
	b.finish()
	for _, days := range b.covered {
		for at := range days {
			day := time.Unix(at, 0).UTC()
			if first.IsZero() || day.Before(first) {
				first = day
			}
			if !day.Before(end) {
				end = day.AddDate(0, 0, 1)
			}
		}
	}
	if !from.IsZero() {
		first = from
	}
	if !to.IsZero() {
		end = to
	}
	return first, end
}

// Compare holds the ledger against the books of its providers. It is a function of its arguments.
func Compare(b *Books, l Ledger, o Options) *Report {
	c := &comparison{o: o, b: b, cells: map[modelKey]map[int64]*cell{}, into: map[modelKey]bool{}}
	c.o.From, c.o.To = b.Span(o.From, o.To)
	c.loadTheirs()
	c.loadOurs(l)
	c.loadDoubts(l)
	for _, days := range c.cells {
		for _, d := range days {
			d.judge()
		}
	}
	groups := c.groups()
	for _, g := range groups {
		g.judge()
	}
	r := c.report()
	c.prove(groups, r)
	return r
}

func (c *comparison) cell(provider, model string, day time.Time) *cell {
	k := modelKey{provider, model}
	if c.cells[k] == nil {
		c.cells[k] = map[int64]*cell{}
	}
	d := c.cells[k][day.Unix()]
	if d == nil {
		d = &cell{provider: provider, model: model, day: day, names: map[string]bool{}}
		c.cells[k][day.Unix()] = d
	}
	return d
}

// fold is the name under which a model is compared.
func (c *comparison) fold(provider, model string) string {
	for range len(c.o.Same) + 1 {
		to, there := c.o.Same[model]
		if !there {
			break
		}
		model = to
	}
	name := Fold(provider, model)
	for from, to := range c.o.Same {
		if Fold(provider, from) == name {
			return Fold(provider, to)
		}
	}
	return name
}

// tells reports whether an export of a format tells models apart.
func (b *Books) tells(f Format) bool {
	for k := range b.cells {
		if k.format == f && k.model != "" && !k.other {
			return true
		}
	}
	return false
}

func (b *Books) has(f Format) bool {
	for k := range b.cells {
		if k.format == f {
			return true
		}
	}
	return false
}

func (c *comparison) loadTheirs() {
	for k, t := range c.b.cells {
		provider, model := k.format.provider(), k.model
		switch {
		case k.other:
		case model != "":
			model = c.fold(provider, model)
		case c.b.tells(k.format):
			model = "(no model)"
		default:
			model = AllModels
		}
		d := c.cell(provider, model, time.Unix(k.day, 0).UTC())
		d.other = d.other || k.other || model == "(no model)"
		d.theirs.present = true
		maps.Copy(d.names, t.names)
		if k.format.costs() {
			d.theirs.cost, d.theirs.slack, d.theirs.hasCost = d.theirs.cost.Plus(t.cost), d.theirs.slack.Plus(t.slack), true
			continue
		}
		add := func(to *int64, n int64) {
			switch {
			case n == unsaid, *to == unsaid:
				*to = unsaid
			default:
				*to += n
			}
		}
		add(&d.theirs.requests, t.requests)
		add(&d.theirs.input, t.input)
		add(&d.theirs.cacheRead, t.cacheRead)
		add(&d.theirs.cacheWrite, t.cacheWrite)
		add(&d.theirs.output, t.output)
		d.theirs.hasTokens = true
	}
}

// exportOf returns the provider whose export tells of a provider of the ledger, empty if none does.
func (c *comparison) exportOf(provider string) string {
	var whose []string
	for _, f := range c.b.Formats() {
		if !slices.Contains(whose, f.provider()) {
			whose = append(whose, f.provider())
		}
	}
	switch {
	case len(c.o.Providers) == 0 && slices.Contains(whose, provider):
		return provider
	case slices.Contains(c.o.Providers, provider) && slices.Contains(whose, provider):
		return provider
	case slices.Contains(c.o.Providers, provider) && len(whose) == 1:
		return whose[0]
	}
	return ""
}

// rows are where a call of a day and model is compared: by model, and over all models where an export does not tell them apart.
func (c *comparison) rows(export, model string, day time.Time) (all []*cell) {
	named, whole := false, false
	for _, f := range c.b.Formats() {
		if f.provider() != export {
			continue
		}
		if c.b.has(f) && !c.b.tells(f) {
			whole = true
		} else {
			named = true
		}
	}
	if named {
		all = append(all, c.cell(export, c.fold(export, model), day))
	}
	if whole {
		all = append(all, c.cell(export, AllModels, day))
	}
	return all
}

func (c *comparison) inRange(day time.Time) bool {
	return (c.o.From.IsZero() || !day.Before(c.o.From)) && (c.o.To.IsZero() || day.Before(c.o.To))
}

func (c *comparison) loadOurs(l Ledger) {
	for _, s := range l.Days {
		export := c.exportOf(s.Provider)
		if export == "" {
			continue
		}
		if !c.inRange(s.Day) {
			if s.Over > 0 && c.inRange(s.Day.AddDate(0, 0, 1)) {
				c.into[modelKey{export, c.fold(export, s.Upstream)}], c.into[modelKey{export, AllModels}] = true, true
			}
			continue
		}
		for _, d := range c.rows(export, s.Upstream, s.Day) {
			o := &d.ours
			// An error has no bill, and whether it counts as a request no documentation says; what was cut may have counted, too.
			o.requests += s.Complete + s.Estimated
			o.maybe += s.Cut + s.Failed + s.Booked + s.Verified
			o.complete, o.estimated, o.booked, o.over, o.cut = o.complete+s.Complete, o.estimated+s.Estimated, o.booked+s.Booked, o.over+s.Over, o.cut+s.Cut
			o.input += s.InputTokens + s.CacheReadTokens + s.CacheWriteTokens
			o.cacheRead += s.CacheReadTokens
			o.cacheWrite += s.CacheWriteTokens
			o.output += s.OutputTokens
			o.cost = o.cost.Plus(s.Cost)
			o.hasTokens, o.hasCost, o.present = true, true, true
		}
	}
}

func (c *comparison) loadDoubts(l Ledger) {
	for i := range l.Doubts {
		d := &l.Doubts[i]
		if d.Call == "" {
			c.free = append(c.free, d)
			continue
		}
		export := c.exportOf(d.Provider)
		if export == "" {
			continue
		}
		if d.Started.IsZero() {
			c.unknown = append(c.unknown, d)
			continue
		}
		day, model := dayOf(d.Started), cmp.Or(d.Upstream, d.Model)
		if !c.inRange(day) {
			if c.mayRunOver(d) && c.inRange(day.AddDate(0, 0, 1)) {
				c.into[modelKey{export, c.fold(export, model)}], c.into[modelKey{export, AllModels}] = true, true
			}
			continue
		}
		for _, cell := range c.rows(export, model, day) {
			cell.doubts = append(cell.doubts, d)
		}
	}
	for k, days := range c.cells {
		for at, d := range days {
			for f, covered := range c.b.covered {
				if f.provider() == k.provider && covered[at] {
					d.covered = true
				}
			}
			// An export that covers a day and has nothing of a model says that there was nothing.
			if !d.theirs.present && d.covered {
				for _, f := range c.b.Formats() {
					if f.provider() != k.provider || !c.b.covered[f][at] || c.b.has(f) && c.b.tells(f) == (k.model == AllModels) {
						continue
					}
					if f.costs() {
						d.theirs.hasCost = true
					} else {
						d.theirs.hasTokens = true
						d.theirs.cacheRead, d.theirs.cacheWrite, d.theirs.requests = 0, 0, 0
					}
				}
			}
		}
	}
}

// unconfirmed is what is in doubt.
func (d *cell) unconfirmed() (sum money.Sum) {
	for _, o := range d.doubts {
		sum = sum.Add(o.Amount)
	}
	return sum
}

// surplus compares two sides: whether anything is more, or less, than ours.
func surplus(ours, theirs *figures) (more, less bool) {
	see := func(o, t int64) {
		if t != unsaid {
			more, less = more || t > o, less || t < o
		}
	}
	if theirs.hasTokens {
		see(ours.input, theirs.input)
		see(ours.output, theirs.output)
		see(ours.cacheRead, theirs.cacheRead)
		see(ours.cacheWrite, theirs.cacheWrite)
		if n := theirs.requests; n != unsaid && (theirs.present || ours.present) {
			more, less = more || n > ours.requests+ours.maybe, less || n < ours.requests
		}
	}
	if theirs.hasCost {
		off := theirs.cost.Minus(ours.cost)
		more, less = more || off.Cmp(theirs.slack) > 0, less || off.Plus(theirs.slack).Negative()
	}
	return more, less
}

// judge compares one day and model.
func (d *cell) judge() { d.verdict, d.note = judge(&d.ours, &d.theirs, d.doubts, d.covered) }

func judge(ours, theirs *figures, doubts []*store.OpenDoubt, covered bool) (Verdict, string) {
	nothing := ours.cost == money.Sum{} && ours.requests == 0 && ours.input+ours.output == 0
	switch {
	case !theirs.present && nothing && len(doubts) == 0:
		return Equal, ""
	case !theirs.present && (!nothing || !covered):
		return NotInExport, ""
	case !theirs.present:
		return Equal, "the export covers the day and has nothing of it"
	}
	more, less := surplus(ours, theirs)
	if !ours.present && len(doubts) == 0 {
		if more {
			return NotInLedger, ""
		}
		return Equal, ""
	}
	note := ""
	if ours.estimated > 0 && (more || less) {
		note = fmt.Sprintf("%d answers without usage were booked at their bound", ours.estimated)
	} else if ours.booked > 0 && (more || less) {
		note = fmt.Sprintf("%d calls were booked without a proof", ours.booked)
	}
	switch {
	case !more && !less:
		return Equal, note
	case more && less && !theirs.hasCost:
		return BilledMore, join(note, "of some kinds of token more, of others less")
	case more && len(doubts) > 0 && explained(ours, theirs, doubts):
		return WithinUnconfirmed, note
	case theirs.hasCost:
		off := theirs.cost.Minus(ours.cost)
		if off.Plus(theirs.slack).Negative() {
			return BilledLess, note
		}
		if off.Cmp(theirs.slack) <= 0 {
			note = join(note, "the dollars agree, the counts do not")
		}
	}
	if more {
		return BilledMore, note
	}
	return BilledLess, note
}

// explained reports whether what is billed more can be what is in doubt.
func explained(ours, theirs *figures, doubts []*store.OpenDoubt) bool {
	_, less := surplus(ours, theirs)
	if less {
		return false
	}
	if n := theirs.requests; theirs.hasTokens && n != unsaid && n > ours.requests+ours.maybe+int64(len(doubts)) {
		return false
	}
	if !theirs.hasCost {
		return true
	}
	most := ours.cost.Plus(theirs.slack)
	for _, d := range doubts {
		most = most.Add(d.Amount)
	}
	return theirs.cost.Cmp(most) <= 0
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// report turns cells into what is shown.
func (c *comparison) report() *Report {
	r := &Report{Formats: c.b.Formats(), Notes: slices.Clone(c.b.Notes()), Verdicts: map[Verdict]int{}}
	for _, f := range slices.Sorted(maps.Keys(c.b.more)) {
		r.Notes = append(r.Notes, fmt.Sprintf("%s says that more pages follow, and they were not given: what is on them is missing", c.b.more[f]))
	}
	if c.b.hidden > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d entries do not say their key or project and were left out: export them with group_by", c.b.hidden))
	}
	var all []*cell
	for _, days := range c.cells {
		for _, d := range days {
			if d.ours.present || d.theirs.present || len(d.doubts) > 0 {
				all = append(all, d)
			}
		}
	}
	slices.SortFunc(all, func(a, b *cell) int {
		return cmp.Or(a.day.Compare(b.day), cmp.Compare(a.provider, b.provider), cmp.Compare(a.model, b.model))
	})
	var ours, theirs figures
	for _, d := range all {
		if d.quiet() {
			continue
		}
		// Of the attempts that may or may not have counted, as many as the export has.
		if n := d.theirs.requests; d.theirs.hasTokens && n != unsaid {
			d.ours.requests = min(max(n, d.ours.requests), d.ours.requests+d.ours.maybe)
		}
		r.Cells = append(r.Cells, d.shown())
		r.Verdicts[d.verdict]++
		ours.plus(&d.ours, d.model == AllModels && c.named(d))
		theirs.plus(&d.theirs, false)
		if d.model != AllModels || !c.named(d) {
			r.Unconfirmed = r.Unconfirmed.Plus(d.unconfirmed())
		}
	}
	ours.hasTokens, ours.hasCost = true, true
	r.Total, r.Billed = ours.side(), theirs.side()
	for _, d := range c.free {
		r.Unexplained = r.Unexplained.Add(d.Amount)
	}
	return r
}

// named reports whether the calls of an all-models cell are shown by model, too.
func (c *comparison) named(d *cell) bool {
	for k := range c.cells {
		if k.provider == d.provider && k.model != AllModels && c.cells[k][d.day.Unix()] != nil && c.cells[k][d.day.Unix()].ours.present {
			return true
		}
	}
	return false
}

// quiet cells have nothing to say: calls that were never billed, of a model that the bill does not have.
func (d *cell) quiet() bool {
	return d.verdict == Equal && len(d.doubts) == 0 && d.ours.cost == money.Sum{} && d.ours.requests == 0 && !d.theirs.some()
}

func (f *figures) some() bool {
	return f.cost != money.Sum{} || f.requests > 0 || f.input > 0 || f.output > 0
}

func (f *figures) plus(o *figures, twice bool) {
	if twice {
		return
	}
	f.present = f.present || o.present
	f.requests += max(o.requests, 0)
	f.maybe += o.maybe
	f.input += max(o.input, 0)
	f.output += max(o.output, 0)
	f.cacheRead, f.cacheWrite = f.cacheRead+max(o.cacheRead, 0), f.cacheWrite+max(o.cacheWrite, 0)
	f.cost, f.slack = f.cost.Plus(o.cost), f.slack.Plus(o.slack)
	f.estimated, f.booked, f.over, f.complete, f.cut = f.estimated+o.estimated, f.booked+o.booked, f.over+o.over, f.complete+o.complete, f.cut+o.cut
	f.hasTokens, f.hasCost = f.hasTokens || o.hasTokens, f.hasCost || o.hasCost
}

func (f *figures) side() (s Side) {
	known := func(n int64) *int64 {
		if n == unsaid {
			return nil
		}
		return &n
	}
	if f.hasTokens {
		s.Requests, s.InputTokens, s.OutputTokens = known(f.requests), known(f.input), known(f.output)
		s.CacheReadTokens, s.CacheWriteTokens = known(f.cacheRead), known(f.cacheWrite)
	}
	if f.hasCost {
		s.Cost = &f.cost
	}
	return s
}

func (d *cell) shown() Cell {
	d.ours.hasTokens, d.ours.hasCost = true, true // nothing is a figure, too
	names := slices.DeleteFunc(sorted(d.names), func(n string) bool { return n == "" || n == d.model })
	c := Cell{
		Day: d.day.Format(time.DateOnly), Provider: d.provider, Model: d.model, Names: names, Ours: d.ours.side(), Theirs: d.theirs.side(),
		Rounding: d.theirs.slack, Unconfirmed: d.unconfirmed(), Calls: len(d.doubts), Verdict: d.verdict, Note: d.note, cell: d,
	}
	less := func(t, o *int64) *int64 {
		if t == nil || o == nil {
			return nil
		}
		n := *t - *o
		return &n
	}
	o, t := &c.Ours, &c.Theirs
	c.Difference = Side{
		Requests: less(t.Requests, o.Requests), InputTokens: less(t.InputTokens, o.InputTokens), OutputTokens: less(t.OutputTokens, o.OutputTokens),
		CacheReadTokens: less(t.CacheReadTokens, o.CacheReadTokens), CacheWriteTokens: less(t.CacheWriteTokens, o.CacheWriteTokens),
	}
	if t.Cost != nil && o.Cost != nil {
		off := t.Cost.Minus(*o.Cost)
		c.Difference.Cost = &off
	}
	if d.other {
		c.Note = join(c.Note, "no model: the ledger counts fees with the model whose call caused them")
	}
	return c
}
