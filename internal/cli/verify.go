package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/verify"
)

// exportLag is how long after the end of a day its books are taken to be open: usage shows within minutes, costs within hours
// (https://docs.claude.com/en/api/usage-cost-api, https://help.openai.com/en/articles/8554956-usage-dashboard).
const exportLag = 6 * time.Hour

var exportFormats = []string{string(verify.OpenAIUsage), string(verify.OpenAICosts), string(verify.AnthropicUsage), string(verify.AnthropicCosts)}

// verifyFlags are what `aurea verify` was asked.
type verifyFlags struct {
	usage, providers, keys, projects, same []string
	format, from, to                       string
	lag                                    time.Duration
	final, settle                          bool
}

func (p *program) verifyCommand() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify --usage EXPORT [EXPORT...]",
		Short: "Compare the ledger with a provider's usage or cost export, and settle what it proves",
		Long: `Compare the ledger with a provider's own books, by UTC day and model: requests, tokens and dollars, exactly.

An export is what the administration APIs of OpenAI or Anthropic return (JSON, any number of pages) or what their consoles give (CSV).
Usage and costs may be given together. An export that is not of this installation alone needs --key-id or --project.

What was unconfirmed is settled where the export proves what it cost, or that it cost nothing: shown by default, written with --settle.

Exit code 0 if every day and model agrees, or differs by no more than what is unconfirmed; 4 if any does not; 1 if there is no comparison.`,
		Example: `  curl -s -H "Authorization: Bearer $OPENAI_ADMIN_KEY" -o usage.json \
    "https://api.openai.com/v1/organization/usage/completions?start_time=1763856000&bucket_width=1d&group_by=model&limit=31"
  aurea verify --usage usage.json
  aurea verify --usage usage.json --usage costs.json --settle
  aurea verify --usage claude_api_cost_2026_11.csv --from 2026-11-01 --to 2026-11-22 --key-id nightly
  cat pages/*.json | aurea verify --usage - --json`,
		Args: cobra.ArbitraryArgs,
	}
	cmd.RunE = p.withStore(func(ctx context.Context, st store.Store, args []string) error {
		f.usage = append(f.usage, args...)
		return p.verify(ctx, st, &f)
	})
	fl := cmd.Flags()
	fl.StringArrayVar(&f.usage, "usage", nil, "`EXPORT` of a provider, CSV or JSON; - is standard input; repeatable")
	fl.StringVar(&f.format, "format", "", "what the exports are, if it is not seen: "+listed(exportFormats))
	fl.StringArrayVar(&f.providers, "provider", nil, "the configured `PROVIDER` that the export is of (default the one called openai or anthropic); repeatable")
	fl.StringVar(&f.from, "from", "", "the first `DAY` (UTC) to compare, such as 2026-11-01 (default the export's first)")
	fl.StringVar(&f.to, "to", "", "the last `DAY` (UTC) to compare (default the export's last)")
	fl.StringArrayVar(&f.keys, "key-id", nil, "only what the export has of this API key, by `ID` or name; repeatable")
	fl.StringArrayVar(&f.projects, "project", nil, "only what the export has of this project or workspace, by `ID` or name; repeatable")
	fl.StringArrayVar(&f.same, "same", nil, "two names of one model, `NAME=NAME`; repeatable")
	fl.BoolVar(&f.settle, "settle", false, "write what is proven: book it or release it")
	fl.DurationVar(&f.lag, "lag", exportLag, "how long after its end a day is not settled, because exports lag")
	fl.BoolVar(&f.final, "final", false, "the export is final: settle every day it covers, today too")
	completeWith(cmd, "format", words(exportFormats))
	return cmd
}

func (p *program) verify(ctx context.Context, st store.Store, f *verifyFlags) error {
	books, o, err := p.readExports(f)
	if err != nil {
		return err
	}
	if books.Unmatched() {
		return &exit{code: exitError, err: errors.New("nothing in the export is of those keys and projects; without --key-id and --project all of it is compared")}
	}
	from, to := books.Span(o.From, o.To)
	if from.IsZero() || !from.Before(to) {
		return &exit{code: exitError, err: errors.New("the export covers no day, or none of those that were asked for")}
	}
	o.Now, o.MaxCall = time.Now(), p.maxCall
	ledger, notes, err := p.ledgerOf(ctx, st, books, o.Providers, from)
	if err != nil {
		return err
	}
	report := verify.Compare(books, ledger, o)
	report.Notes = append(report.Notes, notes...)
	v := viewVerification(report)
	if f.settle {
		if err := p.settleProven(ctx, st, report, &v); err != nil {
			return err
		}
	}
	if p.flags.json {
		p.event(v)
	} else if err := v.print(p.stdout); err != nil {
		return err
	}
	if !report.Agrees() {
		return &exit{code: exitSomeFailed, err: errors.New("ledger and export differ"), silent: true}
	}
	return nil
}

