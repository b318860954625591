package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// exchange is one call at an endpoint. It is the sink of its stream.
type exchange struct {
	h       *Handler
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
	e       endpoint
	id      string
	began   time.Time

	provider string // the only one that it may go to; empty: any

	ctx    context.Context
	body   []byte
	job    *aurea.Job
	sent   aurea.Sending
	answer *aurea.Answer
	err    error

	said      []string  // values of headers
	writeBy   time.Time // deadline of writing, zero if there is none
	streaming bool
	events    *whole        // holds back what is no whole event yet; nil for an answer that is none of events
	firstByte time.Duration // of a stream, since the request came
	ends      lineEnds      // how what was written of a stream ends
	status    int           // that was sent
	refused   aurea.Code
	why       error // it was refused
}

// sending notes where an attempt goes.
func (x *exchange) sending(s aurea.Sending) { x.sent = s }

// readBody reads the request's body whole before anything is sent: it has to be looked at, and net/http breaks off an answer that begins before its request has ended.
func (x *exchange) readBody() ([]byte, error) {
	most := x.h.rules.Load().maxBody
	if encoding := x.r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, invalid("send the body as it is", "a body in %s cannot be read", clip(encoding))
	}
	if x.r.ContentLength > most {
		x.letFinish(most)
		return nil, tooLarge(most)
	}
	body := make([]byte, 0, min(max(x.r.ContentLength, 0), trusted)+512)
	for {
		_ = x.control.SetReadDeadline(time.Now().Add(x.h.cfg.SlowBody)) // not every server's connections have one
		if len(body) == cap(body) {
			body = slices.Grow(body, max(len(body), int(x.r.ContentLength)-len(body)+1))
		}
		n, err := x.r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > most:
			body = nil
			x.letFinish(most)
			return nil, tooLarge(most)
		case errors.Is(err, io.EOF):
			_ = x.control.SetReadDeadline(time.Time{})
			return body, nil
		case err != nil:
			return nil, &aurea.Error{
				Code: aurea.CodeInvalidRequest, Message: "the body did not come whole", Hint: "send it without pauses of more than " + x.h.cfg.SlowBody.String(), Err: err,
			}
		}
	}
}

// letFinish reads on past a body that is too large, for as long as one more that is not would take: a client that is still sending when the connection is closed sees that, and
// not why. One that asks before it sends, or has far more to send, is answered at once.
func (x *exchange) letFinish(most int64) {
	if x.r.Header.Get("Expect") != "" || x.r.ContentLength > 2*most {
		return
	}
	_ = x.control.SetReadDeadline(time.Now().Add(x.h.cfg.SlowBody))
	_, _ = io.Copy(io.Discard, io.LimitReader(x.r.Body, most))
	_ = x.control.SetReadDeadline(time.Time{})
}

// trusted is how much of an announced body gets its memory before any of it has come.
const trusted = 1 << 20

func tooLarge(most int64) error {
	return &aurea.Error{
		Code: aurea.CodeBodyTooLarge, Message: fmt.Sprintf("the body is larger than %d bytes", most), Hint: "make it smaller, or raise limits.max_body",
	}
}

// Start begins a streamed answer.
func (x *exchange) Start(status int, header http.Header) {
	x.streaming, x.firstByte = true, time.Since(x.began)
	x.headers(header)
	h := x.w.Header()
	h.Del("Content-Length")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	if strings.HasPrefix(h.Get("Content-Type"), "text/event-stream") {
		x.events = &whole{}
	}
	x.attempts(x.sent.Attempt, x.sent.Queued, x.sent.InjectedCap)
	x.write(status)
}

// Write hands events on as they come. An error says that the client has left, or reads nothing.
func (x *exchange) Write(p []byte) (int, error) {
	n := len(p)
	if x.events != nil {
		if p = x.events.take(p); len(p) == 0 {
			return n, nil
		}
	}
	if m, err := x.hand(p); err != nil {
		return min(m, n), err
	}
	return n, nil
}

// hand gives the client a part of a stream.
func (x *exchange) hand(p []byte) (int, error) {
	x.ends.saw(p)
	return x.deliver(p, x.h.cfg.SlowBody)
}

// deliver writes within a time. With HTTP/2 the deadline is taken away again, which ends a stream whose deadline passes while nothing is written.
func (x *exchange) deliver(p []byte, within time.Duration) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	x.writeWithin(within)
	n, err := x.w.Write(p) // #nosec G705 -- JSON and events for programs, under the provider's own Content-Type
	if err == nil {
		err = x.control.Flush()
	}
	if x.r.ProtoMajor > 1 {
		x.rest()
	}
	if errors.Is(err, http.ErrNotSupported) {
		err = nil
	}
	return n, err
}

