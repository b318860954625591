package redact

import "strings"

// What is longer than the scanner looks ahead is replaced as soon as it is known for what it is; the
// rest of it is swallowed as it comes.

type swallowMode uint8

const (
	swallowNothing  swallowMode = iota
	swallowAlphabet             // the rest of a key
	swallowValue                // the rest of a value without quotes
	swallowQuoted               // up to the closing quote
	swallowLine                 // up to the end of the line or of the string it stands in
	swallowBlock                // the lines of a private key
	swallowNest                 // up to the bracket that closes an object or array
)

// swallow is what is being swallowed.
type swallow struct {
	mode     swallowMode
	alphabet uint8 // of a key
	quote    byte  // the closing quote
	escapes  int   // backslashes before it; before all quotes of a nest
	depth    int   // open brackets of a nest; strings around a value
	quoted   bool  // in a string of a nest
	lines    int   // of a block
	headers  int
}

// devour swallows from i on. It returns where it stopped; the mode is then swallowNothing unless more
// text must come first.
func (s *scanner) devour(i int) int {
	p, done := i, false
	switch s.swallow.mode {
	case swallowAlphabet:
		p, done = s.devourKey(i)
	case swallowValue:
		p, done = s.devourValue(i)
	case swallowQuoted:
		p, done = s.devourQuoted(i)
	case swallowLine:
		p, done = s.devourLine(i)
	case swallowBlock:
		p, done = s.devourBlock(i)
	case swallowNest:
		p, done = s.devourNest(i)
	}
	if p > i {
		s.copied = p
		if s.finding {
			s.found[len(s.found)-1].End = p
		}
		s.floor, s.context = p, p
	}
	if done || !s.open {
		s.swallow = swallow{}
	}
	return p
}

// short reports that fewer than n bytes follow p and more may come.
func (s *scanner) short(p, n int) bool { return s.open && len(s.src)-p < n }

func (s *scanner) devourKey(p int) (int, bool) {
	for p < len(s.src) {
		c := s.src[p]
		if alphabets[c]&s.swallow.alphabet == 0 {
			return p, true
		}
		if !inWord(c) {
			q := p // punctuation belongs to the key only if it goes on
			for q < len(s.src) && q < p+8 && !inWord(s.src[q]) && alphabets[s.src[q]]&s.swallow.alphabet != 0 {
				q++
			}
			if q == len(s.src) && s.open {
				return p, false
			}
			if q == len(s.src) || !inWord(s.src[q]) && c != '=' {
				return p, true
			}
			p = q
			continue
		}
		p++
	}
	return p, false
}

func (s *scanner) devourValue(p int) (int, bool) {
	for p < len(s.src) {
		c := s.src[p]
		if endsValue(c) && c != '&' {
			return p, true
		}
		if c == '&' {
			if s.short(p, 36) {
				return p, false
			}
			if !goesOn(s.src, p-1, p, false, false) {
				return p, true
			}
		}
		if c == '\\' {
			if s.short(p, 8) {
				return p, false
			}
			if stopsValue(s.src, p) {
				return p, true
			}
		}
		p++
	}
	return p, false
}

func (s *scanner) devourQuoted(p int) (int, bool) {
	for p < len(s.src) {
		switch s.src[p] {
		case '\n', '\r':
			return p, true
		case '\\', '"', '\'', '`':
			q := p
			for q < len(s.src) && q < p+64 && s.src[q] == '\\' {
				q++
			}
			if q == len(s.src) {
				if s.open && q-p < 64 {
					return p, false
				}
				return q, !s.open
			}
			run := q - p
			switch c := s.src[q]; {
			case c == s.swallow.quote && (run == s.swallow.escapes || s.swallow.escapes == 0 && run%2 == 0 || run < s.swallow.escapes),
				c == '"' && quoteLevel(run) < s.swallow.depth:
				if run <= s.swallow.escapes {
					return p, true
				}
				return q, true
			case run > 0 && s.short(q, 1):
				return p, false
			case run == 0:
				p++
			case isQuote(c) || c != '\n' && c != '\r':
				p = q + 1
			default:
				p = q
			}
		default:
			p++
		}
	}
	return p, false
}

