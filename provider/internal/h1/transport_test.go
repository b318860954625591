package h1_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/andres20980/aurea-orchestrator/provider/internal/h1"
)

func newTransport(t testing.TB) (*h1.Transport, *atomic.Int64) {
	t.Helper()
	var dials atomic.Int64
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		dials.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	tr := &h1.Transport{Dial: dial, Else: &http.Transport{}}
	t.Cleanup(tr.CloseIdleConnections)
	return tr, &dials
}

func post(t testing.TB, ctx context.Context, to, body string) *http.Request { //nolint:revive // the test comes first
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{Method: http.MethodPost, URL: u, Host: u.Host, Header: http.Header{"X-Test": {"a", "b"}}, Body: h1.Body([]byte(body)), ContentLength: int64(len(body))}
	return r.WithContext(ctx)
}

// said is what came of a request.
type said struct {
	Status  int
	Body    string
	Header  http.Header
	Trailer http.Header
	Err     bool
}

func say(t testing.TB, rt http.RoundTripper, r *http.Request) said {
	t.Helper()
	resp, err := rt.RoundTrip(r)
	if err != nil {
		return said{Err: true}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return said{resp.StatusCode, string(b), resp.Header, resp.Trailer, err != nil}
}

// raw answers each connection with bytes, and says how many requests came on it.
func raw(t testing.TB, answer func(n int, r *http.Request, c net.Conn) (more bool)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for n := 0; ; n++ {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					if _, err := io.Copy(io.Discard, r.Body); err != nil || !answer(n, r, c) {
						return
					}
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// Whatever a server answers, a caller gets what net/http's own transport gives him.
func TestLikeNetHTTP(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"length":              "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\n\r\nhello",
		"no body":             "HTTP/1.1 204 No Content\r\n\r\n",
		"length zero":         "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"chunks":              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
		"trailer":             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n3\r\nabc\r\n0\r\nX-End: yes\r\n\r\n",
		"until it closes":     "HTTP/1.1 200 OK\r\n\r\nall of it",
		"HTTP/1.0":            "HTTP/1.0 200 OK\r\n\r\nall of it",
		"close":               "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
		"continue":            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx",
		"error":               "HTTP/1.1 529 Overloaded\r\nContent-Length: 4\r\nRetry-After: 3\r\n\r\nbusy",
		"short":               "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
		"chunks cut":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
		"chunks without end":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"bad chunk":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
		"two lengths":         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
		"length and chunks":   "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
		"negative":            "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
		"nothing":             "",
		"half a head":         "HTTP/1.1 200 OK\r\nContent-Le",
		"no HTTP":             "SSH-2.0-OpenSSH_9.2\r\n",
		"bad header":          "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"bare line feeds":     "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
		"status out of range": "HTTP/1.1 99 Odd\r\nContent-Length: 0\r\n\r\n",
		"another protocol":    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		"reason missing":      "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
		"event stream":        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := raw(t, func(_ int, _ *http.Request, c net.Conn) bool {
				_, _ = io.WriteString(c, answer)
				return false
			})
			tr, dials := newTransport(t)
			usual := &http.Transport{DisableCompression: true}
			t.Cleanup(usual.CloseIdleConnections)
			if name == "another protocol" || name == "status out of range" { // which we refuse
				if got := say(t, tr, post(t, t.Context(), to, "{}")); !got.Err {
					t.Errorf("%+v", got)
				}
				return
			}
			want := say(t, usual, post(t, t.Context(), to, "{}"))
			if got := say(t, tr, post(t, t.Context(), to, "{}")); !cmp.Equal(got, want) {
				t.Error(cmp.Diff(want, got))
			}
			if dials.Load() != 1 {
				t.Errorf("%d connections", dials.Load())
			}
		})
	}
}

