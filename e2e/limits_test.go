//go:build unix

package e2e_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// A limit written down is kept to: an enforcer that knows nothing of Aurea never has to refuse, and the allowance is used.
func TestLimits(t *testing.T) {
	t.Parallel()
	const rpm = 1200
	for _, algo := range []string{"sliding", "bucket"} {
		t.Run(algo, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, behaviour{latency: 20 * time.Millisecond, jitter: 20 * time.Millisecond, log: true}, "")
			h.write("aurea.yaml", fmt.Sprintf("models: {sim-a: {provider: openai, rpm: %d, tpm: none, max_output: 4096}}\nprices: {overrides: {sim-a: {input: \"0.15\", output: \"0.60\"}}}\n", rpm))
			fraction := 1.0
			if algo == "bucket" {
				fraction = 0.02
			}
			h.sim.change(map[string]any{"rpm": rpm, "algo": algo, "bucket_fraction": fraction})
			content, ids := lines(240, nil)
			file := h.write("in.jsonl", content)
			p := h.runs(0, "run", file, "--job", "l")
			once(t, file+".results.jsonl", ids, true)
			stats := h.sim.Stats()
			if n := stats.ByStatus["429"]; n != 0 {
				t.Errorf("%d requests were refused", n)
			}
			at := h.sim.arrivals()
			took := at[len(at)-1].Sub(at[0])
			if most := time.Duration(float64(len(at)) / rpm * float64(time.Minute) * 1.1); took > most {
				t.Errorf("%d requests took %v; at the limit they take %v", len(at), took, most)
			}
			t.Logf("%d requests in %v, in all %v", len(at), took, p.took)
		})
	}
}

// Two processes share a limit. One is stopped until the other has gone on alone for long, and wakes: it asks for its share again, and both end.
// That the sum is kept to is tried in virtual time, because here a busy machine may bunch requests; what was refused is logged.
func TestWhoWakesAsksForItsShare(t *testing.T) {
	t.Parallel()
	const rpm = 1200
	h := newHouse(t, behaviour{latency: 20 * time.Millisecond, log: true}, "")
	h.write("aurea.yaml", fmt.Sprintf("models: {sim-a: {provider: openai, rpm: %d, tpm: none, max_output: 4096}}\nprices: {overrides: {sim-a: {input: \"0.15\", output: \"0.60\"}}}\n", rpm))
	h.sim.change(map[string]any{"rpm": rpm, "algo": "bucket", "bucket_fraction": 0.02})
	content, ids := lines(220, nil)
	stopped, other := h.write("stopped.jsonl", content), h.write("other.jsonl", content)
	p := h.start("run", stopped, "--job", "stopped", "--max-cost", "1").accepted()
	q := h.start("run", other, "--job", "other", "--max-cost", "1").accepted()
	until(t, "some requests", func() bool { return h.sim.requests() > 40 })
	p.signal(syscall.SIGSTOP)
	before := h.sim.requests()
	until(t, "the other one going on alone", func() bool { return h.sim.requests() > before+130 })
	p.signal(syscall.SIGCONT)
	p.exits(0)
	q.exits(0)
	once(t, stopped+".results.jsonl", ids, true)
	once(t, other+".results.jsonl", ids, true)
	t.Logf("%d requests were refused", h.sim.Stats().ByStatus["429"])
}
