// Package providertest is what every provider must pass: one suite over real HTTP.
//
//	func TestProvider(t *testing.T) {
//		providertest.Run(t, providertest.Subject{
//			New:     func(client *http.Client, baseURL string, keys ...string) aurea.Provider { return myprovider.New(…) },
//			API:     usage.Chat,
//			Path:    "/chat/completions",
//			Streams: []usage.API{usage.Chat},
//		})
//	}
package providertest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Subject is the provider under test.
type Subject struct {
	// New returns a provider for a server; a test closes nothing. client, if not nil, is what it must send with.
	New func(client *http.Client, baseURL string, keys ...string) aurea.Provider
	// API is one that the provider serves, Path what it adds to the base URL for it.
	API  usage.API
	Path string
	// Streams are the APIs whose answers it streams, each of which is put through the stream part of the suite.
	Streams []usage.API
	// Credential returns the key as the server sees it in a request.
	Credential func(*http.Request) string
}

const body = "{\"model\":\"m\",  \"messages\":[],\n\"x\":\"h\\u00e9\"}"

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Subject){
		"Answer": answer, "Credentials": credentials, "Errors": problems, "Broken": broken, "OnSend": onSend, "NoHiddenRetries": noHiddenRetries,
		"Cancel": cancels, "Many": many, "Redirect": redirect, "AnswersAtOnce": answersAtOnce, "NoSecretsInErrors": noSecrets,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
	t.Run("Streams", func(t *testing.T) {
		t.Parallel()
		streams(t, s)
	})
}

func (s Subject) serve(t *testing.T, h http.HandlerFunc, keys ...string) (aurea.Provider, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return s.New(nil, server.URL, keys...), server
}

func (s Subject) request() *aurea.Request {
	return &aurea.Request{API: s.API, Model: "m", Body: []byte(body), OnSend: func() error { return nil }}
}

// answer: the bytes go through both ways, whatever their layout, and the path is right.
func answer(t *testing.T, s Subject) {
	want := "{ \"usage\" : {},\n \"odd\":1.50 }" + strings.Repeat(" ", 3<<20)
	p, _ := s.serve(t, func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		if string(sent) != body || r.URL.Path != s.Path || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s with %q", r.Method, r.URL.Path, sent)
		}
		if r.Header.Get("X-Mine") != "yes" || r.Header.Get("Idempotency-Key") != "k" || r.Header.Get("X-Aurea-Job") != "" || r.Header.Get("Cookie") != "" {
			t.Errorf("headers %v", r.Header)
		}
		w.Header().Set("X-Theirs", "also")
		_, _ = io.WriteString(w, want)
	})
	req := s.request()
	req.Header = http.Header{"X-Mine": {"yes"}, "Idempotency-Key": {"k"}, "X-Aurea-Job": {"j"}, "Cookie": {"c"}}
	got := p.Do(t.Context(), req)
	if !got.OK() || string(got.Body) != want || got.Header.Get("X-Theirs") != "also" {
		t.Errorf("status %d, %d bytes, %+v", got.Status, len(got.Body), got.Failure)
	}
}

// credentials: the configured key goes up, the caller's never does.
func credentials(t *testing.T, s Subject) {
	first, second := rand.Text(), rand.Text()
	var seen atomic.Value
	p, _ := s.serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen.Store(s.Credential(r))
		for _, name := range []string{"Authorization", "X-Api-Key", "Api-Key"} {
			if strings.Contains(r.Header.Get(name), "callers") {
				t.Errorf("the caller's %s went through", name)
			}
		}
		_, _ = io.WriteString(w, "{}")
	}, first, second)
	if keys := p.Keys(); len(keys) != 2 || keys[0] == keys[1] || strings.Contains(strings.Join(keys, ""), first) {
		t.Errorf("key identifiers %q", keys)
	}
	for i, want := range []string{first, second} {
		req := s.request()
		req.Key = i
		req.Header = http.Header{"Authorization": {"Bearer callers"}, "X-Api-Key": {"callers"}, "Api-Key": {"callers"}}
		if p.Do(t.Context(), req); seen.Load() != want {
			t.Errorf("key %d: the server saw another one", i)
		}
	}
}

// problems: an error answer is passed on whole, with its code read once.
func problems(t *testing.T, s Subject) {
	const text = `{"type":"error","error":{"message":"slow down","type":"kind_of_error","code":"code_of_error"},"request_id":"r"}`
	p, _ := s.serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, text)
	})
	got := p.Do(t.Context(), s.request())
	f := got.Failure
	if got.OK() || got.Status != 429 || string(got.Body) != text || f.Status != 429 || f.Message != "slow down" || f.Type != "kind_of_error" || f.Err != nil || !f.Sent {
		t.Errorf("got %d, %+v", got.Status, f)
	}
	if v := retry.Classify(f); !v.Retry || v.Floor != 3*time.Second || v.Class != retry.RateLimited {
		t.Errorf("classified as %+v", v)
	}
	p, _ = s.serve(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<html>bad gateway", http.StatusBadGateway)
	})
	if got := p.Do(t.Context(), s.request()); got.Status != 502 || got.Failure.Status != 502 || got.Failure.Err != nil {
		t.Errorf("an error that is no JSON: %+v", got.Failure)
	}
}

