//go:build unix

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// childRole has the test binary be a command that runs under exec: it does what the variable says, step by step.
const childRole = "AUREA_TEST_CHILD"

// beChild is the command.
func beChild(steps string) int {
	for step := range strings.SplitSeq(steps, ";") {
		verb, arg, _ := strings.Cut(strings.TrimSpace(step), " ")
		n, _ := strconv.Atoi(arg)
		switch verb {
		case "call":
			for range n {
				childCall("", "Name a river.")
			}
		case "below": // as a job of its own
			childCall(arg, "Name a river.")
		case "spend":
			calls := 0
			for childCall("", "Name a river.") == http.StatusOK {
				calls++
			}
			fmt.Println("calls", calls)
		case "grow": // an agent whose context grows by 10 kB a turn
			for turn := range n {
				if childCall("", strings.Repeat("All of it again. ", 600*(turn+1))) != http.StatusOK {
					return 1
				}
			}
		case "environ":
			fmt.Println(strings.Join(os.Environ(), "\n"))
			above, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", os.Getppid()))
			fmt.Println(strings.ReplaceAll(string(above), "\x00", "\n"))
		case "post": // a body as it is
			childPost(arg)
		case "exit":
			return n
		}
	}
	return 0
}

func childCall(job, prompt string) int {
	body, _ := json.Marshal(map[string]any{"model": "sim-a", "max_tokens": 50, "messages": []any{map[string]string{"role": "user", "content": prompt}}})
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, os.Getenv("OPENAI_BASE_URL")+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		fmt.Println(err)
		return 0
	}
	req.Header.Set("Authorization", "Bearer "+os.Getenv("OPENAI_API_KEY"))
	if job != "" {
		req.Header.Set("X-Aurea-Job", job)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println(err)
		return 0
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		fmt.Println(resp.StatusCode, resp.Header.Get("X-Aurea-Error"), resp.Header.Get("X-Should-Retry"), string(text))
	}
	return resp.StatusCode
}

// childPost prints what comes of a body.
func childPost(body string) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, os.Getenv("OPENAI_BASE_URL")+"/chat/completions", strings.NewReader(body))
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+os.Getenv("OPENAI_API_KEY"))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(os.Stdout, resp.Body)
}

// exec prepares a command under exec. The house's own flags go before it.
func (h *house) exec(flags []string, command ...string) *exec.Cmd {
	database := h.database
	if database == "" {
		database = "sqlite:" + h.path("aurea.db")
	}
	args := append([]string{"exec", "--database", database, "--config", h.path("aurea.yaml")}, flags...)
	cmd := exec.Command(binary, append(append(args, "--"), command...)...)
	cmd.Dir, cmd.Env = h.dir, h.env
	return cmd
}

// child prepares the test binary as the command.
func (h *house) child(steps string, flags ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		h.tb.Fatal(err)
	}
	cmd := h.exec(flags, self)
	cmd.Env = append(append([]string{}, cmd.Env...), childRole+"="+steps)
	return cmd
}

// execReceipt is a receipt of exec, as far as tests look at it.
type execReceipt struct {
	Job      string           `json:"job"`
	Parent   *string          `json:"parent"`
	ExitCode int              `json:"exit_code"`
	Signal   string           `json:"signal"`
	Stopped  bool             `json:"stopped"`
	CallSeen bool             `json:"call_seen"`
	Calls    int64            `json:"calls"`
	Refused  map[string]int64 `json:"refused"`
	Cost     money            `json:"cost_usd"`
	Spent    money            `json:"spent_usd"`
}

func (h *house) receipt(name string) (r execReceipt) {
	h.tb.Helper()
	text, err := os.ReadFile(h.path(name))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		h.tb.Fatal(err)
	}
	return r
}

