//go:build unix

package e2e_test

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// serve starts a gateway on a free port and returns where it is.
func (h *house) serve(args ...string) (*process, string) {
	h.tb.Helper()
	p := h.start(append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	p.says(p.stderr, "listening on ")
	return p, regexp.MustCompile(`https?://\S+`).FindString(p.stderr.String())
}

// answer is what the gateway said.
type answer struct {
	status int
	header http.Header
	body   string
}

func ask(tb testing.TB, url, body string, headers ...string) answer {
	tb.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

const question = `{"model":"sim-a","max_tokens":50,"messages":[{"role":"user","content":"Name a river."}]}`

// The gateway answers, books, drains, and is there again with the same books after it was killed.
func TestServe(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{latency: 5 * time.Millisecond}, "")
	p, url := h.serve()
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			for range 10 {
				if a := ask(t, url+"/v1/chat/completions", question, "X-Aurea-Job", "g", "X-Aurea-Max-Cost", "0.5"); a.status != 200 {
					t.Errorf("%d: %s", a.status, a.body)
				}
			}
		})
	}
	clients.Wait()
	if out := p.stderr.String(); strings.Contains(out, h.key) || strings.Contains(out, "Name a river") {
		t.Error("the log has what it must not")
	}
	before := ask(t, url+"/v1/chat/completions", question, "X-Aurea-Job", "g")
	p.kill()
	p, url = h.serve()
	after := ask(t, url+"/v1/chat/completions", question, "X-Aurea-Job", "g")
	spent := func(a answer) string { return a.header.Get("X-Aurea-Job-Spent-Usd") }
	if spent(before) == "" || spent(after) <= spent(before) {
		t.Errorf("$%s before the kill, $%s after it", spent(before), spent(after))
	}
	p.signal(syscall.SIGTERM)
	p.exits(0)
	j := h.show("g")
	bracket(t, &j.Spent.Int, &j.Unconfirmed.Int, h.sim.bill())
	within(t, h.sim.bill(), usd("0.5"))
}

// A call under way when SIGTERM comes gets its answer.
func TestServeDrains(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{latency: 2 * time.Second}, "")
	p, url := h.serve()
	answered := make(chan int, 1)
	go func() {
		answered <- ask(t, url+"/v1/chat/completions", question).status
	}()
	until(t, "the call", func() bool { return h.sim.requests() == 1 })
	p.signal(syscall.SIGTERM)
	p.says(p.stderr, "draining")
	if status := <-answered; status != 200 {
		t.Errorf("status %d", status)
	}
	p.exits(0)
}

// A stream that outlasts the time to drain is told so before it is cut, and the program ends well.
func TestServeCutsWhatOutlastsDrain(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{event: time.Second}, "")
	p, url := h.serve("--drain", "200ms")
	said := make(chan answer, 1)
	go func() {
		said <- ask(t, url+"/v1/chat/completions", strings.Replace(question, `"model"`, `"stream":true,"model"`, 1), "X-Aurea-Job", "s")
	}()
	until(t, "the stream", func() bool { return h.sim.requests() == 1 })
	time.Sleep(500 * time.Millisecond) // its first event
	p.signal(syscall.SIGTERM)
	if a := <-said; a.status != 200 || !strings.Contains(a.body, "the gateway stops") {
		t.Errorf("%d %s", a.status, a.body)
	}
	p.exits(0)
	j := h.show("s")
	bracket(t, &j.Spent.Int, &j.Unconfirmed.Int, h.sim.bill())
}

// An address that strangers reach is refused.
func TestServeOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "")
	p := h.start("serve", "--listen", "0.0.0.0:0")
	p.exits(2)
	if !strings.Contains(p.stderr.String(), "loopback") {
		t.Error(p.stderr.String())
	}
}
