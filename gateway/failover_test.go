package gateway_test

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/aureatest"
	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/gateway"
	"github.com/andres20980/aurea-orchestrator/policy"
	"github.com/andres20980/aurea-orchestrator/provider/openai"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/retry"
)

// routed is a gateway whose model "fast" goes to provider first, which has two keys, and then to provider second.
type routed struct {
	url           string
	first, second atomic.Int64        // requests that came
	keys          [2]atomic.Int64     // of first
	answers       func(key int) reply // what first says
}

type reply struct {
	status int
	body   string
	header http.Header
}

func newRouted(t *testing.T, change func(*aurea.Config)) *routed {
	t.Helper()
	r := &routed{}
	one := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.first.Add(1)
		key, _ := strconv.Atoi(strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer key-number-"))
		r.keys[key].Add(1)
		said := r.answers(key)
		maps.Copy(w.Header(), said.header)
		if w.Header().Get("Content-Type") == "" {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(said.status)
		_, _ = io.WriteString(w, said.body)
	}))
	two := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		r.second.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(one.Close)
	t.Cleanup(two.Close)
	providers := []policy.Provider{{Name: "first", API: policy.OpenAI}, {Name: "second", API: policy.OpenAI}}
	cfg := aurea.Config{
		Providers: []aurea.Provider{
			openai.New(openai.Config{Name: "first", BaseURL: one.URL + "/v1", Keys: []string{"key-number-0", "key-number-1"}}),
			openai.New(openai.Config{Name: "second", BaseURL: two.URL + "/v1", Keys: []string{"key-of-second"}}),
		},
		Prices: aureatest.Prices(),
		Router: policy.NewRouter(providers, []policy.Model{
			{Key: "fast", Route: []policy.RouteTarget{{Provider: "first", Model: aureatest.Model}, {Provider: "second", Model: aureatest.Model}}},
			{Key: "alone", Route: []policy.RouteTarget{{Provider: "first", Model: aureatest.Model}}},
		}, nil),
		Retry: &retry.Policy{MaxRetries: 2, BaseDelay: time.Millisecond, MaxDelay: 5 * time.Millisecond},
	}
	if change != nil {
		change(&cfg)
	}
	orch, err := aurea.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = orch.Close() })
	g := gateway.New(gateway.Config{Orchestrator: orch})
	t.Cleanup(g.Close)
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	r.url = s.URL
	return r
}

func (r *routed) call(t *testing.T, model string) (answered, string) {
	t.Helper()
	return send(t, http.MethodPost, r.url+"/v1/chat/completions", strings.Replace(chat, aureatest.Model, model, 1), "X-Aurea-Job", "j")
}

func says(status int, body string, header ...string) func(int) reply {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return func(int) reply { return reply{status, body, h} }
}

// A call goes to its route's next target where the first one fails before anything has been delivered, and not for what the client did wrong; the answer says where it
// comes from.
func TestFailover(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers  func(int) reply
		status   int
		target   string
		onSecond int64
	}{
		"a failure":               {says(503, `{"error":{"message":"down"}}`), 200, "second", 1},
		"a failure for a while":   {says(503, `{}`, "Retry-After", "3600"), 200, "second", 1},
		"a failure for good":      {says(501, `{}`), 200, "second", 1},
		"a model that is unknown": {says(404, `{"error":{"message":"no such model","code":"model_not_found"}}`), 200, "second", 1},
		"a spent quota":           {says(429, `{"error":{"message":"quota","type":"insufficient_quota","code":"insufficient_quota"}}`), 200, "second", 1},
		"garbage":                 {says(200, `<html>`), 200, "second", 1},
		"a mistake of the client": {says(400, `{"error":{"message":"bad","code":"bad_thing"}}`), 400, "first", 0},
		"a stream that has begun": {says(200, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"he\"}}]}\n\n", "Content-Type", "text/event-stream"), 200, "first", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRouted(t, nil)
			r.answers = c.answers
			body := strings.Replace(chat, aureatest.Model, "fast", 1)
			if strings.Contains(name, "stream") {
				body = strings.Replace(body, `"model"`, `"stream":true,"model"`, 1)
			}
			resp, said := send(t, http.MethodPost, r.url+"/v1/chat/completions", body, "X-Aurea-Job", "j")
			if resp.StatusCode != c.status || resp.Header.Get("X-Aurea-Target") != c.target+"/"+aureatest.Model || r.second.Load() != c.onSecond {
				t.Errorf("%s from %q, %d on the second: %s", resp.Status, resp.Header.Get("X-Aurea-Target"), r.second.Load(), said)
			}
			if n := resp.Header.Get("X-Aurea-Attempts"); n != strconv.FormatInt(r.first.Load()+r.second.Load(), 10) {
				t.Errorf("%s attempts, %d and %d requests", n, r.first.Load(), r.second.Load())
			}
		})
	}
}

