//go:build unix

package e2e_test

import (
	"fmt"
	"math/big"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A provider that asks for time gets it.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{log: true}, "retry: {base_delay: 1ms, max_delay: 5s}\n")
	content, ids := lines(6, nil)
	file := h.write("in.jsonl", content)
	h.sim.script(map[string]any{"status": 429, "headers": map[string]string{"Retry-After": "2"}})
	h.runs(0, "run", file, "--job", "r", "--concurrency", "1")
	once(t, file+".results.jsonl", ids, true)
	at := h.sim.arrivals()
	if len(at) != 7 {
		t.Fatalf("%d requests, want 7", len(at))
	}
	if gap := at[1].Sub(at[0]); gap < 2*time.Second || gap > 4*time.Second {
		t.Errorf("the next request came after %v; the provider asked for 2s", gap)
	}
}

// The circuit opens at failures in a row, nothing is sent while it is open, and it closes again; the items outlive it.
func TestBreaker(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{log: true}, "retry: {base_delay: 1ms, max_delay: 10ms, max_retries: 10}\nbreaker: {threshold: 3, timeout: 1s, max_timeout: 1s}\n")
	content, ids := lines(20, nil)
	file := h.write("in.jsonl", content)
	h.sim.script(map[string]any{"status": 503}, map[string]any{"status": 503}, map[string]any{"status": 503})
	h.runs(0, "run", file, "--job", "r", "--concurrency", "1")
	once(t, file+".results.jsonl", ids, true)
	at := h.sim.arrivals()
	if len(at) != 23 {
		t.Fatalf("%d requests, want 23", len(at))
	}
	if gap := at[3].Sub(at[2]); gap < time.Second || gap > 3*time.Second {
		t.Errorf("the circuit let a request through after %v; it opens for 1s", gap)
	}
	j := h.show("r")
	exact(t, &j.Spent.Int, h.sim.bill())
	if j.Attempts != 23 {
		t.Errorf("%d attempts in the books, the provider saw 23", j.Attempts)
	}
}

// What is known of a broken answer is booked, and what is not stays unconfirmed until somebody says what became of it.
func TestBrokenAnswers(t *testing.T) {
	t.Parallel()
	for _, release := range []bool{false, true} {
		t.Run(fmt.Sprintf("release %t", release), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, behaviour{}, patientRetries)
			content, ids := lines(10, nil)
			file := h.write("in.jsonl", content)
			h.sim.script(map[string]any{"truncate": 30}, map[string]any{"reset": true}, map[string]any{"no_usage": true}, map[string]any{"garbage": true})
			p := h.run("run", file, "--job", "b", "--max-cost", "1", "--concurrency", "1")
			if p.code() != 0 && p.code() != 4 {
				p.exits(0)
			}
			j, billed := h.show("b"), h.sim.bill()
			within(t, billed, usd("1"))
			if sum(&j.Spent.Int, &j.Unconfirmed.Int).Cmp(billed) < 0 {
				t.Errorf("spent %s and unconfirmed %s do not cover the bill %s", &j.Spent.Int, &j.Unconfirmed.Int, billed)
			}
			if j.Unconfirmed.Sign() == 0 || j.Unconfirmed.Cmp(new(big.Int).Mul(big.NewInt(3), maxBound())) > 0 {
				t.Errorf("unconfirmed is %s; three answers were broken", &j.Unconfirmed.Int)
			}
			once(t, file+".results.jsonl", ids, false)

			args := []string{"jobs", "reconcile", "b"}
			want := sum(&j.Spent.Int, &j.Unconfirmed.Int)
			if release {
				args, want = append(args, "--release"), &j.Spent.Int
			}
			h.runs(0, args...)
			after := h.show("b")
			exact(t, &after.Spent.Int, want)
			if after.Unconfirmed.Sign() != 0 || sum(&after.Spent.Int, &after.Remaining.Int).Cmp(usd("1")) != 0 {
				t.Errorf("after the reconciliation: unconfirmed %s, remaining %s", &after.Unconfirmed.Int, &after.Remaining.Int)
			}
		})
	}
}

// A stalled answer ends at timeouts.request and is tried again.
func TestStall(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, patientRetries+"timeouts: {request: 500ms}\n")
	content, ids := lines(3, nil)
	file := h.write("in.jsonl", content)
	h.sim.script(map[string]any{"stall": "1m"})
	p := h.runs(0, "run", file, "--job", "s")
	if p.took > 20*time.Second {
		t.Errorf("it took %v", p.took)
	}
	once(t, file+".results.jsonl", ids, true)
	j := h.show("s")
	if j.Unconfirmed.Sign() == 0 {
		t.Error("a call that was cut is not unconfirmed")
	}
}

