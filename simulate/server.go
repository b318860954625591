package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxBody is the longest request body.
const maxBody = 64 << 20

// Server is a simulated provider, an http.Handler. It is safe for concurrent use.
type Server struct {
	mu      sync.Mutex
	options Options
	rng     *rand.Rand
	meters  map[string]*meters
	script  []step
	flight  int64
	stats   counts
}

// New returns a server.
func New(o Options) *Server {
	s := &Server{options: o.withDefaults()}
	s.reset()
	return s
}

func (s *Server) reset() {
	s.rng = rand.New(rand.NewPCG(s.options.Seed, 0x5eed))
	s.meters = make(map[string]*meters)
	s.script = nil
	s.stats = newCounts()
}

// ServeHTTP answers model calls, /stats and /sim/….
func (s *Server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	path := req.URL.Path
	switch {
	case path == "/stats" || path == "/sim/stats":
		s.serveStats(w, req)
	case strings.HasPrefix(path, "/sim/"):
		s.control(w, req, strings.TrimPrefix(path, "/sim/"))
	case path == "/v1/models":
		_, _ = io.WriteString(w, `{"object":"list","data":[]}`)
	default:
		s.call(w, req, strings.TrimPrefix(path, "/v1/"))
	}
}

var endpoints = []string{"chat/completions", "completions", "responses", "embeddings", "messages", "messages/count_tokens"}

// plan is what is to be done with one request.
type plan struct {
	step    step
	wait    time.Duration // before the answer
	refused time.Duration // a rate limit says so
	headers http.Header
	created int64
	number  int64
}

func (s *Server) call(w http.ResponseWriter, req *http.Request, endpoint string) {
	anthropic := strings.HasPrefix(endpoint, "messages")
	fail := func(status int, message string) {
		kind, code := kinds(status, anthropic)
		problem(w, anthropic, status, kind, code, message)
		s.note(func(c *counts) { c.status(status) })
	}
	if !slices.Contains(endpoints, endpoint) || req.Method != http.MethodPost {
		fail(http.StatusNotFound, fmt.Sprintf("Invalid URL (%s %s)", req.Method, req.URL.Path))
		return
	}
	if req.Header.Get("Authorization") == "" && req.Header.Get("X-Api-Key") == "" {
		fail(http.StatusUnauthorized, "You didn't provide an API key.")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil {
		fail(http.StatusRequestEntityTooLarge, "the body could not be read: "+err.Error())
		return
	}
	r, err := readRequest(endpoint, body, s.options.Seed)
	if err != nil {
		fail(http.StatusBadRequest, err.Error())
		return
	}
	p := s.plan(r, body)
	defer s.note(func(c *counts) { s.flight-- })
	if !pause(req, p.wait) {
		s.ended(r, p, 0, false)
		return
	}
	s.serve(w, req, r, p)
}

// pause waits as a slow provider does; false if the client left meanwhile.
func pause(req *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-req.Context().Done():
		return false
	}
}

// plan decides, under one lock, in the order of arrival.
func (s *Server) plan(r *request, body []byte) plan {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.flight++
	s.stats.arrived(r, body, now, s.flight, s.options.Detail)
	p := plan{created: now.Unix(), number: s.stats.Requests, wait: s.options.Latency}
	if j := s.options.LatencyJitter; j > 0 {
		p.wait += time.Duration(s.rng.Int64N(int64(j)))
	}
	p.step = s.next(r, body)
	p.refused, p.headers = s.admit(r, now)
	if p.step.none() && s.options.Fail > 0 && p.refused == 0 && s.rng.Float64() < s.options.Fail {
		p.step = s.failure()
	}
	for _, text := range []string{p.step.Delay, p.step.Stall} {
		if d, err := time.ParseDuration(text); err == nil {
			p.wait += d
		}
	}
	if p.refused > 0 {
		p.wait = 0
	}
	return p
}

// none reports whether the script had nothing for a request.
func (st step) none() bool {
	return st.Status == 0 && !st.Reset && st.Truncate == 0 && st.Stall == "" && st.Delay == "" && !st.Garbage && !st.NoUsage && !st.OK
}

// next takes the script's next step for this request.
func (s *Server) next(r *request, body []byte) step {
	for i, st := range s.script {
		if (st.Model == "" || st.Model == r.model) && (st.Match == "" || strings.Contains(string(body), st.Match)) {
			s.script = slices.Delete(s.script, i, i+1)
			return st
		}
	}
	return step{}
}

