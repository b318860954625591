package gateway

import "bytes"

// lineEnds are the last bytes of a stream. They tell whether its last event has ended: by an empty line, and lines end with CR, LF or both
// (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).
type lineEnds struct {
	last [4]byte
	n    int // how many of them there are
}

// saw takes what was written next.
func (l *lineEnds) saw(p []byte) {
	if len(p) >= len(l.last) {
		l.n = copy(l.last[:], p[len(p)-len(l.last):])
		return
	}
	for _, b := range p {
		if l.n == len(l.last) {
			copy(l.last[:], l.last[1:])
			l.n--
		}
		l.last[l.n] = b
		l.n++
	}
}

// blank returns what is missing to an empty line, after which a new event begins.
func (l *lineEnds) blank() string {
	rest, ended := cutLine(l.last[:l.n])
	if _, empty := cutLine(rest); l.n == 0 || ended && (empty || len(rest) == 0) {
		return ""
	}
	if ended && l.last[l.n-1] == '\n' {
		return "\n"
	}
	return "\n\n" // after a CR the first of them may belong to it
}

// cutLine takes the end of a line away from the end of p.
func cutLine(p []byte) (rest []byte, ended bool) {
	for _, end := range []string{"\r\n", "\n", "\r"} {
		if rest, ok := bytes.CutSuffix(p, []byte(end)); ok {
			return rest, true
		}
	}
	return p, false
}
