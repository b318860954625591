//go:build unix

package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// number reads the size of a benchmark from the environment, for longer and shorter runs.
func number(name string, normal int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return normal
}

// BenchmarkRun runs 20,000 items from end to end over HTTP at no latency: reading, accepting, calling, and writing each result durably.
func BenchmarkRun(b *testing.B) {
	n := number("AUREA_BENCH_ITEMS", 20_000)
	for b.Loop() {
		h := newHouse(b, behaviour{}, "")
		content, ids := lines(n, nil)
		file := h.write("in.jsonl", content)
		p := h.profiled("run", file, "--job", "b", "--max-cost", "100", "--concurrency", "64", "--quiet")
		p.exits(0)
		j := h.show("b")
		exact(b, &j.Spent.Int, h.sim.bill())
		if len(ids) != int(j.Items.Done) {
			b.Fatalf("%d done", j.Items.Done)
		}
		b.ReportMetric(float64(n)/p.took.Seconds(), "items/s")
		b.ReportMetric(float64(p.rss())/1e6, "MB-peak")
	}
}

// BenchmarkRestart takes up a job of 100,000 items of which half are done; the time is from the start of the process to its first call.
func BenchmarkRestart(b *testing.B) {
	n := number("AUREA_BENCH_RESTART", 100_000)
	for b.Loop() {
		h := newHouse(b, behaviour{}, "")
		content, _ := lines(n, nil)
		file := h.write("in.jsonl", content)
		args := []string{"run", file, "--job", "b", "--max-cost", "100", "--concurrency", "64", "--quiet"}
		p := h.start(args...)
		until(b, "half of the items", func() bool { return h.sim.requests() >= int64(n/2) })
		p.kill()
		before := h.sim.requests()
		again := h.profiled(args...)
		until(b, "the first call", func() bool { return h.sim.requests() > before })
		b.ReportMetric(time.Since(again.began).Seconds(), "s-to-first-call")
		again.exits(0)
		b.ReportMetric(float64(again.rss())/1e6, "MB-peak")
	}
}

// profiled starts the program, with AUREA_BENCH_CPUS processors if that is set.
func (h *house) profiled(args ...string) *process {
	cmd := h.command(args...)
	if cpus := os.Getenv("AUREA_BENCH_CPUS"); cpus != "" {
		cmd.Env = append(slices.Clone(cmd.Env), "GOMAXPROCS="+cpus)
	}
	return h.startCmd(cmd)
}

// proxyRole has the test's own program be the proxy.
const proxyRole = "AUREA_BENCH_PROXY_TO"

// beProxy runs the bare proxy until it is killed.
func beProxy(to string) int {
	target, err := url.Parse(to)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: &http.Transport{MaxIdleConns: 4096, MaxIdleConnsPerHost: 1024},
	})
	fmt.Println("listening on " + server.URL)
	select {}
}
