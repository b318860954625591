//go:build unix

package e2e_test

import (
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/internal/pgtest"
)

// Half a dollar is shared by sixteen gateways on sixteen "machines". They leave less than one call may cost, and never pass it. Then the same with one of them killed in the middle: what
// is unconfirmed is no more than its calls on the wire and its lease, and the rest can still be spent.
func TestHalfADollar(t *testing.T) {
	t.Parallel()
	const replicas, bound = 16, 2_400_000_000 // pico-dollars: 200 tokens of sim-b at ten dollars a million, and the bytes of the request at two and a half
	h := newHouse(t, behaviour{latency: 20 * time.Millisecond, jitter: 20 * time.Millisecond, log: true}, patientRetries)
	h.database = pgtest.Database(t)
	urls := make([]string, replicas)
	gateways := make([]*process, replicas)
	var all sync.WaitGroup
	for i := range replicas {
		own := *h
		own.env = slices.Clone(h.env)
		for k, v := range own.env {
			if strings.HasPrefix(v, "XDG_STATE_HOME=") {
				own.env[k] = "XDG_STATE_HOME=" + t.TempDir()
			}
		}
		all.Go(func() { gateways[i], urls[i] = own.serve() })
	}
	all.Wait()
	spend := func(job string, i int) {
		for n := 0; ; n++ {
			body := fmt.Sprintf(`{"model":"sim-b","max_tokens":200,"messages":[{"role":"user","content":"%s %d %d"}]}`, job, i, n)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, urls[i]+"/v1/chat/completions", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("X-Aurea-Job", job)
			req.Header.Set("X-Aurea-Max-Cost", "0.50")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return // killed
			}
			_ = resp.Body.Close()
			switch resp.StatusCode {
			case http.StatusOK:
			case http.StatusPaymentRequired:
				return
			default:
				t.Errorf("%s %s", resp.Status, resp.Header.Get("X-Aurea-Error"))
				return
			}
		}
	}
	for _, job := range []string{"whole", "harmed"} {
		before := h.sim.bill()
		for i := range replicas {
			all.Go(func() { spend(job, i) })
		}
		if job == "harmed" {
			until(t, "some of it spent", func() bool { return new(big.Int).Sub(h.sim.bill(), before).Cmp(usd("0.1")) > 0 })
			gateways[0].kill()
		}
		all.Wait()
		if job == "harmed" { // its lease is only free when it is known to be dead; then there is a little more to spend
			until(t, "the killed one taken for dead", func() bool { j := h.show(job); return j.Unconfirmed.Sign() > 0 })
			for i := 1; i < replicas; i++ {
				all.Go(func() { spend(job, i) })
			}
			all.Wait()
		}
		j := h.show(job)
		billed := new(big.Int).Sub(h.sim.bill(), before)
		within(t, billed, usd("0.50"))
		within(t, sum(&j.Spent.Int, &j.Unconfirmed.Int), usd("0.50"))
		bracket(t, &j.Spent.Int, &j.Unconfirmed.Int, billed)
		if left := &j.Remaining.Int; left.Cmp(big.NewInt(bound)) >= 0 {
			t.Errorf("%s: %s pico-dollars are left, a call takes %d", job, left, bound)
		}
		if job == "whole" && j.Unconfirmed.Sign() != 0 {
			t.Errorf("%s unconfirmed", &j.Unconfirmed.Int)
		}
		if most := usd("0.1"); j.Unconfirmed.Cmp(most) > 0 {
			t.Errorf("%s: %s unconfirmed", job, &j.Unconfirmed.Int)
		}
		t.Logf("%s: billed %s, spent %s, unconfirmed %s, left %s pico-dollars", job, billed, &j.Spent.Int, &j.Unconfirmed.Int, &j.Remaining.Int)
	}
}
