//go:build unix

package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/internal/pgtest"
)

// replica is one process on a "machine" of its own, with its own wire to the database.
type replica struct {
	name    string
	house   house
	wire    *wire
	args    []string
	process *process
	gateway bool
}

// chaos is a town of replicas on one PostgreSQL, and who calls them.
type chaos struct {
	t        *testing.T
	rng      *rand.Rand
	home     *house // whose wire is never touched
	server   *pgtest.Server
	replicas []*replica
	mu       sync.Mutex
	urls     map[string]string
}

// rpmOfChaos is the limit that the provider has and the configuration says, for sim-a.
const rpmOfChaos = 1200

func newChaos(t *testing.T, seed uint64) *chaos {
	t.Helper()
	c := &chaos{t: t, rng: rand.New(rand.NewPCG(seed, 1)), server: pgtest.New(t), urls: make(map[string]string)}
	c.home = newHouse(t, behaviour{latency: 80 * time.Millisecond, jitter: 60 * time.Millisecond, log: true}, patientRetries)
	yaml, err := os.ReadFile(c.home.path("aurea.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c.home.write("aurea.yaml", strings.Replace(string(yaml), "sim-a: {provider: openai, rpm: none", fmt.Sprintf("sim-a: {provider: openai, rpm: %d", rpmOfChaos), 1))
	c.home.database = c.server.Database(t)
	for i, args := range [][]string{{"worker", "--concurrency", "12"}, {"worker", "--concurrency", "12"}, {"serve", "--listen", "127.0.0.1:0", "--workers", "6"}, {"serve", "--listen", "127.0.0.1:0"}} {
		r := &replica{name: fmt.Sprintf("%s %d", args[0], i), house: *c.home, wire: newWire(t, c.server.Addr()), args: args, gateway: args[0] == "serve"}
		r.house.database = strings.Replace(c.home.database, c.server.Addr(), r.wire.Addr().String(), 1)
		r.house.env = slices.Clone(r.house.env)
		for k, v := range r.house.env {
			if strings.HasPrefix(v, "XDG_STATE_HOME=") {
				r.house.env[k] = "XDG_STATE_HOME=" + t.TempDir()
			}
		}
		c.replicas = append(c.replicas, r)
	}
	return c
}

// run starts a replica, and again whenever it ends because it cannot reach the database, as a service manager would.
func (c *chaos) run(ctx context.Context, r *replica) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.urls, r.name)
	p := r.house.start(r.args...)
	r.process = p
	if r.gateway {
		go c.listen(ctx, r, p)
	}
	go func() {
		select {
		case <-ctx.Done():
			return
		case <-p.ended:
		}
		if p.code() == 1 && strings.Contains(p.stderr.String(), "database unavailable") {
			time.Sleep(200 * time.Millisecond)
			c.run(ctx, r)
		}
	}()
}

// at returns the process that a replica is now.
func (c *chaos) at(r *replica) *process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return r.process
}

// call keeps a gateway busy until ctx ends: errors are what chaos brings.
func (c *chaos) call(ctx context.Context, r *replica) {
	client := &http.Client{Timeout: 20 * time.Second}
	for n := 0; ctx.Err() == nil; n++ {
		url := c.url(r)
		if url == "" {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		body := fmt.Sprintf(`{"model":"sim-b","max_tokens":60,"stream":%t,"messages":[{"role":"user","content":"%s %d"}]}`, n%3 == 0, r.name, n)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions", bytes.NewReader([]byte(body)))
		if err != nil {
			return
		}
		req.Header.Set("X-Aurea-Job", "calls")
		req.Header.Set("X-Aurea-Max-Cost", "3")
		resp, err := client.Do(req)
		if err != nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// url is where a gateway is, empty if it is not yet.
func (c *chaos) url(r *replica) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.urls[r.name]
}

// listen learns where a gateway that has started is.
func (c *chaos) listen(ctx context.Context, r *replica, p *process) {
	for ctx.Err() == nil {
		if _, rest, ok := strings.Cut(p.stderr.String(), "listening on "); ok && strings.Contains(rest, "\n") {
			c.mu.Lock()
			c.urls[r.name] = strings.Fields(rest)[0]
			c.mu.Unlock()
			return
		}
		select {
		case <-p.ended:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// harm does one thing to one replica, or to the database, and says what.
func (c *chaos) harm(ctx context.Context) string {
	r := c.replicas[c.rng.IntN(len(c.replicas))]
	pause := time.Duration(500+c.rng.IntN(4000)) * time.Millisecond
	mend := func(after time.Duration, do func()) { time.AfterFunc(after, do) }
	switch kind := c.rng.IntN(12); {
	case kind < 3:
		c.at(r).kill()
		c.run(ctx, r)
		return "kill -9 " + r.name
	case kind < 5:
		if long := c.rng.IntN(2) == 0; long { // until the others take it for dead
			pause += 14 * time.Second
		}
		p := c.at(r)
		_ = p.cmd.Process.Signal(syscall.SIGSTOP)
		mend(pause, func() { _ = p.cmd.Process.Signal(syscall.SIGCONT) })
		return fmt.Sprintf("SIGSTOP %s for %s", r.name, pause)
	case kind < 7:
		r.wire.cutOff()
		mend(pause, r.wire.heal)
		return fmt.Sprintf("cut %s off for %s", r.name, pause)
	case kind < 8:
		r.wire.stall()
		mend(pause, r.wire.heal)
		return fmt.Sprintf("stall %s for %s", r.name, pause)
	case kind < 9:
		r.wire.slow(100 * time.Millisecond)
		mend(pause, r.wire.heal)
		return fmt.Sprintf("slow %s down for %s", r.name, pause)
	case kind < 11:
		r.wire.sever()
		return "reset the connections of " + r.name
	}
	if err := c.server.Stop(); err != nil {
		c.t.Error(err)
	}
	time.Sleep(time.Duration(c.rng.IntN(2000)) * time.Millisecond)
	if err := c.server.Restart(); err != nil {
		c.t.Fatal(err)
	}
	return "crash of the database"
}

// Replicas of every kind on one PostgreSQL, killed, stopped, cut off and slowed down, and the database crashed, at random. Judged by the provider's own log: no account spends more than its
// limit; every item has one result; the books are the sum of their calls; what is spent and unconfirmed covers the bill; no minute has more requests than the provider allows; and all
// ends. AUREA_CHAOS gives the time of the storm, AUREA_SEED replays what is random in it.
func TestChaos(t *testing.T) {
	t.Parallel()
	storm, items := 12*time.Second, 700
	if soak {
		storm, items = 3*time.Minute, 6000
	}
	if s, err := time.ParseDuration(os.Getenv("AUREA_CHAOS")); err == nil {
		storm, items = s, int(s.Seconds()*30)
	}
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("AUREA_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("AUREA_SEED=%d", seed)
	c := newChaos(t, seed)
	h := c.home
	h.sim.change(map[string]any{"rpm": rpmOfChaos, "algo": "sliding"})
	content, ids := lines(items, nil)
	h.runs(0, "run", h.write("whole.jsonl", content), "--job", "whole", "--max-cost", "50", "--detach")
	var poor strings.Builder
	for i := range 400 {
		fmt.Fprintf(&poor, `{"id":"p%d","model":"sim-c","prompt":"Poor %d.","max_tokens":100}`+"\n", i, i)
	}
	h.runs(0, "run", h.write("poor.jsonl", poor.String()), "--job", "poor", "--max-cost", "0.05", "--detach")

	ctx, end := context.WithCancel(t.Context())
	defer end()
	var callers sync.WaitGroup
	for _, r := range c.replicas {
		c.run(ctx, r)
		if r.gateway {
			for range 3 {
				callers.Go(func() { c.call(ctx, r) })
			}
		}
	}
	until(t, "the first calls", func() bool { return h.sim.requests() > 20 })
	for began := time.Now(); time.Since(began) < storm; {
		t.Logf("%6.1f s: %s", time.Since(began).Seconds(), c.harm(ctx))
		time.Sleep(time.Duration(300+c.rng.IntN(1500)) * time.Millisecond)
	}
	time.Sleep(20 * time.Second) // until the last that stands still is awake
	for _, r := range c.replicas {
		r.wire.heal()
	}
	calm := time.Now()
	h.runs(0, "jobs", "watch", "whole")
	t.Logf("the batch ended %s after the storm", time.Since(calm).Round(100*time.Millisecond))
	h.runs(3, "jobs", "watch", "poor")
	until(t, "every replica up", func() bool {
		return !slices.ContainsFunc(c.replicas, func(r *replica) bool {
			select {
			case <-c.at(r).ended:
				return true
			default:
				return r.gateway && c.url(r) == ""
			}
		})
	})
	end()
	callers.Wait()
	for _, r := range c.replicas {
		c.at(r).signal(syscall.SIGTERM)
		c.at(r).exits(0)
	}
	h.runs(0, "jobs", "results", "whole", "--output", h.path("out.jsonl"))
	once(t, h.path("out.jsonl"), ids, true)
	c.judge()
}

// judge holds the books against the provider's log.
func (c *chaos) judge() {
	t, h := c.t, c.home
	spent, doubt := new(big.Int), new(big.Int)
	for name, limit := range map[string]string{"whole": "50", "poor": "0.05", "calls": "3"} {
		j := h.show(name) // which adds up the calls
		within(t, sum(&j.Spent.Int, &j.Unconfirmed.Int), usd(limit))
		if j.Held.Sign() != 0 {
			t.Errorf("%s: %s pico-dollars are held after the end", name, &j.Held.Int)
		}
		spent.Add(spent, &j.Spent.Int)
		doubt.Add(doubt, &j.Unconfirmed.Int)
	}
	bracket(t, spent, doubt, h.sim.bill())
	var at []time.Time
	refused := 0
	for _, l := range h.sim.Stats().Log {
		if l.Model == "sim-a" {
			at = append(at, l.At)
			if l.Status == http.StatusTooManyRequests {
				refused++
			}
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	first, most := 0, 0
	for i := range at {
		for at[i].Sub(at[first]) >= time.Minute {
			first++
		}
		most = max(most, i-first+1)
	}
	if most > rpmOfChaos {
		t.Errorf("%d requests in a minute, of %d", most, rpmOfChaos)
	}
	t.Logf("billed %s, spent %s, unconfirmed %s pico-dollars; %d requests, %d of sim-a in the busiest minute, %d refused, %d repeated", h.sim.bill(), spent, doubt, h.sim.requests(), most, refused, h.sim.repeats())
}
