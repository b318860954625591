package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/internal/app"
	"github.com/andres20980/aurea-orchestrator/internal/jobs"
)

// Words that flags take. A shell offers them, and the commands check them.
var (
	jobStates = jobs.States
	logLevels = []string{"debug", "info", "warn", "error"}
	simAlgos  = []string{"sliding", "bucket", "fixed"}
)

// listed writes words for a message: a, b or c.
func listed(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// completeWith lets a shell complete a flag. The flag has to be defined.
func completeWith(cmd *cobra.Command, flag string, complete cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err)
	}
}

// words completes with a fixed choice.
func words(list []string) cobra.CompletionFunc {
	return cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp)
}

// fileOf completes with the names of files of some kinds, once.
func fileOf(kinds ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return kinds, cobra.ShellCompDirectiveFilterFileExt
	}
}

// A shell waits for its completion: what takes longer than this is not told, and more than so many jobs nobody reads.
const (
	completionTime = 500 * time.Millisecond
	completionJobs = 500
)

// completeJob completes with the ids of the jobs in the database, as the first argument of a command or as a flag. Whatever goes wrong, it offers nothing and says
// nothing: the command line is not finished yet.
func (p *program) completeJob(flag bool) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if !flag && len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		cfg, err := p.load(config.Options{})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(context.Background(), completionTime)
		defer cancel()
		ids, err := app.JobIDs(ctx, cfg, completionJobs)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []cobra.Completion
		for _, id := range ids {
			if name := aurea.ShortName(id); strings.HasPrefix(name, typed) {
				names = append(names, name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// completions tells the shells' completion what the flags that every command has can be.
func (p *program) completions(root *cobra.Command) {
	completeWith(root, "log-level", words(logLevels))
	completeWith(root, "config", fileFlag("yaml", "yml"))
	completeWith(root, "database", func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if strings.HasPrefix("sqlite:", typed) { //nolint:gocritic // what was typed is the beginning
			return []cobra.Completion{"sqlite:"}, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveDefault
	})
}

// fileFlag completes a flag with the names of files of some kinds.
func fileFlag(kinds ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(kinds, cobra.ShellCompDirectiveFilterFileExt)
}

// strictCompletion has cobra's completion command refuse a shell that it does not know, which by itself it answers with its help and exit code 0.
func strictCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		var shells []string
		for _, shell := range cmd.Commands() {
			shells = append(shells, shell.Name())
		}
		cmd.Use = "completion SHELL"
		cmd.Short = "Write the completion script for " + listed(shells)
		cmd.Example = "  source <(aurea completion bash)\n  aurea completion zsh > \"${fpath[1]}/_aurea\""
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError("completion %q: want %s", args[0], listed(shells))
			}
			return cmd.Help()
		}
	}
}