// The server sees the request that net/http would send, but for the headers that net/http adds.
func TestRequest(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 2)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		r.Header.Del("User-Agent")
		r.Header.Del("Accept-Encoding")
		seen <- fmt.Sprintln(r.Method, r.RequestURI, r.Host, r.Header, r.ContentLength, r.TransferEncoding, r.Close, len(b), bytes.Count(b, []byte("x")))
	}))
	t.Cleanup(server.Close)
	tr, _ := newTransport(t)
	usual := &http.Transport{}
	t.Cleanup(usual.CloseIdleConnections)
	for _, c := range []struct {
		method, path string
		body         int
		change       func(r *http.Request)
	}{
		{"POST", "/v1/chat/completions", 10, nil},
		{"POST", "/v1/a%2Fb?x=1&y=%20", 10, nil},
		{"POST", "", 0, nil},
		{"GET", "/v1/models", 0, nil},
		{"DELETE", "/v1/files/1", 0, nil},
		{"POST", "/large", 20_000, nil},
		{"POST", "/larger", 64 << 10, nil},
		{"POST", "/too-large", 64<<10 + 1, nil},
		{"POST", "/close", 10, func(r *http.Request) { r.Close = true }},
		{"POST", "/host", 10, func(r *http.Request) { r.Host = "example.com" }},
		{"POST", "/framing", 10, func(r *http.Request) {
			r.Header["Content-Length"] = []string{"3"}
			r.Header["Transfer-Encoding"] = []string{"x"}
		}},
	} {
		both := [2]string{}
		for i, rt := range []http.RoundTripper{usual, tr} {
			r := post(t, t.Context(), server.URL+c.path, strings.Repeat("x", c.body))
			r.Method = c.method
			if c.body == 0 {
				r.Body = http.NoBody
			}
			if c.change != nil {
				c.change(r)
			}
			if got := say(t, rt, r); got.Status != http.StatusOK {
				t.Fatalf("%s: %+v", c.path, got)
			}
			both[i] = <-seen
		}
		if both[0] != both[1] {
			t.Errorf("%s: net/http sends\n%s, we\n%s", c.path, both[0], both[1])
		}
	}
	for _, bad := range []func(r *http.Request){
		func(r *http.Request) { r.Header["X-Bad"] = []string{"a\r\nX-Injected: 1"} },
		func(r *http.Request) { r.Header["X Bad"] = []string{"a"} },
		func(r *http.Request) { r.Method = "PO ST" },
	} {
		r := post(t, t.Context(), server.URL, "x")
		if bad(r); !say(t, tr, r).Err {
			t.Error("a request was sent that is none:", <-seen)
		}
	}
}

// Connections are used again, as many as were needed at once.
func TestReuse(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if strings.HasSuffix(r.URL.Path, "stream") {
			for range 3 {
				_, _ = io.WriteString(w, "data: x\n\n")
				w.(http.Flusher).Flush() //nolint:forcetypeassert // net/http's
			}
			return
		}
		_, _ = io.WriteString(w, "hello")
	}))
	t.Cleanup(server.Close)
	tr, dials := newTransport(t)
	for range 100 {
		for _, path := range []string{"/", "/stream"} {
			if got := say(t, tr, post(t, t.Context(), server.URL+path, "{}")); got.Status != http.StatusOK || got.Err {
				t.Fatalf("%+v", got)
			}
		}
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			for range 50 {
				if got := say(t, tr, post(t, t.Context(), server.URL, "{}")); got.Body != "hello" {
					t.Errorf("%+v", got)
				}
			}
		})
	}
	calls.Wait()
	if n := dials.Load(); n > 8 {
		t.Errorf("%d connections", n)
	}
}

// A connection is not used again when the server has closed it, has said more than its answer, or when the answer was not read to its end.
func TestNoReuse(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	for name, c := range map[string]struct {
		answer     string
		more, read bool
	}{
		"closed":   {ok, false, true},
		"too much": {ok + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", true, true},
		"unread":   {"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + strings.Repeat("x", 5000), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := raw(t, func(_ int, _ *http.Request, conn net.Conn) bool {
				_, _ = io.WriteString(conn, c.answer)
				return c.more
			})
			tr, dials := newTransport(t)
			for range 3 {
				resp, err := tr.RoundTrip(post(t, t.Context(), to, "{}"))
				if err != nil {
					t.Fatal(err)
				}
				if c.read {
					if b, err := io.ReadAll(resp.Body); string(b) != "ok" || err != nil {
						t.Errorf("%q %v", b, err)
					}
				}
				_ = resp.Body.Close()
				if _, err := resp.Body.Read(make([]byte, 1)); err == nil {
					t.Error("a closed body was read")
				}
				until(t, "no connection is idle that cannot be used", func() bool { tr.Look(); return tr.Idle() == 0 })
			}
			if n := dials.Load(); n != 3 {
				t.Errorf("%d connections for 3 requests", n)
			}
		})
	}
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: ", what)
		}
	}
}

