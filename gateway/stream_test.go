package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/aureatest"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

var (
	chatStream      = strings.Replace(chat, `{`, `{"stream":true,`, 1)
	messagesStream  = `{"stream":true,"model":"anthropic/test-model","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}`
	responsesStream = `{"stream":true,"model":"test-model","max_output_tokens":100,"input":"hi"}`
)

// opened is a stream of which the first event has come.
type opened struct {
	*bufio.Reader
	resp  *http.Response
	leave context.CancelFunc
}

func (h *house) open(t *testing.T, path, body, job string) *opened {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Aurea-Job", job)
	resp, err := caller.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	o := &opened{bufio.NewReader(resp.Body), resp, cancel}
	if line, err := o.ReadString('\n'); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s %q %v", resp.Status, line, err)
	}
	return o
}

// rest reads a stream to its end.
func (o *opened) rest(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	if _, err := o.WriteTo(&b); err != nil {
		t.Fatalf("%v after %q", err, b.String())
	}
	return b.String()
}

// soon polls until a condition holds.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("waited in vain for " + what)
		}
	}
}

// A job that is cancelled ends its streams, which say so in the endpoint's own form.
func TestCancelledJobCutsItsStreams(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.Provider.Configure(aureatest.Options{EventDelay: 100 * time.Millisecond})
	streams := map[string]*opened{
		`data: {"error":{"message":"the job is cancelled (open another job)","type":"invalid_request_error","param":null,"code":"job_cancelled"}}`: h.open(t, "/v1/chat/completions", chatStream, "a"),
		`data: {"type":"error","code":"job_cancelled","message":"the job is cancelled (open another job)","param":null}`:                           h.open(t, "/v1/responses", responsesStream, "a"),
		`data: {"type":"error","error":{"type":"invalid_request_error","message":"the job is cancelled (open another job)"}}`:                      h.open(t, "/v1/messages", messagesStream, "a"),
	}
	other := h.open(t, "/v1/chat/completions", chatStream, "b")
	if err := h.Store.SetJobState(t.Context(), "local/a", store.JobCancelled, "by hand", time.Now()); err != nil {
		t.Fatal(err)
	}
	for want, s := range streams {
		if got := s.rest(t); !strings.Contains(got, want) || strings.Contains(got, "[DONE]") {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	if resp, body := h.post(t, "/v1/chat/completions", chat, "X-Aurea-Job", "a"); resp.StatusCode != 409 || resp.Header.Get("X-Aurea-Error") != "job_cancelled" {
		t.Errorf("%s: %s", resp.Status, body)
	}
	h.Provider.Configure(aureatest.Options{})
	if got := other.rest(t); !strings.Contains(got, "data: [DONE]") {
		t.Errorf("another job's stream: %s", got)
	}
}

// A client that leaves ends the provider's stream, and what it may have cost is not forgotten.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.Provider.Configure(aureatest.Options{EventDelay: 50 * time.Millisecond})
	s := h.open(t, "/v1/chat/completions", chatStream, "a")
	s.leave()
	soon(t, "the provider to be left", func() bool { return h.Provider.Stats().InFlight == 0 })
	job, err := h.Job("a", 10*aurea.Dollar)
	if err != nil {
		t.Fatal(err)
	}
	soon(t, "the books", func() bool { return job.Status().CostSummary.Unconfirmed != money.Sum{} })
	aureatest.RequireRequests(t, h.Provider, 1)
}

// What breaks off is told, and nobody is told that it ended well.
func TestProviderBreaksOff(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.Provider.Script(aureatest.Step{Truncate: 1200})
	_, body := h.post(t, "/v1/chat/completions", chatStream, "X-Aurea-Job", "a")
	if !strings.Contains(body, `"code":"upstream_error"`) || strings.Contains(body, "[DONE]") || !strings.Contains(body, ": aurea {") {
		t.Errorf("%s", body)
	}
	aureatest.RequireRequests(t, h.Provider, 1)
}

// Wherever it breaks off, a client reads whole events and then ours: half an event before it would be an error of the client's JSON and not the one that is told.
func TestBreaksOffWithinAnEvent(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for path, body := range map[string]string{"/v1/chat/completions": chatStream, "/v1/messages": messagesStream} {
		for cut := 500; cut < 620; cut += 7 {
			h.Provider.Script(aureatest.Step{Truncate: cut})
			_, got := h.post(t, path, body, "X-Aurea-Job", "a")
			for line := range strings.Lines(got) {
				if data, ok := strings.CutPrefix(line, "data: "); ok && !json.Valid([]byte(data)) {
					t.Errorf("%s, cut after %d bytes: %s", path, cut, line)
				}
			}
			if !strings.Contains(got, `"error":{"`) {
				t.Errorf("%s, cut after %d bytes: %s", path, cut, got)
			}
		}
	}
}

// 64 clients, streams and not, never spend more than the job has; what is refused is refused with 402, and by the provider's own count nothing was spent beyond.
func TestLimitHolds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var mu sync.Mutex
	statuses := make(map[int]int)
	var clients sync.WaitGroup
	for i := range 64 {
		clients.Go(func() {
			for range 20 {
				body, path := chat, "/v1/chat/completions"
				switch i % 3 {
				case 1:
					body = chatStream
				case 2:
					body, path = messagesStream, "/v1/messages"
				}
				resp, _ := h.post(t, path, body, "X-Aurea-Job", "shared", "X-Aurea-Max-Cost", "0.05")
				mu.Lock()
				statuses[resp.StatusCode]++
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	job, err := h.Job("shared", aurea.Cent)
	if err != nil {
		t.Fatal(err)
	}
	aureatest.RequireWithinLimit(t, job)
	if statuses[200] == 0 || statuses[402] == 0 || statuses[200]+statuses[402] != 64*20 {
		t.Errorf("statuses %v", statuses)
	}
	served := h.Provider.Stats()
	billed := money.SumOf(money.Micro * money.USD(served.InputTokens+2*served.OutputTokens))
	if spent := job.Status().CostSummary.TotalCost; spent != billed {
		t.Errorf("$%s in the books, $%s billed", spent, billed)
	}
}
