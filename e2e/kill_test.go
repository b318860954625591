//go:build unix

package e2e_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// maxBound is more than a request of lines(n, nil) can cost: its bytes as input and its cap as output, at sim-a's prices.
func maxBound() *big.Int { return big.NewInt(300*models[0].in + 200*models[0].out) }

// kill -9, again and again: one result per item, at most what was on the wire is called twice, and the books stay right.
func TestKills(t *testing.T) {
	t.Parallel()
	items, kills, workers := 2000, 20, 16
	h := newHouse(t, behaviour{latency: 5 * time.Millisecond, jitter: 10 * time.Millisecond, log: true}, patientRetries)
	content, ids := lines(items, nil)
	file := h.write("in.jsonl", content)
	r := rand.New(rand.NewPCG(3, 3))
	args := []string{"run", file, "--job", "k", "--max-cost", "1", "--concurrency", fmt.Sprint(workers), "--quiet"}
	for kill := range kills {
		p := h.start(args...)
		target := h.sim.requests() + 20 + r.Int64N(60)
		until(t, "some requests", func() bool {
			select {
			case <-p.ended:
				t.Fatalf("kill %d: ended with %d before it was killed: %s", kill, p.code(), p.stderr.tail())
			default:
			}
			return h.sim.requests() >= target
		})
		p.kill()
		if kill%5 == 0 { // somebody looks in between
			j := h.show("k")
			within(t, sum(&j.Spent.Int, &j.Unconfirmed.Int), usd("1"))
		}
	}
	h.runs(0, args...)
	once(t, file+".results.jsonl", ids, true)

	j, billed := h.show("k"), h.sim.bill()
	if j.Items.Done != int64(items) || j.Items.Pending+j.Items.Failed != 0 {
		t.Errorf("items: %+v", j.Items)
	}
	repeats, most := h.sim.repeats(), int64(workers*kills)
	if repeats > most {
		t.Errorf("%d requests were repeated; at most %d were on the wire at the kills", repeats, most)
	}
	bracket(t, &j.Spent.Int, &j.Unconfirmed.Int, billed)
	within(t, billed, usd("1"))
	if wire := new(big.Int).Mul(big.NewInt(most), maxBound()); j.Unconfirmed.Cmp(wire) > 0 {
		t.Errorf("unconfirmed is %s pico-dollars; %s can have been on the wire", &j.Unconfirmed.Int, wire)
	}
	if j.Held.Sign() != 0 {
		t.Errorf("%s pico-dollars are held after the end", &j.Held.Int)
	}
	t.Logf("%d requests for %d items, %d repeated; spent %s, unconfirmed %s, billed %s", h.sim.requests(), items, repeats, &j.Spent.Int, &j.Unconfirmed.Int, billed)
}

// The first signal lets calls on the wire end: nothing is repeated and nothing is unconfirmed.
func TestStopAndGoOn(t *testing.T) {
	t.Parallel()
	// What is ignored here, as under nohup, our children would ignore too; what is caught is not handed down.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangups) })
	for name, sig := range map[string]os.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": os.Interrupt, "SIGHUP": syscall.SIGHUP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, behaviour{latency: 30 * time.Millisecond, jitter: 30 * time.Millisecond, log: true}, "")
			content, ids := lines(600, nil)
			file := h.write("in.jsonl", content)
			args := []string{"run", file, "--job", "s", "--max-cost", "1", "--json", "--concurrency", "16"}
			for range 3 {
				target := h.sim.requests() + 60
				p := h.start(args...)
				until(t, "some requests", func() bool { return h.sim.requests() >= target })
				p.signal(sig)
				p.exits(5)
				if f := p.failure(); f.Code != "interrupted" || !strings.Contains(f.Hint, "aurea run") {
					t.Errorf("the error is %+v", f)
				}
				done := once(t, file+".results.jsonl", ids, false)
				j := h.show("s")
				if int64(len(done)) != j.Items.Done || j.State != "paused" {
					t.Errorf("%d results, and the job is %s with %+v", len(done), j.State, j.Items)
				}
				exact(t, &j.Spent.Int, h.sim.bill())
				if j.Unconfirmed.Sign() != 0 || j.Held.Sign() != 0 {
					t.Errorf("unconfirmed %s, held %s", &j.Unconfirmed.Int, &j.Held.Int)
				}
			}
			h.runs(0, args...)
			once(t, file+".results.jsonl", ids, true)
			if n := h.sim.repeats(); n != 0 {
				t.Errorf("%d requests were repeated", n)
			}
			j := h.show("s")
			exact(t, &j.Spent.Int, h.sim.bill())
		})
	}
}

