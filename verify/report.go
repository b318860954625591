package verify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
)

// report turns cells into what is shown.
func (c *comparison) report() *Report {
	r := &Report{Formats: c.b.Formats(), Notes: slices.Clone(c.b.Notes()), Verdicts: map[Verdict]int{}}
	for _, f := range slices.Sorted(maps.Keys(c.b.more)) {
		r.Notes = append(r.Notes, fmt.Sprintf("%s says that more pages follow, and they were not given: what is on them is missing", c.b.more[f]))
	}
	if c.nameless != (money.Sum{}) {
		r.Notes = append(r.Notes, fmt.Sprintf("$%s was booked by hand for calls that nobody knows, which may be in the export and are in no line of the ledger's", c.nameless))
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
