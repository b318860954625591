package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Proof is an unconfirmed call whose cost the export proves.
type Proof struct {
	Settlement store.Settlement
	Job        string
	Day        string
	Provider   string
	Model      string
	Why        string
}

// Remainder are unconfirmed calls of a day and model that stay as they are.
type Remainder struct {
	Day      string    `json:"day"` // empty where it is not known
	Provider string    `json:"provider"`
	Model    string    `json:"model"`
	Calls    int       `json:"calls"`
	Amount   money.Sum `json:"unconfirmed_usd"`
	Why      string    `json:"reason"`
}

// group is one model over days that calls connect which ran over midnight: a provider may count such a call on either of them.
type group struct {
	cells        []*cell // by day
	ours, theirs figures
	doubts       []*store.OpenDoubt
	covered      bool // each of the days
	verdict      Verdict
}

// groups joins days over whose midnight a call ran, or may have run where its end is not known.
func (c *comparison) groups() (all []*group) {
	for _, days := range c.cells {
		joined := map[int64]bool{} // with the day after
		for at, d := range days {
			joined[at] = d.ours.over > 0 || slices.ContainsFunc(d.doubts, func(o *store.OpenDoubt) bool { return c.mayRunOver(o) })
		}
		for at, over := range joined {
			next := time.Unix(at, 0).UTC().AddDate(0, 0, 1)
			if over && days[next.Unix()] == nil && c.inRange(next) {
				d := c.cell(days[at].provider, days[at].model, next)
				for f, covered := range c.b.covered {
					if f.provider() == d.provider && covered[next.Unix()] {
						d.covered = true
					}
				}
				d.judge()
			}
		}
		list := make([]*cell, 0, len(days))
		for _, d := range days {
			list = append(list, d)
		}
		slices.SortFunc(list, func(a, b *cell) int { return a.day.Compare(b.day) })
		var g *group
		for i, d := range list {
			if i == 0 || !joined[list[i-1].day.Unix()] || !list[i-1].day.AddDate(0, 0, 1).Equal(d.day) {
				g = &group{covered: true}
				all = append(all, g)
			}
			g.cells = append(g.cells, d)
			g.doubts = append(g.doubts, d.doubts...)
			g.covered = g.covered && d.covered
		}
	}
	for _, g := range all {
		for _, d := range g.cells {
			g.ours.plus(&d.ours, false)
			g.theirs.join(&d.theirs)
		}
	}
	slices.SortFunc(all, func(a, b *group) int {
		return cmp.Or(a.cells[0].day.Compare(b.cells[0].day), cmp.Compare(a.cells[0].provider, b.cells[0].provider), cmp.Compare(a.cells[0].model, b.cells[0].model))
	})
	return all
}

// join is plus for the export's side, where a count that one day does not say is not known of both.
func (f *figures) join(o *figures) {
	unknown := func(n *int64, m int64) {
		if !o.present {
			return
		}
		if m == unsaid || *n == unsaid {
			*n = unsaid
		} else {
			*n += m
		}
	}
	unknown(&f.requests, o.requests)
	unknown(&f.input, o.input)
	unknown(&f.cacheRead, o.cacheRead)
	unknown(&f.cacheWrite, o.cacheWrite)
	unknown(&f.output, o.output)
	f.cost, f.slack = f.cost.Plus(o.cost), f.slack.Plus(o.slack)
	f.present, f.hasTokens, f.hasCost = f.present || o.present, f.hasTokens || o.hasTokens, f.hasCost || o.hasCost
}

// mayRunOver reports whether a call may have ended after the midnight that follows its beginning.
func (c *comparison) mayRunOver(o *store.OpenDoubt) bool {
	end := o.Started.Add(c.o.MaxCall)
	if o.Since.Before(end) { // it was written down when it had ended
		end = o.Since
	}
	return dayOf(end).After(dayOf(o.Started))
}

// judge compares the days together: days that differ and are equal together do agree.
func (g *group) judge() {
	g.verdict = g.cells[0].verdict
	if len(g.cells) == 1 {
		return
	}
	g.verdict, _ = judge(&g.ours, &g.theirs, g.doubts, g.covered)
	if !g.verdict.Agrees() {
		return
	}
	for _, d := range g.cells {
		if !d.verdict.Agrees() {
			d.verdict, d.note = g.verdict, "together with the day beside it: calls ran over midnight"
		}
	}
}

