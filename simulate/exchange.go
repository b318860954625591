package simulate

import (
	"bytes"
	"net/http"
	"strconv"
	"time"
)

// exchange is one call from its arrival to its end.
type exchange struct {
	s     *Server
	w     http.ResponseWriter
	req   *http.Request
	r     *request
	step  Step
	delay time.Duration // before the answer
	verdict
	now          time.Time
	life         int
	number       int64
	id           string
	record       *record
	stopOnHangup bool
	eventDelay   time.Duration
	left         bool // the call is no longer under way
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
	x.stopOnHangup, x.eventDelay = o.StopOnHangup, o.EventDelay
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
		share := unit(mix(uint64(o.Seed) ^ mix(uint64(s.number)))) // #nosec G115 -- any bits will do
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
		if name, _, ok := bytes.Cut(rest, []byte("]]")); ok && len(name) <= longest && !bytes.ContainsAny(name, `[",`) { // not a nested array
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

// charge books an answer of which so many tokens were generated. s.mu is held.
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
