package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/batch"
	"github.com/andres20980/aurea-orchestrator/internal/jobs"
	"github.com/andres20980/aurea-orchestrator/internal/progress"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// finish writes the files and the receipt, and says how the run ended.
func (r *batchRun) finish() error {
	ctx := context.Background()
	results, failures := r.output.results, r.output.failures
	if err := r.Tracker.Flush(ctx); err != nil {
		return err
	}
	_, errDone := batch.WriteFile(ctx, r.Store, r.job.ID, false, results)
	_, errFailed := batch.WriteFile(ctx, r.Store, r.job.ID, true, failures)
	receipt, err := r.receipt(ctx)
	if err := errors.Join(errDone, errFailed, err); err != nil {
		return err
	}
	receipt.Results, receipt.Errors = results, failures
	r.show(receipt)
	return r.verdict(receipt)
}

// receipt is what a run says at its end.
type receipt struct {
	jobView
	Event       string      `json:"event"`
	WallSeconds float64     `json:"wall_seconds"`
	Retries     int64       `json:"retries"`
	Limits      []limitUsed `json:"limits"`
	Skipped     int64       `json:"skipped_lines"`
	Results     string      `json:"results"`
	Errors      string      `json:"errors"`
	Simulated   bool        `json:"simulated"`
}

type limitUsed struct {
	Name string  `json:"name"`
	RPM  int64   `json:"rpm,omitempty"`
	TPM  int64   `json:"tpm,omitempty"`
	Used float64 `json:"used"` // share of the allowance since the first call
}

func (r *batchRun) receipt(ctx context.Context) (receipt, error) {
	view, err := jobs.Show(ctx, r.Store, r.job.ID)
	out := receipt{
		jobView: view, Event: "receipt", WallSeconds: time.Since(r.began).Seconds(), Skipped: r.loaded.Bad, Simulated: r.row.Simulated,
		Retries: r.runner.Progress().Retries,
	}
	for _, l := range r.Orchestrator.Status().Limits {
		if l.Admitted > 0 && (l.RPM > 0 || l.TPM > 0) {
			out.Limits = append(out.Limits, limitUsed{Name: l.Name, RPM: l.RPM, TPM: l.TPM, Used: l.Utilisation})
		}
	}
	return out, err
}

func (r *batchRun) show(rc receipt) {
	if r.program.flags.json {
		r.event(rc)
		return
	}
	if r.program.flags.quiet {
		return
	}
	w := r.stderr
	note := ""
	if rc.Simulated {
		note = " (rehearsal: simulated provider, no money was spent)"
	}
	fmt.Fprintf(w, "\n%s: %s%s\n", rc.ID, rc.State, note)
	fmt.Fprintf(w, "  items        %d done, %d failed, %d pending of %d\n", rc.Items.Done, rc.Items.Failed, rc.Items.Pending, rc.Items.Total)
	fmt.Fprintf(w, "  calls        %d attempts, %d retries in this run\n", rc.Attempts, rc.Retries)
	fmt.Fprintf(w, "  spent        $%s of $%s\n", rc.Spent, rc.Limit)
	if rc.Unconfirmed != (money.Sum{}) {
		fmt.Fprintf(w, "  unconfirmed  $%s (calls cut off on the wire; settle with: aurea jobs reconcile %s)\n", rc.Unconfirmed, rc.ID)
	}
	fmt.Fprintf(w, "  time         %s\n", progress.Duration(time.Since(r.began)))
	for _, l := range rc.Limits {
		fmt.Fprintf(w, "  allowance    %s: %.0f%% of %s used\n", l.Name, l.Used*100, allowance(l.RPM, l.TPM))
	}
	models := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(models, "\tmodel\tcalls\tattempts\tinput\toutput\tcost USD\t")
	for _, name := range slices.Sorted(maps.Keys(rc.ByModel)) {
		m := rc.ByModel[name]
		fmt.Fprintf(models, "\t%s\t%d\t%d\t%d\t%d\t%s\t\n", name, m.Calls, m.Attempts, m.InputTokens, m.OutputTokens, m.Cost)
	}
	_ = models.Flush()
	fmt.Fprintf(w, "  results      %s\n", rc.Results)
	fmt.Fprintf(w, "  failures     %s\n", rc.Errors)
}