// prove says which unconfirmed calls the export settles.
func (c *comparison) prove(groups []*group, r *Report) {
	strangers := map[string]string{} // provider → what shows that others use its account
	for _, g := range groups {
		if d := g.cells[0]; !g.verdict.Agrees() && g.verdict != NotInExport && strangers[d.provider] == "" {
			strangers[d.provider] = fmt.Sprintf("%s of %s is %s, which no unconfirmed call explains", d.model, d.day.Format(time.DateOnly), g.verdict)
		}
	}
	settled, reasons := map[*store.OpenDoubt]money.USD{}, map[*store.OpenDoubt]string{}
	var order []*store.OpenDoubt
	for _, whole := range []bool{false, true} { // by model first; an export of sums over all models may prove more
		for _, g := range groups {
			if (g.cells[0].model == AllModels) != whole || len(g.doubts) == 0 {
				continue
			}
			proofs, why := c.proveOpen(g, r, strangers[g.cells[0].provider], settled)
			for _, o := range g.doubts {
				if _, done := settled[o]; !done && reasons[o] == "" {
					order, reasons[o] = append(order, o), why
				}
			}
			for i, o := range g.doubts {
				if why == "" {
					settled[o] = proofs[i].Settlement.Cost
				}
			}
			r.Proven = append(r.Proven, proofs...)
		}
	}
	for _, o := range order {
		if _, done := settled[o]; !done {
			c.leave(r, o, dayOf(o.Started).Format(time.DateOnly), reasons[o])
		}
	}
	for _, o := range c.beyond {
		c.leave(r, o, dayOf(o.Started).Format(time.DateOnly), "the day is not among those that are compared")
	}
	for _, o := range c.unknown {
		c.leave(r, o, "", "when the call began is not known: it was on the wire when its process died, under an earlier version")
	}
}

// proveOpen is proveGroup for those of a group's calls that are not settled yet.
func (c *comparison) proveOpen(g *group, r *Report, strangers string, settled map[*store.OpenDoubt]money.USD) ([]Proof, string) {
	var cost money.USD
	g.doubts = slices.DeleteFunc(g.doubts, func(o *store.OpenDoubt) bool {
		paid, done := settled[o]
		cost += paid
		return done
	})
	if len(g.doubts) == 0 {
		return nil, ""
	}
	if cost > 0 {
		return nil, "other calls of the day are settled first; compare again then"
	}
	return c.proveGroup(g, r, strangers)
}

// leave notes a call that stays unconfirmed with others of its day, model and reason.
func (c *comparison) leave(r *Report, o *store.OpenDoubt, day, why string) {
	export := c.exportOf(o.Provider)
	l := Remainder{Day: day, Provider: export, Model: c.fold(export, cmp.Or(o.Upstream, o.Model)), Why: why}
	i := slices.IndexFunc(r.Left, func(x Remainder) bool {
		return x.Day == l.Day && x.Provider == l.Provider && x.Model == l.Model && x.Why == l.Why
	})
	if i < 0 {
		i, r.Left = len(r.Left), append(r.Left, l)
	}
	r.Left[i].Calls++
	r.Left[i].Amount = r.Left[i].Amount.Add(o.Amount)
}

