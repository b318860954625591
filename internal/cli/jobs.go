package cli

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/batch"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/internal/app"
	"github.com/andres20980/aurea-orchestrator/internal/jobs"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

func (p *program) jobsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "jobs", Short: "See and steer jobs: list, show, watch, results, raise, cancel, reconcile, rm, log", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var state string
	list := &cobra.Command{
		Use: "list", Short: "List jobs, newest first", Args: cobra.NoArgs,
		RunE: p.withStore(func(ctx context.Context, st store.Store, _ []string) error { return p.listJobs(ctx, st, state) }),
	}
	list.Flags().StringVar(&state, "state", "", "only jobs that are "+listed(jobStates))
	completeWith(list, "state", words(jobStates))

	var results bool
	show := &cobra.Command{
		Use: "show ID", Short: "Show a job: items, money, models", Args: cobra.ExactArgs(1),
		RunE: p.withStore(func(ctx context.Context, st store.Store, args []string) error {
			return p.showJob(ctx, st, args[0], results)
		}),
	}
	show.Flags().BoolVar(&results, "results", false, "write the results so far, one JSON line each, instead")

	watch := &cobra.Command{
		Use: "watch ID", Short: "Follow a job from any machine until it ends", Args: cobra.ExactArgs(1),
		Long: `Follow a job until it is done, paused or cancelled, a line for each change; with --json an object a second. Ctrl-C ends the watching, not the job.

The exit code is that of a run: 0 done, 1 cancelled, 3 budget used up, 4 some items failed.`,
		RunE: p.withStore(func(ctx context.Context, st store.Store, args []string) error { return p.watchJob(ctx, st, args[0]) }),
	}
	var output string
	var failed bool
	fetch := &cobra.Command{
		Use: "results ID", Short: "Write a job's results so far, in input order, one JSON line each", Args: cobra.ExactArgs(1),
		Example: "  aurea jobs results nightly --output out.jsonl\n  aurea jobs results nightly --failed",
		RunE: p.withStore(func(ctx context.Context, st store.Store, args []string) error {
			return p.jobResults(ctx, st, args[0], output, failed)
		}),
	}
	fetch.Flags().StringVar(&output, "output", "", "`file` to write, replaced at once (default: standard output)")
	fetch.Flags().BoolVar(&failed, "failed", false, "the items that failed, instead of those that were answered")
	completeWith(fetch, "output", fileFlag("jsonl"))

	var maxCost string
	raise := &cobra.Command{
		Use: "raise ID --max-cost USD", Short: "Set a job's limit, higher or lower, also while it runs", Args: cobra.ExactArgs(1),
		Example: "  aurea jobs raise nightly --max-cost 25      # the new total, not an addition",
		RunE: p.withStore(func(ctx context.Context, st store.Store, args []string) error {
			return p.raiseJob(ctx, st, args[0], maxCost)
		}),
	}
	raise.Flags().StringVar(&maxCost, "max-cost", "", "the new total in `USD`")
	if err := raise.MarkFlagRequired("max-cost"); err != nil {
		panic(err) // the flag is defined on the line above
	}
	cancel := &cobra.Command{
		Use: "cancel ID", Short: "Cancel a job for good; calls on the wire end, nothing new is sent", Args: cobra.ExactArgs(1),
		RunE: p.withStore(func(ctx context.Context, st store.Store, args []string) error { return p.cancelJob(ctx, st, args[0]) }),
	}
	var release bool
	reconcile := &cobra.Command{
		Use: "reconcile ID", Short: "End unconfirmed money: book it as spent, or release it", Args: cobra.ExactArgs(1),
		Long: `Unconfirmed money is what was on the wire when a process died or a call was cut: the provider may have billed it or not.
Look at the provider's bill, then book it as spent (the default) or give it back to the job with --release.`,
		RunE: p.withStore(func(ctx context.Context, st store.Store, args []string) error {
			return p.reconcileJob(ctx, st, args[0], release)
		}),
	}
	reconcile.Flags().BoolVar(&release, "release", false, "the provider did not bill it: give it back")
	rm := &cobra.Command{
		Use: "rm ID", Short: "Delete a job's items and results; what it spent stays in the books", Args: cobra.ExactArgs(1),
		RunE: p.withStore(func(ctx context.Context, st store.Store, args []string) error { return p.removeJob(ctx, st, args[0]) }),
	}
	history := p.jobsLogCommand()
	for _, one := range []*cobra.Command{show, watch, fetch, raise, cancel, reconcile, rm, history} {
		one.ValidArgsFunction = p.completeJob(false)
	}
	cmd.AddCommand(list, show, watch, fetch, raise, cancel, reconcile, rm, history)
	return cmd
}

// withStore opens the database, settles what dead processes left, and runs a command on it.
func (p *program) withStore(do func(context.Context, store.Store, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) (err error) {
		cfg, err := p.load(config.Options{})
		if err != nil {
			return err
		}
		log, red := app.Logger(cfg, p.stderr)
		p.redact, p.maxCall = red.Redact, cfg.Timeouts.Request
		ctx := cmd.Context()
		st, err := app.OpenStore(ctx, cfg, log)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, st.Close()) }()
		if _, err := budget.Recover(ctx, st, time.Now()); err != nil {
			log.Warn("what a dead process left could not be settled", "error", err)
		}
		return do(ctx, st, args)
	}
}

