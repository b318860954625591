package verify

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

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
		if s.Provider == "" && !s.Day.Before(c.o.From) {
			c.nameless = c.nameless.Plus(s.Cost)
		}
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
			c.beyond = append(c.beyond, d)
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