// A command's calls are booked on its job, its exit code is exec's, and the receipt says what the provider bills.
func TestExec(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	p := h.startCmd(h.child("call 3; below part; exit 7", "--job", "x", "--max-cost", "1", "--receipt", "r.json")).wait()
	p.exits(7)
	r := h.receipt("r.json")
	if r.ExitCode != 7 || r.Calls != 4 || !r.CallSeen || r.Stopped || len(r.Refused) > 0 || r.Cost.Cmp(h.sim.bill()) != 0 || r.Spent.Cmp(h.sim.bill()) != 0 {
		t.Errorf("%+v, the provider bills %s", r, h.sim.bill())
	}
	if out := p.stderr.String(); !strings.Contains(out, "job x") || !strings.Contains(out, "sim-a") {
		t.Error(out)
	}
	if j := h.show("part"); j.Spent.Sign() == 0 {
		t.Error("the job that the command named spent nothing")
	}
	// The same job again, in another run.
	h.startCmd(h.child("call 1", "--job", "x", "--receipt", "r.json")).wait().exits(0)
	if r := h.receipt("r.json"); r.Calls != 1 || r.Spent.Cmp(h.sim.bill()) != 0 {
		t.Errorf("%+v, the provider bills %s", r, h.sim.bill())
	}
}

// A runaway loop ends at the limit, with an answer that no SDK repeats.
func TestExecStopsAtTheLimit(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	p := h.startCmd(h.child("spend", "--max-cost", "0.01", "--receipt", "r.json")).wait()
	p.exits(0)
	if out := p.stdout.String(); !strings.Contains(out, "402 budget_exceeded false ") || !strings.Contains(out, "0.01") {
		t.Error(out)
	}
	within(t, h.sim.bill(), usd("0.01"))
	if r := h.receipt("r.json"); r.Calls == 0 || r.Refused["budget_exceeded"] != 1 || r.Spent.Cmp(h.sim.bill()) != 0 {
		t.Errorf("%+v, the provider bills %s", r, h.sim.bill())
	}
	// With --stop-on-exceeded the command is asked to end, and then made to.
	stubborn := h.exec([]string{"--max-cost", "0", "--stop-on-exceeded", "--stop-grace", "200ms", "--receipt", "r.json"},
		"sh", "-c", `trap "echo asked" TERM; "$0"; while :; do sleep 0.05; done`, os.Args[0])
	stubborn.Env = append(append([]string{}, stubborn.Env...), childRole+"=call 1")
	p = h.startCmd(stubborn).wait()
	p.exits(128 + int(syscall.SIGKILL))
	if r := h.receipt("r.json"); !r.Stopped || r.Signal != "SIGKILL" || !strings.Contains(p.stdout.String(), "asked") {
		t.Errorf("%+v %s", r, p.stdout.String())
	}
}

// A job that the command made itself may run out, and the command goes on.
func TestExecGoesOnBesideItsOwnJobs(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	h.startCmd(h.child("call 1", "--job", "x", "--max-cost", "1")).wait().exits(0)
	h.startCmd(h.child("call 1", "--job", "small", "--parent", "x", "--max-cost", "0.000001")).wait().exits(0)
	p := h.startCmd(h.child("below small; call 2; exit 5", "--job", "x", "--stop-on-exceeded", "--receipt", "r.json")).wait()
	p.exits(5)
	if r := h.receipt("r.json"); r.Stopped || r.Calls != 2 || r.Refused["budget_exceeded"] != 1 {
		t.Errorf("%+v %s", r, p.stdout.String())
	}
}

// An agent whose context grows to 400 kB stays within a few dollars, because each turn costs a few cents and no more is set aside for long.
func TestExecAgent(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	h.startCmd(h.child("grow 40", "--max-cost", "5")).wait().exits(0)
	within(t, h.sim.bill(), usd("5"))
}

