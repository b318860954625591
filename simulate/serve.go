package simulate

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

var (
	typeJSON   = []string{"application/json"}
	typeEvents = []string{"text/event-stream; charset=utf-8"}
	apiVersion = []string{"2020-10-01"}
)

// serve answers as arrive decided.
func (x *exchange) serve() {
	h, anthropic := x.w.Header(), x.r.endpoint.anthropic()
	idHeader(h, anthropic, x.id)
	x.headers(h, anthropic, x.now)
	if x.refused {
		x.limited()
		return
	}
	st := &x.step
	if !x.pause(x.delay) {
		// The client is gone. A provider that does not notice goes on generating.
		x.end(ending{billed: !x.stopOnHangup && !st.fails() && st.billed(http.StatusOK), output: x.r.use.output})
		return
	}
	if !anthropic {
		h["Openai-Version"] = apiVersion
		h["Openai-Processing-Ms"] = []string{strconv.FormatInt(time.Since(x.now).Milliseconds(), 10)}
	}
	for name, value := range st.Headers {
		if value == "" {
			h.Del(name)
			continue
		}
		h.Set(name, value)
	}
	switch {
	case st.Reset && st.Truncate == 0:
		x.end(ending{billed: st.Billed != nil && *st.Billed, output: x.r.use.output})
		x.breakOff(true)
	case st.Status >= 300 || st.Status == http.StatusNoContent || st.Status != 0 && st.Body != nil:
		x.scripted()
	case st.Garbage:
		x.whole(http.StatusOK, []byte("<html><head><title>upstream connect error</title></head><body>no healthy upstream</body></html>"))
	case x.r.stream:
		x.events()
	default:
		x.answer()
	}
}

// fails reports whether the step has no answer in it.
func (st *Step) fails() bool { return st.Reset && st.Truncate == 0 || st.Status >= 300 }

// limited refuses a request that the limits did not let in.
func (x *exchange) limited() {
	h, anthropic := x.w.Header(), x.r.endpoint.anthropic()
	x.end(ending{status: http.StatusTooManyRequests})
	p := problem{status: http.StatusTooManyRequests, code: "rate_limit_exceeded", kind: "tokens"}
	if x.dim == dimRequests || x.dim == dims {
		p.kind = "requests"
	}
	if anthropic {
		p.kind = "rate_limit_error"
	}
	switch {
	case x.dim == dims:
		p.message = fmt.Sprintf("Too many requests for %s at once.", x.r.model)
	case x.tooBig:
		p.message = fmt.Sprintf("Request too large for %s on %s: it counts more than the limit of %d takes at once.",
			x.r.model, dimension[x.dim].words, x.allowed)
	default:
		p.message = fmt.Sprintf("Rate limit reached for %s on %s: Limit %d. Please try again in %v.",
			x.r.model, dimension[x.dim].words, x.allowed, ceil(x.wait, time.Millisecond))
	}
	if x.told && !x.tooBig {
		retryAfter(h, anthropic, x.wait)
	}
	p.write(x.w, anthropic)
}

// scripted answers with the status of a step.
func (x *exchange) scripted() {
	st, anthropic := &x.step, x.r.endpoint.anthropic()
	if st.Body == nil {
		if st.Status < 400 {
			x.whole(st.Status, nil)
			return
		}
		p := problem{status: st.Status, code: st.Code, kind: st.Type, message: st.Message}
		x.whole(st.Status, p.body(anthropic, x.id))
		return
	}
	x.whole(st.Status, st.text())
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// answer sends the ordinary answer in one piece.
func (x *exchange) answer() {
	b := buffers.Get().(*[]byte) //nolint:forcetypeassert // nothing else is in the pool
	rep := reply{x.r, x.now.Unix(), x.step.NoUsage}
	*b = rep.append((*b)[:0])
	status := http.StatusOK
	if x.step.Status != 0 {
		status = x.step.Status
	}
	defer func() {
		if cap(*b) <= 1<<20 {
			buffers.Put(b)
		}
	}()
	x.whole(status, *b)
}

// whole sends a body in one piece, or such part of it as the step has.
func (x *exchange) whole(status int, body []byte) {
	st, h := &x.step, x.w.Header()
	e := ending{status: status, billed: st.billed(status), output: x.r.use.output}
	if h["Content-Type"] == nil && body != nil {
		h["Content-Type"] = typeJSON
	}
	if status != http.StatusNoContent && status != http.StatusNotModified {
		contentLength(h, len(body))
	}
	if st.Truncate == 0 && st.Stall == 0 {
		e.answered = true
		x.end(e)
		x.w.WriteHeader(status)
		x.last(body, e.billed)
		return
	}
	part := len(body) / 2
	if st.Truncate > 0 {
		part = max(min(st.Truncate, len(body)-1), 0)
	}
	x.w.WriteHeader(status)
	_, err := x.w.Write(body[:part])
	if err == nil {
		err = x.flush()
	}
	there := err == nil && x.pause(st.Stall)
	if st.Truncate > 0 || !there {
		x.end(e)
		x.breakOff(st.Reset)
	}
	e.answered = true
	x.end(e)
	x.last(body[part:], e.billed)
}

// last sends the end of a body that is booked as answered.
func (x *exchange) last(body []byte, billed bool) {
	var err error
	if len(body) > 0 { // a 204 must have none
		_, err = x.w.Write(body)
	}
	if err == nil {
		err = x.flush()
	}
	if err != nil && billed {
		x.notAnswered()
	}
}

// events streams the answer.
func (x *exchange) events() {
	st, h := &x.step, x.w.Header()
	rep := reply{x.r, x.now.Unix(), st.NoUsage}
	var s streamed
	rep.stream(&s)
	h["Content-Type"] = typeEvents
	h["Cache-Control"] = []string{"no-cache"}
	e := ending{status: http.StatusOK, billed: st.billed(http.StatusOK), output: x.r.use.output}
	stop := func(sent int) { // the client left after so many events
		if x.stopOnHangup {
			e.output = e.output * int64(sent) / int64(len(s.ends))
		}
		x.end(e)
	}
	x.w.WriteHeader(http.StatusOK)
	if x.flush() != nil {
		stop(0)
		return
	}
	at := 0
	for i, to := range s.ends {
		cut := st.Truncate > 0 && (to > st.Truncate || i == len(s.ends)-1)
		if cut {
			to = max(at, min(st.Truncate, to-1))
		}
		if i > 0 && !x.pause(x.eventDelay) || i == len(s.ends)/2 && !x.pause(st.Stall) || x.req.Context().Err() != nil {
			stop(i)
			return
		}
		if i == len(s.ends)-1 && !cut {
			e.answered = true
			x.end(e)
		}
		_, err := x.w.Write(s.b[at:to])
		if err == nil {
			err = x.flush()
		}
		switch {
		case err != nil && e.answered:
			if e.billed {
				x.notAnswered()
			}
			return
		case err != nil:
			stop(i)
			return
		case cut:
			x.end(e)
			x.breakOff(st.Reset)
		}
		at = to
	}
}

// flush sends what is buffered.
func (x *exchange) flush() error {
	if f, ok := x.w.(interface{ FlushError() error }); ok {
		return f.FlushError()
	}
	return http.NewResponseController(x.w).Flush()
}

// breakOff ends the connection and does not return. With reset the client sees a reset (RST), else an end (FIN) that comes too early.
// Where the connection cannot be had, as with HTTP/2, both are the end of the stream.
func (x *exchange) breakOff(reset bool) {
	if reset {
		if conn, _, err := http.NewResponseController(x.w).Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			_ = conn.Close()
		}
	}
	panic(http.ErrAbortHandler)
}
