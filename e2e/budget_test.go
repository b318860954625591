//go:build unix

package e2e_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"regexp"
	"testing"
	"time"
)

// The provider's own bill never passes the limit, whatever fails, and the books say what it says.
func TestBudgetHolds(t *testing.T) {
	t.Parallel()
	seeds := 3
	if soak {
		seeds = 20
	}
	for seed := range seeds {
		for _, failing := range []bool{false, true} {
			t.Run(fmt.Sprintf("seed %d failing %t", seed, failing), func(t *testing.T) {
				t.Parallel()
				budgetHolds(t, seed, failing)
			})
		}
	}
}

// patientRetries retries quickly and never leaves a provider alone.
const patientRetries = "retry: {base_delay: 10ms, max_delay: 1s, max_retries: 20}\nbreaker: {threshold: 0, failure_ratio: 0}\n"

func budgetHolds(t *testing.T, seed int, failing bool) {
	t.Helper()
	b := behaviour{latency: time.Millisecond, jitter: 15 * time.Millisecond, seed: seed}
	if failing {
		b.fail = 0.05
	}
	h := newHouse(t, b, patientRetries)
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	content, ids := lines(600, r)
	file := h.write("in.jsonl", content)
	limit := fmt.Sprintf("0.%02d", 10+r.IntN(26))

	p := h.runs(3, "run", file, "--job", "b", "--max-cost", limit, "--concurrency", "64", "--json")
	j := h.show("b")
	billed := h.sim.bill()
	within(t, billed, usd(limit))
	within(t, sum(&j.Spent.Int, &j.Unconfirmed.Int), usd(limit))
	if j.Held.Sign() != 0 {
		t.Errorf("$%s is held after the end", &j.Held.Int)
	}
	if failing {
		bracket(t, &j.Spent.Int, &j.Unconfirmed.Int, billed)
	} else {
		exact(t, &j.Spent.Int, billed)
	}
	if refused := refusedBound(t, j.Reason); j.Remaining.Cmp(refused) >= 0 {
		t.Errorf("%s pico-dollars are left, and a call that may cost %s was refused", &j.Remaining.Int, refused)
	}
	if f := p.failure(); f.Code != "budget_exceeded" || f.Hint == "" {
		t.Errorf("the error is %+v", f)
	}
	once(t, file+".results.jsonl", ids, false)

	h.sim.change(map[string]any{"fail": 0})
	h.runs(3, "run", file, "--job", "b", "--concurrency", "2")
	within(t, h.sim.bill(), usd(limit)) // small items may have fitted into the rest
	t.Logf("limit %s, spent %s, unconfirmed %s, billed %s", limit, &j.Spent.Int, &j.Unconfirmed.Int, billed)
}

var mayCost = regexp.MustCompile(`may cost \$([0-9.]+)`)

// refusedBound reads from a job's reason what the refused call may have cost.
func refusedBound(t *testing.T, reason string) *big.Int {
	t.Helper()
	m := mayCost.FindStringSubmatch(reason)
	if m == nil {
		t.Fatalf("the reason %q does not say what the refused call may cost", reason)
	}
	return usd(m[1])
}

// Two processes, each with a job of its own, share their parent's limit in one file at the same time.
func TestSharedParentLimit(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{latency: time.Millisecond, jitter: 10 * time.Millisecond, fail: 0.03}, patientRetries)
	r := rand.New(rand.NewPCG(7, 7))
	one, _ := lines(1, nil)
	h.runs(0, "run", h.write("parent.jsonl", one), "--job", "parent", "--max-cost", "0.25")

	var running []*process
	var all []string
	for i := range 3 {
		content, _ := lines(400, r)
		file := h.write(fmt.Sprintf("child%d.jsonl", i), content)
		all = append(all, file)
		running = append(running, h.start("run", file, "--job", fmt.Sprintf("child%d", i), "--parent", "parent", "--max-cost", "0.2", "--concurrency", "32"))
	}
	exhausted := 0
	for _, p := range running {
		if p.wait(); p.code() == 3 {
			exhausted++
		} else {
			p.exits(0)
		}
	}
	if exhausted == 0 {
		t.Error("no job met the parent's limit")
	}
	billed := h.sim.bill()
	within(t, billed, usd("0.25"))
	parent := h.show("parent")
	bracket(t, &parent.Spent.Int, &parent.Unconfirmed.Int, billed)
	within(t, sum(&parent.Spent.Int, &parent.Unconfirmed.Int), usd("0.25"))
	if parent.Held.Sign() != 0 {
		t.Errorf("%s pico-dollars are held after the end", &parent.Held.Int)
	}
	children := new(big.Int)
	for i := range all {
		c := h.show(fmt.Sprintf("child%d", i))
		within(t, sum(&c.Spent.Int, &c.Unconfirmed.Int), usd("0.2"))
		if c.Parent == nil || *c.Parent != "parent" {
			t.Errorf("child %d does not name its parent: %+v", i, c)
		}
		children.Add(children, &c.Spent.Int)
	}
	own := new(big.Int)
	for _, m := range parent.ByModel {
		own.Add(own, &m.Cost.Int)
	}
	exact(t, &parent.Spent.Int, sum(children, own))
}

// A limit of nothing lets nothing be sent.
func TestZeroLimit(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	content, _ := lines(5, nil)
	h.runs(3, "run", h.write("in.jsonl", content), "--job", "z", "--max-cost", "0")
	if n := h.sim.requests(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}
