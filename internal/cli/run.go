package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/batch"
	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/internal/app"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

type runFlags struct {
	job, maxCost, parent, output, errors string
	concurrency, maxRetries              int
	model, system, pii                   string
	maxTokens                            int64
	skipBad, retryFailed, retryTruncated bool
	simulate, fresh, detach              bool
}

func (p *program) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run FILE|-",
		Short: "Run a file of model calls to its end, within a budget",
		Long: `Run every line of FILE as a model call, as fast as the provider's limits allow and never past the limit in dollars.

A line is an OpenAI batch line
  {"custom_id":"a1","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-4o-mini","messages":[…]}}
(/v1/chat/completions, /v1/completions, /v1/responses, /v1/embeddings, /v1/messages), or shorthand
  {"id":"a1","model":"gpt-4o-mini","prompt":"Name three rivers."}

Once the run says "accepted", nothing is lost: after Ctrl-C, a crash or a reboot the same command goes on where it
ended and pays for nothing twice. Results go to FILE.results.jsonl in input order, failures to FILE.errors.jsonl.

Exit codes: 0 done, 1 error, 2 usage or configuration, 3 budget used up, 4 some items failed, 5 interrupted and resumable.`,
		Example: `  aurea run prompts.jsonl --max-cost 5
  aurea run prompts.jsonl --simulate             # rehearse: no key, no network, no cost
  aurea run prompts.jsonl --detach               # submit it; aurea worker runs it, here or elsewhere
  cat prompts.jsonl | aurea run - --job nightly --model gpt-4o-mini --max-cost 2.50`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.run(cmd, args[0], f) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.job, "job", "", "job `ID` (default: from FILE's name and path)")
	fs.StringVar(&f.maxCost, "max-cost", "", "limit of the job in `USD`, such as 2.50 (default: MAX_JOB_COST)")
	fs.StringVar(&f.parent, "parent", "", "job `ID` whose limit this one draws on as well")
	fs.StringVar(&f.output, "output", "", "results `file` (default: FILE.results.jsonl)")
	fs.StringVar(&f.errors, "errors", "", "failures `file` (default: FILE.errors.jsonl)")
	fs.IntVar(&f.concurrency, "concurrency", 32, "calls under way at once")
	fs.IntVar(&f.maxRetries, "max-retries", 0, "retries of an item (default: retry.max_retries, 3)")
	fs.StringVar(&f.model, "model", "", "model for lines that name none")
	fs.StringVar(&f.system, "system", "", "system prompt for shorthand lines that have none")
	fs.StringVar(&f.pii, "pii", "", piiUsage+", kept with the job")
	completeWith(cmd, "pii", completePII)
	fs.Int64Var(&f.maxTokens, "max-tokens", 0, "output cap for lines that have none")
	fs.BoolVar(&f.skipBad, "skip-bad", false, "leave bad lines out instead of refusing the file")
	fs.BoolVar(&f.retryFailed, "retry-failed", false, "run failed items again")
	fs.BoolVar(&f.retryTruncated, "retry-truncated", false, "run items again whose answer ended at a cap that Aurea put in")
	fs.BoolVar(&f.simulate, "simulate", false, "rehearse against a simulated provider")
	fs.BoolVar(&f.detach, "detach", false, "submit the job and end: workers run it (aurea worker)")
	fs.BoolVar(&f.fresh, "new", false, "start over as a new job beside the old one")
	cmd.ValidArgsFunction = fileOf("jsonl", "ndjson", "json")
	completeWith(cmd, "job", p.completeJob(true))
	completeWith(cmd, "parent", p.completeJob(true))
	completeWith(cmd, "output", fileFlag("jsonl"))
	completeWith(cmd, "errors", fileFlag("jsonl"))
	for _, flag := range []string{"max-cost", "concurrency", "max-retries", "model", "system", "max-tokens"} {
		completeWith(cmd, flag, cobra.NoFileCompletions)
	}
	return cmd
}

// batchRun is one `aurea run`.
type batchRun struct {
	*program
	*app.App
	flags  runFlags
	input  input
	output outputs
	job    *aurea.Job
	row    store.Job
	began  time.Time
	loaded batch.Loaded
	runner *batch.Runner
	end    batch.Outcome

	over     atomic.Bool // nothing is on the wire any more
	log      *diversion
	failures failures
}