// No real key is in the command's environment, nor in that of the process above it.
func TestExecHidesKeys(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "providers:\n  other: {api: openai, base_url: 'http://127.0.0.1:1/v1', api_key: '${ODD_NAME}'}\n")
	other := "odd-" + h.key
	h.env = append(h.env, "ODD_NAME="+other, "GROQ_API_KEY="+h.key+"x", "HARMLESS=yes", "http_proxy=http://127.0.0.1:9", "CLAUDE_CODE_USE_BEDROCK=1")
	p := h.startCmd(h.child("environ; call 1")).wait()
	p.exits(0)
	out := p.stdout.String()
	if strings.Contains(out, h.key) || strings.Contains(out, "GROQ") || strings.Count(out, "BEDROCK") > 1 { // once above it
		t.Error("a key, or a way past the gateway, is in the environment:", out)
	}
	for _, want := range []string{"HARMLESS=yes", "OPENAI_BASE_URL=http://127.0.0.1:", "ANTHROPIC_BASE_URL=http://127.0.0.1:", "NO_PROXY=127.0.0.1,localhost"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is missing in %s", want, out)
		}
	}
	if !strings.Contains(p.stderr.String(), "calls        1") {
		t.Error(p.stderr.String())
	}
}

// Exec within exec draws on the job around it, with a limit of its own, and needs no key.
func TestExecWithinExec(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	cmd := h.exec([]string{"--job", "outer", "--max-cost", "1", "--receipt", "outer.json"},
		"sh", "-c", `"$0" exec --job inner --max-cost 0.01 --receipt inner.json -- "$1"; "$0" exec --allow x -- true; echo "refused $?"; "$0" exec --job inner --max-cost 3 -- true; echo "refused $?"`,
		binary, os.Args[0])
	cmd.Env = append(append([]string{}, cmd.Env...), childRole+"=spend; below deeper; exit 4")
	p := h.startCmd(cmd).wait()
	p.exits(0)
	inner, outer := h.receipt("inner.json"), h.receipt("outer.json")
	if inner.ExitCode != 4 || inner.Parent == nil || !strings.HasSuffix(*inner.Parent, "outer") || inner.Refused["budget_exceeded"] != 2 {
		t.Errorf("%+v", inner)
	}
	if inner.Calls == 0 || inner.Calls != outer.Calls || inner.Cost.Cmp(h.sim.bill()) != 0 || outer.Spent.Cmp(h.sim.bill()) != 0 {
		t.Errorf("inner %+v, outer %+v, the provider bills %s", inner, outer, h.sim.bill())
	}
	within(t, h.sim.bill(), usd("0.01"))
	if strings.Count(p.stdout.String(), "refused 2") != 2 {
		t.Error(p.stdout.String(), p.stderr.String())
	}
}

// Many at once on one job above them never spend more than its limit.
func TestExecInParallel(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{latency: time.Millisecond}, "")
	many := 12
	if soak {
		many = 100
	}
	h.startCmd(h.child("exit 0", "--job", "parent", "--max-cost", "0.02")).wait().exits(0)
	var runs sync.WaitGroup
	for range many {
		p := h.startCmd(h.child("spend", "--parent", "parent", "--max-cost", "0.02"))
		runs.Go(func() { p.wait().exits(0) })
	}
	runs.Wait()
	within(t, h.sim.bill(), usd("0.02"))
	if j := h.show("parent"); sum(&j.Spent.Int, &j.Unconfirmed.Int).Cmp(h.sim.bill()) < 0 {
		t.Errorf("%+v, the provider bills %s", j, h.sim.bill())
	}
}

