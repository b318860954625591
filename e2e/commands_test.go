//go:build unix

package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A second run of a job that is running is refused at once; looking, raising and cancelling work beside it.
func TestBesideARunningJob(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{latency: 100 * time.Millisecond}, "")
	content, _ := lines(4000, nil)
	file := h.write("in.jsonl", content)
	first := h.start("run", file, "--job", "r", "--max-cost", "1", "--concurrency", "4").accepted()
	until(t, "some requests", func() bool { return h.sim.requests() > 10 })

	second := h.runs(1, "run", file, "--job", "r", "--json")
	if second.took > time.Second {
		t.Errorf("the refusal took %v", second.took)
	}
	f := second.failure()
	if f.Code != "job_conflict" || !strings.Contains(f.Message, fmt.Sprint(first.cmd.Process.Pid)) {
		t.Errorf("the refusal does not name process %d: %+v", first.cmd.Process.Pid, f)
	}
	j := h.show("r")
	if j.State != "running" || j.Items.Done == 0 || j.Items.Total != 4000 {
		t.Errorf("beside the run the job is %s with %+v", j.State, j.Items)
	}
	within(t, sum(&j.Spent.Int, &j.Held.Int, &j.Unconfirmed.Int), usd("1"))
	h.runs(0, "jobs", "raise", "r", "--max-cost", "2.5")
	if j = h.show("r"); j.Limit.Cmp(usd("2.5")) != 0 {
		t.Errorf("the limit is %s after the raise", &j.Limit.Int)
	}
	if f := h.runs(1, "jobs", "rm", "r", "--json").failure(); f.Code != "job_conflict" {
		t.Errorf("rm beside a run: %+v", f)
	}
	h.runs(0, "jobs", "cancel", "r")
	began := time.Now()
	first.exits(1)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the run went on for %v after it was cancelled", took)
	}
	j = h.show("r")
	if j.State != "cancelled" || j.Held.Sign() != 0 || j.Unconfirmed.Sign() != 0 {
		t.Errorf("after cancel: %s, held %s, unconfirmed %s", j.State, &j.Held.Int, &j.Unconfirmed.Int)
	}
	exact(t, &j.Spent.Int, h.sim.bill())
	if f := h.runs(1, "run", file, "--job", "r", "--json").failure(); f.Code != "job_cancelled" {
		t.Errorf("running a cancelled job: %+v", f)
	}
}

// Raised while it runs short, a job goes on without a restart; raised afterwards, the same command goes on.
func TestRaise(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{latency: 20 * time.Millisecond}, "")
	content, ids := lines(400, nil)
	file := h.write("in.jsonl", content)
	p := h.runs(3, "run", file, "--job", "r", "--max-cost", "0.004", "--json")
	if f := p.failure(); !strings.Contains(f.Hint, "jobs raise r --max-cost") {
		t.Errorf("the hint does not say how to go on: %+v", f)
	}
	// A limit on the command line does not raise.
	f := h.runs(2, "run", file, "--job", "r", "--max-cost", "0.02", "--json").failure()
	if f.Code != "job_conflict" || !strings.Contains(f.Hint, "jobs raise r") {
		t.Errorf("a larger limit: %+v", f)
	}
	h.runs(3, "run", file, "--job", "r", "--max-cost", "0.002") // a smaller one is ignored

	h.runs(0, "jobs", "raise", "r", "--max-cost", "0.006")
	running := h.start("run", file, "--job", "r", "--concurrency", "2").accepted()
	h.runs(0, "jobs", "raise", "r", "--max-cost", "1")
	running.exits(0)
	once(t, file+".results.jsonl", ids, true)
	j := h.show("r")
	exact(t, &j.Spent.Int, h.sim.bill())
}

