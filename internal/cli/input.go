package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/batch"
	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/store"
)

// input is what is run.
type input struct {
	io.Reader
	io.Closer
	source string // for people
	job    string // default name
	base   string // of the result files
}

func logLevelSet(cfg *config.Config) bool { return cfg.Sources().Set("logging.level") }

func openInput(file string, f runFlags, stdin io.Reader) (input, error) {
	if file == "-" {
		if f.job == "" {
			return input{}, usageError("reading standard input needs --job ID, so that the run can be resumed")
		}
		return input{Reader: stdin, Closer: io.NopCloser(nil), source: "standard input", job: f.job, base: f.job}, nil
	}
	fd, err := os.Open(file) // #nosec G304 -- a command line opens what it is told to
	if err != nil {
		return input{}, usageError("cannot read the input: %w", err)
	}
	if info, err := fd.Stat(); err == nil && info.IsDir() {
		_ = fd.Close()
		return input{}, usageError("%s is a folder; name a file of JSON lines", file)
	}
	name := f.job
	if name == "" {
		name = jobNameOf(file)
	}
	return input{Reader: fd, Closer: fd, source: file, job: name, base: file}, nil
}

// load brings the file's lines into the job.
func (r *batchRun) load(ctx context.Context) error {
	shown := time.Now()
	forecast := newForecast()
	hint := "" // of the last line that was refused for its model or its price
	loaded, err := batch.Load(ctx, r.Store, r.row, r.input.Reader, batch.LoadOptions{
		Defaults: batch.Defaults{
			Model: r.flags.model, System: r.flags.system, MaxTokens: r.flags.maxTokens,
			Anthropic: r.Orchestrator.SpeaksAnthropic, CapField: r.Orchestrator.CapField,
		},
		MaxLine: int(r.Config.Limits.MaxBody), SkipBad: r.flags.skipBad,
		Check: func(item store.Item) error {
			api, _ := batch.APIOf(item.URL)
			estimate, err := r.Orchestrator.Check(api, item.Body)
			if refused := (*aurea.Error)(nil); errors.As(err, &refused) {
				hint = refused.Hint
				return errors.New(refused.Message)
			}
			if err != nil {
				return err
			}
			forecast.add(estimate)
			return nil
		},
		OnBad: func(bad *batch.LineError) {
			fmt.Fprintf(r.stderr, "aurea: skipped: %s\n", r.redact(bad.Error()))
		},
		OnProgress: func(n int64) {
			if time.Since(shown) > 2*time.Second {
				shown = time.Now()
				r.say("reading %s: %d items", r.input.source, n)
			}
		},
	})
	r.loaded = loaded
	var bad *batch.InputError
	var conflict *store.ConflictError
	switch {
	case errors.As(err, &bad):
		r.dropUnaccepted(ctx)
		return &exit{code: exitUsage, err: &aurea.Error{
			Code: aurea.CodeInvalidRequest, Message: r.input.source + ": " + bad.Error(), Err: err,
			Hint: strings.TrimLeft(hint+"\nmend the lines, or leave them out with --skip-bad; nothing was sent", "\n"),
		}}
	case errors.As(err, &conflict):
		return &exit{code: exitUsage, err: &aurea.Error{
			Code: aurea.CodeJobConflict, Err: err,
			Message: fmt.Sprintf("item %q of job %q is known with a different request; nothing was sent", conflict.CustomID, aurea.ShortName(r.job.ID)),
			Hint:    "start over as a new job with --new, or give the item another id",
		}}
	case err != nil:
		r.dropUnaccepted(ctx)
		return err
	}
	r.forecast(forecast)
	return nil
}

// dropUnaccepted leaves nothing of a job that never came to be.
func (r *batchRun) dropUnaccepted(ctx context.Context) {
	if r.row.State != store.JobLoading {
		return
	}
	ctx = context.WithoutCancel(ctx)
	_ = r.Store.ReleaseRunner(ctx, r.job.ID, r.Tracker.Owner(), time.Now())
	if err := r.Store.RemoveJob(ctx, r.job.ID); err != nil {
		r.Log.Warn("a job that was not accepted could not be removed", "job", r.job.ID, "error", err)
	}
}
