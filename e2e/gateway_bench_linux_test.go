package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/internal/pgtest"
)

// These benchmarks set the gateway, as the program that is shipped, with job, limits, breaker, ledger on disk, metrics and a log to a file, beside a bare [httputil.ReverseProxy]. Each of the two
// is a process of its own, and its CPU is what the kernel counted for that process: clients and the provider, which are this process, are not in it. All ways are measured in turns within one run, so
// that what else the machine does falls on all alike. AUREA_BENCH_PIN=0 has each of the two run on that processor only (by taskset), AUREA_BENCH_CPUS sets their GOMAXPROCS, and AUREA_BENCH_ENV is more of the
// gateway's environment.

// way is one way from the clients to the provider.
type way struct {
	name, url string
	process   *process // nil: there is nothing between them
}

// cpu is what the kernel counted for the way's process so far.
func (w *way) cpu(tb testing.TB) time.Duration {
	if w.process == nil {
		return 0
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.process.cmd.Process.Pid))
	if err != nil {
		tb.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // from the third one on: proc(5)
	var ticks int
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			tb.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100) // USER_HZ is 100 for every program
}

// rss is what the way's process has in memory, in bytes.
func (w *way) rss(tb testing.TB) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.process.cmd.Process.Pid))
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			n, err := strconv.ParseInt(kb, 10, 64)
			if err != nil {
				tb.Fatal(err)
			}
			return n << 10
		}
	}
	tb.Fatal("no VmRSS")
	return 0
}

const kilobyte = `word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word `

// bench is a provider, and the ways to it.
type bench struct {
	tb                     testing.TB
	client                 *http.Client
	direct, proxy, gateway way
	events                 int           // of a stream
	gap                    time.Duration // between them
	broken                 atomic.Int64  // answers that the proxy broke off
	streams                atomic.Int64  // that have begun
	ready                  time.Duration // from the gateway's start until it says that it is ready
}

func newBench(tb testing.TB) *bench {
	tb.Helper()
	b := &bench{tb: tb, events: 20}
	provider := httptest.NewServer(b)
	tb.Cleanup(provider.Close)
	b.direct = way{name: "direct", url: provider.URL}
	b.gateway = b.replica("")
	b.ready = time.Since(b.gateway.process.began)
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), proxyRole+"="+provider.URL)
	b.proxy = way{name: "proxy", process: (&house{tb: tb}).pinned(cmd, nil)}
	b.proxy.process.says(b.proxy.process.stdout, "\n")
	b.proxy.url = strings.TrimSpace(strings.TrimPrefix(b.proxy.process.stdout.String(), "listening on "))
	b.client = &http.Client{Transport: &http.Transport{MaxIdleConns: 1 << 14, MaxIdleConnsPerHost: 1 << 13, DisableCompression: true}}
	tb.Cleanup(b.client.CloseIdleConnections)
	return b
}