// The command in the hint goes on, as a shell runs it.
func TestHint(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	h.env = append(h.env, "AUREA_DATABASE=sqlite:"+h.path("aurea.db"), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
	content, ids := lines(200, nil)
	file := h.write("it's in.jsonl", content)
	f := h.runs(3, "run", file, "--max-cost", "0", "--json").failure()
	for range 5 {
		cmd := exec.Command("sh", "-c", f.Hint+" --json")
		cmd.Dir, cmd.Env = h.dir, h.env
		p := h.startCmd(cmd).wait()
		if p.code() == 0 {
			once(t, file+".results.jsonl", ids, true)
			return
		}
		p.exits(3)
		said, _, _ := strings.Cut(p.stdout.String(), "\n") // of jobs raise
		if strings.HasPrefix(said, "{") {
			t.Fatalf("jobs raise said %s", said)
		}
		p.stdout.buf.Next(len(said) + 1)
		f = p.failure()
	}
	t.Error("five raises, each by as much as was said to be missing, were not enough")
}

// A finished job makes no call and writes its files again.
func TestFinishedJob(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	content, ids := lines(30, nil)
	file := h.write("in.jsonl", content)
	h.runs(0, "run", file)
	before, err := os.ReadFile(file + ".results.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	calls := h.sim.requests()
	for _, name := range []string{".results.jsonl", ".errors.jsonl"} {
		if err := os.Remove(file + name); err != nil {
			t.Fatal(err)
		}
	}
	h.runs(0, "run", file)
	after, err := os.ReadFile(file + ".results.jsonl")
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the results were not written again as they were: %v", err)
	}
	once(t, file+".results.jsonl", ids, true)
	if n := h.sim.requests() - calls; n != 0 {
		t.Errorf("a finished job made %d calls", n)
	}
	// More lines are more items; the ones before are not run again.
	more := `{"id":"extra","model":"sim-a","prompt":"One more.","max_tokens":20}` + "\n"
	h.write("in.jsonl", content+more)
	h.runs(0, "run", file)
	once(t, file+".results.jsonl", append(ids, "extra"), true)
	if n := h.sim.requests() - calls; n != 1 {
		t.Errorf("%d calls for one new line", n)
	}
	// Lines put in between, again: those that are known keep their places.
	middle := strings.Replace(content+more, "\n", "\n"+`{"id":"second","model":"sim-a","prompt":"In between.","max_tokens":20}`+"\n", 3)
	middle = strings.Replace(middle, `"second"`, `"second-1"`, 1)
	middle = strings.Replace(middle, `"second"`, `"second-2"`, 1)
	h.write("in.jsonl", middle)
	h.runs(0, "run", file)
	once(t, file+".results.jsonl", append(ids, "extra", "second-1", "second-2", "second"), true)
	calls = h.sim.requests()
	// --new starts over beside it.
	h.runs(0, "run", file, "--new")
	if n := h.sim.requests() - calls; n != 34 {
		t.Errorf("%d calls after --new, want 34", n)
	}
}

// Lines that are wrong are named, and nothing is sent or kept.
func TestBadInput(t *testing.T) {
	t.Parallel()
	good := `{"id":"a","model":"sim-a","prompt":"x"}` + "\n"
	for name, bad := range map[string]struct{ content, want string }{
		"not JSON":          {good + "{\n", "line 2"},
		"blank lines count": {good + "\n\n{\"id\":1}\n", "line 4"},
		"the same id twice": {good + `{"id":"b","model":"sim-a","prompt":"x"}` + "\n" + good, "line 3"},
		"id with new body":  {good + `{"id":"a","model":"sim-a","prompt":"y"}` + "\n", "line 2"},
		"unknown model":     {good + `{"id":"b","model":"never-heard-of","prompt":"x"}`, "line 2"},
		"unknown url":       {good + `{"custom_id":"b","url":"/v1/images","body":{"model":"sim-a"}}`, "line 2"},
		"a stream":          {good + `{"id":"b","model":"sim-a","prompt":"x","stream":true}`, "line 2"},
		"wrong format":      {good + `{"custom_id":"b","url":"/v1/messages","body":{"model":"sim-a","max_tokens":5,"messages":[{"role":"user","content":"x"}]}}`, "line 2"},
		"empty":             {"", "empty"},
		"blank":             {"\n \n", "empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, behaviour{}, "")
			f := h.runs(2, "run", h.write("in.jsonl", bad.content), "--job", "x", "--json").failure()
			if !strings.Contains(f.Message, bad.want) {
				t.Errorf("the message %q does not name %q", f.Message, bad.want)
			}
			if h.sim.requests() != 0 {
				t.Error("something was sent")
			}
			if f := h.runs(1, "jobs", "show", "x", "--json").failure(); f.Code != "not_found" {
				t.Errorf("a job that was not accepted is there: %+v", f)
			}
		})
	}
}