var errStop = errors.New("stop it")

// The end of a request's context ends it wherever it stands, with the cause, and the connection with it.
func TestCancel(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"before the head": "", "within the head": "HTTP/1.1 200", "before the body": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
		"within the body": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			came, gone := make(chan struct{}), make(chan struct{})
			to := raw(t, func(_ int, _ *http.Request, c net.Conn) bool {
				_, _ = io.WriteString(c, answer)
				close(came)
				_, _ = c.Read(make([]byte, 1))
				close(gone)
				return false
			})
			tr, _ := newTransport(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() {
				<-came
				cancel(errStop)
			}()
			resp, err := tr.RoundTrip(post(t, ctx, to, "{}"))
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
			}
			if !errors.Is(err, errStop) {
				t.Error(err)
			}
			<-gone
			if tr.Idle() != 0 {
				t.Error("its connection was kept")
			}
			if got := say(t, tr, post(t, ctx, to, "{}")); !got.Err {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A body that is read at the end of its context is whole or is not: a connection is never both used again and ended.
func TestCancelAtTheEnd(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	t.Cleanup(server.Close)
	tr, _ := newTransport(t)
	for n := range 2000 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		_ = say(t, tr, post(t, ctx, server.URL, "{}"))
		cancel()
		if n%10 == 0 {
			if got := say(t, tr, post(t, t.Context(), server.URL, "{}")); got.Body != "hello" || got.Err {
				t.Fatalf("%+v", got)
			}
		}
	}
}

// Who is told of the connection may close it, and nothing is sent.
func TestGotConn(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	t.Cleanup(server.Close)
	tr, _ := newTransport(t)
	_ = say(t, tr, post(t, t.Context(), server.URL, "{}"))
	var reused bool
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		reused = info.Reused
		_ = info.Conn.Close()
	}})
	if got := say(t, tr, post(t, ctx, server.URL, "{}")); !got.Err || !reused || requests.Load() != 1 {
		t.Errorf("%+v, reused %v, %d requests", got, reused, requests.Load())
	}
}

// A server that answers before it has read the request, and reads no more, is heard.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 10))
			_, _ = io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	tr, _ := newTransport(t)
	if got := say(t, tr, post(t, t.Context(), "http://"+l.Addr().String(), strings.Repeat("x", 64<<10))); got.Status != 413 || got.Body != "big" {
		t.Errorf("%+v", got)
	}
}

// A head without an end is refused.
func TestLongHead(t *testing.T) {
	t.Parallel()
	for _, line := range []string{strings.Repeat("x", 1000), "X: " + strings.Repeat("y", 1000) + "\r\n"} {
		to := raw(t, func(_ int, _ *http.Request, c net.Conn) bool {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for range 10_000 {
				if _, err := io.WriteString(c, line); err != nil {
					break
				}
			}
			return false
		})
		tr, _ := newTransport(t)
		if got := say(t, tr, post(t, t.Context(), to, "{}")); !got.Err {
			t.Errorf("%+v", got)
		}
	}
}

// What goes through a proxy, or by TLS, goes the usual way.
func TestElse(t *testing.T) {
	t.Parallel()
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto+" "+r.RequestURI) })
	proxy, secure := httptest.NewServer(answer), httptest.NewTLSServer(answer)
	t.Cleanup(proxy.Close)
	t.Cleanup(secure.Close)
	through, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	usual, _ := secure.Client().Transport.(*http.Transport)
	usual.Proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme == "http" {
			return through, nil
		}
		return nil, nil //nolint:nilnil // none
	}
	tr := &h1.Transport{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errStop }, Else: usual}
	t.Cleanup(tr.CloseIdleConnections)
	if got := say(t, tr, post(t, t.Context(), "http://example.com/x", "{}")); got.Body != "HTTP/1.1 http://example.com/x" {
		t.Errorf("%+v", got)
	}
	if got := say(t, tr, post(t, t.Context(), secure.URL+"/x", "{}")); got.Body != "HTTP/1.1 /x" {
		t.Errorf("%+v", got)
	}
}