// proveGroup returns what the export proves of the unconfirmed calls of a group, or why it proves nothing.
func (c *comparison) proveGroup(g *group, r *Report, strangers string) ([]Proof, string) {
	last := g.cells[len(g.cells)-1]
	end := last.day.AddDate(0, 0, 1)
	made := c.o.Now
	if !c.o.Made.IsZero() && c.o.Made.Before(made) {
		made = c.o.Made
	}
	switch {
	case !c.o.Final && made.Before(end.Add(c.o.Lag)):
		return nil, fmt.Sprintf("the day's books may not be closed before %s, and the export is of %s (--final settles now)",
			end.Add(c.o.Lag).Format(time.RFC3339), made.UTC().Truncate(time.Second).Format(time.RFC3339))
	case c.cut(g):
		return nil, "calls ran over midnight into a day that is left out: give the days before and after, too"
	case !g.covered:
		return nil, "the export does not cover the day"
	case slices.ContainsFunc(g.doubts, c.outOfReach):
		return nil, "the export's entries do not reach over the whole of these calls: export whole days"
	case c.b.hidden > 0:
		return nil, "entries of the export do not say their key or project, and may be these calls"
	case !g.theirs.some() && c.anyMissing(g, r):
		return nil, "other calls of the ledger are not in the export either: it is not complete"
	case !g.theirs.some() && !c.anyEqual(g, r):
		return nil, "no confirmed call is in the export, so nothing shows that it is of this account"
	case !g.theirs.some() && !c.speaksOf(g, r):
		return nil, "no line of the export is of its kind: the usage of embeddings and that of completions are exports of their own; give both"
	}
	if o, t := &g.ours, &g.theirs; t.hasTokens && t.input == o.input && t.output == o.output && same(t.cacheRead, o.cacheRead) && same(t.cacheWrite, o.cacheWrite) {
		off := t.cost.Minus(o.cost)
		switch {
		case t.requests != unsaid && t.requests > o.requests+o.maybe: // calls without a token
		case t.hasCost && off.Cmp(t.slack) > 0 && explained(o, t, g.doubts):
			return nil, "the export has the tokens of the confirmed calls, and more dollars than they cost: its usage may lag behind its costs"
		default:
			return g.proofs(nil, figures{}, "the export has exactly the tokens of the confirmed calls"), ""
		}
	}
	if !g.theirs.hasCost {
		if g.verdict == BilledLess {
			return nil, "fewer tokens were billed than the ledger has of confirmed calls"
		}
		return nil, "more tokens were billed than confirmed calls have; what they cost is in the cost export: give it, too"
	}
	return c.proveDollars(g, strangers)
}

// outOfReach reports whether a call may have been on the wire at a time that an export of its day has no entries of: then silence proves nothing.
func (c *comparison) outOfReach(o *store.OpenDoubt) bool {
	end := o.Started.Add(c.o.MaxCall)
	if o.Since.Before(end) {
		end = o.Since
	}
	export, day := c.exportOf(o.Provider), dayOf(o.Started).Unix()
	for f, s := range c.b.spans {
		if f.provider() == export && s.fine && c.b.covered[f][day] && (o.Started.Before(s.from) || end.After(s.to)) {
			return true
		}
	}
	return false
}

func same(theirs, ours int64) bool { return theirs == unsaid || theirs == ours }

// cut reports whether a group goes on at a midnight beyond which nothing is compared.
func (c *comparison) cut(g *group) bool {
	first, last := g.cells[0], g.cells[len(g.cells)-1]
	over := last.ours.over > 0 || slices.ContainsFunc(last.doubts, c.mayRunOver)
	return over && !c.inRange(last.day.AddDate(0, 0, 1)) || c.into[modelKey{first.provider, first.model}] && !c.inRange(first.day.AddDate(0, 0, -1))
}

// anyMissing reports whether calls that were confirmed are not in the export: then silence proves nothing.
func (c *comparison) anyMissing(g *group, r *Report) bool {
	return slices.ContainsFunc(r.Cells, func(x Cell) bool {
		return x.Verdict == NotInExport && x.Provider == g.cells[0].provider && len(x.cell.doubts) == 0
	})
}

// anyEqual reports whether the export has confirmed calls, of whatever day and model, as the ledger has them.
func (c *comparison) anyEqual(g *group, r *Report) bool {
	return slices.ContainsFunc(r.Cells, func(x Cell) bool {
		return x.Verdict == Equal && x.Provider == g.cells[0].provider && x.cell.theirs.some()
	})
}

// speaksOf reports whether an export can have lines of a group's model, of which it has none. OpenAI exports the usage of embeddings apart
// (https://platform.openai.com/docs/api-reference/usage/embeddings); costs are of everything.
func (c *comparison) speaksOf(g *group, r *Report) bool {
	first := g.cells[0]
	if first.provider != OpenAI || first.model == AllModels || c.b.covered[OpenAICosts][first.day.Unix()] {
		return true
	}
	return slices.ContainsFunc(r.Cells, func(x Cell) bool {
		return x.Provider == first.provider && x.cell.theirs.some() && embeds(x.Model) == embeds(first.model)
	})
}