// --skip-bad leaves out every kind of bad line and runs the others.
func TestSkipBad(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	file := h.write("in.jsonl", strings.Join([]string{
		`{"id":"a","model":"sim-a","prompt":"x"}`,
		`{"id":"b","model":"sim-a"`,
		`{"id":"a","model":"sim-a","prompt":"x"}`,
		`{"id":"a","model":"sim-a","prompt":"another"}`,
		`{"id":"c","model":"sim-a","prompt":"z"}`,
	}, "\n"))
	p := h.runs(0, "run", file, "--job", "x", "--skip-bad")
	for _, line := range []string{"line 2", "line 3", "line 4"} {
		if !strings.Contains(p.stderr.String(), line) {
			t.Errorf("stderr does not name %s:\n%s", line, p.stderr)
		}
	}
	once(t, file+".results.jsonl", []string{"a", "c"}, true)
	h.runs(0, "run", file, "--job", "x", "--skip-bad")
	if n := h.sim.requests(); n != 2 {
		t.Errorf("%d calls for two good lines", n)
	}
}

// A known id with another request is a conflict that names --new; nothing is sent.
func TestConflict(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	file := h.write("in.jsonl", `{"id":"a","model":"sim-a","prompt":"x"}`)
	h.runs(0, "run", file)
	h.write("in.jsonl", `{"id":"n","model":"sim-a","prompt":"new"}`+"\n"+`{"id":"a","model":"sim-a","prompt":"changed"}`)
	f := h.runs(2, "run", file, "--json").failure()
	if f.Code != "job_conflict" || !strings.Contains(f.Hint, "--new") {
		t.Errorf("the error is %+v", f)
	}
	if n := h.sim.requests(); n != 1 {
		t.Errorf("%d calls", n)
	}
	h.runs(0, "run", file, "--new")
}

// Standard input needs a name, and can be given again.
func TestStandardInput(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	content, ids := lines(20, nil)
	piped := func(code int, args ...string) *process {
		cmd := h.command(args...)
		cmd.Stdin = strings.NewReader(content) // a pipe, as of a shell
		p := h.startCmd(cmd)
		p.exits(code)
		return p
	}
	if f := piped(2, "run", "-", "--json").failure(); f.Code != "usage" || !strings.Contains(f.Message, "--job") {
		t.Errorf("the error is %+v", f)
	}
	piped(0, "run", "-", "--job", "in")
	once(t, h.path("in.results.jsonl"), ids, true)
	piped(0, "run", "-", "--job", "in")
	once(t, h.path("in.results.jsonl"), ids, true)
	if n := h.sim.requests(); n != 20 {
		t.Errorf("%d calls for 20 items", n)
	}
}

