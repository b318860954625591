package verify

import (
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
	// From and To are days; To is exclusive. Zero: all that the export covers. The ledger's sums begin with the day before, because calls run over midnight, and
	// go on to the present, because what was booked by hand was booked later.
	From, To time.Time
	// Now, and Lag: how long after its end a day is not settled, because exports lag. Final settles at once.
	Now   time.Time
	Lag   time.Duration
	Final bool
	// Made is when the exports were made, if that is known: a day that was not closed then is not in them whole. Zero is not known.
	Made time.Time
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
	beyond  []*store.OpenDoubt // on other days than those compared
	free    []*store.OpenDoubt // without a call
	into    map[modelKey]bool  // calls of the day before the first ran into it
	// nameless was booked by hand for calls that nobody knows.
	nameless money.Sum
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