// The second signal does not wait for a provider that does not answer.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{latency: time.Minute}, "")
	content, ids := lines(20, nil)
	file := h.write("in.jsonl", content)
	p := h.start("run", file, "--job", "s", "--max-cost", "1", "--json")
	until(t, "requests on the wire", func() bool { return h.sim.requests() >= 20 })
	p.signal(os.Interrupt)
	p.says(p.stdout, `"stopping":true`)
	began := time.Now()
	p.signal(os.Interrupt)
	p.exits(5)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v to end", took)
	}
	j := h.show("s")
	bracket(t, &j.Spent.Int, &j.Unconfirmed.Int, h.sim.bill())
	if j.Unconfirmed.Sign() == 0 || j.Items.Pending != 20 {
		t.Errorf("twenty calls were cut: unconfirmed %s, items %+v", &j.Unconfirmed.Int, j.Items)
	}
	h.sim.change(map[string]any{"latency": "0s"})
	h.runs(0, "run", file, "--job", "s")
	once(t, file+".results.jsonl", ids, true)
}

// What was accepted is there after a kill at that very moment.
func TestAcceptedSurvives(t *testing.T) {
	t.Parallel()
	runs := 20
	if soak {
		runs = 200
	}
	h := newHouse(t, behaviour{latency: time.Millisecond}, "")
	for i := range runs {
		content, ids := lines(50, nil)
		file := h.write(fmt.Sprintf("in%d.jsonl", i), content)
		job := fmt.Sprintf("a%d", i)
		h.start("run", file, "--job", job, "--max-cost", "1").accepted().kill()
		if j := h.show(job); j.Items.Total != 50 {
			t.Fatalf("run %d: %d of 50 accepted items are there", i, j.Items.Total)
		}
		if i%10 == 0 {
			h.runs(0, "run", file, "--job", job)
			once(t, file+".results.jsonl", ids, true)
		}
	}
}

// A signal while the file is read leaves nothing behind.
func TestStopBeforeAcceptance(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	pipe, feed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	cmd := h.command("run", "-", "--job", "s", "--json")
	cmd.Stdin = pipe
	p := h.startCmd(cmd)
	content, _ := lines(5000, nil)
	if _, err := feed.WriteString(content); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTERM)
	if _, err := feed.WriteString(content[:2000]); err != nil {
		t.Log(err) // it may have gone already
	}
	_ = feed.Close()
	p.exits(5)
	if f := p.failure(); f.Code != "interrupted" || strings.Contains(f.Message, "not found") {
		t.Errorf("the error is %+v", f)
	}
	if n := h.sim.requests(); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// A reader that goes away does not end a run whose calls are on the wire.
func TestReaderGone(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{latency: 50 * time.Millisecond, log: true}, "")
	content, ids := lines(200, nil)
	file := h.write("in.jsonl", content)
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := h.command("run", file, "--job", "g", "--json", "--concurrency", "8")
	p := h.startTo(cmd, in)
	_ = in.Close()
	p.accepted()
	_ = out.Close()
	p.exits(0)
	once(t, file+".results.jsonl", ids, true)
	j := h.show("g")
	exact(t, &j.Spent.Int, h.sim.bill())
	if j.Unconfirmed.Sign() != 0 {
		t.Errorf("unconfirmed %s", &j.Unconfirmed.Int)
	}
}