// Usage errors, unknown jobs and items that fail have their codes, and --json says them on stdout.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	content, _ := lines(3, nil)
	file := h.write("in.jsonl", content)
	for _, args := range [][]string{
		{"run"},
		{"run", file, "--max-cost", "1e3"},
		{"run", file, "--max-cost", ""},
		{"run", file, "--concurrency", "0"},
		{"run", file, "--nonsense"},
		{"run", h.path("missing.jsonl")},
		{"run", h.dir},
		{"nonsense"},
		{"jobs", "show"},
		{"jobs", "raise", "x"},
		{"jobs", "list", "--state", "odd"},
		{"run", file, "--job", "a/b"},
		{"run", file, "--parent", "nobody"},
		{"run", file, "--max-retries", "-1"},
	} {
		f := h.runs(2, append(args, "--json")...).failure()
		if f.Code == "" || f.Message == "" {
			t.Errorf("%v: %+v", args, f)
		}
		p := h.runs(2, args...)
		if p.stdout.String() != "" || !strings.HasPrefix(p.stderr.String(), "aurea: ") {
			t.Errorf("%v: stdout %q, stderr %q", args, p.stdout, p.stderr)
		}
	}
	for _, what := range []string{"show", "cancel", "reconcile", "rm"} {
		if f := h.runs(1, "jobs", what, "nobody", "--json").failure(); f.Code != "not_found" {
			t.Errorf("jobs %s nobody: %+v", what, f)
		}
	}
	if n := h.sim.requests(); n != 0 {
		t.Errorf("%d calls", n)
	}
	if strings.Contains(h.runs(0, "--help").stdout.String(), h.key) {
		t.Error("the key is shown")
	}
}

// Items that fail make exit 4 and a line each; --retry-failed runs only them.
func TestFailedItems(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{log: true}, "")
	content, ids := lines(12, nil)
	file := h.write("in.jsonl", content)
	h.sim.script(
		map[string]any{"match": "number 3.", "status": 400, "body": `{"error":{"code":"too_odd","message":"That prompt is odd."}}`},
		map[string]any{"match": "number 7.", "status": 404, "body": "<html>\nno\n</html>"},
	)
	p := h.runs(4, "run", file, "--job", "f", "--json")
	if f := p.failure(); !strings.Contains(f.Hint, "--retry-failed") {
		t.Errorf("the error is %+v", f)
	}
	failed := readResults(t, file+".errors.jsonl")
	if len(failed) != 2 || failed[0].CustomID != ids[3] || failed[1].CustomID != ids[7] {
		t.Fatalf("failures: %+v", failed)
	}
	if e := failed[0].Error; e == nil || e.Code != "too_odd" || e.Message != "That prompt is odd." || failed[0].Response.Status != 400 {
		t.Errorf("the first failure is %+v", failed[0])
	}
	if e := failed[1].Error; e == nil || e.Code == "" || e.Message == "" || failed[1].Response.Status != 404 {
		t.Errorf("the second failure is %+v", failed[1])
	}
	told := 0
	for _, e := range p.events() {
		if string(e["event"]) == `"item_failed"` {
			told++
		}
	}
	if told != 2 {
		t.Errorf("%d item_failed events, want 2", told)
	}
	before := h.sim.requests()
	h.runs(4, "run", file, "--job", "f")
	if n := h.sim.requests() - before; n != 0 {
		t.Errorf("%d calls without --retry-failed", n)
	}
	h.runs(0, "run", file, "--job", "f", "--retry-failed")
	if n := h.sim.requests() - before; n != 2 {
		t.Errorf("%d calls with --retry-failed, want 2", n)
	}
	once(t, file+".results.jsonl", ids, true)
	if left := readResults(t, file+".errors.jsonl"); len(left) != 0 {
		t.Errorf("failures are left: %+v", left)
	}
	j := h.show("f")
	exact(t, &j.Spent.Int, h.sim.bill())
}

