package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/batch"
	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/internal/app"
	"github.com/andres20980/aurea-orchestrator/internal/progress"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/usage"
)

func (p *program) planCommand() *cobra.Command {
	f := runFlags{job: "plan"}
	cmd := &cobra.Command{
		Use:   "plan FILE|-",
		Short: "Say what a file of model calls will cost and how long it will take",
		Long: `Read FILE as aurea run would, and say what its requests cost at least, are expected to cost and cost at most, by model and in total;
how long they take under the configured limits, and which limit they wait for; and what batch or flex prices would save.
Nothing is sent and nothing is written; no API key is needed. The maximum is what aurea run would hold for the same lines with the same flags.

Exit codes: 0 done, 1 error, 2 usage, configuration, bad lines or unknown prices, 3 the maximum exceeds --max-cost, 5 interrupted.`,
		Example: `  aurea plan prompts.jsonl
  aurea plan prompts.jsonl --max-cost 5 && aurea run prompts.jsonl --max-cost 5
  zcat prompts.jsonl.gz | aurea plan - --model gpt-4o-mini --max-tokens 300 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.planFile(cmd, args[0], f) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.maxCost, "max-cost", "", "fail with exit code 3 if the maximum is above so many `USD`")
	fs.IntVar(&f.concurrency, "concurrency", 32, "calls under way at once")
	fs.StringVar(&f.model, "model", "", "model for lines that name none")
	fs.StringVar(&f.system, "system", "", "system prompt for shorthand lines that have none")
	fs.Int64Var(&f.maxTokens, "max-tokens", 0, "output cap for lines that have none")
	fs.BoolVar(&f.skipBad, "skip-bad", false, "leave bad lines out instead of refusing the file")
	cmd.ValidArgsFunction = fileOf("jsonl", "ndjson", "json")
	for _, flag := range []string{"max-cost", "concurrency", "model", "system", "max-tokens"} {
		completeWith(cmd, flag, cobra.NoFileCompletions)
	}
	return cmd
}

// gcPercent keeps what lines leave behind small beside the table of ids, which holds no pointers and so costs the collector nothing: a long file then takes
// no more memory than a short one.
const gcPercent = 20

// planned is what there is to show.
type planned struct {
	aurea.Plan
	batch.Scanned
	source      string
	concurrency int
	limit       *money.Sum
	partial     bool
	skipBad     bool
}

func (p *program) planFile(cmd *cobra.Command, file string, f runFlags) error {
	limit, _, err := f.check(cmd)
	if err != nil {
		return err
	}
	cfg, err := p.load(config.Options{})
	if err != nil {
		return err
	}
	log, red := app.Logger(cfg, p.stderr)
	p.redact = red.Redact
	in, err := openInput(file, f, p.stdin)
	if err != nil {
		return err
	}
	defer in.Close()
	o, err := app.Planning(cfg, log)
	if err != nil {
		return err
	}
	defer o.Close()
	sig := watchSignals(cmd.Context())
	defer sig.close()
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	planner, shown := o.Planner(), time.Now()
	hint := "" // of the last line that was refused for its model
	scanned, err := batch.Read(sig.ctx, interruptible(sig.ctx, in.Reader), batch.ReadOptions{
		Defaults: batch.Defaults{
			Model: f.model, System: f.system, MaxTokens: f.maxTokens, Anthropic: known(o.SpeaksAnthropic), CapField: known(o.CapField),
		},
		MaxLine: int(cfg.Limits.MaxBody), SkipBad: f.skipBad,
		OnBad: func(bad *batch.LineError) {
			fmt.Fprintf(p.stderr, "aurea: skipped: %s\n", visible(p.redact(bad.Error())))
		},
		OnProgress: func(requests, bytes int64) {
			if time.Since(shown) > 2*time.Second {
				shown = time.Now()
				p.say("reading %s: %d requests, %s", in.source, requests, size(bytes))
			}
		},
	}, func(req *usage.Request) error {
		err := planner.Add(req)
		if refused, ok := errors.AsType[*aurea.Error](err); ok {
			hint = refused.Hint
			return errors.New(refused.Message)
		}
		return err
	})
	partial := err != nil && sig.ctx.Err() != nil
	if bad, ok := errors.AsType[*batch.InputError](err); ok {
		return &exit{code: exitUsage, err: &aurea.Error{
			Code: aurea.CodeInvalidRequest, Message: in.source + ": " + bad.Error(), Err: err,
			Hint: strings.TrimLeft(hint+"\nmend the lines, or leave them out with --skip-bad", "\n"),
		}}
	}
	if err != nil && !partial {
		return err
	}
	return p.showPlan(&planned{
		Plan: planner.Plan(f.concurrency), Scanned: scanned, source: in.source, concurrency: f.concurrency, limit: limit, partial: partial, skipBad: f.skipBad,
	})
}

// showPlan writes the plan, and returns what keeps it from being a good one.
func (p *program) showPlan(v *planned) error {
	fault := v.fault()
	if p.flags.json {
		view := v.view()
		if fault == nil {
			p.event(view)
			return nil
		}
		ours, _ := errors.AsType[*aurea.Error](fault)
		view.Error = &failure{Code: string(ours.Code), Message: p.redact(ours.Message), Hint: p.redact(ours.Hint)}
		p.event(view)
		fault.silent = true
		return fault
	}
	if _, err := fmt.Fprint(p.stdout, visible(p.redact(v.table()))); err != nil {
		return err
	}
	if fault == nil {
		return nil
	}
	return fault
}

// fault says what is wrong with a plan that could be made.
func (v *planned) fault() *exit {
	switch {
	case len(v.Unknown) > 0 && !v.skipBad:
		var n int64
		for _, u := range v.Unknown {
			n += u.Requests
		}
		first := v.Unknown[0]
		return &exit{code: exitUsage, err: &aurea.Error{
			Code: aurea.CodePriceUnknown, Message: fmt.Sprintf("the cost of %s is not known; aurea run would refuse the file: %s", plural(n, "request"), first.Message),
			Hint: first.Hint + "\nor leave these lines out with --skip-bad",
		}}
	case v.partial:
		return &exit{code: exitInterrupted, err: &aurea.Error{
			Code: "interrupted", Message: fmt.Sprintf("interrupted: the plan covers the first %s only; nothing was sent", plural(v.Total.Requests, "request")),
			Hint: "run the same command again; a plan cannot go on where it ended",
		}}
	case v.limit != nil && v.Total.Most.Cmp(*v.limit) > 0:
		verdict := "it is expected to fit: aurea run stops at its --max-cost whatever comes, and goes on after aurea jobs raise"
		if v.Total.Expected.Cmp(*v.limit) > 0 {
			verdict = "it is not expected to fit either"
		}
		return &exit{code: exitBudget, err: &aurea.Error{
			Code:    aurea.CodeBudgetExceeded,
			Message: fmt.Sprintf("at most this costs $%s, which is $%s above --max-cost %s", progress.Money(v.Total.Most), progress.Money(v.Total.Most.Minus(*v.limit)), *v.limit),
			Hint:    fmt.Sprintf("allow --max-cost %s, lower the answers' cap with --max-tokens, or take a cheaper model; %s", v.Total.Most, verdict),
		}}
	}
	return nil
}

// known remembers what a function of a model's name returns, for some names.
func known[T any](f func(string) T) func(string) T {
	memo := make(map[string]T)
	return func(model string) T {
		v, ok := memo[model]
		if !ok {
			if len(memo) >= 1000 {
				clear(memo)
			}
			v = f(model)
			memo[model] = v
		}
		return v
	}
}

// interruptible returns a reader that ends when a context does, also while nothing comes on a pipe; whoever waits for that is left behind.
func interruptible(ctx context.Context, src io.Reader) io.Reader {
	if f, ok := src.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return src
		}
	}
	out, in := io.Pipe()
	context.AfterFunc(ctx, func() { _ = in.CloseWithError(context.Cause(ctx)) })
	go func() {
		_, err := io.CopyBuffer(struct{ io.Writer }{in}, struct{ io.Reader }{src}, make([]byte, 1<<18))
		_ = in.CloseWithError(err)
	}()
	return out
}
