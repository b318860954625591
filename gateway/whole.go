package gateway

import "bytes"

// whole hands on a stream of events in whole events. A provider's connection may break within one; a client that got half an event, and after it ours that says so, would
// read the two as one that is no JSON, and would not raise the error that we tell. Bytes are handed on as they are, only later, and nothing waits that a client could use.
type whole struct {
	held []byte // the beginning of an event
	torn bool   // a part of the event that is coming has been handed on: it is too long to be held
}

// longest is how much of one event is held back.
const longest = 1 << 20

// take returns what can be handed on of what was held and p. It is valid until the next call, and as long as p is.
func (e *whole) take(p []byte) []byte {
	seen := max(0, len(e.held)-3) // has no end of an event; the longest end is of 4 bytes
	joined := len(e.held) > 0
	if joined {
		e.held = append(e.held, p...)
		p = e.held
	}
	end := eventsEnd(p[seen:])
	if end > 0 {
		end += seen
	}
	switch {
	case end == len(p):
		e.held, e.torn = nil, false
		return p
	case e.torn && end == 0 || len(p)-end > longest:
		e.held, e.torn = nil, true
		return p
	case end > 0:
		e.torn = false
	}
	if end > 0 || !joined {
		e.held = bytes.Clone(p[end:])
	}
	return p[:end]
}

// rest returns what is held at the end of a stream that ended by itself.
func (e *whole) rest() []byte {
	p := e.held
	e.held = nil
	return p
}

// drop forgets what is held, at the end of a stream that broke off.
func (e *whole) drop() { e.held = nil }

// eventsEnd is where the last whole event of p ends: after an empty line, whose ends may be LF, CR LF or CR (https://html.spec.whatwg.org/multipage/server-sent-events.html).
func eventsEnd(p []byte) int {
	if bytes.HasSuffix(p, []byte("\n\n")) {
		return len(p)
	}
	end := 0
	for _, blank := range []string{"\n\n", "\r\n\r\n", "\r\r", "\n\r\n"} {
		if i := bytes.LastIndex(p, []byte(blank)); i >= 0 {
			end = max(end, i+len(blank))
		}
	}
	return end
}
