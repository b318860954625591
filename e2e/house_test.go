//go:build unix

package e2e_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// house is one installation: a folder with a configuration and a database, and a provider that it calls.
type house struct {
	tb  testing.TB
	dir string
	sim *provider
	env []string
	key string
	// database is where the ledger is; the file aurea.db in dir unless set.
	database string
}

// newHouse starts a provider and writes aurea.yaml. more is appended to the configuration.
func newHouse(tb testing.TB, o behaviour, more string) *house {
	tb.Helper()
	h := &house{tb: tb, dir: tb.TempDir(), sim: startProvider(tb, o), key: "sk-" + rand.Text()}
	h.env = []string{
		"OPENAI_API_KEY=" + h.key, "OPENAI_BASE_URL=" + h.sim.url() + "/v1",
		"ANTHROPIC_API_KEY=" + h.key, "ANTHROPIC_BASE_URL=" + h.sim.url(),
		"HOME=" + h.dir, "XDG_STATE_HOME=" + h.dir, "PATH=" + os.Getenv("PATH"), "NO_COLOR=1",
	}
	h.write("aurea.yaml", configuration()+more)
	return h
}

// configuration prices the models as the provider bills them, and lifts their limits.
func configuration() string {
	var b strings.Builder
	b.WriteString("models:\n")
	for _, m := range models {
		fmt.Fprintf(&b, "  %s: {provider: %s, rpm: none, tpm: none, max_output: 4096}\n", m.name, m.provider)
	}
	b.WriteString("prices:\n  overrides:\n")
	for _, m := range models {
		fmt.Fprintf(&b, "    %s: {input: %q, output: %q}\n", m.name, m.perMillionIn, m.perMillionOut)
	}
	return b.String()
}

func (h *house) path(name string) string { return filepath.Join(h.dir, name) }

func (h *house) write(name, content string) string {
	h.tb.Helper()
	if err := os.WriteFile(h.path(name), []byte(content), 0o600); err != nil {
		h.tb.Fatal(err)
	}
	return h.path(name)
}

// command prepares the program with arguments; the database and the configuration are the house's.
func (h *house) command(args ...string) *exec.Cmd {
	database := h.database
	if database == "" {
		database = "sqlite:" + h.path("aurea.db")
	}
	args = append(args, "--database", database, "--config", h.path("aurea.yaml"))
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.Env = h.dir, h.env
	return cmd
}

// process is the program at work.
type process struct {
	tb             testing.TB
	cmd            *exec.Cmd
	stdout, stderr *output
	ended          chan struct{}
	began          time.Time
	took           time.Duration
}

func (h *house) start(args ...string) *process { return h.startCmd(h.command(args...)) }

func (h *house) startCmd(cmd *exec.Cmd) *process { return h.startTo(cmd, nil) }

// startTo starts a command with a file as its standard output, or with one that is kept.
func (h *house) startTo(cmd *exec.Cmd, out *os.File) *process {
	h.tb.Helper()
	p := &process{tb: h.tb, cmd: cmd, stdout: newOutput(), stderr: newOutput(), ended: make(chan struct{}), began: time.Now()}
	cmd.Stdout, cmd.Stderr = p.stdout, p.stderr
	if out != nil {
		cmd.Stdout = out
	}
	if err := cmd.Start(); err != nil {
		h.tb.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // the exit code is in ProcessState
		p.took = time.Since(p.began)
		close(p.ended)
	}()
	h.tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.ended
	})
	return p
}

// run runs the program to its end.
func (h *house) run(args ...string) *process {
	h.tb.Helper()
	return h.start(args...).wait()
}

// runs runs the program and fails unless it ends with a code.
func (h *house) runs(code int, args ...string) *process {
	h.tb.Helper()
	p := h.run(args...)
	p.exits(code)
	return p
}

func (p *process) wait() *process {
	p.tb.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT)
		<-p.ended
		p.tb.Fatalf("the program did not end in %v\nstdout: %s\nstderr: %s", patience, p.stdout.tail(), p.stderr.String())
	}
	return p
}

// patience is for what should have happened long ago.
const patience = 3 * time.Minute

func (p *process) code() int { return p.cmd.ProcessState.ExitCode() }

func (p *process) exits(code int) {
	p.tb.Helper()
	if got := p.wait().code(); got != code {
		p.tb.Fatalf("exit code %d, want %d\narguments: %v\nstdout: %s\nstderr: %s", got, code, p.cmd.Args[1:], p.stdout.tail(), p.stderr.tail())
	}
}

func (p *process) signal(s os.Signal) {
	p.tb.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.tb.Fatal(err)
	}
}

// kill is kill -9.
func (p *process) kill() {
	p.tb.Helper()
	p.signal(os.Kill)
	p.wait()
}

// rss returns the peak of resident memory, in bytes.
func (p *process) rss() int64 {
	use, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return use.Maxrss * 1024
}

// accepted waits for the line that promises durability.
func (p *process) accepted() *process {
	p.tb.Helper()
	p.says(p.stderr, "accepted ")
	return p
}

func (p *process) says(o *output, text string) {
	p.tb.Helper()
	until(p.tb, "the program says "+text, func() bool {
		select {
		case <-p.ended:
			if !strings.Contains(o.String(), text) {
				p.tb.Fatalf("the program ended (%d) without saying %q\nstdout: %s\nstderr: %s", p.code(), text, p.stdout.tail(), p.stderr.tail())
			}
		default:
		}
		return strings.Contains(o.String(), text)
	})
}

// until polls a condition of another process.
func until(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(patience); !ok(); <-look.C {
		if time.Now().After(end) {
			tb.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// failure is what --json says of an error.
type failure struct{ Code, Message, Hint string }

// failure returns the error object on stdout.
func (p *process) failure() failure {
	p.tb.Helper()
	var found *failure
	for _, line := range p.events() {
		if raw, ok := line["error"]; ok {
			found = new(failure)
			if err := json.Unmarshal(raw, found); err != nil {
				p.tb.Fatalf("%s: %v", raw, err)
			}
		}
	}
	if found == nil {
		p.tb.Fatalf("no error object on stdout\nstdout: %s\nstderr: %s", p.stdout.tail(), p.stderr.tail())
	}
	return *found
}

// events returns stdout as JSON lines.
func (p *process) events() []map[string]json.RawMessage {
	p.tb.Helper()
	var all []map[string]json.RawMessage
	for line := range strings.Lines(p.stdout.String()) {
		var event map[string]json.RawMessage
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			p.tb.Fatalf("stdout has a line that is no JSON object: %q: %v", line, err)
		}
		all = append(all, event)
	}
	return all
}

// output is what a process wrote so far.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func newOutput() *output { return &output{} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func (o *output) tail() string {
	s := o.String()
	return s[max(0, len(s)-3000):]
}
