package simulate

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// post calls a handler without a network, as clients of either format do.
func post(t *testing.T, h http.Handler, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, request1(t, "", path, body))
	return w
}

func request1(t *testing.T, base, path, body string) *http.Request {
	t.Helper()
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(path, "/v1/messages") {
		req.Header.Set("X-Api-Key", "anything")
		req.Header.Set("Anthropic-Version", "2023-06-01")
	} else {
		req.Header.Set("Authorization", "Bearer anything")
	}
	return req
}

// start runs a server on loopback, and gives a client that has no connection left when the test ends.
func start(t *testing.T, o Options) (*Running, *http.Client) {
	t.Helper()
	r, err := Start("127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r, &http.Client{Transport: transport}
}

// call returns status and body, and the error of either the call or the body.
func call(t *testing.T, c *http.Client, r *Running, path, body string) (int, []byte, error) {
	t.Helper()
	resp, err := c.Do(request1(t, r.URL(), path, body))
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, err
}

func script(t *testing.T, h http.Handler, steps string) {
	t.Helper()
	if w := post(t, h, "/sim/script", steps); w.Code != http.StatusOK {
		t.Fatalf("script %s: %d %s", steps, w.Code, w.Body)
	}
}

// get reads a value of a JSON text by its path, such as "choices.0.message.content".
func get(t *testing.T, text []byte, path string) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	for name := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[name]
			if !ok {
				t.Fatalf("no %s in %s", path, text)
			}
			v = next
		case []any:
			if name == "#" {
				return len(at)
			}
			i := int(name[0] - '0')
			if i >= len(at) {
				t.Fatalf("no %s in %s", path, text)
			}
			v = at[i]
		default:
			t.Fatalf("no %s in %s", path, text)
		}
	}
	if n, ok := v.(json.Number); ok {
		i, err := n.Int64()
		if err != nil {
			t.Fatal(err)
		}
		return int(i)
	}
	return v
}

const (
	hello   = `{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}`
	bonjour = `{"model":"claude-haiku-4-5","max_tokens":2000,"messages":[{"role":"user","content":"Bonjour"}]}`
)
