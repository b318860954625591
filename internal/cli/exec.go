package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/internal/app"
	"github.com/andres20980/aurea-orchestrator/internal/child"
	"github.com/andres20980/aurea-orchestrator/internal/jobs"
	"github.com/andres20980/aurea-orchestrator/money"
)

type execFlags struct {
	maxCost, job, parent  string
	pii                   string
	allow, deny, rpm, tpm string
	receipt               string
	stopOnExceeded        bool
	grace                 time.Duration
	keep                  []string
	simulate              bool
}

func (p *program) execCommand() *cobra.Command {
	var f execFlags
	cmd := &cobra.Command{
		Use:   "exec [flags] -- CMD [ARG...]",
		Short: "Run any command with its model calls under a hard budget",
		Long: `Run CMD with its model calls under a limit in dollars. A gateway on loopback is started for it, and CMD's environment points there: OPENAI_BASE_URL,
ANTHROPIC_BASE_URL and the others that SDKs and agents read, with a key for this one run. Real keys are taken out of its environment.

Signals, the terminal, stdin and the exit code pass through as if CMD had been started by itself. At its end a receipt goes to stderr. A call past the
limit is refused with status 402, which SDKs do not retry; CMD goes on, or with --stop-on-exceeded is asked to end.

Runs with the same --job share its limit, here and in other terminals. Within a command that runs under exec, exec draws on the job around it.

Exit codes: CMD's own, 128 and the signal's number if one ended it, 127 if there is no such command, 126 if it cannot be started.`,
		Example: `  aurea exec --max-cost 5 -- claude -p "mend the failing test"
  aurea exec --job nightly --max-cost 20 --stop-on-exceeded --receipt receipt.json -- python pipeline.py
  aurea exec --simulate -- python my_agent.py      # no key, no network, no cost`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.exec(cmd, args, f) },
	}
	fs := cmd.Flags()
	fs.SetInterspersed(false) // what follows CMD is CMD's
	fs.StringVar(&f.maxCost, "max-cost", "", "limit of the job in `USD`, such as 2.50 (default: MAX_JOB_COST)")
	fs.StringVar(&f.job, "job", "", "job `ID`, to share its limit with other runs (default: a new one)")
	fs.StringVar(&f.parent, "parent", "", "job `ID` whose limit this one draws on as well")
	fs.StringVar(&f.allow, "allow", "", "`models` that may be used, comma-separated names or globs, instead of the configured ones")
	fs.StringVar(&f.deny, "deny", "", "`models` that may not be used, instead of the configured ones")
	fs.StringVar(&f.pii, "pii", "", piiUsage)
	completeWith(cmd, "pii", completePII)
	fs.StringVar(&f.rpm, "rpm", "", "`requests` per model and minute, where the configuration says nothing of a model")
	fs.StringVar(&f.tpm, "tpm", "", "`tokens` per model and minute, where the configuration says nothing of a model")
	fs.StringVar(&f.receipt, "receipt", "", "`file` for the receipt as JSON")
	fs.BoolVar(&f.stopOnExceeded, "stop-on-exceeded", false, "end CMD and what it started when the budget is used up: SIGTERM, then SIGKILL")
	fs.DurationVar(&f.grace, "stop-grace", 10*time.Second, "`time` between SIGTERM and SIGKILL")
	fs.StringSliceVar(&f.keep, "keep-env", nil, "`variables` to leave as they are, comma-separated, though they hold keys or lead past the gateway")
	fs.BoolVar(&f.simulate, "simulate", false, "answer with a simulated provider: no key, no network, no cost")
	completeWith(cmd, "job", p.completeJob(false))
	completeWith(cmd, "parent", p.completeJob(false))
	completeWith(cmd, "receipt", fileFlag("json"))
	for _, flag := range []string{"max-cost", "allow", "deny", "rpm", "tpm", "stop-grace", "keep-env"} {
		completeWith(cmd, flag, cobra.NoFileCompletions)
	}
	return cmd
}

// execution is one `aurea exec`.
type execution struct {
	*program
	flags execFlags
	args  []string
	spec  aurea.JobSpec
	way   way
	tally tally

	secrets  []string // real ones, which the command must not get
	stopOnce sync.Once
	exceeded chan struct{} // closed when the budget has refused a call
}

// way is the gateway that a command's calls go through, ours or one within another's.
type way interface {
	gateway() child.Gateway
	// close waits a little for the calls under way, and says what the job stands at.
	close() (jobs.View, error)
}

func (p *program) exec(cmd *cobra.Command, args []string, f execFlags) error {
	x := &execution{program: p, flags: f, args: args, exceeded: make(chan struct{})}
	if err := x.check(cmd); err != nil {
		return err
	}
	var w way
	var err error
	if url, ok := p.environ(child.URLVariable); ok && url != "" {
		w, err = x.nested(cmd, url)
	} else {
		w, err = x.own(cmd)
	}
	if err != nil {
		return err
	}
	began := time.Now()
	c, err := child.Start(args, child.Environ(child.Inherited(), x.secrets, f.keep, w.gateway()), os.Stdin, os.Stdout, os.Stderr)
	if err != nil {
		_, closing := w.close()
		return &exit{code: child.StartCode(err), err: errors.Join(fmt.Errorf("%s: %w", args[0], err), closing)}
	}
	stopped := make(chan bool, 1)
	over := make(chan struct{})
	go func() {
		select {
		case <-x.exceeded:
			x.say("aurea exec: the budget is used up; %s is asked to end", args[0])
			c.Stop(f.grace)
			stopped <- true
		case <-over:
			stopped <- false
		}
	}()
	end := c.Wait()
	close(over)
	at, err := w.close()
	r := x.receipt(at, end, time.Since(began), <-stopped)
	err = errors.Join(err, x.deliver(r))
	if err != nil { // the exit code is the command's all the same
		p.tell(err, exitError, false)
	}
	if end.Code != 0 {
		return &exit{code: end.Code, err: fmt.Errorf("%s ended with %d", args[0], end.Code), silent: true}
	}
	return nil
}