func embeds(model string) bool { return strings.Contains(strings.ToLower(model), "embed") }

// proveDollars is for an export of dollars, with or without tokens.
func (c *comparison) proveDollars(g *group, strangers string) ([]Proof, string) {
	o, t := &g.ours, &g.theirs
	off := t.cost.Minus(o.cost)
	switch {
	case o.estimated > 0:
		return nil, fmt.Sprintf("%d answers without usage were booked at their bound, so dollars prove nothing", o.estimated)
	case o.booked > 0:
		return nil, fmt.Sprintf("%d calls were booked without a proof, so dollars prove nothing", o.booked)
	case t.slack != money.Sum{}:
		return nil, fmt.Sprintf("the export's amounts are rounded, by up to $%s in all: they prove nothing; give the usage export, or the pages of the API", t.slack)
	case off.Negative():
		return nil, "less was billed than the ledger has of confirmed calls"
	case off == money.Sum{} && !t.hasTokens:
		return g.proofs(nil, figures{}, "the export has exactly the dollars of the confirmed calls"), ""
	case off == money.Sum{}:
		return nil, "the dollars are those of the confirmed calls, and the tokens are not"
	case strangers != "":
		return nil, "others may use the same account: " + strangers
	case len(c.free) > 0:
		return nil, "a process that died had leased money for calls that nobody knows, which may have been billed; end that first: aurea jobs reconcile"
	case c.nameless != money.Sum{}:
		return nil, fmt.Sprintf("$%s was booked by hand for calls that nobody knows, and may be this", c.nameless)
	case g.verdict != WithinUnconfirmed:
		return nil, "more was billed than these calls can have cost"
	}
	return g.book(off)
}

// book lays a surplus to the calls that are in doubt, where it does not matter to which.
func (g *group) book(off money.Sum) ([]Proof, string) {
	for _, d := range g.doubts[1:] {
		if d.Job != g.doubts[0].Job || !slices.Equal(d.Path, g.doubts[0].Path) {
			return nil, "it is not known which of the calls were billed, and they are of several jobs"
		}
	}
	costs := make([]money.USD, len(g.doubts))
	rest := off
	for i, d := range g.doubts {
		costs[i] = min(d.Least, rest.Clamp())
		rest = rest.Sub(costs[i])
	}
	if rest != (money.Sum{}) {
		return nil, "more was billed than is unconfirmed on every account of these calls"
	}
	var tokens figures
	if t, o := &g.theirs, &g.ours; t.hasTokens {
		tokens = figures{hasTokens: true, cacheRead: max(t.cacheRead-o.cacheRead, 0), cacheWrite: max(t.cacheWrite-o.cacheWrite, 0), output: t.output - o.output}
		tokens.input = max(t.input-o.input-tokens.cacheRead-tokens.cacheWrite, 0)
	}
	why := "the export has $" + off.String() + " more than the confirmed calls cost, and nothing else can have"
	if len(g.doubts) > 1 {
		why += fmt.Sprintf("; %d calls of one job share it", len(g.doubts))
	}
	return g.proofs(costs, tokens, why), ""
}

// proofs settles every call of the group; without costs none was billed.
func (g *group) proofs(costs []money.USD, tokens figures, why string) []Proof {
	all := make([]Proof, len(g.doubts))
	d := g.cells[0]
	days := make([]string, 0, len(g.cells))
	for _, c := range g.cells {
		days = append(days, c.day.Format(time.DateOnly))
	}
	for i, o := range g.doubts {
		s := store.Settlement{Owner: o.Owner, Call: o.Call, Attempt: o.Attempt, Doubt: o.Amount, Outcome: store.OutcomeVerified}
		if costs != nil {
			s.Cost = costs[i]
			if i == 0 {
				s.InputTokens, s.CacheReadTokens, s.CacheWriteTokens, s.OutputTokens = tokens.input, tokens.cacheRead, tokens.cacheWrite, tokens.output
			}
		}
		all[i] = Proof{Settlement: s, Job: o.Job, Day: strings.Join(days, " and "), Provider: d.provider, Model: d.model, Why: why}
	}
	return all
}
