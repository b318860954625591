//go:build unix

package e2e_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/creack/pty"
)

// onTerminal starts the program on a terminal of its own.
type onTerminal struct {
	*process
	tty   *os.File
	shown *screen
	all   *output // every byte
	last  atomic.Int64
}

func (h *house) onTerminal(width, height int, args ...string) *onTerminal {
	h.tb.Helper()
	cmd := h.command(args...)
	p := &process{tb: h.tb, cmd: cmd, stdout: newOutput(), stderr: newOutput(), ended: make(chan struct{}), began: time.Now()}
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: uint16(width), Rows: uint16(height)})
	if err != nil {
		h.tb.Fatal(err)
	}
	if width == 0 { // not known: the screen has some width all the same
		width, height = 80, 24
	}
	t := &onTerminal{process: p, tty: tty, shown: newScreen(width, height), all: p.stderr}
	go func() {
		_, _ = io.Copy(io.MultiWriter(t.shown, t.all, t), tty) // ends with an error when the program has ended
		_ = cmd.Wait()
		close(p.ended)
	}()
	h.tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.ended
		_ = tty.Close()
	})
	return t
}

// Write notes when the program last wrote something.
func (t *onTerminal) Write(b []byte) (int, error) {
	t.last.Store(time.Now().UnixNano())
	return len(b), nil
}

// quiet waits for a moment between two views, of which there are five a second.
func (t *onTerminal) quiet() {
	until(t.tb, "nothing is written", func() bool {
		since := time.Since(time.Unix(0, t.last.Load()))
		return since > 20*time.Millisecond && since < 100*time.Millisecond
	})
}

func (t *onTerminal) resize(width, height int) {
	t.tb.Helper()
	t.quiet()
	t.shown.resize(width, height)
	if err := pty.Setsize(t.tty, &pty.Winsize{Cols: uint16(width), Rows: uint16(height)}); err != nil {
		t.tb.Fatal(err)
	}
}

// views counts the live views that are on the screen.
func (t *onTerminal) views() int {
	n := 0
	for _, line := range t.shown.lines() {
		if strings.Contains(line, "░") || regexp.MustCompile(`█.*%`).MatchString(line) {
			n++
		}
	}
	return n
}

func (t *onTerminal) sees(what string) {
	t.tb.Helper()
	until(t.tb, "the screen shows "+what, func() bool {
		select {
		case <-t.ended:
			if !strings.Contains(strings.Join(t.shown.lines(), "\n"), what) {
				t.tb.Fatalf("the program ended without showing %q:\n%s", what, strings.Join(t.shown.lines(), "\n"))
			}
		default:
		}
		return strings.Contains(strings.Join(t.shown.lines(), "\n"), what)
	})
}

// The live view follows the size of its terminal, leaves nothing behind, and goes with the terminal as it was; what is said before and after is untouched.
func TestLiveView(t *testing.T) {
	t.Parallel()
	var wrong []string
	for range 3 { // a frame that is on its way while the terminal changes has the old size, and nobody can take it back
		if wrong = liveView(t); len(wrong) == 0 {
			return
		}
	}
	t.Error(strings.Join(wrong, "\n"))
}

