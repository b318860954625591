package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Options say where [Load] looks. The zero value reads the process's own environment and working
// directory.
type Options struct {
	// Flags are the values of the command line.
	Flags Flags
	// Environ looks up a variable of the environment. Default: os.LookupEnv.
	Environ func(name string) (string, bool)
	// Dir is the working directory. Default: os.Getwd.
	Dir string
}

// Flags are values given on the command line, which go before everything else; nil is not given. An
// empty value is a mistake, because a script's missing variable must not quietly become a default.
type Flags struct {
	// Config is --config, the file to read.
	Config *string
	// Database is --database, Listen is --listen, LogLevel is --log-level.
	Database, Listen, LogLevel *string
	// MaxJobCost is --max-cost where it stands for budget.max_job_cost.
	MaxJobCost *string
	// MaxRetries is --max-retries.
	MaxRetries *string
	// RPM and TPM are --rpm and --tpm where they stand for limits.default_rpm and default_tpm.
	RPM, TPM *string
	// Allow and Deny are --allow and --deny, each a comma-separated list that takes the place of the
	// configured one.
	Allow, Deny *string
	// PII is --pii where it stands for pii.
	PII *string
}

// loader carries one Load.
type loader struct {
	opts    Options
	dir     string
	home    string
	dotenv  map[string]string
	sources Sources
	cfg     *Config
	errs    Errors
	file    *reader // nil without a configuration file
}

// Load reads the configuration. The file is the one of Flags.Config, else of AUREA_CONFIG, else
// aurea.yaml in the working directory, else aurea/aurea.yaml in $XDG_CONFIG_HOME (~/.config without
// that variable), else none. .env is read from the working directory only, and an API key in
// OPENAI_API_KEY or ANTHROPIC_API_KEY configures that provider where the file does not.
//
// Paths count from the folder of the file they stand in; on the command line and in variables, from
// the working directory; "~/" is the home folder. Every error is an [Errors] with all mistakes that
// were found; the command line exits with 2 on it. Load changes nothing outside and may be called at
// any time.
func Load(opts Options) (*Config, error) {
	l := &loader{opts: opts, cfg: defaults(), sources: Sources{origins: map[string]string{}}}
	if l.opts.Environ == nil {
		l.opts.Environ = os.LookupEnv
	}
	if !l.start() {
		return nil, l.errs
	}
	l.find()
	l.readFile()
	l.applyVariables()
	l.applyFlags()
	l.finish()
	if len(l.errs) > 0 {
		l.errs.sort()
		return nil, l.errs
	}
	l.cfg.sources = l.sources
	return l.cfg, nil
}

// start finds the working directory and the home folder, and reads .env.
func (l *loader) start() bool {
	dir := l.opts.Dir
	if dir == "" {
		dir = "."
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		l.errs = append(l.errs, &Error{Source: "command line", Problem: "the working directory is unknown: " + reason(err), Hint: "change to a folder that exists"})
		return false
	}
	l.dir = abs
	for _, name := range []string{"HOME", "USERPROFILE"} {
		if home, ok := l.process(name); ok && filepath.IsAbs(home) {
			l.home = home
			break
		}
	}
	var problem *Error
	if l.dotenv, l.sources.DotEnv, problem = readDotEnv(l.dir); problem != nil {
		l.errs = append(l.errs, problem)
	}
	return true
}

// place is what paths on the command line and in variables count from.
func (l *loader) place() place { return place{dir: l.dir, home: l.home} }

// process looks a variable up in the environment alone.
func (l *loader) process(name string) (string, bool) {
	text, ok := l.opts.Environ(name)
	return text, ok && text != ""
}

// env looks a variable up in the environment, then in .env.
func (l *loader) env(name string) (string, bool) {
	if text, ok := l.process(name); ok {
		return text, true
	}
	text := l.dotenv[name]
	return text, text != ""
}

// origin says which of the two a variable comes from.
func (l *loader) origin(name string) (source string, rank int) {
	if _, ok := l.process(name); ok {
		return "environment", rankEnvironment
	}
	return ".env", rankDotEnv
}

func (l *loader) readFile() {
	path := l.sources.File
	if path == "" {
		return
	}
	name := l.shown(path)
	source, err := readFile(path)
	if err != nil {
		l.errs = append(l.errs, &Error{
			Source: name, rank: rankFile, Problem: "cannot be read: " + reason(err),
			Hint: "it was named by " + l.sources.FoundBy + "; write the path of a configuration file there, or leave it out",
		})
		return
	}
	r := &reader{
		file: name, place: place{dir: filepath.Dir(path), home: l.home}, env: l.env,
		lines: map[string]int{}, inUse: map[*yaml.Node]bool{}, unsets: map[string]string{},
	}
	l.file = r
	if root := r.parse(source); root != nil {
		r.mapping(value{node: root, line: root.Line}, sections(l.cfg))
	}
	l.errs = append(l.errs, r.errs...)
	for key, line := range r.lines {
		l.sources.origins[key] = fmt.Sprintf("%s:%d", name, line)
	}
	for _, key := range slices.Sorted(maps.Keys(r.unsets)) {
		l.note(key, fmt.Sprintf("the variable %s is not set", r.unsets[key]))
	}
}

func (l *loader) note(key, text string) {
	l.cfg.notes = append(l.cfg.notes, key+": "+text)
}

// failAt records a mistake about a key of the file.
func (l *loader) failAt(key, problem, hint string) { l.failAtLine(key, key, problem, hint) }

// failAtLine is failAt for a key whose line is kept under another name.
func (l *loader) failAtLine(key, place, problem, hint string) {
	e := &Error{Source: "configuration", Key: key, Problem: problem, Hint: hint, rank: rankFile}
	if l.file != nil {
		e.Source, e.Line = l.file.file, l.file.lines[place]
	}
	l.errs = append(l.errs, e)
}

// explainValue makes problem and hint of a parser's error about the value of a variable or a flag.
func explainValue(text string, secret bool, err error) (problem, hint string) {
	var f *flaw
	if secret && errors.As(err, &f) {
		err = &hiddenFlaw{*f}
	}
	return explain(scalar{text, text}, err)
}
