// Package cli is the command line: a skin over the library. [Run] is the whole program but for its process.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"charm.land/fang/v2"
	"github.com/spf13/cobra"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/internal/app"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Exit codes. They are a contract; if several hold, the first of 2, 1, 5, 3, 4 counts.
const (
	exitDone        = 0
	exitError       = 1
	exitUsage       = 2
	exitBudget      = 3
	exitSomeFailed  = 4
	exitInterrupted = 5
)

// program is one invocation.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	flags          globalFlags
	redact         func(string) string
	environ        func(string) (string, bool)
	changed        func(flag string) bool // whether a global flag was given
	maxCall        time.Duration
	failed         error // of the command, see keepErrors
}

type globalFlags struct {
	config, database, logLevel string
	json, quiet                bool
}

// exit is an error that carries its exit code. A silent one was already told.
type exit struct {
	code   int
	err    error
	silent bool
}

func (e *exit) Error() string { return e.err.Error() }
func (e *exit) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &exit{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// Run runs the command line and returns the exit code.
func Run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{stdin: stdin, stdout: stdout, stderr: stderr, environ: os.LookupEnv, redact: func(s string) string { return s }}
	root := p.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	p.keepErrors(root)
	err := fang.Execute(context.Background(), root,
		fang.WithVersion(version()), fang.WithoutManpage(), fang.WithErrorHandler(func(io.Writer, fang.Styles, error) {}))
	if err == nil {
		err = p.failed
	}
	return p.end(err, args)
}

// keepErrors has the commands keep their errors from fang, which would ask the terminal for its colours because of one, wait for the answer, and perhaps leave it to the shell.
func (p *program) keepErrors(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			p.failed = check(cmd, args)
			return nil
		}
	}
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if p.failed == nil {
				p.failed = run(cmd, args)
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		p.keepErrors(sub)
	}
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "aurea",
		Short: "Run AI model jobs under a hard budget",
		Long: `Aurea runs AI model jobs under a hard budget: never a cent past the limit, as fast as the
provider allows and no faster, and nothing paid twice after a crash.

Set OPENAI_API_KEY or ANTHROPIC_API_KEY, or rehearse without either: aurea run FILE --simulate`,
		Example:       "  aurea run prompts.jsonl --max-cost 5\n  aurea run prompts.jsonl --simulate\n  aurea jobs show prompts-1f3a9c02",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := root.PersistentFlags()
	f.StringVar(&p.flags.config, "config", "", "configuration `file` (else AUREA_CONFIG, ./aurea.yaml, $XDG_CONFIG_HOME/aurea/aurea.yaml)")
	f.StringVar(&p.flags.database, "database", "", "where jobs and money are kept: sqlite:`FILE` or a postgres:// URL")
	f.BoolVar(&p.flags.json, "json", false, "write events, data and errors as JSON on stdout")
	f.BoolVar(&p.flags.quiet, "quiet", false, "no progress and no receipt")
	f.StringVar(&p.flags.logLevel, "log-level", "", "debug, info, warn or error")
	p.changed = func(name string) bool { return f.Changed(name) }
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &exit{code: exitUsage, err: fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	root.AddCommand(
		p.runCommand(), p.planCommand(), p.workerCommand(), p.serveCommand(), p.execCommand(), p.jobsCommand(), p.dbCommand(), p.pricesCommand(), p.verifyCommand(), p.redactCommand(), p.simCommand(), p.configCommand(), p.manCommand(), p.versionCommand(),
	)
	p.completions(root)
	strictCompletion(root)
	return root
}

// end tells an error once and returns the exit code.
func (p *program) end(err error, args []string) int {
	if err == nil {
		return exitDone
	}
	code := exitError
	var e *exit
	var bad config.Errors
	var wrong *app.ConfigError
	switch {
	case errors.As(err, &e):
		code = e.code
	case errors.As(err, &bad), errors.As(err, &wrong), strings.HasPrefix(err.Error(), "unknown command"), isArgsError(err):
		code = exitUsage
	}
	if e != nil && e.silent {
		return code
	}
	p.tell(err, code, p.flags.json || wantsJSON(args))
	return code
}

// isArgsError recognises what cobra says about arguments; it has no type of its own.
func isArgsError(err error) bool {
	for _, start := range []string{"accepts ", "requires at least", "requires at most", "invalid argument", "required flag", "if any flags"} {
		if strings.HasPrefix(err.Error(), start) {
			return true
		}
	}
	return false
}

// wantsJSON is asked when the flags could not be parsed.
func wantsJSON(args []string) bool {
	for _, a := range args {
		if a == "--" {
			return false
		}
		if a == "--json" || a == "--json=true" {
			return true
		}
	}
	return false
}

// failure is an error as --json writes it, mistake one mistake in the configuration. Their names are a contract.
type failure struct {
	Code     string    `json:"code"`
	Message  string    `json:"message"`
	Hint     string    `json:"hint"`
	Mistakes []mistake `json:"mistakes,omitempty"`
}

type mistake struct {
	Source  string `json:"source"`
	Line    int    `json:"line"`
	Key     string `json:"key"`
	Problem string `json:"problem"`
	Hint    string `json:"hint"`
}

func (p *program) tell(err error, code int, asJSON bool) {
	name, message, hint := "error", err.Error(), ""
	var ours *aurea.Error
	var damaged *store.DamageError
	switch {
	case errors.As(err, &damaged):
		name, message, hint = "database_damaged", damaged.Error(), damaged.Next
	case errors.Is(err, store.ErrNewerSchema):
		name, hint = "newer_schema", "use the newer aurea that wrote it, or another file with --database"
	case errors.Is(err, store.ErrFull):
		name, hint = "disk_full", "free some space on the disk, then run the same command again: it goes on where it ended"
	case errors.As(err, &ours):
		name, message, hint = string(ours.Code), ours.Message, ours.Hint
	case code == exitUsage:
		name = "usage"
	case errors.Is(err, store.ErrUnavailable):
		name = string(aurea.CodeUnavailable)
	case code == exitInterrupted:
		name = "interrupted"
	}
	message, hint = p.redact(message), p.redact(hint)
	if asJSON {
		told := failure{Code: name, Message: message, Hint: hint}
		if bad, ok := errors.AsType[config.Errors](err); ok {
			for _, one := range bad {
				told.Mistakes = append(told.Mistakes, mistake{one.Source, one.Line, one.Key, one.Problem, one.Hint})
			}
		}
		p.event(map[string]any{"error": told})
		return
	}
	fmt.Fprintf(p.stderr, "aurea: %s\n", visible(message))
	if hint != "" {
		fmt.Fprintf(p.stderr, "  → %s\n", visible(hint))
	}
}

// load reads the configuration that this invocation runs with.
func (p *program) load(o config.Options) (*config.Config, error) { return config.Load(p.options(o)) }

// options adds the global flags that were given.
func (p *program) options(o config.Options) config.Options {
	given := func(value *string, name string) *string {
		if p.changed(name) {
			return value
		}
		return nil
	}
	o.Flags.Config = given(&p.flags.config, "config")
	o.Flags.Database = given(&p.flags.database, "database")
	o.Flags.LogLevel = given(&p.flags.logLevel, "log-level")
	return o
}