// check reads the flags that have a syntax of their own, before anything is started.
func (x *execution) check(cmd *cobra.Command) error {
	f := x.flags
	x.spec = aurea.JobSpec{Name: f.job, Parent: f.parent, Simulated: f.simulate, PII: aurea.PII(f.pii)}
	if err := checkPII(f.pii); err != nil {
		return err
	}
	if cmd.Flags().Changed("max-cost") {
		sum, err := money.ParseSum(f.maxCost)
		if err != nil {
			return usageError("--max-cost %q: want dollars as decimal text such as 2.50", f.maxCost)
		}
		x.spec.Limit = &sum
	}
	if x.spec.Name == "" {
		x.spec.Name = "exec-" + time.Now().UTC().Format("20060102-150405-") + strings.ToLower(rand.Text()[:6])
	}
	if f.grace < 0 {
		return usageError("--stop-grace %s: want zero or more", f.grace)
	}
	if f.receipt != "" {
		if err := writable(f.receipt); err != nil {
			return usageError("--receipt %s: %w", f.receipt, err)
		}
	}
	return nil
}

// ownWay is a gateway of this process.
type ownWay struct {
	x      *execution
	app    *app.App
	child  *app.Child
	cancel context.CancelFunc
}

// own starts a gateway.
func (x *execution) own(cmd *cobra.Command) (way, error) {
	hidden, hid := child.Hidden()
	o := config.Options{Environ: func(name string) (string, bool) {
		if v, ok := hidden[name]; ok {
			return v, true
		}
		return x.environ(name)
	}}
	for flag, at := range map[string]struct {
		value *string
		to    **string
	}{"allow": {&x.flags.allow, &o.Flags.Allow}, "deny": {&x.flags.deny, &o.Flags.Deny}, "rpm": {&x.flags.rpm, &o.Flags.RPM}, "tpm": {&x.flags.tpm, &o.Flags.TPM}} {
		if cmd.Flags().Changed(flag) {
			*at.to = at.value
		}
	}
	cfg, err := x.load(o)
	if err != nil {
		return nil, err
	}
	x.secrets = secretsOf(cfg)
	if !hid {
		if err := child.Hide(child.Secret(child.Inherited(), x.secrets)); err != nil {
			fmt.Fprintf(x.stderr, "aurea: the keys stay in this process's environment, where others of the same user can read them: %v\n", err)
		}
	}
	if x.program.flags.logLevel == "" && !logLevelSet(cfg) {
		cfg.Logging.Level = slog.LevelError // the terminal is the command's
	}
	log, red := app.Logger(cfg, x.stderr)
	x.redact = red.Redact
	ctx, cancel := context.WithCancel(context.WithoutCancel(cmd.Context()))
	a, err := app.Open(ctx, cfg, log, red, app.Options{Simulate: x.flags.simulate})
	if err != nil {
		cancel()
		return nil, err
	}
	w := &ownWay{x: x, app: a, cancel: cancel}
	x.way = w
	if w.child, err = a.ServeChild(ctx, x.spec, x.ended); err != nil {
		err = errors.Join(err, a.Close(ctx))
		cancel()
		switch aurea.ErrorCode(err) {
		case aurea.CodeJobConflict, aurea.CodeInvalidRequest, aurea.CodeNotFound:
			return nil, &exit{code: exitUsage, err: err}
		}
		return nil, err
	}
	return w, nil
}

func (w *ownWay) gateway() child.Gateway {
	return child.Gateway{URL: w.child.URL(), Key: w.child.Key, Job: w.x.spec.Name}
}

// closeAfter is how long calls go on that the command has left behind.
const closeAfter = time.Second

func (w *ownWay) close() (view jobs.View, err error) {
	defer w.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), closeAfter)
	defer cancel()
	_ = w.child.Drain(ctx) // what is cut off is in the books all the same
	closing, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err = w.app.Tracker.Flush(closing); err == nil {
		view, err = jobs.Show(closing, w.app.Store, w.child.Job.ID)
	}
	return view, errors.Join(err, w.app.Close(closing))
}

// secretsOf are the credentials of a configuration.
func secretsOf(cfg *config.Config) (secrets []string) {
	add := func(s string) {
		if s != "" {
			secrets = append(secrets, s)
		}
	}
	for _, p := range cfg.Providers {
		for _, key := range p.Keys {
			add(key.Reveal())
		}
		for _, value := range p.Headers {
			add(value.Reveal())
		}
	}
	add(cfg.AdminKey.Reveal())
	if cfg.Database.Driver() == config.Postgres && strings.Contains(cfg.Database.Reveal(), "@") {
		add(cfg.Database.Reveal())
	}
	return secrets
}