// writeWithin sets the deadline of writing to a time from now, or to a quarter less: one that is far enough stays, because each costs as much as a short event.
func (x *exchange) writeWithin(d time.Duration) {
	if now := time.Now(); x.writeBy.Sub(now) < d-d/4 {
		x.writeBy = now.Add(d)
		_ = x.control.SetWriteDeadline(x.writeBy) // not every server's connections have one
	}
}

// rest takes the deadline of writing away.
func (x *exchange) rest() {
	if !x.writeBy.IsZero() {
		x.writeBy = time.Time{}
		_ = x.control.SetWriteDeadline(x.writeBy)
	}
}

// finish ends the answer.
func (x *exchange) finish() {
	if cause, ok := errors.AsType[*aurea.Error](context.Cause(x.ctx)); ok && x.ctx.Err() != nil {
		x.err = cause // the job was cancelled, or is past its limit
	}
	switch {
	case x.streaming:
		x.endStream()
	case x.err != nil:
		x.refuse(x.err)
	default:
		x.whole()
	}
}

// whole writes an answer that is no stream.
func (x *exchange) whole() {
	a := x.answer
	x.headers(a.Header)
	x.attempts(a.Attempts, a.Queued, a.InjectedCap)
	s := x.job.Standing()
	x.say("X-Aurea-Cost-Usd", a.TotalCost.String())
	if len(a.Masked) > 0 {
		x.say("X-Aurea-Masked", maskedText(a.Masked))
	}
	x.say("X-Aurea-Job-Spent-Usd", s.Spent.String())
	if !s.Unlimited {
		x.say("X-Aurea-Job-Remaining-Usd", s.Remaining.String())
	}
	x.say("Content-Length", strconv.Itoa(len(a.Body)))
	x.write(a.Status)
	_, _ = x.deliver(a.Body, x.h.cfg.SlowBody+time.Duration(len(a.Body))*slowest)
}

// slowest is the time that a byte of a long answer may take: a client at 100 kB a second is waited for.
const slowest = 10 * time.Microsecond

// endStream says how a stream ended. A provider's own end has come through; what broke off is told by an event, because there is no status any more.
func (x *exchange) endStream() {
	if x.r.Context().Err() != nil {
		return
	}
	if x.err != nil && !saidItself(x.err) {
		e := errorOf(x.err)
		x.refused, x.why = e.Code, e
		if x.events != nil {
			x.events.drop()
		}
		_, _ = x.hand(append([]byte(x.ends.blank()), x.e.event(e.Code.Status(), e)...)) // the provider may have broken off anywhere
	} else if x.events != nil {
		_, _ = x.hand(x.events.rest())
	}
	if x.answer == nil {
		return
	}
	s := x.job.Standing()
	end := streamEnd{
		Masked: maskedText(x.answer.Masked),
		CallID: x.id, Cost: x.answer.TotalCost.String(), Spent: s.Spent.String(), Queued: x.answer.Queued.Milliseconds(), Attempts: x.answer.Attempts,
	}
	if !s.Unlimited {
		remaining := s.Remaining.String()
		end.Remaining = &remaining
	}
	comment := fmt.Appendf([]byte(x.ends.blank()), ": aurea %s\n\n", marshal(end))
	if x.r.ProtoMajor > 1 {
		_, _ = x.deliver(comment, x.h.cfg.SlowBody)
		return
	}
	x.writeWithin(x.h.cfg.SlowBody)
	_, _ = x.w.Write(comment) // #nosec G705 -- as in deliver; the end of the answer flushes it
}

// saidItself reports whether a stream ended with the provider's own error event, which has come through.
func saidItself(err error) bool {
	_, said := errors.AsType[*usage.StreamError](err)
	return said
}

// maskedText says what was masked in a request: "EMAIL=2, SSN=1".
func maskedText(masked []aurea.Masked) string {
	var all []string
	for _, m := range masked {
		all = append(all, m.Type+"="+strconv.Itoa(m.Count))
	}
	return strings.Join(all, ", ")
}

