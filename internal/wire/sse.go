// Package wire reads the framing of what passes between providers and callers.
package wire

import "bytes"

// MaxEvent is the default of [Splitter.Max]: 32 MiB, what the providers' own clients take.
const MaxEvent = 32 << 20

// keep is the largest buffer that is kept from one event to the next.
const keep = 1 << 20

// Event is one server-sent event.
type Event struct {
	// Name is the event's type; empty where the stream names none, which the standard calls "message".
	Name []byte
	// Data is the values of its data lines, joined by line feeds.
	Data []byte
}

// Splitter is an io.Writer that cuts a stream of server-sent events into events, by the WHATWG's HTML standard, section 9.2
// (https://html.spec.whatwg.org/multipage/server-sent-events.html): lines end with CR, LF or CRLF, a byte order mark at the start is not content, a line that begins with
// a colon is a comment, an event without a data line is none. The stream may be split anywhere, within a CRLF or a character too.
//
// Unlike the standard, [Splitter.Close] gives out an event at the end of the stream that lacks its blank line: some providers end so.
//
// The zero value with Each set is ready to use. It copies what it must keep and nothing else, and is not safe for concurrent use.
type Splitter struct {
	// Each is called with each event. The event's bytes are valid during the call only.
	Each func(Event)
	// Max is how long a line, and an event's data, may be, in bytes; 0: [MaxEvent]. A longer event is left out and counted.
	Max int

	mark    int    // bytes of a byte order mark that have come; −1 once the start is behind us
	cr      bool   // the last byte was a CR: an LF that follows belongs to it
	line    []byte // the beginning of a line that has not ended
	comment bool   // that line is a comment, or is too long: its bytes are not kept
	name    []byte
	data    []byte
	some    bool // a data line has come
	long    bool // the event is too long
	dropped int
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// Write takes the next bytes of the stream. It never fails.
func (s *Splitter) Write(p []byte) (int, error) {
	n := len(p)
	if s.mark >= 0 {
		p = s.start(p)
	}
	if s.cr && len(p) > 0 {
		s.cr = false
		if p[0] == '\n' {
			p = p[1:]
		}
	}
	lf := bytes.IndexByte(p, '\n') // of p; looked for anew only when it is passed, so that a stream of CRs is not searched again and again
	for len(p) > 0 {
		if lf < 0 {
			lf = len(p)
		}
		end := bytes.IndexByte(p[:lf], '\r')
		if end < 0 {
			end = lf
		}
		if end == len(p) {
			s.hold(p)
			break
		}
		next := end + 1
		if p[end] == '\r' {
			switch {
			case next == len(p):
				s.cr = true
			case p[next] == '\n':
				next++
			}
		}
		s.endLine(p[:end])
		p, lf = p[next:], lf-next
		if lf < 0 {
			lf = bytes.IndexByte(p, '\n')
		}
	}
	return n, nil
}

// start passes over a byte order mark.
func (s *Splitter) start(p []byte) []byte {
	for len(p) > 0 && s.mark < len(byteOrderMark) {
		if p[0] != byteOrderMark[s.mark] {
			s.hold(byteOrderMark[:s.mark]) // it was the beginning of a line after all
			s.mark = -1
			return p
		}
		s.mark++
		p = p[1:]
	}
	if s.mark == len(byteOrderMark) {
		s.mark = -1
	}
	return p
}

func (s *Splitter) limit() int {
	if s.Max > 0 {
		return s.Max
	}
	return MaxEvent
}

// hold keeps the beginning of a line.
func (s *Splitter) hold(p []byte) {
	if len(p) == 0 || s.comment {
		return
	}
	if len(s.line) == 0 && p[0] == ':' {
		s.comment = true
		return
	}
	if len(s.line)+len(p) > s.limit() {
		s.comment, s.long = true, true
		s.line = s.line[:0]
		return
	}
	s.line = append(s.line, p...)
}

// endLine takes the rest of a line.
func (s *Splitter) endLine(rest []byte) {
	if len(s.line) > 0 || s.comment {
		s.hold(rest)
		if !s.comment {
			s.field(s.line)
		}
		s.line, s.comment = reuse(s.line), false
		return
	}
	if len(rest) == 0 {
		s.dispatch()
		return
	}
	if len(rest) > s.limit() && rest[0] != ':' {
		s.long = true
		return
	}
	s.field(rest)
}

// field takes a whole line that is not empty.
func (s *Splitter) field(line []byte) {
	name, value, _ := bytes.Cut(line, []byte{':'})
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	switch string(name) {
	case "data":
		if len(s.data)+len(value) > s.limit() {
			s.long = true
			s.data = s.data[:0]
		}
		if s.long {
			return
		}
		s.data = append(append(s.data, value...), '\n')
		s.some = true
	case "event":
		s.name = append(s.name[:0], value...)
	}
}

// dispatch ends an event.
func (s *Splitter) dispatch() {
	switch {
	case s.long:
		s.dropped++
	case s.some:
		s.Each(Event{Name: s.name, Data: s.data[:len(s.data)-1]})
	}
	s.name, s.data, s.some, s.long = s.name[:0], reuse(s.data), false, false
}

// Close says that the stream has ended: what it says of an event without a blank line is given out. A Write after Close begins a new stream.
func (s *Splitter) Close() error {
	if s.mark > 0 {
		s.hold(byteOrderMark[:s.mark])
	}
	if len(s.line) > 0 || s.comment {
		s.endLine(nil)
	}
	s.dispatch()
	s.mark, s.cr = 0, false
	return nil
}

// Dropped returns how many events were left out because they were longer than Max.
func (s *Splitter) Dropped() int { return s.dropped }

// reuse empties a buffer, and lets go of it if it is large.
func reuse(b []byte) []byte {
	if cap(b) > keep {
		return nil
	}
	return b[:0]
}
