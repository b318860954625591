package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/batch"
	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/internal/app"
	"github.com/andres20980/aurea-orchestrator/internal/jobs"
	"github.com/andres20980/aurea-orchestrator/internal/progress"
	"github.com/andres20980/aurea-orchestrator/store"
)

func (p *program) workerCommand() *cobra.Command {
	var concurrency int
	var simulate bool
	cmd := &cobra.Command{
		Use: "worker", Short: "Work on the jobs that were submitted with run --detach, until told to stop", Args: cobra.NoArgs,
		Long: `Work on all detached jobs of the database, on several at once, which take turns. Start as many workers as you like, on any machine that reaches the
database: an item is with one of them at a time, and what a worker that died had is taken up by the others. Their limits and budgets are common.

All workers need the same configuration: an item whose model a worker does not know fails. SIGTERM or Ctrl-C takes up nothing new and waits for the
calls on the wire; a second one cuts them off. Nothing is lost either way.`,
		Example: `  aurea run prompts.jsonl --detach --max-cost 5
  aurea worker --concurrency 64
  aurea jobs watch prompts-1f3a9c02 && aurea jobs results prompts-1f3a9c02 --output out.jsonl`,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.work(cmd.Context(), concurrency, simulate) },
	}
	cmd.Flags().IntVar(&concurrency, "concurrency", 32, "calls under way at once, of all jobs together")
	cmd.Flags().BoolVar(&simulate, "simulate", false, "work on rehearsals only, against a simulated provider")
	completeWith(cmd, "concurrency", cobra.NoFileCompletions)
	return cmd
}

func (p *program) work(ctx context.Context, concurrency int, simulate bool) (err error) {
	if concurrency < 1 || concurrency > 10_000 {
		return usageError("--concurrency %d: want 1 to 10000", concurrency)
	}
	cfg, err := p.load(config.Options{})
	if err != nil {
		return err
	}
	log, red := app.Logger(cfg, p.stderr)
	p.redact = red.Redact
	sig := watchSignals(ctx)
	defer sig.close()
	a, err := app.Open(sig.ctx, cfg, log, red, app.Options{Simulate: simulate})
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		err = errors.Join(err, a.Close(closing))
	}()
	w := p.worker(a, concurrency, simulate)
	if p.flags.json {
		p.event(map[string]any{"event": "working", "database": a.Store.Describe()})
	}
	p.say("working on the detached jobs of %s; Ctrl-C or SIGTERM ends it when calls on the wire have ended", visible(a.Store.Describe()))
	w.Run(sig.hard, sig.stopping())
	return nil
}

// worker is one that says which jobs end.
func (p *program) worker(a *app.App, concurrency int, simulate bool) *batch.Worker {
	var mu sync.Mutex // two jobs may end at once
	return batch.NewWorker(batch.WorkerConfig{
		Orchestrator: a.Orchestrator, Store: a.Store, Owner: a.Tracker.Owner, Concurrency: concurrency, Simulated: simulate, Logger: a.Log,
		Ended: func(job string, end batch.Outcome) {
			if end.Ended != batch.Finished && end.Ended != batch.Exhausted && end.Ended != batch.Cancelled {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if p.flags.json {
				p.event(map[string]any{"event": "job_ended", "job": aurea.ShortName(job), "how": string(end.Ended), "done": end.Counts.Done, "failed": end.Counts.Failed, "pending": end.Counts.Pending + end.Counts.Running})
				return
			}
			p.say("%s: %s; %d done, %d failed, %d pending", aurea.ShortName(job), end.Ended, end.Counts.Done, end.Counts.Failed, end.Counts.Pending+end.Counts.Running)
		},
	})
}

// detached ends a run that only submits: whoever works takes the job from here.
func (r *batchRun) detached(ctx context.Context) error {
	id, short := r.job.ID, aurea.ShortName(r.job.ID)
	if err := r.Store.ReleaseRunner(ctx, id, r.Tracker.Owner(), time.Now()); err != nil {
		return err
	}
	counts, err := r.Store.CountItems(ctx, id)
	if err != nil {
		return err
	}
	if counts.Pending > 0 {
		if err := r.Store.SetJobState(ctx, id, store.JobPending, "", time.Now()); err != nil {
			return err
		}
	}
	r.say("submitted; workers run it (aurea worker). Follow it with: aurea jobs watch %s", short)
	return nil
}

// watchEvery is how often a job that is watched is looked at.
const watchEvery = time.Second

// watched is one look at a job. Its names are a contract.
type watched struct {
	Event string `json:"event"`
	jobs.Summary
}

func (p *program) watchJob(ctx context.Context, st store.Store, name string) error {
	sig := watchSignals(ctx)
	defer sig.close()
	last := ""
	for {
		j, err := jobs.Find(sig.hard, st, name)
		if err != nil {
			return err
		}
		s, err := jobs.Sum(sig.hard, st, j)
		if err != nil {
			return err
		}
		if p.flags.json {
			p.event(watched{"watch", s})
		} else if line := watchLine(s); line != last {
			fmt.Fprintln(p.stdout, line)
			last = line
		}
		switch store.JobState(s.State) {
		case store.JobDone, store.JobFailed, store.JobPaused, store.JobCancelled:
			return watchEnd(s)
		}
		select {
		case <-sig.stopping(): // the job goes on
			return nil
		case <-time.After(watchEvery):
		}
	}
}

func watchLine(s jobs.Summary) string {
	line := fmt.Sprintf("%s: %s  %d of %d done, %d failed  $%s of $%s", s.ID, s.State, s.Items.Done, s.Items.Total, s.Items.Failed, progress.Money(s.Spent), progress.Money(s.Limit))
	if s.Reason != "" {
		line += "  (" + visible(s.Reason) + ")"
	}
	return line
}

// watchEnd turns how a job stands into the exit code that its run would have.
func watchEnd(s jobs.Summary) error {
	switch {
	case s.State == string(store.JobCancelled):
		return &aurea.Error{Code: aurea.CodeJobCancelled, Message: fmt.Sprintf("job %q was cancelled", s.ID)}
	case s.State == string(store.JobPaused):
		return &exit{code: exitBudget, err: &aurea.Error{
			Code: aurea.CodeBudgetExceeded, Message: fmt.Sprintf("job %q is paused with %d of %d items left: %s", s.ID, s.Items.Pending, s.Items.Total, s.Reason), Hint: "aurea jobs raise " + s.ID + " --max-cost USD",
		}}
	case s.Items.Failed > 0:
		return &exit{code: exitSomeFailed, err: &aurea.Error{
			Code: "items_failed", Message: fmt.Sprintf("%d of %d items failed", s.Items.Failed, s.Items.Total), Hint: "see them with: aurea jobs results " + s.ID + " --failed",
		}}
	}
	return nil
}

// jobResults writes the results of a job so far, to a file or to standard output.
func (p *program) jobResults(ctx context.Context, st store.Store, name, file string, failed bool) error {
	j, err := jobs.Find(ctx, st, name)
	if err != nil {
		return err
	}
	if file == "" {
		_, err = batch.WriteResults(ctx, st, j.ID, failed, p.stdout)
		return err
	}
	n, err := batch.WriteFile(ctx, st, j.ID, failed, file)
	if err != nil {
		return err
	}
	counts, err := st.CountItems(ctx, j.ID)
	if err != nil {
		return err
	}
	if p.flags.json {
		p.event(map[string]any{"id": aurea.ShortName(j.ID), "file": file, "written": n, "pending": counts.Pending + counts.Running})
		return nil
	}
	p.say("%d results in %s; %d items are pending", n, visible(file), counts.Pending+counts.Running)
	return nil
}
