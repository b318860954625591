package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/internal/app"
)

func (p *program) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Look after the configuration: check, path, init", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	check := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Name every mistake in the configuration at once",
		Long: `Read the configuration as every other command does, and name every mistake at once, each with its line and its remedy.
Where there is none: say what was read, and what is worth knowing about it. Nothing is sent and nothing is written.

Exit codes: 0 good, 2 mistakes.`,
		Example:           "  aurea config check\n  aurea config check other.yaml --json",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: fileOf("yaml", "yml"),
		RunE:              func(_ *cobra.Command, args []string) error { return p.configCheck(args) },
	}
	path := &cobra.Command{
		Use:   "path",
		Short: "Print the path of the configuration file in use",
		Long: `Print the path of the one configuration file in use on stdout, and why it is that one on stderr.
Without a configuration file stdout stays empty, stderr says where one would be found, and the exit code is 0: none is needed.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return p.configPath() },
	}
	var force bool
	init := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a configuration to begin with",
		Long: `Write a configuration file with every key, its default and what it does, for your eyes only (mode 0600).
FILE is by default what --config or AUREA_CONFIG names, else ./aurea.yaml. An existing file is not touched without --force.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: fileOf("yaml", "yml"),
		RunE:              func(_ *cobra.Command, args []string) error { return p.configInit(args, force) },
	}
	init.Flags().BoolVar(&force, "force", false, "replace an existing file")
	cmd.AddCommand(check, path, init)
	return cmd
}

// fileArgument lets FILE stand for --config FILE.
func (p *program) fileArgument(o config.Options, args []string) (config.Options, error) {
	o = p.options(o)
	if len(args) == 0 {
		return o, nil
	}
	if o.Flags.Config != nil && *o.Flags.Config != args[0] {
		return o, usageError("%s and --config name two files; name one", args[0])
	}
	o.Flags.Config = &args[0]
	return o, nil
}

// checked is what `config check --json` says of a good configuration. Its names are a contract.
type checked struct {
	OK      bool              `json:"ok"`
	File    *string           `json:"file"`
	FoundBy *string           `json:"found_by"`
	DotEnv  *string           `json:"dotenv"`
	Given   map[string]string `json:"given"`
	Notes   []string          `json:"notes"`
	Config  *config.Config    `json:"config"`
}

func (p *program) configCheck(args []string) error {
	o, err := p.fileArgument(config.Options{}, args)
	if err != nil {
		return err
	}
	cfg, err := config.Load(o)
	if err != nil {
		return err
	}
	_, red := app.Logger(cfg, p.stderr)
	p.redact = red.Redact
	if err := app.Check(cfg); err != nil {
		return err
	}
	src := cfg.Sources()
	notes := append([]string{}, cfg.Notes()...)
	for _, provider := range cfg.Providers {
		if provider.Unusable != "" && !slices.ContainsFunc(notes, func(n string) bool { return strings.HasPrefix(n, "providers."+provider.Name+".api_key") }) {
			notes = append(notes, "providers."+provider.Name+": "+provider.Unusable)
		}
	}
	if len(cfg.Providers) == 0 {
		notes = append(notes, "providers: none is configured; set OPENAI_API_KEY or ANTHROPIC_API_KEY, write providers: in aurea.yaml, or rehearse with --simulate")
	}
	if p.flags.json {
		p.event(checked{OK: true, File: orNull(src.File), FoundBy: orNull(src.FoundBy), DotEnv: orNull(src.DotEnv), Given: src.Given(), Notes: notes, Config: cfg})
		return nil
	}
	var outside []string // what was set outside of the file
	for _, key := range slices.Sorted(maps.Keys(src.Given())) {
		if origin := src.Of(key); strings.HasPrefix(origin, "--") || strings.HasPrefix(origin, "environment ") || strings.HasPrefix(origin, ".env ") {
			outside = append(outside, key+" ("+origin+")")
		}
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "the configuration is good")
	file := "none; the defaults hold"
	if src.File != "" {
		file = src.File + " (" + foundBy(src) + ")"
	}
	fmt.Fprintf(w, "file\t%s\n", file)
	fmt.Fprintf(w, ".env\t%s\n", orElse(src.DotEnv, "none in the working directory"))
	fmt.Fprintf(w, "set outside the file\t%s\n", orElse(strings.Join(outside, ", "), "nothing"))
	fmt.Fprintf(w, "database\t%s\n", cfg.Database)
	for _, note := range notes {
		fmt.Fprintf(w, "note\t%s\n", note)
	}
	return w.Flush()
}

