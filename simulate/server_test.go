package simulate

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestErrors(t *testing.T) {
	t.Parallel()
	s := New(Options{Keys: []string{"anything"}, Models: []string{"m"}})
	for name, c := range map[string]struct {
		method, path, body string
		change             func(http.Header)
		status             int
		kind, code         any
		says               string
	}{
		"no key":                  {"POST", "/v1/chat/completions", hello, func(h http.Header) { h.Del("Authorization") }, 401, "invalid_request_error", nil, "API key"},
		"wrong key":               {"POST", "/v1/responses", hello, func(h http.Header) { h.Set("Authorization", "Bearer other") }, 401, "invalid_request_error", "invalid_api_key", "Incorrect"},
		"no model":                {"POST", "/v1/chat/completions", `{"messages":[{}]}`, nil, 400, "invalid_request_error", nil, "model"},
		"unknown model":           {"POST", "/v1/chat/completions", hello, nil, 404, "invalid_request_error", "model_not_found", "gpt-4o-mini"},
		"not JSON":                {"POST", "/v1/chat/completions", `{"model":"m",`, nil, 400, "invalid_request_error", nil, "JSON"},
		"no messages":             {"POST", "/v1/chat/completions", `{"model":"m"}`, nil, 400, "invalid_request_error", nil, "messages"},
		"empty messages":          {"POST", "/v1/chat/completions", `{"model":"m","messages":[]}`, nil, 400, "invalid_request_error", nil, "messages"},
		"cap of nothing":          {"POST", "/v1/chat/completions", `{"model":"m","messages":[{}],"max_tokens":0}`, nil, 400, "invalid_request_error", nil, "max_tokens"},
		"cap as text":             {"POST", "/v1/responses", `{"model":"m","input":"x","max_output_tokens":"5"}`, nil, 400, "invalid_request_error", nil, "max_output_tokens"},
		"n beyond all":            {"POST", "/v1/chat/completions", `{"model":"m","messages":[{}],"n":129}`, nil, 400, "invalid_request_error", nil, "'n'"},
		"too many choices":        {"POST", "/v1/completions", `{"model":"m","prompt":["a","b"],"n":100}`, nil, 400, "invalid_request_error", nil, "'n'"},
		"input of no kind":        {"POST", "/v1/embeddings", `{"model":"m","input":7}`, nil, 400, "invalid_request_error", nil, "input"},
		"GET":                     {"GET", "/v1/chat/completions", "", nil, 405, "invalid_request_error", nil, "GET"},
		"no such path":            {"POST", "/v1/v1/chat/completions", hello, nil, 404, "invalid_request_error", nil, "/v1/v1"},
		"no such model":           {"GET", "/v1/models/x", "", nil, 404, "invalid_request_error", "model_not_found", "x"},
		"Anthropic, no key":       {"POST", "/v1/messages", bonjour, func(h http.Header) { h.Del("X-Api-Key") }, 401, "authentication_error", nil, "x-api-key"},
		"Anthropic, no version":   {"POST", "/v1/messages", bonjour, func(h http.Header) { h.Del("Anthropic-Version") }, 400, "invalid_request_error", nil, "anthropic-version"},
		"Anthropic, no cap":       {"POST", "/v1/messages", `{"model":"m","messages":[{}]}`, nil, 400, "invalid_request_error", nil, "max_tokens"},
		"Anthropic, unknown":      {"POST", "/v1/messages", bonjour, nil, 404, "not_found_error", nil, "claude-haiku-4-5"},
		"Anthropic, no such path": {"POST", "/v1/messages/more", bonjour, nil, 404, "not_found_error", nil, "more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := request1(t, "", c.path, c.body)
			req.Method = c.method
			if c.change != nil {
				c.change(req.Header)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, req)
			b := w.Body.Bytes()
			message, _ := get(t, b, "error.message").(string)
			if w.Code != c.status || get(t, b, "error.type") != c.kind || !strings.Contains(message, c.says) {
				t.Errorf("%d %s, want %d, %v, and it should say %q", w.Code, b, c.status, c.kind, c.says)
			}
			if strings.HasPrefix(c.path, "/v1/messages") {
				if get(t, b, "type") != "error" || get(t, b, "request_id") != w.Header().Get("Request-Id") {
					t.Errorf("not as Anthropic writes it: %s", b)
				}
			} else if get(t, b, "error.code") != c.code || w.Header().Get("X-Request-Id") == "" {
				t.Errorf("code %v, want %v; %v", get(t, b, "error.code"), c.code, w.Header())
			}
		})
	}
	t.Cleanup(func() {
		if stats := s.Stats(); stats.Requests != 20 || stats.CostUSD != "0" || stats.ByStatus["400"] != 11 {
			t.Errorf("%+v", stats.Totals)
		}
	})
}

