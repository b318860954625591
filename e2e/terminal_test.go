//go:build unix

package e2e_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A shell completes the ids of jobs from the database, which that does not make, change or wait for.
func TestCompletionOfJobs(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	complete := func(args ...string) string {
		t.Helper()
		cmd := h.command()
		cmd.Args = append([]string{binary, "__complete", "--database", "sqlite:" + h.path("aurea.db")}, args...)
		p := h.startCmd(cmd)
		p.exits(0)
		if text := p.stderr.String(); strings.Contains(text, "rror") {
			t.Errorf("%q says %s", args, text)
		}
		return p.stdout.String()
	}
	if got := complete("jobs", "show", ""); got != ":4\n" {
		t.Errorf("without a database: %q", got)
	}
	if _, err := os.Stat(h.path("aurea.db")); err == nil {
		t.Error("completion made a database")
	}
	content, _ := lines(3, nil)
	file := h.write("in.jsonl", content)
	for _, job := range []string{"alpha", "beta", "beta-2"} {
		h.runs(0, "run", file, "--job", job)
	}
	if got := complete("jobs", "show", ""); got != "beta-2\nbeta\nalpha\n:36\n" {
		t.Errorf("all: %q", got)
	}
	if got := complete("jobs", "raise", "be"); got != "beta-2\nbeta\n:36\n" {
		t.Errorf("those with be: %q", got)
	}
	if got := complete("run", "--job", "al"); got != "alpha\n:36\n" {
		t.Errorf("a flag: %q", got)
	}
	if got := complete("jobs", "show", "alpha", ""); got != ":4\n" {
		t.Errorf("a second argument: %q", got)
	}
	if err := os.Remove(h.path("aurea.db")); err != nil {
		t.Fatal(err)
	}
	h.write("aurea.db", strings.Repeat("this is no database ", 1000))
	if got := complete("jobs", "show", ""); got != ":4\n" {
		t.Errorf("of a file that is no database: %q", got)
	}
	h.write("aurea.yaml", "not: [a configuration\n")
	if got := complete("--config", h.path("aurea.yaml"), "jobs", "show", ""); got != ":4\n" {
		t.Errorf("without a configuration: %q", got)
	}
}

// The scripts are what their shells can read, as far as these are here to be asked.
func TestCompletionScripts(t *testing.T) {
	t.Parallel()
	h := bare(t)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		script := h.bareRuns(0, "completion", shell).stdout.String()
		if !strings.Contains(script, "aurea") || len(script) < 1000 {
			t.Errorf("%s: %d bytes", shell, len(script))
		}
		if path, err := exec.LookPath(shell); err == nil && shell != "powershell" {
			if out, err := exec.Command(path, "-n", h.write(shell, script)).CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", shell, err, out)
			}
		}
	}
	if f := h.bareRuns(2, "completion", "tcsh", "--json").failure(); !strings.Contains(f.Message, "bash") {
		t.Errorf("a shell that is not known: %+v", f)
	}
}