func (p *program) run(cmd *cobra.Command, file string, f runFlags) (err error) {
	limit, retries, err := f.check(cmd)
	if err != nil {
		return err
	}
	cfg, err := p.load(config.Options{})
	if err != nil {
		return err
	}
	stderr := &diversion{own: p.stderr}
	log, red := app.Logger(cfg, stderr)
	p.redact = red.Redact
	if p.flags.logLevel == "" && cfg.Logging.Level < slog.LevelWarn && !logLevelSet(cfg) {
		cfg.Logging.Level = slog.LevelWarn // progress says what is going on
		log, _ = app.Logger(cfg, stderr)
	}
	in, err := openInput(file, f, p.stdin)
	if err != nil {
		return err
	}
	defer in.Close()
	var out outputs
	if !f.detach {
		if out, err = outputsOf(in, f); err != nil {
			return err
		}
	}
	sig := watchSignals(cmd.Context())
	defer sig.close()
	a, err := app.Open(sig.ctx, cfg, log, red, app.Options{Simulate: f.simulate, MaxRetries: retries})
	if err != nil {
		return err
	}
	r := &batchRun{program: p, App: a, flags: f, input: in, output: out, began: time.Now(), log: stderr}
	err = r.do(sig, limit)
	patience := 30 * time.Second
	if sig.hard.Err() != nil {
		patience = 3 * time.Second // what a full disk has no room for is in the journal
	}
	closing, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return errors.Join(err, a.Close(closing))
}

// check reads the flags that have a syntax of their own.
func (f runFlags) check(cmd *cobra.Command) (limit *money.Sum, retries *int, err error) {
	if f.maxCost != "" || cmd.Flags().Changed("max-cost") {
		sum, err := money.ParseSum(f.maxCost)
		if err != nil {
			return nil, nil, usageError("--max-cost %q: want dollars as decimal text such as 2.50", f.maxCost)
		}
		limit = &sum
	}
	switch {
	case f.detach && (f.output != "" || f.errors != "" || cmd.Flags().Changed("concurrency") || cmd.Flags().Changed("max-retries")):
		return nil, nil, usageError("--detach only submits: --output, --errors, --concurrency and --max-retries are of no use with it; see aurea jobs results, aurea worker")
	case f.concurrency < 1 || f.concurrency > 10_000:
		return nil, nil, usageError("--concurrency %d: want 1 to 10000", f.concurrency)
	case f.maxRetries < 0 || f.maxRetries > 1000:
		return nil, nil, usageError("--max-retries %d: want 0 to 1000", f.maxRetries)
	case f.maxTokens < 0 || (f.maxTokens == 0 && cmd.Flags().Changed("max-tokens")):
		return nil, nil, usageError("--max-tokens %d: want 1 or more", f.maxTokens)
	}
	if err := checkPII(f.pii); err != nil {
		return nil, nil, err
	}
	if cmd.Flags().Changed("max-retries") {
		retries = &f.maxRetries
	}
	return limit, retries, nil
}

// sureOfLife is how long a runner that shows no sign of life is waited for, to see one or to see it declared dead.
const sureOfLife = 30 * time.Second

