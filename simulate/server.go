package simulate

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
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
	return string(hex16(append(make([]byte, 0, 24), "req_0"...), mix(hash^uint64(s.number)))) //nolint:gosec // any bits will do
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

// exchange is one call from its arrival to its end.
type exchange struct {
	s     *Server
	w     http.ResponseWriter
	req   *http.Request
	r     *request
	step  Step
	delay time.Duration // before the answer
	verdict
	now        time.Time
	life       int
	number     int64
	id         string
	record     *record
	stopOnHang bool
	eventDelay time.Duration
	left       bool // the call is no longer under way
}

// arrive decides on everything, under one lock, in the order of arrival.
func (x *exchange) arrive(body []byte) {
	s, r := x.s, x.r
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &s.options
	x.now = time.Now()
	s.number++
	x.life, x.number, x.id = s.life, s.number, s.requestID(r.hash)
	s.counts.arrived(r, x.now)
	if o.Detail {
		x.record = &record{Logged: Logged{
			At: x.now, Hash: hashText(r.hash), Marker: marker(body, x.req), Endpoint: x.req.URL.Path, Model: r.model,
		}}
		s.counts.log = append(s.counts.log, x.record)
		s.counts.bodies[r.hash]++
	}
	x.stopOnHang, x.eventDelay = o.StopOnHangup, o.EventDelay
	if r.endpoint != countTokens { // has limits of its own, and is free
		x.verdict = s.admit(r, s.clock(x.now))
	}
	s.flight++
	s.counts.peak = max(s.counts.peak, s.flight)
	if x.refused {
		return
	}
	var scripted bool
	if x.step, scripted = s.next(r, body); !scripted {
		x.step, _ = o.failure(s.number)
	}
	x.delay = o.Latency + x.step.Delay
	if o.LatencyJitter > 0 {
		share := unit(mix(uint64(o.Seed) ^ mix(uint64(s.number)))) //nolint:gosec // any bits will do
		x.delay += time.Duration(share * float64(o.LatencyJitter))
	}
	if n := x.step.InputTokens; n != nil {
		r.use.input, r.use.cacheRead, r.use.cacheWrite = *n, 0, 0
	}
	if n := x.step.OutputTokens; n != nil {
		r.use.output = *n
	}
}

// marker is what a tester has put into a request to find it again.
func marker(body []byte, req *http.Request) string {
	const longest = 256
	if _, rest, ok := bytes.Cut(body, []byte("[[")); ok {
		if name, _, ok := bytes.Cut(rest, []byte("]]")); ok && len(name) <= longest {
			return string(name)
		}
	}
	var user string
	object(body, func(name, value []byte) {
		if string(name) == "user" {
			user, _ = text(value)
		}
	})
	if user == "" {
		user = req.Header.Get("Idempotency-Key")
	}
	return user[:min(len(user), longest)]
}

// charge books a generated answer; used is its part that was generated. s.mu is held.
func (x *exchange) charge(output int64) {
	s, use := x.s, x.r.use
	use.output = output
	if x.life != s.life || x.r.endpoint == countTokens {
		return
	}
	price := s.options.price(x.r.model)
	cost := price.of(use)
	s.counts.each(x.r.model, func(t *tally) {
		t.in += use.in()
		t.out += use.output
		t.cost.add(cost)
	})
	if x.record != nil {
		x.record.InputTokens, x.record.OutputTokens, x.record.cost = use.in(), use.output, cost
	}
}

// ending is how a call ends.
type ending struct {
	status   int // of the status line; 0 if none was sent
	billed   bool
	output   int64 // generated, if billed
	answered bool  // sent to its end
}

// end books the end of the call, once. It comes before the last byte is sent, so that a client that has its answer finds it counted.
func (x *exchange) end(e ending) {
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.left {
		return
	}
	x.left = true
	s.flight--
	now := time.Now()
	s.settle(&x.verdict, tokens{x.r.use.input, x.r.use.cacheRead, x.r.use.cacheWrite, e.output}, s.clock(now))
	if x.life != s.life {
		return
	}
	s.counts.each(x.r.model, func(t *tally) {
		t.status[e.status]++
		if e.billed {
			t.ok++
			if e.answered {
				t.answered++
			}
		}
		if x.refused {
			t.limited++
		}
	})
	if e.billed {
		x.charge(e.output)
	}
	if rec := x.record; rec != nil {
		rec.Status, rec.EndedAt, rec.Answered, rec.Limited = e.status, now, e.billed && e.answered, x.refused
	}
}

// notAnswered takes back that an answer was sent to its end: the connection failed.
func (x *exchange) notAnswered() {
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.life != s.life {
		return
	}
	s.counts.each(x.r.model, func(t *tally) { t.answered-- })
	if x.record != nil {
		x.record.Answered = false
	}
}

// pause waits as a slow provider does; false if the client left meanwhile.
func (x *exchange) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.req.Context().Done():
		return false
	}
}

// contentLength sets the length of the body.
func contentLength(h http.Header, n int) { h["Content-Length"] = []string{strconv.Itoa(n)} }