// steward changes jobs in the name of whoever runs the command.
func (p *program) steward(st store.Store) jobs.Steward {
	s := jobs.Steward{Store: st, Actor: aurea.LocalKey, Remote: "command line", MaxCall: p.maxCall}
	if who, err := user.Current(); err == nil {
		s.Remote += ", user " + who.Username
	}
	return s
}

func (p *program) listJobs(ctx context.Context, st store.Store, state string) error {
	if state != "" && !slices.Contains(jobStates, state) {
		return usageError("--state %q: want %s", state, listed(jobStates))
	}
	all, err := st.Jobs(ctx, "")
	if err != nil {
		return err
	}
	views := []jobView{}
	for _, j := range all {
		v, err := jobs.Show(ctx, st, j.ID)
		if err != nil {
			return err
		}
		if state == "" || v.State == state {
			views = append(views, v)
		}
	}
	if p.flags.json {
		p.event(map[string]any{"jobs": views})
		return nil
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "JOB\tSTATE\tDONE\tFAILED\tTOTAL\tSPENT USD\tLIMIT USD\tUPDATED")
	for _, v := range views {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\n", v.ID, v.State, v.Items.Done, v.Items.Failed, v.Items.Total, v.Spent, v.Limit, v.Updated.Format(time.DateTime))
	}
	return w.Flush()
}

func (p *program) showJob(ctx context.Context, st store.Store, name string, results bool) error {
	j, err := jobs.Find(ctx, st, name)
	if err != nil {
		return err
	}
	if results {
		_, err := batch.WriteResults(ctx, st, j.ID, false, p.stdout)
		return err
	}
	v, err := jobs.Show(ctx, st, j.ID)
	if err != nil {
		return err
	}
	if p.flags.json {
		p.event(v)
		return nil
	}
	return printJob(v, p.stdout)
}

func (p *program) raiseJob(ctx context.Context, st store.Store, name, maxCost string) error {
	limit, err := money.ParseSum(maxCost)
	if err != nil {
		return usageError("--max-cost %q: want dollars as decimal text such as 2.50", maxCost)
	}
	j, err := jobs.Find(ctx, st, name)
	if err != nil {
		return err
	}
	r, err := p.steward(st).Raise(ctx, j, limit, nil)
	if err != nil {
		return err
	}
	if p.flags.json {
		p.event(map[string]any{"id": aurea.ShortName(j.ID), "limit_usd": r.Limit, "note": r.Note})
		return nil
	}
	_, err = fmt.Fprintf(p.stdout, "%s: limit $%s, %s\n", aurea.ShortName(j.ID), r.Limit, r.Note)
	return err
}

func (p *program) cancelJob(ctx context.Context, st store.Store, name string) error {
	j, err := jobs.Find(ctx, st, name)
	if err != nil {
		return err
	}
	if err := p.steward(st).Cancel(ctx, j, "cancelled by hand"); err != nil {
		return err
	}
	return p.done(j.ID, "cancelled")
}

func (p *program) reconcileJob(ctx context.Context, st store.Store, name string, release bool) error {
	j, err := jobs.Find(ctx, st, name)
	if err != nil {
		return err
	}
	ended, err := p.steward(st).Reconcile(ctx, j, !release)
	if err != nil {
		return err
	}
	did := "booked as spent"
	if release {
		did = "released"
	}
	if p.flags.json {
		p.event(map[string]any{"id": aurea.ShortName(j.ID), "reconciled_usd": ended, "spent": !release})
		return nil
	}
	_, err = fmt.Fprintf(p.stdout, "%s: $%s %s\n", aurea.ShortName(j.ID), ended, did)
	return err
}

func (p *program) removeJob(ctx context.Context, st store.Store, name string) error {
	j, err := jobs.Find(ctx, st, name)
	if err != nil {
		return err
	}
	err = p.steward(st).Remove(ctx, j)
	if busy, ok := errors.AsType[*store.BusyError](err); ok {
		conflict := &aurea.Error{
			Code: aurea.CodeJobConflict, Err: err, Message: fmt.Sprintf("job %q is being run by process %d", name, busy.Runner.PID), Hint: "stop it first",
		}
		if j.Detached {
			conflict.Message += " on " + busy.Runner.Host
			conflict.Hint = fmt.Sprintf("aurea jobs cancel %s, and remove it when its calls on the wire have ended", aurea.ShortName(j.ID))
		}
		return conflict
	}
	if err != nil {
		return err
	}
	return p.done(j.ID, "removed")
}

func (p *program) done(id, what string) error {
	if p.flags.json {
		p.event(map[string]any{"id": aurea.ShortName(id), "state": what})
		return nil
	}
	_, err := fmt.Fprintf(p.stdout, "%s: %s\n", aurea.ShortName(id), what)
	return err
}
