//go:build unix

package e2e_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// damage changes a file as a disk, a script or a crash of the machine might, and says how.
func damage(t *testing.T, r *rand.Rand, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := r.IntN(len(b) + 1)
	garbage := make([]byte, 1+r.IntN(6000))
	for i := range garbage {
		garbage[i] = byte(r.Uint32())
	}
	how := ""
	switch n := r.IntN(7); {
	case n == 0:
		how, b = "cut short", b[:at]
	case n == 1:
		how, b = "emptied", nil
	case n == 2:
		how, b = "zeros at the end", append(b, make([]byte, len(garbage))...)
	case n == 3:
		how, b = "garbage at the end", append(b, garbage...)
	case n == 4 && at < len(b):
		how = "zeros inside"
		clear(b[at:min(len(b), at+len(garbage))])
	case at < len(b):
		how = "a bit flipped"
		b[at] ^= 1 << r.IntN(8)
	default:
		how = "nothing"
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s: %s at %d", filepath.Base(file), how, at)
}

// in is the same house with another folder: a copy of this one's.
func (h *house) in(t *testing.T) *house {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(h.dir)); err != nil {
		t.Fatal(err)
	}
	twin := *h
	twin.dir = dir
	return &twin
}

// A process is killed, and then one of its files is damaged: the next run names the file and calls nobody, or it ends the job with each
// item once and books that cover the provider's bill.
func TestDamageAfterKill(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{latency: 4 * time.Millisecond, log: true}, patientRetries)
	items := 400
	content, ids := lines(items, nil)
	h.write("in.jsonl", content)
	run := func(h *house) []string {
		return []string{"run", h.path("in.jsonl"), "--job", "d", "--max-cost", "1", "--concurrency", "8", "--json"}
	}
	p := h.start(run(h)...)
	until(t, "some requests", func() bool { return h.sim.requests() >= 150 })
	p.kill()
	atKill := h.sim.bill()

	seeds := 16
	if soak {
		seeds = 300
	}
	refused, ended := 0, 0
	for seed := range seeds {
		r := rand.New(rand.NewPCG(uint64(seed), 77))
		twin := h.in(t)
		var files []string
		for _, pattern := range []string{"aurea.db", "aurea.db-wal", "aurea.db-owners/*.journal", "aurea.db-owners/*"} {
			found, err := filepath.Glob(twin.path(pattern))
			if err != nil || len(found) == 0 {
				t.Fatalf("%s: %v, %v", pattern, found, err)
			}
			files = append(files, found[r.IntN(len(found))])
		}
		what := fmt.Sprintf("seed %d: %s", seed, damage(t, r, files[seed%len(files)]))
		requests, before := h.sim.requests(), h.sim.bill()
		p := twin.run(run(twin)...)
		if strings.Contains(p.stderr.String(), "panic") {
			t.Fatalf("%s: %s", what, p.stderr)
		}
		if p.code() != 0 {
			refused++
			p.exits(1)
			f := p.failure()
			if f.Code != "database_damaged" || f.Hint == "" || !strings.Contains(f.Message, twin.path("aurea.db")) {
				t.Errorf("%s: %+v\n%s", what, f, p.stderr.tail())
			}
			if n := h.sim.requests() - requests; n != 0 && !strings.Contains(what, ".db") {
				t.Errorf("%s: %d calls", what, n)
			}
			continue
		}
		ended++
		once(t, twin.path("in.jsonl.results.jsonl"), ids, true)
		j := twin.show("d")
		if j.Items.Done != int64(items) {
			t.Errorf("%s: items %+v", what, j.Items)
		}
		billed := sum(atKill, new(big.Int).Sub(h.sim.bill(), before))
		if j.Spent.Cmp(billed) > 0 || sum(&j.Spent.Int, &j.Unconfirmed.Int).Cmp(billed) < 0 {
			t.Errorf("%s: spent %s, unconfirmed %s, billed %s\n%s", what, &j.Spent.Int, &j.Unconfirmed.Int, billed, p.stderr.tail())
		}
		within(t, billed, usd("1"))
	}
	if refused == 0 || ended == 0 {
		t.Errorf("%d refused, %d ended: nothing was tried", refused, ended)
	}
	t.Logf("%d refused, %d ended", refused, ended)
}

// A journal that is damaged is told in one line with its name, and what it covered is unconfirmed.
func TestDamagedJournal(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{latency: 20 * time.Millisecond, log: true}, patientRetries)
	content, ids := lines(200, nil)
	file := h.write("in.jsonl", content)
	args := []string{"run", file, "--job", "d", "--max-cost", "1", "--concurrency", "8", "--quiet"}
	p := h.start(args...)
	until(t, "some requests", func() bool { return h.sim.requests() >= 60 })
	p.kill()
	journals, err := filepath.Glob(h.path("aurea.db-owners/*.journal"))
	if err != nil || len(journals) != 1 {
		t.Fatal(journals, err)
	}
	if err := os.WriteFile(journals[0], []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	p = h.runs(0, args...)
	once(t, file+".results.jsonl", ids, true)
	if n := strings.Count(p.stderr.String(), filepath.Base(journals[0])); n != 1 {
		t.Errorf("the journal is named %d times:\n%s", n, p.stderr)
	}
	j := h.show("d")
	if j.Unconfirmed.Sign() <= 0 {
		t.Errorf("nothing is unconfirmed: %+v", j)
	}
	bracket(t, &j.Spent.Int, &j.Unconfirmed.Int, h.sim.bill())
	h.runs(0, "jobs", "reconcile", "d", "--release")
	if j := h.show("d"); j.Unconfirmed.Sign() != 0 {
		t.Errorf("after reconcile: %+v", j)
	}
}