func (s *scanner) devourLine(p int) (int, bool) {
	for p < len(s.src) {
		switch c := s.src[p]; c {
		case '\n', '\r':
			return p, true
		case '\\', '"', '\'', '`':
			q := p
			for q < len(s.src) && q < p+64 && s.src[q] == '\\' {
				q++
			}
			if q == len(s.src) && s.open && q-p < 64 {
				return p, false
			}
			run := q - p
			switch c := s.at(q); {
			case c == s.swallow.quote && run <= s.swallow.escapes:
				return p, true
			case c == '"' && quoteLevel(run) < s.swallow.depth:
				return p, true
			case run > 0 && (c == 'n' || c == 'r'):
				return p, true
			case run == 0:
				p++
			default:
				p = min(q+1, len(s.src))
			}
		default:
			p++
		}
	}
	return p, false
}

// devourNest swallows the inside of an object or array up to its last bracket. Its quotes have
// s.swallow.escapes backslashes before them.
func (s *scanner) devourNest(p int) (int, bool) {
	w := &s.swallow
	for p < len(s.src) {
		switch c := s.src[p]; c {
		case '\\', '"':
			q := p
			for q < len(s.src) && q < p+64 && s.src[q] == '\\' {
				q++
			}
			if q == len(s.src) && s.open && q-p < 64 {
				return p, false
			}
			run := q - p
			switch {
			case s.at(q) != '"':
				if p = q; run > w.escapes && q < len(s.src) {
					p++ // an escape of the string
				}
			case run < w.escapes:
				return p, true // the document around it ends here
			default:
				if run == w.escapes || w.escapes == 0 && run%2 == 0 {
					w.quoted = !w.quoted
				}
				p = q + 1
			}
			continue
		case '{', '[':
			if !w.quoted {
				w.depth++
			}
		case '}', ']':
			if !w.quoted {
				if w.depth--; w.depth == 0 {
					return p + 1, true
				}
			}
		}
		p++
	}
	return p, false
}

// devourBlock swallows the lines of a private key and its last line. It stops before what does not look
// like one.
func (s *scanner) devourBlock(p int) (int, bool) {
	w := &s.swallow
	for {
		at := skipBreaks(s.src, p)
		if s.short(at, reach) {
			if q := at; q < len(s.src) && !s.blockSettled(q) || q == len(s.src) {
				return p, false
			}
		}
		rest := s.src[at:]
		if strings.HasPrefix(rest, "-----END ") {
			if k := strings.Index(rest[9:min(len(rest), 9+48)], "-----"); k >= 0 {
				return at + 9 + k + 5, true
			}
			return p, true
		}
		limit := min(len(s.src), at+reach-24)
		q := at
		for q < limit && (base64Value(s.src[q]) < 64 && s.src[q] != '_' || s.src[q] == '=') {
			if s.src[q] == '-' && strings.HasPrefix(s.src[q:], "-----") {
				break
			}
			q++
		}
		if q == at {
			return p, true
		}
		if w.headers++; w.lines == 0 && w.headers < 8 && q+1 < len(s.src) && s.src[q] == ':' && s.src[q+1] == ' ' { // "Proc-Type: 4,ENCRYPTED"
			for q < limit && s.src[q] != '\n' && s.src[q] != '\\' && s.src[q] != '"' {
				q++
			}
			p = q
			continue
		}
		if q-at < 16 && !(w.lines > 0 && (q == len(s.src) || isBreak(s.src[q]) || s.src[q] == '-' || s.src[q] == ' ')) {
			return p, true
		}
		w.lines++
		p = q
		if q-at < 16 && w.lines > 1 && q < len(s.src) && s.src[q] == ' ' {
			if !strings.HasPrefix(s.src[q:], " -----END ") {
				return p, true
			}
		}
	}
}

// blockSettled reports that the line of a block at p ends within the text.
func (s *scanner) blockSettled(p int) bool {
	q := p
	for q < len(s.src) && (alphabets[s.src[q]]&alphaBase64 != 0 || s.src[q] == ' ' || s.src[q] == ':' || s.src[q] == ',') {
		q++
	}
	if len(s.src)-q <= 16 {
		return false
	}
	// A header, "Proc-Type: 4,ENCRYPTED", is as long as its line.
	return !strings.Contains(s.src[p:q], ": ") || strings.ContainsAny(s.src[q:], "\n\\\"")
}
