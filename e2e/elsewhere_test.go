//go:build unix

package e2e_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/internal/pgtest"
)

// A batch whose process was killed is taken over by one on another machine, which nobody else has told of the death; one whose process lives is not.
func TestTakenOverElsewhere(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{latency: 250 * time.Millisecond, log: true}, patientRetries)
	h.database = pgtest.Database(t)
	content, ids := lines(300, rand.New(rand.NewPCG(9, 7)))
	file := h.write("in.jsonl", content)
	args := []string{"run", file, "--job", "j", "--max-cost", "100", "--concurrency", "8"}
	p := h.start(args...).accepted()
	machine := func() {
		for i, v := range h.env {
			if strings.HasPrefix(v, "XDG_STATE_HOME=") {
				h.env[i] = "XDG_STATE_HOME=" + t.TempDir()
			}
		}
	}
	machine()
	if other := h.run(args...); other.code() != 1 || !strings.Contains(other.stderr.String(), "process") {
		t.Errorf("beside one that lives: %d, %s", other.code(), other.stderr.String())
	}
	select {
	case <-p.ended:
		t.Skip("the batch was over before the other had looked") // on a machine that is very busy
	default:
	}
	p.kill()
	machine()
	h.runs(0, args...)
	once(t, file+".results.jsonl", ids, true)
	end := h.show("j")
	bracket(t, &end.Spent.Int, &end.Unconfirmed.Int, h.sim.bill())
}