// failure is one of those that real providers have.
func (s *Server) failure() step {
	switch s.rng.IntN(4) {
	case 0:
		return step{Status: 429, Headers: map[string]string{"Retry-After": "1", "Retry-After-Ms": strconv.Itoa(200 + s.rng.IntN(600))}}
	case 1:
		return step{Reset: true}
	default:
		return step{Status: 503}
	}
}

// serve writes the answer, or what the plan has instead.
func (s *Server) serve(w http.ResponseWriter, req *http.Request, r *request, p plan) {
	h := w.Header()
	for name, values := range p.headers {
		h[name] = values
	}
	id := "req_" + strconv.FormatInt(p.number, 36) + strconv.FormatUint(r.hash%1e6, 36)
	h.Set("X-Request-Id", id)
	h.Set("Request-Id", id)
	h.Set("Content-Type", "application/json")
	for name, value := range p.step.Headers {
		h.Set(name, value)
	}
	switch st := p.step; {
	case p.refused > 0:
		retryAfter(h, p.refused)
		kind, code := kinds(http.StatusTooManyRequests, r.anthropic)
		s.ended(r, p, http.StatusTooManyRequests, false)
		problem(w, r.anthropic, http.StatusTooManyRequests, kind, code, "Rate limit reached for "+r.model)
	case st.Reset:
		s.ended(r, p, 0, false)
		hangUp(w, nil)
	case st.Status != 0 && (st.Status < 200 || st.Status > 299):
		s.ended(r, p, st.Status, false)
		if st.Body != "" {
			w.WriteHeader(st.Status)
			_, _ = io.WriteString(w, st.Body)
			return
		}
		kind, code := kinds(st.Status, r.anthropic)
		problem(w, r.anthropic, st.Status, kind, code, "simulated failure")
	case st.Garbage:
		s.ended(r, p, 200, true)
		_, _ = io.WriteString(w, "<html>upstream connect error</html>")
	case st.Truncate > 0:
		s.ended(r, p, 200, true)
		answer := r.answer(nil, p.created, true)
		hangUp(w, answer[:min(st.Truncate, len(answer)-1)])
	case r.stream && r.endpoint != "embeddings":
		s.ended(r, p, 200, true)
		s.streamed(w, req, r, p)
	default:
		answer := r.answer(make([]byte, 0, 512+8*r.output), p.created, !st.NoUsage)
		s.ended(r, p, 200, true)
		h.Set("Content-Length", strconv.Itoa(len(answer)))
		_, err := w.Write(answer)
		if err == nil {
			s.note(func(c *counts) { c.Answered++ })
		}
	}
}

// hangUp breaks the connection, after a part of an answer if there is one.
func hangUp(w http.ResponseWriter, part []byte) {
	hj, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, buf, err := hj.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if part != nil {
		_, _ = fmt.Fprintf(buf, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(part)+1000)
		_, _ = buf.Write(part)
		_ = buf.Flush()
	}
	if tcp, ok := conn.(*net.TCPConn); ok && part == nil {
		_ = tcp.SetLinger(0) // a reset, not an orderly end
	}
	_ = conn.Close()
}

func (s *Server) control(w http.ResponseWriter, req *http.Request, what string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err == nil && req.Method != http.MethodPost {
		err = errors.New("want POST")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		switch what {
		case "script":
			var steps []step
			if err = json.Unmarshal(body, &steps); err == nil {
				s.script = append(s.script, steps...)
			}
		case "options":
			err = s.options.change(body)
		case "reset":
			s.reset()
		default:
			err = fmt.Errorf("no such control: %s", what)
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = io.WriteString(w, "{}\n")
}

// Running is a server that listens.
type Running struct {
	*Server
	listener net.Listener
	http     *http.Server
	done     chan error
}

// Start listens on an address, such as 127.0.0.1:0, and serves until Close.
func Start(addr string, o Options) (*Running, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	s := New(o)
	r := &Running{Server: s, listener: l, http: &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}, done: make(chan error, 1)}
	go func() { r.done <- r.http.Serve(l) }()
	return r, nil
}

// URL returns the address: the base URL of Anthropic's format; with /v1 that of OpenAI's.
func (r *Running) URL() string { return "http://" + r.listener.Addr().String() }

// Close stops listening and breaks off what is under way.
func (r *Running) Close() error {
	err := r.http.Close()
	if served := <-r.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