// replica starts a gateway in a folder of its own, on a database if one is named, and returns when it is ready.
func (b *bench) replica(database string) way {
	b.tb.Helper()
	h := &house{tb: b.tb, dir: b.tb.TempDir(), database: database}
	h.env = []string{
		"OPENAI_API_KEY=key", "OPENAI_BASE_URL=" + b.direct.url + "/v1", "HOME=" + h.dir, "XDG_STATE_HOME=" + h.dir, "PATH=" + os.Getenv("PATH"), "NO_COLOR=1",
	}
	h.env = append(h.env, strings.Fields(os.Getenv("AUREA_BENCH_ENV"))...)
	h.write("aurea.yaml", "models:\n  gpt-4o-mini: {provider: openai, rpm: 100000000, tpm: 100000000000}\n")
	log, err := os.Create(h.path("log"))
	if err != nil {
		b.tb.Fatal(err)
	}
	b.tb.Cleanup(func() { _ = log.Close() })
	w := way{name: "gateway", process: h.pinned(h.command("serve", "--listen", "127.0.0.1:0"), log)}
	until(b.tb, "the gateway listens", func() bool {
		said, _ := os.ReadFile(log.Name())
		_, at, ok := strings.Cut(string(said), "listening on ")
		w.url, _, _ = strings.Cut(at, "\n")
		return ok && strings.Contains(at, "\n")
	})
	until(b.tb, "the gateway is ready", func() bool {
		resp, err := http.Get(w.url + "/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return w
}

// pinned starts a command on the processors that the environment names.
func (h *house) pinned(cmd *exec.Cmd, stderr *os.File) *process {
	h.tb.Helper()
	if cpus := os.Getenv("AUREA_BENCH_CPUS"); cpus != "" {
		cmd.Env = append(slices.Clone(cmd.Env), "GOMAXPROCS="+cpus)
	}
	if on := os.Getenv("AUREA_BENCH_PIN"); on != "" {
		args := append([]string{"-c", on}, append([]string{cmd.Path}, cmd.Args[1:]...)...)
		pinned := exec.Command("taskset", args...)
		pinned.Dir, pinned.Env = cmd.Dir, cmd.Env
		cmd = pinned
	}
	p := &process{tb: h.tb, cmd: cmd, stdout: newOutput(), stderr: newOutput(), ended: make(chan struct{}), began: time.Now()}
	cmd.Stdout, cmd.Stderr = p.stdout, p.stderr
	if stderr != nil {
		cmd.Stderr = stderr // the program writes to the file itself
	}
	if err := cmd.Start(); err != nil {
		h.tb.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(p.ended)
	}()
	h.tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.ended
	})
	return p
}

// ServeHTTP is the provider.
func (b *bench) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if bytes.Contains(body, []byte(`"stream":true`)) {
		b.stream(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Request-Id", "req_0123456789abcdef")
	_, _ = io.WriteString(w, `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":"`+
		strings.Repeat(kilobyte, 5)+`"},"finish_reason":"stop"}],"usage":{"prompt_tokens":220,"completion_tokens":160,"total_tokens":380}}`)
}

func (b *bench) stream(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	for k := range b.events {
		if k == 1 {
			b.streams.Add(1)
		}
		_, _ = io.WriteString(w, `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":"word word"},"finish_reason":null}]}`+"\n\n")
		if err := control.Flush(); err != nil {
			return
		}
		if b.gap > 0 {
			time.Sleep(b.gap)
		}
	}
	_, _ = io.WriteString(w, `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":[],"usage":{"prompt_tokens":220,"completion_tokens":160,"total_tokens":380}}`+"\n\ndata: [DONE]\n\n")
}

// call makes one call and returns when its first byte came, and when it had ended.
func (b *bench) call(w *way, stream bool) (first, whole time.Duration) {
	body := `{"model":"gpt-4o-mini","max_tokens":200,"messages":[{"role":"user","content":"` + strings.Repeat(kilobyte, 6) + `"}]}`
	if stream {
		body = `{"stream":true,"stream_options":{"include_usage":true},` + body[1:]
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, w.url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		b.tb.Error(err)
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Aurea-Job", "bench")
	req.Header.Set("X-Aurea-Max-Cost", "1000000")
	began := time.Now()
	resp, err := b.client.Do(req)
	if err != nil {
		b.tb.Error(err)
		return
	}
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	_, _ = in.Peek(1)
	first = time.Since(began)
	n, err := io.Copy(io.Discard, in)
	switch {
	case w == &b.proxy && resp.StatusCode == http.StatusOK && errors.Is(err, io.ErrUnexpectedEOF):
		b.broken.Add(1) // https://go.dev/issue/40747: it forwards a request while it is being read, and breaks off the answer where that comes first
	case err != nil || resp.StatusCode != http.StatusOK || n < 1000:
		b.tb.Errorf("%s: %s, %d bytes, %v", w.name, resp.Status, n, err)
	}
	return first, time.Since(began)
}

// closed makes n calls, some at once, and returns the CPU of each and how many there were in a second.
func (b *bench) closed(w *way, n, atOnce int, stream bool) (cpu time.Duration, perSecond float64) {
	before, began := w.cpu(b.tb), time.Now()
	var clients sync.WaitGroup
	for range atOnce {
		clients.Go(func() {
			for range n / atOnce {
				b.call(w, stream)
			}
		})
	}
	clients.Wait()
	took := time.Since(began)
	return (w.cpu(b.tb) - before) / time.Duration(n), float64(n) / took.Seconds()
}

// open makes calls at a steady rate, whatever the answers take, and returns the CPU of each and their times.
func (b *bench) open(w *way, perSecond int, during time.Duration, stream bool) (cpu time.Duration, first, whole []time.Duration) {
	n := int(during.Seconds() * float64(perSecond))
	first, whole = make([]time.Duration, n), make([]time.Duration, n)
	before, began := w.cpu(b.tb), time.Now()
	var calls sync.WaitGroup
	for k := range n {
		time.Sleep(time.Until(began.Add(time.Duration(k) * time.Second / time.Duration(perSecond))))
		calls.Go(func() { first[k], whole[k] = b.call(w, stream) })
	}
	calls.Wait()
	cpu = (w.cpu(b.tb) - before) / time.Duration(n)
	slices.Sort(first)
	slices.Sort(whole)
	return cpu, first, whole
}

func at(sorted []time.Duration, share float64) time.Duration {
	return sorted[int(share*float64(len(sorted)-1))]
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

const rounds = 3

// BenchmarkGatewayCPU is the CPU of a call, at full load with 64 calls at once and at 500 calls a second, of the gateway and of the proxy.
func BenchmarkGatewayCPU(b *testing.B) {
	t := newBench(b)
	n := number("AUREA_BENCH_CALLS", 20_000)
	for b.Loop() {
		for _, load := range []struct {
			name   string
			stream bool
			cpu    func(w *way, stream bool) time.Duration
		}{
			{"full", false, func(w *way, stream bool) time.Duration { cpu, _ := t.closed(w, n, 64, stream); return cpu }},
			{"500/s", false, func(w *way, stream bool) time.Duration {
				cpu, _, _ := t.open(w, 500, 5*time.Second, stream)
				return cpu
			}},
			{"stream", true, func(w *way, stream bool) time.Duration { cpu, _ := t.closed(w, n/5, 64, stream); return cpu }},
		} {
			var proxy, gateway, ratio []float64
			for round := range rounds + 1 {
				p, g := load.cpu(&t.proxy, load.stream), load.cpu(&t.gateway, load.stream)
				if round > 0 { // the first warms up
					proxy, gateway, ratio = append(proxy, float64(p)/1e3), append(gateway, float64(g)/1e3), append(ratio, float64(g)/float64(p))
				}
			}
			b.ReportMetric(median(proxy), load.name+"-proxy-µs")
			b.ReportMetric(median(gateway), load.name+"-gateway-µs")
			b.ReportMetric(median(ratio), load.name+"-ratio")
		}
		b.ReportMetric(float64(t.gateway.rss(b))/1e6, "MB")
		b.ReportMetric(float64(t.broken.Load()), "broken-by-proxy")
	}
}

// BenchmarkGatewayLatency is what the gateway and the proxy add to a call, and to the first byte of a stream, at 500 and at 100 in a second.
func BenchmarkGatewayLatency(b *testing.B) {
	t := newBench(b)
	for b.Loop() {
		for _, load := range []struct {
			name   string
			stream bool
			rate   int
		}{{"call", false, 500}, {"stream", true, 100}} {
			var p50, p99 [3][]float64
			for round := range rounds + 1 {
				for k, w := range []*way{&t.direct, &t.proxy, &t.gateway} {
					_, first, whole := t.open(w, load.rate, 4*time.Second, load.stream)
					if load.stream {
						whole = first
					}
					if round > 0 {
						p50[k], p99[k] = append(p50[k], float64(at(whole, 0.5))/1e3), append(p99[k], float64(at(whole, 0.99))/1e3)
					}
				}
			}
			direct, proxy, gateway := median(p50[0]), median(p50[1]), median(p50[2])
			b.ReportMetric(direct, load.name+"-direct-p50-µs")
			b.ReportMetric(proxy-direct, load.name+"-proxy-added-p50-µs")
			b.ReportMetric(gateway-direct, load.name+"-gateway-added-p50-µs")
			b.ReportMetric((gateway-direct)/(proxy-direct), load.name+"-added-ratio")
			b.ReportMetric(median(p99[1])-median(p99[0]), load.name+"-proxy-added-p99-µs")
			b.ReportMetric(median(p99[2])-median(p99[0]), load.name+"-gateway-added-p99-µs")
		}
	}
}

// BenchmarkReplicaLatency is what each of one, two and four gateways on one PostgreSQL adds to a call at 100 in a second each, all for one job.
func BenchmarkReplicaLatency(b *testing.B) {
	const rate = 100
	server, err := pgtest.Start()
	if err != nil {
		b.Skip(err)
	}
	defer server.Close()
	t := newBench(b)
	var replicas []way
	for _, n := range []int{1, 2, 4} {
		for len(replicas) < n {
			replicas = append(replicas, t.replica(server.URL("postgres")))
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				var direct, added [2][]float64 // median and 99th percentile
				for round := range rounds + 1 {
					_, _, without := t.open(&t.direct, rate*n, 4*time.Second, false)
					var all []time.Duration
					var lock sync.Mutex
					var turns sync.WaitGroup
					for k := range replicas {
						turns.Go(func() {
							_, _, whole := t.open(&replicas[k], rate, 4*time.Second, false)
							lock.Lock()
							defer lock.Unlock()
							all = append(all, whole...)
						})
					}
					turns.Wait()
					slices.Sort(all)
					for k, share := range []float64{0.5, 0.99} {
						if d := at(without, share); round > 0 { // the first warms up
							direct[k], added[k] = append(direct[k], float64(d)/1e3), append(added[k], float64(at(all, share)-d)/1e3)
						}
					}
				}
				b.ReportMetric(median(direct[0]), "direct-p50-µs")
				b.ReportMetric(median(added[0]), "added-p50-µs")
				b.ReportMetric(median(added[1]), "added-p99-µs")
			}
		})
	}
}

// BenchmarkGatewaySize is how long the gateway takes to be ready, and its memory when idle and while a thousand streams are on.
func BenchmarkGatewaySize(b *testing.B) {
	for b.Loop() {
		t := newBench(b)
		b.ReportMetric(float64(t.ready)/1e6, "ms-to-ready")
		b.ReportMetric(float64(t.gateway.rss(b))/1e6, "MB-idle")
		t.events, t.gap = 10, 500*time.Millisecond
		var streams sync.WaitGroup
		for range 1000 {
			streams.Go(func() { t.call(&t.gateway, true) })
		}
		until(b, "a thousand streams have begun", func() bool { return t.streams.Load() >= 1000 })
		b.ReportMetric(float64(t.gateway.rss(b))/1e6, "MB-1000-streams")
		streams.Wait()
	}
}