// streamEnd is the comment that ends a stream. Its names are a contract.
type streamEnd struct {
	CallID    string  `json:"call_id"`
	Cost      string  `json:"cost_usd"`
	Spent     string  `json:"job_spent_usd"`
	Remaining *string `json:"job_remaining_usd"`
	Queued    int64   `json:"queue_ms"`
	Attempts  int     `json:"attempts"`
	Masked    string  `json:"masked,omitempty"`
}

func (x *exchange) refuse(err error) {
	e := errorOf(err)
	x.refused, x.why, x.status = e.Code, e, e.Code.Status()
	if e.Code == "internal" {
		x.h.cfg.Logger.Error("gateway", "call_id", x.id, "error", err)
	}
	if x.answer != nil {
		x.attempts(x.answer.Attempts, x.answer.Queued, x.answer.InjectedCap)
	}
	refuse(x.w, x.e.shape, e)
}

func (x *exchange) write(status int) {
	x.status = status
	x.w.WriteHeader(status)
}

// attempts says how the call went.
func (x *exchange) attempts(n int, queued time.Duration, injected int64) {
	x.say("X-Aurea-Attempts", strconv.Itoa(n))
	x.say("X-Aurea-Queue-Ms", strconv.FormatInt(queued.Milliseconds(), 10))
	if x.sent.Provider != "" {
		x.say("X-Aurea-Target", x.sent.Provider+"/"+x.sent.Model)
	}
	if injected > 0 {
		x.say("X-Aurea-Max-Tokens-Injected", strconv.FormatInt(injected, 10))
	}
}

// say sets a header of the answer, whose name is in its canonical form.
func (x *exchange) say(name, value string) {
	if len(x.said) == cap(x.said) {
		x.said = make([]string, 0, 8) // of all of them at once
	}
	n := len(x.said)
	x.said = append(x.said, value)
	x.w.Header()[name] = x.said[n : n+1 : n+1]
}

// headers passes on the provider's headers, but for those that belong to its connection, to its own cookies and addresses, or to us.
func (x *exchange) headers(from http.Header) {
	to := x.w.Header()
	named := from.Values("Connection")
	for name, values := range from {
		if !hidden[name] && !strings.HasPrefix(name, "X-Aurea-") && !mentions(named, name) {
			to[name] = values
		}
	}
}

var hidden = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Connection": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
	"Content-Length": true, "Content-Encoding": true, "Date": true, "Server": true, "Set-Cookie": true, "Strict-Transport-Security": true, "Alt-Svc": true,
}

func mentions(lists []string, name string) bool {
	for _, list := range lists {
		for part := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(part), name) {
				return true
			}
		}
	}
	return false
}

// report tells the log and the metrics what became of the call.
func (x *exchange) report() {
	now := time.Now()
	took := now.Sub(x.began)
	left := x.r.Context().Err() != nil
	if left {
		x.status = 0
	}
	x.h.cfg.Ended(Call{Endpoint: x.e.path, Status: x.status, Refused: x.refused, Err: x.why, Answer: x.answer, Took: took})
	log := x.h.cfg.Logger.Handler()
	ctx := x.r.Context()
	if !log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	var room [20]slog.Attr
	line := append(room[:0],
		slog.String("call_id", x.id), slog.String("endpoint", x.e.path), slog.Int("status", x.status), slog.Duration("took", took), slog.Int("body_bytes", len(x.body)))
	if x.job != nil {
		line = append(line, slog.String("job", x.job.ID))
	}
	if x.answer == nil && x.provider != "" {
		line = append(line, slog.String("provider", x.provider))
	}
	if x.refused != "" {
		line = append(line, slog.String("refused", string(x.refused)))
	}
	if left {
		line = append(line, slog.Bool("client_left", true))
	}
	if x.streaming {
		line = append(line, slog.Duration("first_byte", x.firstByte))
	}
	if a := x.answer; a != nil {
		line = append(line, slog.Int64("input_tokens", a.Usage.InputTokens()), slog.Int64("output_tokens", a.Usage.OutputTokens()),
			slog.String("provider", a.Provider), slog.String("model", a.Model), slog.Int("attempts", a.Attempts), slog.Duration("queued", a.Queued),
			slog.String("cost_usd", a.TotalCost.String()), slog.String("unconfirmed_usd", a.TotalUnconfirmed.String()), slog.String("request_id", a.RequestID))
	}
	record := slog.NewRecord(now, slog.LevelInfo, "call", 0) // without a place in the code, which nobody prints and which costs a walk of the stack
	record.AddAttrs(line...)
	_ = log.Handle(ctx, record) // as slog's own methods do
}