// A paused process is not dead: nobody takes its job or its money.
func TestPausedIsNotDead(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{latency: 400 * time.Millisecond, log: true}, "")
	content, ids := lines(20, nil)
	file := h.write("in.jsonl", content)
	p := h.start("run", file, "--job", "p", "--max-cost", "1", "--concurrency", "4").accepted()
	until(t, "some requests", func() bool { return h.sim.requests() == 8 })
	<-time.After(100 * time.Millisecond) // all four calls are on the wire and nothing is being written to the database
	p.signal(syscall.SIGSTOP)
	if f := h.runs(1, "run", file, "--job", "p", "--json").failure(); f.Code != "job_conflict" {
		t.Errorf("a paused process's job was taken: %+v", f)
	}
	if j := h.show("p"); j.State != "running" || j.Unconfirmed.Sign() != 0 {
		t.Errorf("beside a paused process the job is %s, unconfirmed %s", j.State, &j.Unconfirmed.Int)
	}
	p.signal(syscall.SIGCONT)
	p.exits(0)
	once(t, file+".results.jsonl", ids, true)
	j := h.show("p")
	exact(t, &j.Spent.Int, h.sim.bill())
	if n := h.sim.repeats(); n != 0 {
		t.Errorf("%d requests were repeated", n)
	}
}

// Of several processes that start the same new job at the same moment one runs it.
func TestOneRunner(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{latency: 30 * time.Millisecond, log: true}, "")
	content, ids := lines(200, nil)
	file := h.write("in.jsonl", content)
	var all []*process
	for range 5 {
		all = append(all, h.start("run", file, "--job", "o", "--max-cost", "1", "--concurrency", "4", "--json"))
	}
	ran := 0
	for _, p := range all {
		if p.wait(); p.code() == 0 {
			ran++
		} else if f := p.failure(); p.code() != 1 || f.Code != "job_conflict" {
			t.Errorf("code %d: %+v", p.code(), f)
		}
	}
	if ran == 0 {
		t.Error("none ran the job")
	}
	once(t, file+".results.jsonl", ids, true)
	if n := h.sim.requests(); n != 200 {
		t.Errorf("%d requests for 200 items", n)
	}
	j := h.show("o")
	exact(t, &j.Spent.Int, h.sim.bill())
}

// A kill while the file is read leaves a job that is not accepted; the next run reads it anew.
func TestKilledBeforeAcceptance(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	content, ids := lines(20_000, nil)
	file := h.write("in.jsonl", content)
	small, few := lines(10, nil)
	for wait := range 4 {
		p := h.start("run", file, "--job", "l", "--max-cost", "1", "--quiet")
		<-time.After(time.Duration(20+40*wait) * time.Millisecond)
		p.kill()
		if strings.Contains(p.stderr.String(), "accepted") {
			break
		}
		if f := h.run("jobs", "show", "l", "--json"); f.code() == 0 {
			if j := h.show("l"); j.State != "pending" {
				t.Errorf("a job that was never accepted is %s", j.State)
			}
		}
	}
	if h.sim.requests() > 0 {
		t.Skip("the program read faster than it was killed")
	}
	h.write("in.jsonl", small) // another file under the same name: nothing of the first may be left
	h.runs(0, "run", file, "--job", "l", "--max-cost", "1")
	once(t, file+".results.jsonl", few, true)
	if n := h.sim.requests(); n != 10 {
		t.Errorf("%d requests for 10 items", n)
	}
	_ = ids
}

// Files that cannot be written are named before money is spent.
func TestOutputFiles(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	content, _ := lines(3, nil)
	file := h.write("in.jsonl", content)
	for _, args := range [][]string{
		{"--output", h.path("no/such/folder/out.jsonl")},
		{"--errors", h.path("no/such/folder/out.jsonl")},
		{"--output", h.dir},
		{"--output", file},
		{"--errors", file},
		{"--output", h.path("same"), "--errors", h.path("same")},
	} {
		p := h.runs(2, append([]string{"run", file, "--job", "o", "--json"}, args...)...)
		if f := p.failure(); f.Message == "" {
			t.Errorf("%v: %+v", args, f)
		}
	}
	if n := h.sim.requests(); n != 0 {
		t.Errorf("%d calls were paid before", n)
	}
	if err := os.Symlink("elsewhere.jsonl", h.path("link.jsonl")); err != nil {
		t.Fatal(err)
	}
	h.write("elsewhere.jsonl", "")
	h.runs(0, "run", "in.jsonl", "--job", "o", "--output", "link.jsonl", "--errors", "/dev/null")
	if n := len(readResults(t, h.path("elsewhere.jsonl"))); n != 3 {
		t.Errorf("%d results behind the link", n)
	}
	p := h.runs(0, "run", "in.jsonl", "--job", "o", "--output", "/dev/stdout", "--errors", "/dev/null")
	if n := strings.Count(p.stdout.String(), "custom_id"); n != 3 {
		t.Errorf("%d results on stdout", n)
	}
	if info, err := os.Stat("/dev/null"); err != nil || info.Mode().IsRegular() {
		t.Fatalf("/dev/null was replaced: %v", err)
	}
	h.runs(0, "run", "in.jsonl", "--job", "o", "--output", "out.jsonl", "--errors", "err.jsonl")
	if n := len(readResults(t, h.path("out.jsonl"))); n != 3 {
		t.Errorf("%d results", n)
	}
}