// broken: what was cut, reset or garbled is a failure after sending; what never connected is one before.
func broken(t *testing.T, s Subject) {
	for name, h := range map[string]http.HandlerFunc{
		"reset": func(w http.ResponseWriter, _ *http.Request) { hangUp(w, "") },
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			hangUp(w, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"usage\":")
		},
		"garbage": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"empty":   func(http.ResponseWriter, *http.Request) {},
	} {
		p, _ := s.serve(t, h)
		got := p.Do(t.Context(), s.request())
		if got.OK() || got.Failure.Err == nil || !got.Failure.Sent {
			t.Errorf("%s: %d, %+v", name, got.Status, got.Failure)
		}
		if v := retry.Classify(got.Failure); v.Class != retry.ProviderFailure || !v.Retry {
			t.Errorf("%s: classified as %+v", name, v)
		}
	}
	p, server := s.serve(t, func(http.ResponseWriter, *http.Request) {})
	server.Close()
	if got := p.Do(t.Context(), s.request()); got.Failure.Err == nil || got.Failure.Sent {
		t.Errorf("nobody listens: %+v", got.Failure)
	}
}

// onSend comes before the first byte, and its error keeps every byte back.
func onSend(t *testing.T, s Subject) {
	var arrived, marked atomic.Int64
	p, server := s.serve(t, func(w http.ResponseWriter, _ *http.Request) {
		arrived.Add(1)
		if marked.Load() == 0 {
			t.Error("a byte left before the mark")
		}
		_, _ = io.WriteString(w, "{}")
	})
	req := s.request()
	req.OnSend = func() error { marked.Add(1); return nil }
	if got := p.Do(t.Context(), req); !got.OK() {
		t.Fatal(got.Failure)
	}
	full := errors.New("the journal is full")
	for range 20 { // on a fresh and on a pooled connection
		req.OnSend = func() error { return full }
		if got := p.Do(t.Context(), req); !errors.Is(got.Failure.Err, full) || got.Failure.Sent {
			t.Fatalf("%+v", got.Failure)
		}
		server.CloseClientConnections()
	}
	if n := arrived.Load(); n != 1 {
		t.Errorf("%d requests arrived, want the one that was marked", n)
	}
}

// noHiddenRetries: net/http would repeat a request with an Idempotency-Key on a broken pooled connection.
func noHiddenRetries(t *testing.T, s Subject) {
	var arrived atomic.Int64
	var breaking atomic.Bool
	p, _ := s.serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if breaking.Load() {
			arrived.Add(1)
			hangUp(w, "")
			return
		}
		_, _ = io.WriteString(w, "{}")
	})
	var wg sync.WaitGroup
	for range 6 { // warm connections
		wg.Go(func() { p.Do(t.Context(), s.request()) })
	}
	wg.Wait()
	breaking.Store(true)
	req := s.request()
	req.Header = http.Header{"Idempotency-Key": {"k"}}
	if got := p.Do(t.Context(), req); got.OK() {
		t.Error("an answer from a broken connection")
	}
	if n := arrived.Load(); n != 1 {
		t.Errorf("one call became %d requests", n)
	}
}

// cancels: the end of the context ends the exchange at once.
func cancels(t *testing.T, s Subject) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	left := make(chan struct{})
	p, _ := s.serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel(cause)
		<-r.Context().Done()
		close(left)
	})
	got := p.Do(ctx, s.request())
	if !errors.Is(got.Failure.Err, cause) || !got.Failure.Sent {
		t.Errorf("%+v", got.Failure)
	}
	select {
	case <-left:
	case <-time.After(5 * time.Second):
		t.Error("the provider was not told")
	}
}

// many: a thousand calls at once, each with its own answer.
func many(t *testing.T, s Subject) {
	p, _ := s.serve(t, func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		_, _ = w.Write(sent)
	})
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			req := s.request()
			req.Body = fmt.Appendf(nil, `{"model":"m","n":%d}`, i)
			if got := p.Do(t.Context(), req); string(got.Body) != string(req.Body) {
				t.Errorf("call %d: %q, %+v", i, got.Body, got.Failure)
			}
		})
	}
	wg.Wait()
}

// redirect: a redirect would carry the key elsewhere.
func redirect(t *testing.T, s Subject) {
	var elsewhere atomic.Int64
	_, other := s.serve(t, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
	p, _ := s.serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}, rand.Text())
	if got := p.Do(t.Context(), s.request()); got.OK() || got.Status != http.StatusTemporaryRedirect || elsewhere.Load() != 0 {
		t.Errorf("status %d, %d requests elsewhere", got.Status, elsewhere.Load())
	}
}

// answersAtOnce: an upstream that answers before it has read the body (golang/go#40747).
func answersAtOnce(t *testing.T, s Subject) {
	p, _ := s.serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
	req := s.request()
	req.Body = []byte(`{"model":"m","x":"` + strings.Repeat("x", 1<<16) + `"}`)
	for range 200 {
		if got := p.Do(t.Context(), req); !got.OK() {
			t.Fatalf("%+v", got.Failure)
		}
	}
}

// noSecrets: no error text has the key, or the password of the address.
func noSecrets(t *testing.T, s Subject) {
	key := rand.Text()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	for _, base := range []string{"http://" + addr, "https://" + addr, "http://user:" + key + "@" + addr, "http://host.invalid:1", "http://127.0.0.1:1/%zz" + key} {
		got := s.New(nil, base, key).Do(t.Context(), s.request())
		if got.Failure.Err == nil || strings.Contains(fmt.Sprintf("%+v %v", got.Failure, got.Failure.Err), key) {
			t.Errorf("%s: no error, or one that shows the key", strings.ReplaceAll(base, key, "…"))
		}
	}
}

// hangUp writes raw bytes and breaks the connection.
func hangUp(w http.ResponseWriter, raw string) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = buf.WriteString(raw)
	_ = buf.Flush()
	_ = conn.Close()
}