// acquire makes this process the batch's runner. Where a store knows of a death only by watching, a runner that nobody has seen alive is watched first: it may have been
// killed, and with it the only process that could have noticed.
func (r *batchRun) acquire(ctx context.Context, owner store.OwnerID) error {
	watcher, watches := r.Store.(interface {
		SeenAlive(id store.OwnerID) bool
	})
	for began, told := time.Now(), false; ; {
		err := r.Store.AcquireRunner(ctx, r.job.ID, owner, time.Now())
		busy, other := errors.AsType[*store.BusyError](err)
		if !other || !watches || watcher.SeenAlive(busy.Runner.ID) || time.Since(began) > sureOfLife {
			return err
		}
		if !told && time.Since(began) > 4*time.Second {
			told = true
			r.say("process %d on %s, which was running this job, shows no sign of life; waiting until it is certain", busy.Runner.PID, visible(busy.Runner.Host))
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// do opens the job, loads the file, runs it and writes the files.
func (r *batchRun) do(sig *signals, limit *money.Sum) error {
	if err := r.open(sig.ctx, limit); err != nil {
		return err
	}
	owner := r.Tracker.Owner()
	if err := r.acquire(sig.ctx, owner); err != nil {
		return r.busy(err)
	}
	if err := r.load(sig.ctx); err != nil {
		// A job that was not accepted is gone by now, its runner with it.
		if gone := r.Store.ReleaseRunner(context.WithoutCancel(sig.ctx), r.job.ID, owner, time.Now()); !errors.Is(gone, store.ErrNotFound) {
			err = errors.Join(err, gone)
		}
		if sig.ctx.Err() != nil {
			return &exit{code: exitInterrupted, err: &aurea.Error{
				Code: "interrupted", Message: "interrupted before the job was accepted; nothing was sent", Hint: "go on with: " + r.again(), Err: err,
			}}
		}
		return err
	}
	if err := r.reset(sig.ctx); err != nil {
		return err
	}
	r.accepted()
	if r.flags.detach {
		return r.detached(context.WithoutCancel(sig.ctx))
	}
	r.runner = batch.NewRunner(batch.Config{
		Orchestrator: r.Orchestrator, Store: r.Store, Owner: r.Tracker.Owner, Concurrency: r.flags.concurrency, Logger: r.Log,
		OnFailed: r.itemFailed,
	}, r.job)
	stopReport := r.report()
	end, err := r.runner.Run(sig.hard, sig.stopping())
	r.over.Store(true)
	stopReport()
	if err != nil {
		return err
	}
	r.end = end
	return r.finish()
}

// open finds or makes the job.
func (r *batchRun) open(ctx context.Context, limit *money.Sum) (err error) {
	name := r.input.job
	if r.flags.fresh {
		if name, err = r.freshName(ctx, name); err != nil {
			return err
		}
	} else if r.flags.job == "" {
		if name, err = r.latestName(ctx, name); err != nil {
			return err
		}
	}
	r.job, err = r.Orchestrator.OpenJob(ctx, aurea.JobSpec{
		Name: name, Limit: limit, Parent: r.flags.parent, Batch: true, Simulated: r.flags.simulate, Source: r.input.source, PII: aurea.PII(r.flags.pii), Detached: r.flags.detach,
	})
	if err != nil {
		switch aurea.ErrorCode(err) {
		case aurea.CodeJobConflict, aurea.CodeInvalidRequest, aurea.CodeNotFound:
			return &exit{code: exitUsage, err: err}
		}
		return err
	}
	r.row, err = r.Store.Job(ctx, r.job.ID)
	return err
}

// freshName returns the first of name, name-2, name-3 … that is not taken.
func (r *batchRun) freshName(ctx context.Context, name string) (string, error) {
	for n, try := 1, name; ; n++ {
		if n > 1 {
			try = fmt.Sprintf("%s-%d", name, n)
		}
		_, err := r.Store.Job(ctx, aurea.LocalKey+"/"+try)
		if errors.Is(err, store.ErrNotFound) {
			return try, nil
		}
		if err != nil {
			return "", err
		}
	}
}

// latestName returns the newest job that --new made of a file.
func (r *batchRun) latestName(ctx context.Context, name string) (string, error) {
	latest := name
	for n := 2; ; n++ {
		try := fmt.Sprintf("%s-%d", name, n)
		_, err := r.Store.Job(ctx, aurea.LocalKey+"/"+try)
		if errors.Is(err, store.ErrNotFound) {
			return latest, nil
		}
		if err != nil {
			return "", err
		}
		latest = try
	}
}

func (r *batchRun) busy(err error) error {
	var busy *store.BusyError
	if !errors.As(err, &busy) {
		return err
	}
	return &aurea.Error{
		Code: aurea.CodeJobConflict, Err: err,
		Message: fmt.Sprintf("job %q is being run by process %d on %s", aurea.ShortName(r.job.ID), busy.Runner.PID, busy.Runner.Host),
		Hint:    "wait for it, or stop it with Ctrl-C or SIGTERM; see aurea jobs show " + aurea.ShortName(r.job.ID),
	}
}

// reset makes failed or truncated items run again where that was asked for.
func (r *batchRun) reset(ctx context.Context) error {
	for filter, asked := range map[store.ResetFilter]bool{store.ResetFailed: r.flags.retryFailed, store.ResetTruncated: r.flags.retryTruncated} {
		if !asked {
			continue
		}
		n, err := r.Store.ResetItems(ctx, r.job.ID, filter)
		if err != nil {
			return err
		}
		r.say("%d %s items run again", n, filter)
	}
	return nil
}

func (r *batchRun) accepted() {
	id := aurea.ShortName(r.job.ID)
	if r.program.flags.json {
		r.event(map[string]any{"event": "accepted", "job": id, "items": r.loaded.Items})
	}
	fmt.Fprintf(r.stderr, "accepted %s: %d items\n", id, r.loaded.Items)
}

func (r *batchRun) itemFailed(customID, code, message string) {
	r.failures.add(code)
	if r.program.flags.json {
		r.event(map[string]any{"event": "item_failed", "custom_id": customID, "code": code, "message": r.redact(message)})
	}
}
