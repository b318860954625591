//go:build unix

package e2e_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// admin asks the admin API; a body makes it a POST.
func admin(tb testing.TB, url, key, path, body string) answer {
	tb.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(context.Background(), method, url+"/admin/v1"+path, strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
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

func decoded(tb testing.TB, text string) (v map[string]any) {
	tb.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		tb.Fatalf("%v: %s", err, text)
	}
	return v
}

// Jobs made by calls are seen and steered while the gateway runs, and what it shows of one is what the command line shows.
func TestAdmin(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{latency: time.Millisecond}, "")
	key := rand.Text()
	h.env = append(h.env, "AUREA_ADMIN_KEY="+key)
	p, url := h.serve()
	call := func(job string) answer {
		return ask(t, url+"/v1/chat/completions", question, "X-Aurea-Job", job, "X-Aurea-Max-Cost", "0.001")
	}
	for range 3 {
		if a := call("a"); a.status != 200 {
			t.Fatalf("%d: %s", a.status, a.body)
		}
	}
	if a := admin(t, url, "", "/jobs", ""); a.status != 401 {
		t.Errorf("without the key: %d", a.status)
	}
	until(t, "the books", func() bool { return decoded(t, admin(t, url, key, "/jobs/a", "").body)["attempts"] == 3.0 })
	shown, listed := decoded(t, admin(t, url, key, "/jobs/a", "").body), decoded(t, h.runs(0, "jobs", "show", "a", "--json").stdout.String())
	for _, moving := range []string{"held_usd", "updated_at"} { // what the gateway keeps at hand is given back when it is idle
		delete(shown, moving)
		delete(listed, moving)
	}
	if d := cmp.Diff(listed, shown); d != "" {
		t.Errorf("the command line and the admin API: %s", d)
	}
	if a := admin(t, url, key, "/jobs/a/raise", `{"max_cost_usd":"0"}`); a.status != 200 {
		t.Fatalf("%d: %s", a.status, a.body)
	}
	inForce := time.Now()
	until(t, "the lower limit", func() bool { return call("a").status != 200 })
	if a := ask(t, url+"/v1/chat/completions", question, "X-Aurea-Job", "a"); a.status != 402 {
		t.Errorf("a call above the limit: %d: %s", a.status, a.body)
	}
	if a := admin(t, url, key, "/jobs/a/raise", `{"max_cost_usd":"0.5","present_usd":"0"}`); a.status != 200 {
		t.Fatalf("%d: %s", a.status, a.body)
	}
	until(t, "the higher limit", func() bool {
		return ask(t, url+"/v1/chat/completions", question, "X-Aurea-Job", "a").status == 200
	})
	t.Logf("two limits were in force after %v", time.Since(inForce))
	changes := decoded(t, admin(t, url, key, "/audit", "").body)["changes"].([]any)
	if len(changes) != 2 || changes[0].(map[string]any)["actor"] != "admin" {
		t.Errorf("%v", changes)
	}
	h.runs(0, "jobs", "cancel", "a")
	until(t, "the command line's row", func() bool {
		return strings.Contains(admin(t, url, key, "/audit?limit=1", "").body, `"remote":"command line`)
	})
	if a := admin(t, url, key, "/calls.csv?job=a", ""); a.status != 200 || !strings.HasPrefix(a.body, "id,attempt,") || strings.Count(a.body, "\n") < 5 {
		t.Errorf("%d: %s", a.status, a.body)
	}
	settings := admin(t, url, key, "/config", "")
	if out := settings.body + p.stderr.String(); settings.status != 200 || strings.Contains(out, key) || strings.Contains(out, h.key) || !strings.Contains(settings.body, `"admin_key":"[hidden]"`) {
		t.Errorf("%d: %s", settings.status, settings.body)
	}
}

// Cancelling a job ends its calls under way within a second, and changing a limit lets in who waits for money.
func TestAdminReachesCallsUnderWay(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{latency: 20 * time.Second}, "")
	_, url := h.serve()
	ended := make(chan answer, 1)
	go func() { ended <- ask(t, url+"/v1/chat/completions", question, "X-Aurea-Job", "long") }()
	until(t, "the call", func() bool { return h.sim.requests() == 1 })
	if a := admin(t, url, "", "/jobs/long/cancel", `{}`); a.status != 200 {
		t.Fatalf("%d: %s", a.status, a.body)
	}
	select {
	case a := <-ended:
		if a.status != 409 || a.header.Get("X-Aurea-Error") != "job_cancelled" {
			t.Errorf("%d: %s", a.status, a.body)
		}
	case <-time.After(15 * time.Second):
		t.Error("the call goes on")
	}
	var bound float64
	until(t, "the row of the call", func() bool {
		for _, c := range decoded(t, admin(t, url, "", "/calls?job=long", "").body)["calls"].([]any) {
			bound, _ = strconv.ParseFloat(c.(map[string]any)["bound_usd"].(string), 64)
		}
		return bound > 0
	})
	first, second := make(chan answer, 1), make(chan answer, 1)
	send := func(to chan answer) { // there is room for one and a half
		to <- ask(t, url+"/v1/chat/completions", question, "X-Aurea-Job", "narrow", "X-Aurea-Max-Cost", strconv.FormatFloat(bound*1.5, 'f', 12, 64))
	}
	go send(first)
	until(t, "the first call", func() bool { return h.sim.requests() == 2 })
	go send(second)
	began := time.Now()
	until(t, "the second call to wait", func() bool { return time.Since(began) > 400*time.Millisecond || len(second) > 0 })
	if h.sim.requests() != 2 || len(second) > 0 {
		t.Fatal("the second call does not wait for money")
	}
	if a := admin(t, url, "", "/jobs/narrow/raise", `{"max_cost_usd":"1"}`); a.status != 200 {
		t.Fatalf("%d: %s", a.status, a.body)
	}
	until(t, "the call that waited", func() bool { return h.sim.requests() == 3 })
	if a := admin(t, url, "", "/jobs/narrow/cancel", `{}`); a.status != 200 {
		t.Fatalf("%d: %s", a.status, a.body)
	}
	<-first
	<-second
}
