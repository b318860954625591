package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// guide is a program of the page: a fenced block below the heading Guides.
type guide struct {
	language, text string
	group          string // what has to be installed
}

// guideGroups has the languages of blocks that are run.
var guideGroups = map[string]string{"sh": "", "python": "python", "js": "node", "go": "go"}

// guides returns the programs of a page.
func guides(page string) []guide {
	_, rest, _ := strings.Cut(page, "\n## Guides\n")
	rest, _, _ = strings.Cut(rest, "\n## ")
	var all []guide
	for {
		_, after, ok := strings.Cut(rest, "\n```")
		if !ok {
			return all
		}
		language, after, _ := strings.Cut(after, "\n")
		text, after, _ := strings.Cut(after, "\n```")
		if group, ok := guideGroups[language]; ok {
			all = append(all, guide{language, text + "\n", group})
		}
		rest = after
	}
}

// run runs the program as it is written, beside a gateway of its own. It is to end well and to print something.
func (g *guide) run(ctx context.Context, aurea string, in *installed) error {
	w, err := newWorld(ctx, aurea)
	if err != nil {
		return err
	}
	defer w.close()
	dir, name, args := w.dir, "guide."+g.language, []string{"sh", "-eu"}
	switch g.language {
	case "python":
		args = []string{in.python}
	case "js": // where node finds the packages
		dir, name, args = in.node, "guide.mjs", []string{"node"}
	case "go": // where go finds the module
		dir, args = in.bin, []string{"go", "run"}
	}
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(g.text), 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], append(args[1:], file)...) // #nosec G204 -- our own page
	cmd.Dir, cmd.WaitDelay = in.root, 5*time.Second
	cmd.Env = environment(w)
	out, err := cmd.CombinedOutput()
	if err == nil && !strings.Contains(string(out), "spent") {
		err = fmt.Errorf("it does not come to its end, where the job's money is spent")
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}
