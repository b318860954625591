// Package h1 sends HTTP/1.1 requests in the goroutine of the caller.
//
// [http.Transport] gives each connection two goroutines of its own, which a request has to wake and to wait for, and which stand beside every open stream. Where calls
// are short, or streams are many, that is a large part of what a gateway costs. This transport takes the requests that can do without: plain HTTP, a body that is in
// memory and fits the buffers of a connection. All others go the usual way.
package h1

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"
)

const (
	// maxBody is the longest body that is written before the answer is read. It fits the buffers of two sockets, so that a server which answers before it has read it, and
	// then reads no more, does not keep us from its answer.
	maxBody = 64 << 10
	// maxIdle is how many connections to a host are kept when they are not in use.
	maxIdle = 1024
	// idleFor is how long they are kept, and lookEvery how often they are looked at: a server may have closed them.
	idleFor   = 90 * time.Second
	lookEvery = 5 * time.Second
)

// Transport is an [http.RoundTripper]. It repeats nothing, and follows [httptrace.ClientTrace.GotConn]. The body of an answer must be read and closed by one goroutine; what ends a
// read is the end of the request's context. It is safe for concurrent use and must not be copied.
type Transport struct {
	// Dial makes connections.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Else takes the requests that this transport does not.
	Else *http.Transport

	mu    sync.Mutex
	hosts map[string]*host
	sweep *time.Timer // runs while connections are idle
}

// host is what is known of a place that requests go to.
type host struct {
	address string
	direct  bool    // no proxy stands before it
	idle    []*conn // the one used last is the last
}

// RoundTrip sends a request and reads the head of its answer.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	payload, ok := payloadOf(req)
	if !able || !ok || req.URL.Scheme != "http" || !plain(req) {
		return t.Else.RoundTrip(req)
	}
	h := t.host(req)
	if !h.direct {
		return t.Else.RoundTrip(req)
	}
	ctx := req.Context()
	c, reused, err := t.connect(ctx, h)
	if err != nil {
		return nil, err
	}
	if trace := httptrace.ContextClientTrace(ctx); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: c.Conn, Reused: reused, WasIdle: reused})
	}
	return t.exchange(ctx, c, h, req, payload)
}

// plain reports whether a request is written as its fields say: its names need no other spelling, and nothing in them could be taken for more than one header.
func plain(req *http.Request) bool {
	if len(req.TransferEncoding) > 0 || req.Trailer != nil || req.Header == nil || req.URL.Host == "" || !token(req.Method) || req.Method == http.MethodConnect {
		return false
	}
	for name, values := range req.Header {
		if !httpguts.ValidHeaderFieldName(name) {
			return false
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				return false
			}
		}
	}
	return hostName(req.URL.Host) && hostName(req.Host)
}

func token(s string) bool { return s != "" && httpguts.ValidHeaderFieldName(s) }

// hostName reports whether a host, or none, consists of what every host's name may.
func hostName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_', c == ':', c == '[', c == ']':
		default:
			return false
		}
	}
	return true
}

func (t *Transport) host(req *http.Request) *host {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h := t.hosts[req.URL.Host]; h != nil {
		return h
	}
	h := &host{address: req.URL.Host, direct: true}
	if req.URL.Port() == "" {
		h.address = net.JoinHostPort(req.URL.Hostname(), "80")
	}
	if t.Else.Proxy != nil {
		proxy, err := t.Else.Proxy(req)
		h.direct = proxy == nil && err == nil
	}
	if t.hosts == nil {
		t.hosts = make(map[string]*host)
	}
	t.hosts[req.URL.Host] = h
	return h
}

// connect takes an idle connection that the server has not closed, or makes one.
func (t *Transport) connect(ctx context.Context, h *host) (c *conn, reused bool, err error) {
	if ctx.Err() != nil {
		return nil, false, context.Cause(ctx)
	}
	for {
		t.mu.Lock()
		n := len(h.idle)
		if n == 0 {
			t.mu.Unlock()
			break
		}
		c, h.idle[n-1] = h.idle[n-1], nil
		h.idle = h.idle[:n-1]
		t.mu.Unlock()
		if c.quiet() {
			return c, true, nil
		}
		_ = c.Close()
	}
	made, err := t.Dial(ctx, "tcp", h.address)
	if err != nil {
		return nil, false, err
	}
	return newConn(made), false, nil
}

// keep puts a connection back after an exchange.
func (t *Transport) keep(h *host, c *conn) {
	c.since = time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(h.idle) >= maxIdle {
		_ = c.Close()
		return
	}
	h.idle = append(h.idle, c)
	if t.sweep == nil {
		t.sweep = time.AfterFunc(lookEvery, t.look)
	}
}

// look closes connections that have been idle for long, or that their server has closed.
func (t *Transport) look() {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	some := false
	for _, h := range t.hosts {
		kept := h.idle[:0]
		for _, c := range h.idle {
			if now.Sub(c.since) < idleFor && c.quiet() {
				kept = append(kept, c)
			} else {
				_ = c.Close()
			}
		}
		clear(h.idle[len(kept):])
		h.idle = kept
		some = some || len(kept) > 0
	}
	if t.sweep = nil; some {
		t.sweep = time.AfterFunc(lookEvery, t.look)
	}
}

// CloseIdleConnections closes the connections that are not in use.
func (t *Transport) CloseIdleConnections() {
	t.Else.CloseIdleConnections()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range t.hosts {
		for _, c := range h.idle {
			_ = c.Close()
		}
		h.idle = nil
	}
	if t.sweep != nil {
		t.sweep.Stop()
		t.sweep = nil
	}
}
