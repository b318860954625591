//go:build unix

package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/internal/pgtest"
)

// Submitted once, two jobs are worked on by several workers on PostgreSQL, on "machines" of their own; one is killed, one stands still until the others take it for dead, and wakes.
// Every item has one result, nothing is booked beside the provider's bill, and nobody repeats more than what was on the wire.
func TestWorkers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{latency: 100 * time.Millisecond, jitter: 50 * time.Millisecond, log: true}, patientRetries)
	h.database = pgtest.Database(t)
	machine := func() {
		for i, v := range h.env {
			if strings.HasPrefix(v, "XDG_STATE_HOME=") {
				h.env[i] = "XDG_STATE_HOME=" + t.TempDir()
			}
		}
	}
	content, ids := lines(3000, nil)
	h.runs(0, "run", h.write("large.jsonl", content), "--job", "large", "--max-cost", "5", "--detach")
	var workers []*process
	for range 4 {
		machine()
		workers = append(workers, h.start("worker", "--concurrency", "8"))
	}
	until(t, "the first calls", func() bool { return h.sim.requests() > 50 })
	small, few := lines(30, rand.New(rand.NewPCG(5, 8)))
	h.runs(0, "run", h.write("small.jsonl", small), "--job", "small", "--max-cost", "5", "--detach")
	h.runs(0, "jobs", "watch", "small")
	if n := h.sim.requests(); n > 2800 {
		t.Errorf("the small job ended after %d calls of both", n)
	}
	workers[0].kill()
	workers[1].signal(syscall.SIGSTOP)
	stopped := time.Now()
	watch := h.start("jobs", "watch", "large", "--json")
	until(t, "the stopped one taken for dead", func() bool { return time.Since(stopped) > 16*time.Second })
	workers[1].signal(syscall.SIGCONT)
	watch.exits(0)
	for _, w := range workers[2:] {
		w.signal(syscall.SIGTERM)
		w.exits(0)
	}
	workers[1].signal(syscall.SIGTERM)
	workers[1].exits(0)
	for job, want := range map[string][]string{"large": ids, "small": few} {
		file := h.path(job + ".out.jsonl")
		h.runs(0, "jobs", "results", job, "--output", file)
		once(t, file, want, true)
	}
	if n := h.sim.repeats(); n > 20 { // what was on the wire, and what was about to be
		t.Errorf("%d requests were repeated by two workers of 8 calls", n)
	}
	large, less := h.show("large"), h.show("small")
	spent, unconfirmed := large.Spent.Int, large.Unconfirmed.Int
	spent.Add(&spent, &less.Spent.Int)
	unconfirmed.Add(&unconfirmed, &less.Unconfirmed.Int)
	bracket(t, &spent, &unconfirmed, h.sim.bill())
	if out := watch.stdout.String(); !strings.Contains(out, `"event":"watch"`) || !strings.Contains(out, `"state":"done"`) {
		t.Errorf("watched: %s", out)
	}
}

// On one machine: a budget that is used up pauses the job, a raise has the worker go on, a cancelled job is left, and what is submitted again only adds. A gateway works too.
func TestWorkerFollowsTheJob(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{latency: 20 * time.Millisecond, log: true}, "")
	content, ids := lines(200, nil)
	file := h.write("in.jsonl", content)
	args := []string{"run", file, "--job", "j", "--max-cost", "0.002", "--detach"}
	h.runs(0, args...)
	if p := h.run("run", file, "--job", "j"); p.code() != 2 || !strings.Contains(p.stderr.String(), "aurea jobs watch j") {
		t.Errorf("run beside the workers: %d, %s", p.code(), p.stderr.String())
	}
	w := h.start("serve", "--listen", "127.0.0.1:0", "--workers", "16")
	if p := h.runs(3, "jobs", "watch", "j"); !strings.Contains(p.stderr.String(), "aurea jobs raise j") {
		t.Errorf("paused: %s", p.stderr.String())
	}
	h.runs(0, "jobs", "raise", "j", "--max-cost", "5")
	h.runs(0, "jobs", "watch", "j")
	out := h.path("out.jsonl")
	h.runs(0, "jobs", "results", "j", "--output", out)
	once(t, out, ids, true)

	more, all := lines(260, nil)
	h.write("in.jsonl", more) // the first 200 as before
	h.runs(0, args...)
	h.runs(0, "jobs", "watch", "j")
	h.runs(0, "jobs", "results", "j", "--output", out)
	once(t, out, all, true)
	if n := h.sim.repeats(); n != 0 {
		t.Errorf("%d requests were repeated", n)
	}
	long, _ := lines(5000, nil)
	h.runs(0, "run", h.write("long.jsonl", long), "--job", "long", "--max-cost", "5", "--detach")
	until(t, "the long job begun", func() bool { return h.show("long").Items.Done > 20 })
	h.runs(0, "jobs", "cancel", "long")
	h.runs(1, "jobs", "watch", "long")
	time.Sleep(time.Second) // within which all know
	before := h.sim.requests()
	time.Sleep(500 * time.Millisecond)
	if n := h.sim.requests(); n != before {
		t.Errorf("%d calls of a cancelled job", n-before)
	}
	w.signal(syscall.SIGTERM)
	w.exits(0)
	if p := h.run("worker", "--concurrency", "0"); p.code() != 2 {
		t.Error(fmt.Sprint(p.code(), p.stderr.String()))
	}
}