// What cannot be started, and what is said wrongly.
func TestExecRefusals(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	plain := h.write("plain", "no program")
	for _, c := range []struct {
		flags   []string
		command string
		code    int
		says    string
	}{
		{nil, "no-such-command", 127, "not found"},
		{nil, plain, 126, "permission"},
		{[]string{"--max-cost", "five"}, "true", 2, "--max-cost"},
		{[]string{"--rpm", "many"}, "true", 2, "--rpm"},
		{[]string{"--parent", "nobody"}, "true", 2, "nobody"},
		{[]string{"--receipt", "no/such/folder/r"}, "true", 2, "--receipt"},
		{[]string{"--job", "a b"}, "true", 2, "job name"},
	} {
		p := h.startCmd(h.exec(c.flags, c.command)).wait()
		p.exits(c.code)
		if !strings.Contains(p.stderr.String(), c.says) {
			t.Errorf("%v %s: %s", c.flags, c.command, p.stderr)
		}
	}
	if out := h.startCmd(h.child("call 1", "--deny", "sim-*")).wait(); !strings.Contains(out.stdout.String(), "403 model_not_allowed") {
		t.Error(out.stdout.String())
	}
	silent := h.startCmd(h.exec(nil, "true")).wait()
	if !strings.Contains(silent.stderr.String(), "no call seen") {
		t.Error(silent.stderr.String())
	}
}

// Signals go to the command, and what ended it is told as shells tell it.
func TestExecSignals(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	p := h.startCmd(h.exec(nil, "sh", "-c", `trap "echo term; exit 3" TERM; echo ready; while :; do sleep 0.05; done`))
	p.says(p.stdout, "ready")
	p.signal(syscall.SIGTERM)
	p.wait().exits(3)
	p = h.startCmd(h.exec([]string{"--receipt", "r.json"}, "sh", "-c", `echo ready; while :; do sleep 0.05; done`))
	p.says(p.stdout, "ready")
	p.signal(syscall.SIGINT)
	p.wait().exits(128 + int(syscall.SIGINT))
	if r := h.receipt("r.json"); r.Signal != "SIGINT" {
		t.Errorf("%+v", r)
	}
}

// In a terminal Ctrl-C is the command's, which may make nothing of it, and so is what is typed.
func TestExecTerminal(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	for _, c := range []struct {
		script, type1, type2, says string
		code                       int
	}{
		{`trap "" INT; echo ready; read line; echo "got $line"; exit 9`, "\x03", "hello\n", "got hello", 9},
		{`echo ready; while :; do sleep 0.05; done`, "\x03", "", "aurea exec: sh", 128 + int(syscall.SIGINT)},
		{`echo ready; read line; echo "got $line"`, "", "hello\n", "got hello", 0},
	} {
		cmd := h.exec(nil, "sh", "-c", c.script)
		tty, err := pty.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		out := newOutput()
		read := make(chan struct{})
		go func() {
			defer close(read)
			_, _ = io.Copy(out, tty)
		}()
		until(t, "the command", func() bool { return strings.Contains(out.String(), "ready") })
		_, _ = io.WriteString(tty, c.type1)
		_, _ = io.WriteString(tty, c.type2)
		_ = cmd.Wait()
		<-read
		_ = tty.Close()
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(out.String(), c.says) || !strings.Contains(out.String(), "no call seen") {
			t.Errorf("%s: %d\n%s", c.script, code, out)
		}
	}
}

// A shell's job control holds for the command: Ctrl-Z stops it and exec with it, fg lets both go on.
func TestExecJobControl(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	shell := exec.Command("sh", "-i")
	shell.Dir, shell.Env = h.dir, append([]string{"PS1=> ", "TERM=dumb"}, h.env...)
	tty, err := pty.Start(shell)
	if err != nil {
		t.Fatal(err)
	}
	out := newOutput()
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(out, tty)
	}()
	says := func(text string) {
		t.Helper()
		until(t, text, func() bool { return strings.Contains(out.String(), text) })
	}
	send := func(text string) { _, _ = io.WriteString(tty, text) }
	send(strings.Join(h.exec(nil).Args, " ") + ` sh -c 'echo rea""dy; read x; echo "got $x"; exit 6'` + "\n")
	says("ready")
	send("\x1a")
	says("Stopped")
	send("fg\n")
	send("hello\n")
	says("got hello")
	says("no call seen")
	send(`echo "code $?"` + "\n")
	says("code 6")
	send("exit\n")
	_ = shell.Wait()
	<-read
	_ = tty.Close()
}