// liveView changes the size of a terminal under a run, ends it, and returns what is wrong with what was seen.
func liveView(t *testing.T) (wrong []string) {
	t.Helper()
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	h := bare(t)
	file, err := filepath.Abs("../examples/rehearsal.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	h.env = append(h.env[:2:2], "TERM=xterm-256color", "LANG=C.UTF-8")
	h.write("aurea.yaml", "")
	p := h.onTerminal(120, 40, "run", file, "--simulate", "--job", "nightly", "--concurrency", "4", "--output", h.path("r.jsonl"), "--errors", h.path("e.jsonl"))
	p.sees("about ")
	p.sees("of 342 done")
	for _, width := range []int{50, 20, 100} {
		p.resize(width, 40)
		wanted := map[int]string{50: "         $", 20: "so far", 100: "tokens/min"}[width]
		p.sees(wanted)
		until(t, "the view is drawn anew", func() bool {
			p.quiet()
			for _, line := range p.shown.lines() {
				if strings.HasPrefix(line, "nightly") && strings.HasSuffix(line, "running") && len(line) == width {
					return true
				}
			}
			return false
		})
		text := strings.Join(p.shown.lines(), "\n")
		if n := p.views(); n != 2 {
			bad("at width %d there are %d bars:\n%s", width, n, text)
		}
		if width != 20 && !strings.Contains(text, "accepted nightly: 342 items\nnightly") {
			bad("at width %d what was above the view is not right above it:\n%s", width, text)
		}
	}
	if _, err := p.tty.Write([]byte{3}); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	p.exits(5)
	text := strings.Join(p.shown.lines(), "\n")
	if n := p.views(); n != 2 {
		bad("at the end there are %d bars:\n%s", n, text)
	}
	for _, want := range []string{
		`(?m)^nightly +stopped, nothing is lost$`, `(?m)^time +took [0-9.]+m?s\n\nnightly: paused \(rehearsal`, `(?m)^  items        \d+ done, 0 failed, \d+ pending of 342$`,
		`(?m)^  spent        \$0\.\d+ of \$10$`, `(?m)^  results      .*r\.jsonl$`, `aurea: stopped with \d+ of 342 items left; nothing is lost`, `aurea run .* --job nightly --simulate`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			bad("the screen lacks %s:\n%s", want, text)
		}
	}
	if p.shown.hidden {
		bad("the cursor stays hidden")
	}
	if len(p.shown.unknown) > 0 {
		bad("sequences that a simple terminal need not know: %v", p.shown.unknown)
	}
	if !strings.Contains(p.all.String(), "\x1b[32m") {
		bad("there is no colour")
	}
	if results := readResults(t, h.path("r.jsonl")); len(results) == 0 {
		bad("there are no results")
	}
	return wrong
}

// Without colour there is none; a dumb terminal and one that does not say what it is get lines; a terminal that does not say how wide it is gets 80 columns.
func TestPlainTerminals(t *testing.T) {
	t.Parallel()
	h := bare(t)
	content, _ := lines(20, nil)
	file := h.write("in.jsonl", content)
	h.write("aurea.yaml", configuration())
	for _, test := range []struct {
		name     string
		width    int
		env      []string
		live     bool
		coloured bool
	}{
		{"coloured", 100, []string{"TERM=xterm-256color"}, true, true},
		{"no-color", 100, []string{"TERM=xterm-256color", "NO_COLOR=1"}, true, false},
		{"no-color-empty", 100, []string{"TERM=xterm-256color", "NO_COLOR="}, true, true},
		{"dumb", 100, []string{"TERM=dumb"}, false, false},
		{"unnamed", 100, nil, false, false},
		{"unknown-width", 0, []string{"TERM=xterm-256color", "NO_COLOR=1"}, true, false},
	} {
		h := &house{tb: t, dir: h.dir, env: append(h.env[:2:2], test.env...)}
		p := h.onTerminal(test.width, 30, "run", file, "--simulate", "--job", test.name)
		p.exits(0)
		raw, text := p.all.String(), strings.Join(p.shown.lines(), "\n")
		if got := regexp.MustCompile("\x1b\\[[0-9;]*m").MatchString(raw); got != test.coloured {
			t.Errorf("%s: coloured: %v", test.name, got)
		}
		if got := strings.Contains(raw, "\x1b"); got != test.live {
			t.Errorf("%s: escape sequences: %v: %q", test.name, got, raw)
		}
		if test.live && !regexp.MustCompile("(?m)^items +█+ 100%  20 of 20 done$").MatchString(text) {
			t.Errorf("%s: the view is not there:\n%s", test.name, text)
		}
		if !test.live && !regexp.MustCompile(`(?m)^20/20 done · \$`).MatchString(text) {
			t.Errorf("%s: the lines are not there:\n%s", test.name, text)
		}
		if !strings.Contains(text, test.name+": done (rehearsal") || p.shown.hidden {
			t.Errorf("%s: at the end, cursor hidden %v:\n%s", test.name, p.shown.hidden, text)
		}
		if len(p.shown.unknown) > 0 {
			t.Errorf("%s: sequences that a simple terminal need not know: %v", test.name, p.shown.unknown)
		}
	}
}

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