// foundBy says for people why a file was taken.
func foundBy(src config.Sources) string {
	if src.FoundBy == "--config" || src.FoundBy == "AUREA_CONFIG" {
		return "named by " + src.FoundBy
	}
	return "found in: " + src.FoundBy
}

func (p *program) configPath() error {
	src, err := config.Find(p.options(config.Options{}))
	if err != nil {
		return err
	}
	if src.File != "" {
		if _, err := os.Stat(src.File); err != nil {
			return &exit{code: exitUsage, err: &aurea.Error{
				Code: "usage", Message: fmt.Sprintf("%s, named by %s, cannot be read: %v", src.File, src.FoundBy, cause(err)), Err: err,
				Hint: "write the path of a configuration file there, or make this one with: aurea config init " + shellQuote(src.File),
			}}
		}
	}
	if p.flags.json {
		p.event(map[string]*string{"path": orNull(src.File), "found_by": orNull(src.FoundBy)})
		return nil
	}
	if src.File == "" {
		p.say("no configuration file; the defaults hold. It would be what --config or AUREA_CONFIG names, ./aurea.yaml, or aurea/aurea.yaml in $XDG_CONFIG_HOME (else ~/.config)")
		return nil
	}
	p.say("%s", foundBy(src))
	_, err = fmt.Fprintln(p.stdout, src.File)
	return err
}

func (p *program) configInit(args []string, force bool) error {
	o, err := p.fileArgument(config.Options{}, args)
	if err != nil {
		return err
	}
	src, err := config.Find(o)
	if err != nil {
		return err
	}
	path, read := src.File, true
	if src.FoundBy != "--config" && src.FoundBy != "AUREA_CONFIG" {
		if path, err = filepath.Abs("aurea.yaml"); err != nil {
			return err
		}
	} else if len(args) > 0 {
		without, err := config.Find(p.options(config.Options{})) // what is read when FILE is not named
		read = err == nil && (without.File == path || without.File == "" && filepath.Base(path) == "aurea.yaml" && isHere(path))
	}
	if err := writeStarter(path, force); err != nil {
		return err
	}
	next := []string{"set OPENAI_API_KEY or ANTHROPIC_API_KEY, and take out what you do not need"}
	check, run := "aurea config check", "aurea run prompts.jsonl --simulate"
	if !read {
		check += " " + shellQuote(path)
		run += " --config " + shellQuote(path)
	}
	next = append(next, check, run)
	if p.flags.json {
		p.event(map[string]any{"path": path, "next": next})
		return nil
	}
	if _, err := fmt.Fprintln(p.stdout, path); err != nil {
		return err
	}
	p.say("written, for your eyes only. Next:")
	for _, step := range next {
		p.say("  %s", step)
	}
	return nil
}

// isHere reports whether a path lies directly in the working directory.
func isHere(path string) bool {
	dir, err := os.Getwd()
	return err == nil && filepath.Dir(path) == dir
}

// writeStarter writes the starter so that a file is there whole or not at all, and never replaces one without being told to.
func writeStarter(path string, force bool) error {
	fail := func(err error) error { return usageError("%s cannot be written: %w", path, cause(err)) }
	if target, err := filepath.EvalSymlinks(path); err == nil && force {
		path = target // a link stays a link
	}
	if info, err := os.Lstat(path); err == nil {
		switch {
		case info.IsDir():
			return usageError("%s is a folder; name a file", path)
		case !force:
			return &exit{code: exitUsage, err: &aurea.Error{
				Code: "usage", Message: path + " is there already; it was left as it is", Hint: "look at it with: aurea config check " + shellQuote(path) + "\nor replace it with --force",
			}}
		case !info.Mode().IsRegular():
			return usageError("%s is no regular file", path)
		}
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail(err)
	}
	f, err := os.CreateTemp(dir, ".aurea-*") // CreateTemp makes it 0600
	if err != nil {
		return fail(err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(aurea.StarterConfig())
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return fail(err)
	}
	if force {
		err = os.Rename(f.Name(), path)
	} else if err = os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		err = writeNew(path) // no hard links here
	}
	if err != nil {
		return fail(err)
	}
	return nil
}

// writeNew writes the starter where nothing is yet.
func writeNew(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // #nosec G304 -- a command line writes where it is told to
	if err != nil {
		return err
	}
	_, err = f.WriteString(aurea.StarterConfig())
	return errors.Join(err, f.Close())
}

// cause is an error of the file system without the path, which the message has already.
func cause(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	return err
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
