//go:build unix

package e2e_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/internal/pgtest"
)

// BenchmarkWorkers runs submitted items on PostgreSQL by one, two and four workers, against a provider that answers at once. All are on one machine with the server.
func BenchmarkWorkers(b *testing.B) {
	const items = 20_000
	for _, n := range []int{1, 2, 4} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := newHouse(b, behaviour{}, "")
			server, err := pgtest.Start()
			if err != nil {
				b.Skip(err)
			}
			defer server.Close()
			h.database = server.URL("postgres")
			content, _ := lines(items, nil)
			file := h.write("in.jsonl", content)
			for i := range b.N {
				b.StopTimer()
				job := fmt.Sprint("j", i)
				h.runs(0, "run", file, "--job", job, "--max-cost", "100", "--detach")
				var workers []*process
				for k := range n {
					for e, v := range h.env {
						if strings.HasPrefix(v, "XDG_STATE_HOME=") {
							h.env[e] = fmt.Sprintf("XDG_STATE_HOME=%s/%d", h.dir, k)
						}
					}
					workers = append(workers, h.start("worker", "--concurrency", "64"))
				}
				before := h.sim.requests()
				until(b, "the first call", func() bool { return h.sim.requests() > before })
				began := time.Now()
				b.StartTimer()
				h.runs(0, "jobs", "watch", job)
				b.StopTimer()
				b.ReportMetric(items/time.Since(began).Seconds(), "items/s")
				for _, w := range workers {
					w.signal(syscall.SIGTERM)
					w.exits(0)
				}
			}
		})
	}
}
