package cli

import (
	"fmt"
	"io"
	"strings"

	mcobra "github.com/muesli/mango-cobra"
	"github.com/muesli/roff"
	"github.com/spf13/cobra"
)

const manExits = `0: done.
1: error.
2: usage or configuration; nothing was done and nothing was sent.
3: the budget is used up; the message says how much more it would take.
4: some items failed for good.
5: interrupted, and resumable with the same command.
If several hold, the first of 2, 1, 5, 3, 4 counts.`

const manEnvironment = `OPENAI_API_KEY, OPENAI_BASE_URL, ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL: the providers.
MAX_JOB_COST: dollars per job (10.0).
DEFAULT_RPM, DEFAULT_TPM: requests and tokens per model and minute (60, 100000).
MAX_RETRIES, RETRY_BASE_DELAY, RETRY_MAX_DELAY: retries, and seconds between them (3, 1.0, 60.0).
CIRCUIT_BREAKER_THRESHOLD, CIRCUIT_BREAKER_TIMEOUT: failures in a row, seconds (5, 60.0).
ALLOWED_MODELS, DENIED_MODELS: comma-separated names or globs; denied wins.
LOG_LEVEL, REDACT_PII: info, true.
AUREA_CONFIG, AUREA_DATABASE, AUREA_ADMIN_KEY: configuration file, database, key of the admin API.
NO_COLOR: no colour. TERM=dumb: plain lines in place of the live view.
A flag goes before the environment, the environment before .env, .env before the configuration file.`

const manFiles = `./aurea.yaml, else $XDG_CONFIG_HOME/aurea/aurea.yaml (~/.config without the variable): the configuration.
./.env: variables that the environment does not set.
$XDG_STATE_HOME/aurea/aurea.db (~/.local/state without the variable): jobs and money.
FILE.results.jsonl, FILE.errors.jsonl: what aurea run FILE leaves.`

func (p *program) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man",
		Short:   "Write the manual page on stdout",
		Example: "  aurea man > /usr/local/share/man/man1/aurea.1\n  aurea man | man -l -",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			page, err := manPage(cmd.Root())
			if err != nil {
				return err
			}
			_, err = io.WriteString(p.stdout, page)
			return err
		},
	}
}

// manPage is the manual page. It has the version in the place of a date, so that the same program always writes the same page.
func manPage(root *cobra.Command) (string, error) {
	page, err := mcobra.NewManPage(1, root)
	if err != nil {
		return "", err
	}
	page = page.WithLongDescription(paragraphs(root.Long)).
		WithSection("Exit status", manExits).WithSection("Environment", manEnvironment).WithSection("Files", manFiles)
	_, body, _ := strings.Cut(page.Build(roff.NewDocument()), "\n") // without its title line
	body = strings.ReplaceAll(body, "`", "")                        // which mark the names of values for cobra
	var b strings.Builder
	fmt.Fprintf(&b, ".TH AUREA 1 \"\" \"aurea %s\" \"Aurea\"\n%s\n.SH EXAMPLES\n", version(), strings.TrimRight(body, "\n"))
	for _, cmd := range commandsOf(root) {
		if cmd.Example == "" {
			continue
		}
		fmt.Fprintf(&b, ".TP\n\\fB%s\\fP\n.nf\n", escapeRoff(cmd.CommandPath()))
		for line := range strings.Lines(cmd.Example) {
			fmt.Fprintf(&b, "%s\n", escapeRoff(strings.TrimSpace(line)))
		}
		b.WriteString(".fi\n")
	}
	return b.String(), nil
}

// commandsOf returns a command and all below it that are not hidden.
func commandsOf(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			all = append(all, commandsOf(sub)...)
		}
	}
	return all
}

// paragraphs joins the lines of each paragraph, which roff fills itself.
func paragraphs(text string) string {
	parts := strings.Split(text, "\n\n")
	for i, part := range parts {
		parts[i] = strings.Join(strings.Fields(part), " ")
	}
	return strings.Join(parts, "\n")
}

// escapeRoff writes a line so that roff takes nothing in it for its own.
func escapeRoff(line string) string {
	line = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`).Replace(line)
	if strings.HasPrefix(line, ".") {
		line = `\&` + line
	}
	return line
}
