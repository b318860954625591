//go:build unix

package e2e_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/internal/pgtest"
)

// Processes die at random below one parent, beside others that live, while a provider fails and the limit comes near.
func TestDeathsBelowAParent(t *testing.T) {
	t.Parallel()
	for _, on := range []string{"sqlite", "postgres"} {
		t.Run(on, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, behaviour{latency: 2 * time.Millisecond, jitter: 8 * time.Millisecond, fail: 0.02, log: true}, patientRetries)
			if on == "postgres" {
				h.database = pgtest.Database(t)
			}
			deathsBelowAParent(t, h)
		})
	}
}

func deathsBelowAParent(t *testing.T, h *house) {
	deaths := 10
	if soak {
		deaths = 100
	}
	r := rand.New(rand.NewPCG(11, 5))
	one, _ := lines(1, nil)
	h.runs(0, "run", h.write("parent.jsonl", one), "--job", "parent", "--max-cost", "0.6")
	children := 3
	args := make([][]string, children)
	ids := make([][]string, children)
	for i := range children {
		content, names := lines(500, r)
		ids[i] = names
		args[i] = []string{
			"run", h.write(fmt.Sprintf("child%d.jsonl", i), content), "--job", fmt.Sprintf("child%d", i), "--parent", "parent",
			"--max-cost", "0.4", "--concurrency", "16", "--quiet",
		}
	}
	running := make([]*process, children)
	for death := 0; death < deaths; death++ {
		i := r.IntN(children)
		for k := range running {
			if running[k] == nil {
				running[k] = h.start(args[k]...).accepted()
			}
		}
		select {
		case <-running[i].ended:
		case <-time.After(time.Duration(r.IntN(250)) * time.Millisecond):
		}
		running[i].kill()
		running[i] = nil
		within(t, h.sim.bill(), usd("0.6"))
	}
	for i, p := range running {
		if p == nil {
			p = h.start(args[i]...)
		}
		if p.wait(); p.code() != 0 {
			p.exits(3)
		}
		once(t, h.path(fmt.Sprintf("child%d.jsonl.results.jsonl", i)), ids[i], p.code() == 0)
	}
	billed, parent := h.sim.bill(), h.show("parent")
	within(t, billed, usd("0.6"))
	bracket(t, &parent.Spent.Int, &parent.Unconfirmed.Int, billed)
	within(t, sum(&parent.Spent.Int, &parent.Unconfirmed.Int), usd("0.6"))
	if parent.Held.Sign() != 0 {
		t.Errorf("%s pico-dollars are held after the end", &parent.Held.Int)
	}
	spent, doubt := new(big.Int), new(big.Int)
	for _, m := range parent.ByModel {
		spent.Add(spent, &m.Cost.Int)
	}
	for i := range children {
		c := h.show(fmt.Sprintf("child%d", i))
		spent.Add(spent, &c.Spent.Int)
		doubt.Add(doubt, &c.Unconfirmed.Int)
		if c.Held.Sign() != 0 {
			t.Errorf("%s pico-dollars are held in child %d", &c.Held.Int, i)
		}
		within(t, sum(&c.Spent.Int, &c.Unconfirmed.Int), usd("0.4"))
	}
	exact(t, &parent.Spent.Int, spent)
	exact(t, &parent.Unconfirmed.Int, doubt)
	t.Logf("spent %s, unconfirmed %s, billed %s of 0.6", &parent.Spent.Int, &parent.Unconfirmed.Int, billed)
}

// The ledger is the provider's bill to the last digit over many calls and several jobs in one process after another.
func TestLongLedger(t *testing.T) {
	t.Parallel()
	n := 4000
	if soak {
		n = 100_000
	}
	h := newHouse(t, behaviour{}, patientRetries)
	r := rand.New(rand.NewPCG(5, 8))
	content, ids := lines(n, r)
	file := h.write("in.jsonl", content)
	h.runs(0, "run", file, "--job", "l", "--max-cost", "1000", "--concurrency", "64", "--quiet")
	once(t, file+".results.jsonl", ids, true)
	j := h.show("l")
	exact(t, &j.Spent.Int, h.sim.bill())
	if j.Attempts != int64(n) {
		t.Errorf("%d attempts in the books for %d calls", j.Attempts, n)
	}
}
