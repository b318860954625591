package simulate

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxBody is the longest request body: what Anthropic takes.
const maxBody = 32 << 20

// Server is a simulated provider, an http.Handler. It is safe for concurrent use.
type Server struct {
	mu       sync.Mutex
	options  Options
	epoch    int // counts changes of the options
	began    time.Time
	accounts map[string]*account
	script   []Step
	flight   int64
	life     int // counts resets
	number   int64
	counts   counts
}

// New returns a server. It panics if the options are not valid: see Options.Validate.
func New(o Options) *Server {
	if err := o.Validate(); err != nil {
		panic("simulate: " + err.Error())
	}
	s := &Server{options: o.withDefaults(), began: time.Now()}
	s.clear()
	return s
}

// Options returns the options in force.
func (s *Server) Options() Options {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.options
}

// SetOptions changes the options. What counts against the limits stays, unless the algorithm changes.
func (s *Server) SetOptions(o Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.options = o.withDefaults()
	s.epoch++
	return nil
}

// Reset forgets statistics, script and what counts against the limits. The options stay. What is under way ends uncounted.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
}

func (s *Server) clear() {
	s.accounts = make(map[string]*account)
	s.script = nil
	s.number = 0
	s.life++
	s.counts = newCounts()
	s.counts.peak = s.flight
}

// clock is wall time in nanoseconds that does not step.
func (s *Server) clock(now time.Time) int64 { return s.began.UnixNano() + int64(now.Sub(s.began)) }

// ServeHTTP answers model calls, GET /v1/models, /stats and /sim/….
func (s *Server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	path := req.URL.Path
	if e, ok := endpoints[path]; ok && req.Method == http.MethodPost {
		s.call(w, req, e)
		return
	}
	switch {
	case path == "/stats" || strings.HasPrefix(path, "/sim/"):
		s.admin(w, req)
	case path == "/v1/models" || strings.HasPrefix(path, "/v1/models/"):
		s.listModels(w, req)
	default:
		s.refuse(w, strings.HasPrefix(path, "/v1/messages"), notServed(req))
	}
}

func notServed(req *http.Request) *problem {
	if _, ok := endpoints[req.URL.Path]; ok {
		return &problem{status: http.StatusMethodNotAllowed, message: fmt.Sprintf("Not allowed to %s on %s", req.Method, req.URL.Path)}
	}
	return &problem{status: http.StatusNotFound, message: fmt.Sprintf("Invalid URL (%s %s)", req.Method, req.URL.Path)}
}

// refuse answers a request that could not even be read.
func (s *Server) refuse(w http.ResponseWriter, anthropic bool, p *problem) {
	s.mu.Lock()
	s.counts.arrived(nil, time.Now())
	s.counts.all.status[p.status]++
	s.number++
	id := s.requestID(0)
	s.mu.Unlock()
	idHeader(w.Header(), anthropic, id)
	p.write(w, anthropic)
}

func (s *Server) requestID(hash uint64) string {
	return string(hex16(append(make([]byte, 0, 24), "req_0"...), mix(hash^uint64(s.number)))) // #nosec G115 -- any bits will do
}

func idHeader(h http.Header, anthropic bool, id string) {
	if anthropic {
		h["Request-Id"] = []string{id}
		return
	}
	h["X-Request-Id"] = []string{id}
}

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func release(b *bytes.Buffer) {
	if b.Cap() <= 1<<20 {
		b.Reset()
		bodies.Put(b)
	}
}

// call answers one model call.
func (s *Server) call(w http.ResponseWriter, req *http.Request, e endpoint) {
	s.mu.Lock()
	o := s.options // its maps are replaced, never changed
	s.mu.Unlock()
	key, p := authorize(req, e, &o)
	if p != nil {
		s.refuse(w, e.anthropic(), p)
		return
	}
	buf := bodies.Get().(*bytes.Buffer) //nolint:forcetypeassert // nothing else is in the pool
	defer release(buf)
	if n := req.ContentLength; n > 0 && n <= maxBody {
		buf.Grow(int(n) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(http.MaxBytesReader(w, req.Body, maxBody)); err != nil {
		p := &problem{status: http.StatusBadRequest, message: "The request body could not be read."}
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			p = &problem{status: http.StatusRequestEntityTooLarge, message: "Request exceeds the maximum allowed number of bytes."}
		}
		s.refuse(w, e.anthropic(), p)
		return
	}
	r, p := parse(e, buf.Bytes(), &o)
	if p != nil {
		s.refuse(w, e.anthropic(), p)
		return
	}
	r.key = key
	x := exchange{s: s, w: w, req: req, r: r}
	x.arrive(buf.Bytes())
	x.serve()
}

// authorize returns the credential.
func authorize(req *http.Request, e endpoint, o *Options) (string, *problem) {
	key := strings.TrimSpace(strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "))
	other := "Api-Key"
	if e.anthropic() {
		other = "X-Api-Key"
	}
	if own := req.Header.Get(other); own != "" {
		key = own
	}
	switch {
	case key == "" && e.anthropic():
		return "", &problem{status: http.StatusUnauthorized, message: "x-api-key header is required"}
	case key == "":
		return "", &problem{
			status: http.StatusUnauthorized, kind: "invalid_request_error",
			message: "You didn't provide an API key. Provide it in an Authorization header, as in \"Authorization: Bearer YOUR_KEY\".",
		}
	case o.Keys != nil && !oneOf(key, o.Keys...):
		return "", &problem{status: http.StatusUnauthorized}
	case e.anthropic() && req.Header.Get("Anthropic-Version") == "":
		return "", invalid("", "anthropic-version: header is required")
	}
	return key, nil
}
