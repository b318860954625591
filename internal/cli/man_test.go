package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newProgram(stdout io.Writer) *program {
	return &program{
		stdin: strings.NewReader(""), stdout: stdout, stderr: io.Discard,
		environ: func(string) (string, bool) { return "", false }, redact: func(s string) string { return s },
	}
}

// The page names every command and every flag, and is the same each time.
func TestManPageIsComplete(t *testing.T) {
	t.Parallel()
	page, err := manPage(newProgram(io.Discard).root())
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := manPage(newProgram(io.Discard).root()); again != page {
		t.Error("the page is another one the second time")
	}
	if !strings.HasPrefix(page, ".TH AUREA 1 ") {
		t.Errorf("it begins with %q", page[:min(40, len(page))])
	}
	for _, cmd := range commandsOf(newProgram(io.Discard).root()) {
		if !strings.Contains(page, `\fB`+cmd.Name()+`\fP`) {
			t.Errorf("nothing of %s", cmd.CommandPath())
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !strings.Contains(page, "--"+f.Name) {
				t.Errorf("nothing of %s --%s", cmd.CommandPath(), f.Name)
			}
		})
	}
	for _, section := range []string{"EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"} {
		if !strings.Contains(page, ".SH "+section+"\n") {
			t.Errorf("no section %s", section)
		}
	}
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "'") || strings.Contains(line, "`") {
			t.Errorf("roff would read %q as its own", line)
		}
	}
}

// Every flag that takes a value says how a shell completes it, if it is one of a choice or a job.
func TestFlagsComplete(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string]string{
		"jobs list --state ": "pending\nrunning\npaused\ndone\nfailed\ncancelled\n:4\n",
		"sim --algo ":        "sliding\nbucket\nfixed\n:4\n",
		"run --log-level ":   "debug\ninfo\nwarn\nerror\n:4\n",
		"config ":            "check\tName every mistake in the configuration at once\ninit\tWrite a configuration to begin with\npath\tPrint the path of the configuration file in use\n:4\n",
		"run --max-cost ":    ":4\n",
		"run ":               "jsonl\nndjson\njson\n:8\n",
		"--config ":          "yaml\nyml\n:8\n",
	} {
		var out bytes.Buffer
		root := newProgram(&out).root()
		root.SetArgs(append([]string{cobra.ShellCompRequestCmd}, strings.Split(flag, " ")...))
		root.SetOut(&out)
		root.SetErr(io.Discard)
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Error(err)
		}
		if out.String() != want {
			t.Errorf("%q completes with %q, want %q", flag, out.String(), want)
		}
	}
}