// readExports reads all exports, and the options of the comparison.
func (p *program) readExports(f *verifyFlags) (*verify.Books, verify.Options, error) {
	o := verify.Options{Providers: f.providers, Lag: f.lag, Final: f.final, Same: map[string]string{}}
	if len(f.usage) == 0 {
		return nil, o, usageError("verify needs an export: aurea verify --usage EXPORT; see aurea verify --help for how to get one")
	}
	if f.format != "" && !slices.Contains(verify.Formats, verify.Format(f.format)) {
		return nil, o, usageError("--format %q: want %s", f.format, listed(exportFormats))
	}
	for _, pair := range f.same {
		a, b, ok := strings.Cut(pair, "=")
		if !ok || a == "" || b == "" {
			return nil, o, usageError("--same %q: want two names of one model, NAME=NAME", pair)
		}
		o.Same[a] = b
	}
	var err error
	if o.From, err = dayFlag("--from", f.from); err != nil {
		return nil, o, err
	}
	if o.To, err = dayFlag("--to", f.to); err != nil {
		return nil, o, err
	}
	if !o.To.IsZero() {
		o.To = o.To.AddDate(0, 0, 1)
	}
	if f.lag < 0 {
		return nil, o, usageError("--lag %s: want a time of zero or more", f.lag)
	}
	books := &verify.Books{Filter: verify.Filter{Keys: f.keys, Projects: f.projects, From: o.From, To: o.To}}
	for _, name := range f.usage {
		made, err := p.readExport(books, name, verify.Format(f.format))
		if err != nil {
			return nil, o, err
		}
		if !made.IsZero() && (o.Made.IsZero() || made.Before(o.Made)) {
			o.Made = made
		}
	}
	return books, o, nil
}

// readExport returns when the file was written, which is the latest that it can be of; zero for standard input.
func (p *program) readExport(books *verify.Books, name string, format verify.Format) (made time.Time, err error) {
	if name == "-" {
		return made, books.Read(p.stdin, "standard input", format)
	}
	file, err := os.Open(name) // #nosec G304 -- the user names the file
	if err != nil {
		return made, err
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		made = info.ModTime()
	}
	return made, books.Read(file, name, format)
}

func dayFlag(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return day, usageError("%s %q: want a day such as 2026-11-01", flag, text)
	}
	return day, nil
}

// ledgerOf returns the ledger's side, without rehearsals.
func (p *program) ledgerOf(
	ctx context.Context, st store.Store, books *verify.Books, providers []string, from time.Time,
) (l verify.Ledger, notes []string, err error) {
	var play []store.CounterID
	for _, account := range aurea.SharedAccounts(store.Job{Simulated: true}) {
		c, err := st.FindCounter(ctx, account, time.Time{})
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return l, nil, err
		}
		play = append(play, c.ID)
	}
	if l.Days, err = st.DaySums(ctx, from.AddDate(0, 0, -1), time.Time{}, play...); err != nil {
		return l, nil, err
	}
	if l.Doubts, err = st.OpenDoubts(ctx); err != nil {
		return l, nil, err
	}
	l.Doubts = slices.DeleteFunc(l.Doubts, func(d store.OpenDoubt) bool {
		return slices.ContainsFunc(d.Path, func(id store.CounterID) bool { return slices.Contains(play, id) })
	})
	var have []string
	for _, d := range l.Days {
		if !slices.Contains(have, d.Provider) && d.Provider != "" {
			have = append(have, d.Provider)
		}
	}
	wanted := providers
	if len(wanted) == 0 {
		for _, f := range books.Formats() {
			name, _, _ := strings.Cut(string(f), "-")
			wanted = append(wanted, name)
		}
	}
	if len(have) > 0 && !slices.ContainsFunc(wanted, func(w string) bool { return slices.Contains(have, w) }) {
		notes = append(notes, fmt.Sprintf("the ledger has calls of %s, and none of %s: say with --provider which of them the export is of",
			strings.Join(have, ", "), strings.Join(slices.Compact(wanted), ", ")))
	}
	return l, notes, nil
}

// settleProven writes what is proven.
func (p *program) settleProven(ctx context.Context, st store.Store, r *verify.Report, v *verificationView) error {
	all := make([]store.Settlement, len(r.Proven))
	for i := range r.Proven {
		all[i] = r.Proven[i].Settlement
	}
	done, err := budget.Settle(ctx, st, all, time.Now(), p.maxCall)
	for i, ok := range done {
		v.Proven[i].Settled = ok
	}
	v.Settled = err == nil
	if err != nil {
		return fmt.Errorf("%d of %d proven calls were settled; run the same command again: %w", len(done), len(all), err)
	}
	return nil
}
