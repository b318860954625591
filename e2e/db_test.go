//go:build unix

package e2e_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/internal/pgtest"
)

// A ledger with an unfinished batch, and with money that a killed process left unconfirmed, goes from SQLite to PostgreSQL and on from there.
func TestDatabaseMoves(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{latency: 250 * time.Millisecond, log: true}, patientRetries)
	content, ids := lines(300, rand.New(rand.NewPCG(3, 7)))
	file := h.write("in.jsonl", content)
	args := []string{"run", file, "--job", "j", "--max-cost", "100", "--concurrency", "8", "--quiet"}
	p := h.start(args...).accepted()
	for h.sim.requests() < 40 {
		time.Sleep(time.Millisecond)
	}
	url := pgtest.Database(t)
	if out := h.run("db", "copy", "--from", "sqlite:"+h.path("aurea.db"), "--to", url); out.code() == 0 || !strings.Contains(out.stderr.String(), "in use") {
		t.Fatalf("a ledger in use was copied: %s %s", out.stdout.tail(), out.stderr.String())
	}
	p.kill()
	h.runs(0, "db", "copy", "--from", "sqlite:"+h.path("aurea.db"), "--to", url)
	if out := h.run("db", "copy", "--from", "sqlite:"+h.path("aurea.db"), "--to", url); out.code() == 0 || !strings.Contains(out.stderr.String(), "not empty") {
		t.Errorf("copied twice: %s", out.stderr.String())
	}
	before := h.show("j")
	h.database = url
	after := h.show("j")
	exact(t, &before.Spent.Int, &after.Spent.Int)
	exact(t, &before.Unconfirmed.Int, &after.Unconfirmed.Int)
	if before.Items != after.Items || before.Attempts != after.Attempts {
		t.Errorf("before %+v, after %+v", before, after)
	}
	h.runs(0, args...)
	once(t, file+".results.jsonl", ids, true)
	end := h.show("j")
	bracket(t, &end.Spent.Int, &end.Unconfirmed.Int, h.sim.bill())
	out := h.runs(0, "db", "status", "--json").stdout.tail()
	if !strings.Contains(out, `"processes":0`) || !strings.Contains(out, `"jobs":1`) {
		t.Errorf("status: %s", out)
	}
}