func allowance(rpm, tpm int64) string {
	switch {
	case rpm > 0 && tpm > 0:
		return fmt.Sprintf("%d requests and %s tokens a minute", rpm, progress.Count(float64(tpm)))
	case rpm > 0:
		return fmt.Sprintf("%d requests a minute", rpm)
	default:
		return progress.Count(float64(tpm)) + " tokens a minute"
	}
}

// verdict turns the run's end into an exit code and the words that go with it.
func (r *batchRun) verdict(rc receipt) error {
	fail := func(code int, e *aurea.Error) error { return &exit{code: code, err: e} }
	switch r.end.Ended {
	case batch.Broken:
		return r.end.Refused
	case batch.Cancelled:
		return &aurea.Error{Code: aurea.CodeJobCancelled, Message: fmt.Sprintf("job %q was cancelled", rc.ID)}
	case batch.Stopped:
		return fail(exitInterrupted, &aurea.Error{
			Code: "interrupted", Message: fmt.Sprintf("stopped with %d of %d items left; nothing is lost", rc.Items.Pending, rc.Items.Total), Hint: "go on with: " + r.again(),
		})
	case batch.Exhausted:
		return fail(exitBudget, r.exhausted(rc))
	}
	if rc.Items.Failed > 0 {
		return fail(exitSomeFailed, &aurea.Error{
			Code: "items_failed", Message: fmt.Sprintf("%d of %d items failed; see %s", rc.Items.Failed, rc.Items.Total, rc.Errors),
			Hint: "run them again with: " + r.again() + " --retry-failed",
		})
	}
	return nil
}

// exhausted says how much more the rest would take, by what the items so far cost, and never less than the hold that was refused.
func (r *batchRun) exhausted(rc receipt) *aurea.Error {
	limit := rc.Limit
	need, left, name, refused := aurea.Shortfall(r.end.Refused)
	more, about := restOf(rc, need), "about"
	if rc.Items.Done == 0 {
		about = "at most about" // nothing is known yet but what the refused call may cost
	}
	account := ""
	if refused {
		missing := money.SumOf(need).Minus(left)
		if more.Cmp(missing) < 0 {
			more = missing
		}
		if name != store.JobPrefix+r.job.ID {
			account = name
		}
	}
	total := limit.Plus(more)
	e := &aurea.Error{
		Code:    aurea.CodeBudgetExceeded,
		Message: fmt.Sprintf("budget used up with %d of %d items left; the rest would take %s $%s more", rc.Items.Pending, rc.Items.Total, about, progress.Money(more)),
		Hint:    fmt.Sprintf("aurea jobs raise %s --max-cost %s && %s", rc.ID, progress.Money(total), r.again()),
	}
	if account != "" {
		e.Message += "; the limit of " + account + " was reached"
		if name, ok := jobOf(account); ok {
			e.Hint = fmt.Sprintf("aurea jobs raise %s --max-cost USD && %s", name, r.again())
		} else {
			e.Hint = "raise the limit of " + account + ", then " + r.again()
		}
	}
	return e
}

// restOf estimates what the pending items will cost: each the mean of those that are done, or worst where none is.
func restOf(rc receipt, worst money.USD) money.Sum {
	each := worst
	if cost, ok := rc.Spent.USD(); ok && rc.Items.Done > 0 {
		if mean, err := cost.MulRatio(1, rc.Items.Done); err == nil {
			each = mean
		}
	}
	rest, err := each.Mul(rc.Items.Pending)
	if err != nil {
		return money.Sum{}
	}
	return money.SumOf(rest)
}

// again is the command that goes on with this job.
func (r *batchRun) again() string {
	file := r.input.source
	if file == "standard input" {
		file = "-"
	}
	cmd := "aurea run " + shellQuote(file)
	if r.flags.job != "" || r.flags.fresh {
		cmd += " --job " + aurea.ShortName(r.job.ID)
	}
	if r.flags.simulate {
		cmd += " --simulate"
	}
	return cmd
}