// --retry-truncated runs the items again whose answer ended at the cap that Aurea put in, and not those whose own cap did it.
func TestRetryTruncated(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "budget: {output_cap: {default: 4, floor: 1}}\n")
	file := h.write("in.jsonl", `{"id":"ours","model":"sim-a","prompt":"A long story."}`+"\n"+`{"id":"theirs","model":"sim-a","prompt":"A long story!","max_tokens":3}`)
	h.runs(0, "run", file, "--job", "t")
	results := once(t, file+".results.jsonl", []string{"ours", "theirs"}, true)
	finish := func(r result) string {
		var body struct {
			Choices []struct {
				Reason string `json:"finish_reason"`
			}
		}
		if err := json.Unmarshal(r.Response.Body, &body); err != nil || len(body.Choices) == 0 {
			t.Fatalf("%s: %v", r.Response.Body, err)
		}
		return body.Choices[0].Reason
	}
	for _, r := range results {
		if finish(r) != "length" {
			t.Fatalf("%s was not cut: %s", r.CustomID, r.Response.Body)
		}
	}
	h.write("aurea.yaml", configuration())
	h.runs(0, "run", file, "--job", "t", "--retry-truncated")
	if n := h.sim.requests(); n != 3 {
		t.Errorf("%d calls, want 3", n)
	}
	results = once(t, file+".results.jsonl", []string{"ours", "theirs"}, true)
	if finish(results[0]) != "stop" || finish(results[1]) != "length" {
		t.Errorf("after the retry: %s, %s", results[0].Response.Body, results[1].Response.Body)
	}
	j := h.show("t")
	exact(t, &j.Spent.Int, h.sim.bill())
}

// Neither the key nor what looks like one in a provider's answer is shown anywhere but in the results.
func TestNothingSecretIsShown(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	content, _ := lines(3, nil)
	file := h.write("in.jsonl", content)
	h.sim.script(map[string]any{"status": 401, "body": fmt.Sprintf(`{"error":{"code":"invalid_api_key","message":"Incorrect API key provided: %s."}}`, h.key)})
	for _, args := range [][]string{{"--job", "a"}, {"--job", "b", "--json"}} {
		p := h.run(append([]string{"run", file, "--log-level", "debug"}, args...)...)
		for name, o := range map[string]*output{"stdout": p.stdout, "stderr": p.stderr} {
			if strings.Contains(o.String(), h.key) {
				t.Errorf("%v: the key is on %s:\n%s", args, name, o)
			}
		}
		h.sim.script(map[string]any{"status": 401, "body": fmt.Sprintf(`{"error":{"code":"invalid_api_key","message":"Incorrect API key provided: %s."}}`, h.key)})
	}
}

// A removed job is gone, what it spent stays, and its name is free.
func TestRemove(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	content, ids := lines(10, nil)
	file := h.write("in.jsonl", content)
	h.runs(0, "run", file, "--job", "r", "--max-cost", "1")
	h.runs(0, "jobs", "rm", "r")
	if f := h.runs(1, "jobs", "show", "r", "--json").failure(); f.Code != "not_found" {
		t.Errorf("after rm: %+v", f)
	}
	h.runs(0, "run", file, "--job", "r", "--max-cost", "2")
	once(t, file+".results.jsonl", ids, true)
	var list struct{ Jobs []job }
	if err := json.Unmarshal([]byte(h.runs(0, "jobs", "list", "--json").stdout.String()), &list); err != nil || len(list.Jobs) != 1 {
		t.Errorf("the list has %d jobs: %v", len(list.Jobs), err)
	}
	if n := h.sim.requests(); n != 20 {
		t.Errorf("%d calls", n)
	}
}

// A database that cannot be used is an error that names it.
func TestUnusableDatabase(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	content, _ := lines(3, nil)
	file := h.write("in.jsonl", content)
	for _, db := range []string{h.dir, h.write("text", "This is no database, but a text that is longer than the header of one would be. It goes on for a while."), file + "/below"} {
		for _, args := range [][]string{{"run", file, "--job", "x"}, {"jobs", "list"}} {
			cmd := exec.Command(binary, append(args, "--json", "--database", "sqlite:"+db)...)
			cmd.Dir, cmd.Env = h.dir, h.env
			p := h.startCmd(cmd)
			p.exits(1)
			if f := p.failure(); !strings.Contains(f.Message, filepath.Base(db)) || strings.Contains(p.stderr.String(), "panic") {
				t.Errorf("%s with %s: %+v\n%s", args[0], db, f, p.stderr)
			}
		}
	}
	if n := h.sim.requests(); n != 0 {
		t.Errorf("%d calls", n)
	}
}