func TestBodyTooLarge(t *testing.T) {
	t.Parallel()
	w := post(t, New(Options{}), "/v1/messages", `{"model":"`+strings.Repeat("m", maxBody))
	if w.Code != http.StatusRequestEntityTooLarge || get(t, w.Body.Bytes(), "error.type") != "request_too_large" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A client that keeps to Retry-After is never refused twice for one request, and no minute has more than the limit.
func TestLimitsOverTime(t *testing.T) {
	t.Parallel()
	for _, algo := range []string{algoSliding, algoBucket, algoFixed} {
		t.Run(algo, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := New(Options{RPM: 30, Algo: algo, Headers: true, Detail: true})
				began := time.Now()
				for range 200 {
					w := post(t, s, "/v1/chat/completions", hello)
					if w.Code == http.StatusOK {
						continue
					}
					ms, err := strconv.Atoi(w.Header().Get("Retry-After-Ms"))
					seconds, _ := strconv.Atoi(w.Header().Get("Retry-After"))
					if err != nil || w.Code != http.StatusTooManyRequests || ms < 1 || seconds != (ms+999)/1000 {
						t.Fatalf("%d %v", w.Code, w.Header())
					}
					if code := get(t, w.Body.Bytes(), "error.code"); code != "rate_limit_exceeded" {
						t.Errorf("code %v", code)
					}
					time.Sleep(time.Duration(ms) * time.Millisecond)
					if w := post(t, s, "/v1/chat/completions", hello); w.Code != http.StatusOK {
						t.Fatalf("after %d ms: %d", ms, w.Code)
					}
				}
				stats := s.Stats()
				if minutes := time.Since(began).Minutes(); float64(stats.OK) > 30+30*minutes+1 || stats.OK < 200 {
					t.Errorf("%d let in within %.2f minutes", stats.OK, minutes)
				}
				if stats.Limited != stats.ByStatus["429"] || stats.Limited == 0 {
					t.Errorf("%+v", stats.Totals)
				}
			})
		})
	}
}

// Requests and tokens are taken together or not at all.
func TestDimensionsTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{RPM: 100, TPM: 1000, Headers: true, Count: countSum})
		big := `{"model":"m","messages":[{}],"max_tokens":899}`
		if w := post(t, s, "/v1/chat/completions", big); w.Code != 200 || w.Header().Get("X-Ratelimit-Remaining-Tokens") != "100" {
			t.Fatalf("%d %v", w.Code, w.Header())
		}
		for range 3 {
			w := post(t, s, "/v1/chat/completions", big)
			if w.Code != 429 || get(t, w.Body.Bytes(), "error.type") != "tokens" || w.Header().Get("X-Ratelimit-Remaining-Requests") != "99" {
				t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
			}
		}
		if w := post(t, s, "/v1/chat/completions", `{"model":"m","messages":[{}],"max_tokens":1001}`); w.Code != 429 || w.Header().Get("Retry-After") != "" {
			t.Errorf("a request larger than the limit: %d %v", w.Code, w.Header())
		}
		if w := post(t, s, "/v1/chat/completions", strings.Replace(big, `"m"`, `"other"`, 1)); w.Code != 200 {
			t.Errorf("another model has limits of its own, but got %d", w.Code)
		}
		time.Sleep(time.Minute)
		if w := post(t, s, "/v1/chat/completions", big); w.Code != 200 {
			t.Errorf("after a minute: %d", w.Code)
		}
	})
}

func TestCounting(t *testing.T) {
	t.Parallel()
	used := func(o Options, path, body, name string) int {
		o.Headers = true
		left, err := strconv.Atoi(post(t, New(o), path, body).Header().Get(name))
		if err != nil {
			t.Fatal(err)
		}
		return int(max(o.TPM, o.OutputTPM)) - left
	}
	const path, tokens = "/v1/chat/completions", "X-Ratelimit-Remaining-Tokens"
	body := `{"model":"m","messages":[{}],"max_tokens":5,"n":2}` // input 1, output 10
	long := `{"model":"m","messages":["` + strings.Repeat("{}", 50) + `"],"max_tokens":5}`
	for _, c := range []struct {
		name string
		got  int
		want int
	}{
		{"max of cap", used(Options{TPM: 900}, path, body, tokens), 10},
		{"max of input", used(Options{TPM: 900}, path, long, tokens), 26},
		{"sum", used(Options{TPM: 900, Count: countSum}, path, body, tokens), 11},
		{"input", used(Options{TPM: 900, Count: countInput}, path, body, tokens), 1},
		{"actual", used(Options{TPM: 900, Count: countActual}, path, body, tokens), 11},
		{"no cap", used(Options{TPM: 900}, path, hello, tokens), 9},
		{"output by its cap", used(Options{OutputTPM: 900}, path, body, "X-Ratelimit-Remaining-Output-Tokens"), 10},
		{"output without a cap", used(Options{OutputTPM: 900}, path, hello, "X-Ratelimit-Remaining-Output-Tokens"), 45},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d counted, want %d", c.name, c.got, c.want)
		}
	}
}

func TestRefundGivesBackWhatWasNotUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{TPM: 10_000, Refund: true, Headers: true, Latency: time.Second})
		if w := post(t, s, "/v1/messages", bonjour); w.Header().Get("Anthropic-Ratelimit-Tokens-Remaining") != "8000" {
			t.Fatal(w.Header()) // the cap of 2000
		}
		o := s.Options()
		o.Latency = 0
		if err := s.SetOptions(o); err != nil {
			t.Fatal(err)
		}
		before := s.account("claude-haiku-4-5").meters[dimTokens].sum
		stats := s.Stats()
		if used := stats.InputTokens + stats.OutputTokens; before != used {
			t.Errorf("%d count, %d were used", before, used)
		}
	})
}

func TestAnthropicHeaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{RPM: 2, InputTPM: 50_000, OutputTPM: 8000, Headers: true, Algo: algoBucket})
		h := post(t, s, "/v1/messages", bonjour).Header()
		for name, want := range map[string]string{
			"Requests-Limit": "2", "Requests-Remaining": "1", "Requests-Reset": "2000-01-01T00:00:30Z",
			"Input-Tokens-Limit": "50000", "Input-Tokens-Remaining": "50000", "Input-Tokens-Reset": "2000-01-01T00:00:01Z",
			"Output-Tokens-Limit": "8000", "Output-Tokens-Remaining": "6000", "Output-Tokens-Reset": "2000-01-01T00:00:15Z",
		} {
			if got := h.Get("Anthropic-Ratelimit-" + name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		post(t, s, "/v1/messages", bonjour)
		w := post(t, s, "/v1/messages", bonjour)
		if w.Code != 429 || w.Header().Get("Retry-After") != "30" || w.Header().Get("Retry-After-Ms") != "" ||
			get(t, w.Body.Bytes(), "error.type") != "rate_limit_error" {
			t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
		}
	})
}

func TestWithoutHeadersARefusalIsBare(t *testing.T) {
	t.Parallel()
	s := New(Options{RPM: 1})
	post(t, s, "/v1/chat/completions", hello)
	w := post(t, s, "/v1/chat/completions", hello)
	for name := range w.Header() {
		if strings.Contains(name, "Ratelimit") || strings.HasPrefix(name, "Retry") {
			t.Errorf("header %s", name)
		}
	}
	if w.Code != 429 {
		t.Errorf("%d", w.Code)
	}
}

func TestConcurrency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Concurrency: 2, Latency: time.Second})
		codes := make(chan int)
		for range 3 {
			go func() { codes <- post(t, s, "/v1/chat/completions", hello).Code }()
		}
		if first := <-codes; first != 429 {
			t.Errorf("the one too many got %d", first)
		}
		if a, b := <-codes, <-codes; a != 200 || b != 200 {
			t.Errorf("the others got %d, %d", a, b)
		}
		if stats := s.Stats(); stats.PeakInFlight != 3 || stats.InFlight != 0 {
			t.Errorf("peak %d, in flight %d", stats.PeakInFlight, stats.InFlight)
		}
	})
}

func TestRefusedRequestsMayCount(t *testing.T) {
	t.Parallel()
	for _, algo := range []string{algoSliding, algoBucket, algoFixed} {
		synctest.Test(t, func(t *testing.T) {
			s := New(Options{RPM: 10, CountRefused: true, Algo: algo})
			for range 100 {
				post(t, s, "/v1/chat/completions", hello)
			}
			time.Sleep(30 * time.Second)
			if w := post(t, s, "/v1/chat/completions", hello); w.Code != 429 {
				t.Errorf("%s: %d half a minute after hammering", algo, w.Code)
			}
			time.Sleep(2 * time.Minute)
			if w := post(t, s, "/v1/chat/completions", hello); w.Code != 200 {
				t.Errorf("%s: %d after a long rest", algo, w.Code)
			}
		})
	}
}

// Azure's kind: requests on ten seconds, tokens on a minute.
func TestWindowsApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{RPM: 60, TPM: 2000, Window: 10 * time.Second, TokenWindow: time.Minute})
		body := `{"model":"m","messages":[{}],"max_tokens":100}`
		for window := range 3 {
			for i := range 11 {
				want := 200
				if i == 10 || window == 2 { // ten in a window; twice ten use up the minute's tokens
					want = 429
				}
				if w := post(t, s, "/v1/chat/completions", body); w.Code != want {
					t.Fatalf("request %d of window %d: %d, want %d", i, window, w.Code, want)
				}
			}
			time.Sleep(10 * time.Second)
		}
		if ok := s.Stats().OK; ok != 20 {
			t.Errorf("%d let in, want 20", ok)
		}
	})
}