// A key that is refused is set aside while another works; the last one is tried and its answer passed on.
func TestKeysRotate(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 403} {
		r := newRouted(t, nil)
		r.answers = func(key int) reply {
			if key == 0 {
				return reply{status: status, body: `{"error":{"message":"refused","code":"invalid_api_key"}}`}
			}
			return reply{status: 200, body: answer}
		}
		for range 6 {
			if resp, body := r.call(t, "alone"); resp.StatusCode != 200 {
				t.Errorf("%s %s", resp.Status, body)
			}
		}
		if r.keys[0].Load() != 1 || r.keys[1].Load() != 6 {
			t.Errorf("%d: the refused key was used %d times, the other %d times", status, r.keys[0].Load(), r.keys[1].Load())
		}
		r.answers = says(status, `{"error":{"message":"refused","code":"invalid_api_key"}}`)
		if resp, body := r.call(t, "alone"); resp.StatusCode != status || !strings.Contains(body, "refused") {
			t.Errorf("with no key left: %s %s", resp.Status, body)
		}
	}
}

// An open circuit sends nothing: the next target is taken, and where there is none the refusal says when to come again.
func TestCircuitThroughGateway(t *testing.T) {
	t.Parallel()
	r := newRouted(t, func(c *aurea.Config) {
		c.Breaker = &breaker.Config{Threshold: 2, Timeout: time.Minute, MaxTimeout: time.Minute}
		c.Retry = &retry.Policy{MaxDelay: time.Millisecond}
	})
	r.answers = says(500, `{"error":{"message":"broken"}}`)
	for range 2 {
		if resp, _ := r.call(t, "alone"); resp.StatusCode != 500 {
			t.Error(resp.Status)
		}
	}
	resp, body := r.call(t, "alone")
	after, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if resp.StatusCode != 503 || resp.Header.Get("X-Aurea-Error") != "circuit_open" || err != nil || after < 1 || after > 60 {
		t.Errorf("%s, %q, Retry-After %q: %s", resp.Status, resp.Header.Get("X-Aurea-Error"), resp.Header.Get("Retry-After"), body)
	}
	if resp, _ := r.call(t, "fast"); resp.StatusCode != 200 || resp.Header.Get("X-Aurea-Attempts") != "1" {
		t.Errorf("%s after %s attempts", resp.Status, resp.Header.Get("X-Aurea-Attempts"))
	}
	if r.first.Load() != 2 {
		t.Errorf("%d requests through an open circuit", r.first.Load()-2)
	}
}

// A key whose rate is used up at the provider, or here, leaves the calls to the others: at once, and until its time is over.
func TestKeysShareTheRate(t *testing.T) {
	t.Parallel()
	limited := reply{status: 429, body: `{"error":{"message":"slow down","code":"rate_limit_exceeded"}}`, header: http.Header{"Retry-After": {"50"}}}
	r := newRouted(t, nil)
	r.answers = func(key int) reply {
		if key == 0 {
			return limited
		}
		return reply{status: 200, body: answer}
	}
	for range 6 {
		if resp, body := r.call(t, "alone"); resp.StatusCode != 200 {
			t.Errorf("%s %s", resp.Status, body)
		}
	}
	if n := r.keys[0].Load(); n != 1 {
		t.Errorf("the key was asked %d times", n)
	}

	r = newRouted(t, nil)
	r.answers = func(int) reply { return limited }
	if resp, body := r.call(t, "alone"); resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "50" || r.keys[0].Load() != 1 || r.keys[1].Load() != 1 {
		t.Errorf("all limited: %s, keys asked %d and %d times: %s", resp.Status, r.keys[0].Load(), r.keys[1].Load(), body)
	}

	r = newRouted(t, func(cfg *aurea.Config) {
		cfg.Limits = func(string, string, string) (ratelimit.Limits, ratelimit.Profile) {
			return ratelimit.Limits{RPD: 2}, ratelimit.Generic()
		}
	})
	r.answers = func(int) reply { return reply{status: 200, body: answer} }
	for range 4 {
		if resp, body := r.call(t, "alone"); resp.StatusCode != 200 {
			t.Errorf("%s %s", resp.Status, body)
		}
	}
	if resp, body := r.call(t, "alone"); resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" || r.keys[0].Load() != 2 || r.keys[1].Load() != 2 {
		t.Errorf("all used up: %s, keys asked %d and %d times: %s", resp.Status, r.keys[0].Load(), r.keys[1].Load(), body)
	}
}

// Another target is no retry: it is tried without any.
func TestFailoverWithoutRetries(t *testing.T) {
	t.Parallel()
	r := newRouted(t, func(cfg *aurea.Config) { cfg.Retry = &retry.Policy{MaxDelay: time.Minute} })
	r.answers = says(503, `{}`)
	if resp, body := r.call(t, "fast"); resp.StatusCode != 200 || r.first.Load() != 1 || r.second.Load() != 1 {
		t.Errorf("%s after %d and %d requests: %s", resp.Status, r.first.Load(), r.second.Load(), body)
	}
	if resp, body := r.call(t, "alone"); resp.StatusCode != 503 || r.first.Load() != 2 {
		t.Errorf("%s after %d requests: %s", resp.Status, r.first.Load(), body)
	}
}
