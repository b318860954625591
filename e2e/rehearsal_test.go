//go:build unix

package e2e_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The rehearsal that `make run` shows needs no key and no network, is over soon, and cannot be taken for a real job.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	bare := []string{"HOME=" + h.dir, "PATH=" + os.Getenv("PATH")}
	keyed := h.env
	h.env = bare
	file, err := filepath.Abs("../examples/rehearsal.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	outputs := []string{"--output", h.path("r.jsonl"), "--errors", h.path("e.jsonl")}
	p := h.runs(0, append([]string{"run", file, "--simulate", "--job", "rehearsal", "--max-cost", "5"}, outputs...)...)
	if p.took > time.Minute {
		t.Errorf("it took %v", p.took)
	}
	j := h.show("rehearsal")
	if results := readResults(t, h.path("r.jsonl")); len(results) < 300 || int64(len(results)) != j.Items.Total || j.Items.Done != j.Items.Total {
		t.Errorf("%d results, items %+v", len(results), j.Items)
	}
	if j.Attempts <= j.Items.Total {
		t.Errorf("%d attempts for %d items: nothing failed", j.Attempts, j.Items.Total)
	}
	h.env = keyed
	if f := h.runs(2, append([]string{"run", file, "--job", "rehearsal", "--json"}, outputs...)...).failure(); f.Code != "job_conflict" {
		t.Errorf("going on with real providers: %+v", f)
	}
	if n := h.sim.requests(); n != 0 {
		t.Errorf("a rehearsal made %d calls to a configured provider", n)
	}
}
