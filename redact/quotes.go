package redact

import "strings"

// quotes keeps count of the strings that are open at a place of the text: those of JSON at level 0,
// those of JSON inside a string of JSON at level 1, and so on. A line break outside ends them all, for
// no string of JSON has one.
type quotes struct {
	at   int
	open [4]bool // in a string of the level
	seen [4]bool // a string of the level was seen in what is open around it
}

// advance counts up to the place p. It is called for few places only, and each byte is read once.
func (q *quotes) advance(src string, p int) {
	if q.at >= p {
		return
	}
	if n := strings.LastIndexByte(src[q.at:p], '\n'); n >= 0 {
		q.at += n + 1
		q.open, q.seen = [4]bool{}, [4]bool{}
	}
	run := 0
	for ; q.at < p; q.at++ {
		switch src[q.at] {
		case '\\':
			run++
			continue
		case '"':
			if l := quoteLevel(run); l < len(q.open) {
				q.open[l], q.seen[l] = !q.open[l], true
				for k := l + 1; k < len(q.open); k++ {
					q.open[k], q.seen[k] = false, false
				}
			}
		}
		run = 0
	}
	// Backslashes before p belong to what follows.
	q.at -= min(run, q.at)
}

// quoteLevel is the level of a quote behind n backslashes: each level doubles those of the one inside
// and puts one before the quote.
func quoteLevel(n int) int {
	l := 0
	for ; n%2 == 1; n = (n - 1) / 2 {
		l++
	}
	return l
}

// depth is how many strings are open at p.
func (s *scanner) depth(p int) int {
	s.quotes.advance(s.src, p)
	d := 0
	for d < len(s.quotes.open) && s.quotes.open[d] {
		d++
	}
	return d
}

// depthAhead is depth at p for a place behind a, without counting up to it.
func (s *scanner) depthAhead(a, p int) int {
	saved := s.quotes
	d := s.depth(p)
	s.quotes = saved
	if a > p {
		return 0
	}
	return d
}

// emitNumber replaces the number src[a:b]. As a bare value of JSON it becomes a string; it returns 0 if
// it is only part of one, which no placeholder can stand for.
func (s *scanner) emitNumber(a, b int, l label) int {
	p := a - 1
	for p >= 0 && p > a-16 && isSpace(s.src[p]) {
		p--
	}
	c := s.at(p)
	if c != ':' && c != '[' && c != ',' && !s.jsonDoc {
		return s.emit(a, b, l)
	}
	d := s.depth(a)
	if d >= len(s.quotes.open) {
		return s.emit(a, b, l)
	}
	if d == 0 && s.jsonDoc {
		switch s.at(a - 1) {
		case '-', '+', '.', 'e', 'E':
			return 0
		}
		if e := s.at(b); e == '.' || e|0x20 == 'e' {
			return 0
		}
	}
	e := b
	for e < b+3 && isBlank(s.at(e)) {
		e++
	}
	switch s.at(e) {
	case ',', '}', ']', '\n', '\r', 0:
	default:
		return s.emit(a, b, l)
	}
	n := 1<<d - 1
	switch c {
	case ':':
		for p--; p >= 0 && p > a-32 && isSpace(s.src[p]); p-- {
		}
		if p < 0 || s.src[p] != '"' {
			return s.emit(a, b, l)
		}
		q := p
		for q > 0 && s.src[q-1] == '\\' {
			q--
		}
		if p-q != n {
			return s.emit(a, b, l)
		}
	case '[', ',':
		if !(d == 0 && s.jsonDoc || s.quotes.seen[d] && s.inField(p)) {
			return s.emit(a, b, l)
		}
	default:
		return s.emit(a, b, l)
	}
	return s.emitQuoted(a, b, l, n)
}

// inField reports that the list around p is the value of a field of JSON.
func (s *scanner) inField(p int) bool {
	for k := p; k >= 0 && k > p-128; k-- {
		switch c := s.src[k]; {
		case c == '[':
			for k--; k >= 0 && isSpace(s.src[k]); k-- {
			}
			return k > 0 && s.src[k] == ':' && (s.src[k-1] == '"' || s.src[k-1] == ' ')
		case isAlnum(c), isSpace(c), c == ',', c == '"', c == '\\', c == ']', c == '_':
		default:
			return false
		}
	}
	return false
}

// noteDocument sees whether the text begins as JSON does.
func (s *scanner) noteDocument() {
	if p := s.blanks(0); p < len(s.src) {
		s.begun, s.jsonDoc = true, s.src[p] == '{' || s.src[p] == '['
	}
}
