package redact

import "strings"

// readValue finds the extent of the value at p.
func (s *scanner) readValue(v *value, p int) {
	src := s.src
	v.a, v.b, v.next = p, p, p
	if p >= len(src) {
		return
	}
	q := p
	if strings.IndexByte("rbufRBUF", src[q]) >= 0 && q+1 < len(src) && isQuote(src[q+1]) {
		q++ // string prefixes of Python
	}
	esc := q
	for q < len(src) && q < esc+8 && src[q] == '\\' {
		q++
	}
	if q < len(src) && isQuote(src[q]) {
		if src[q] == v.outer {
			return // "PWD="+dir: the string ends here
		}
		if src[q] == '"' && (s.jsonDoc || !v.spaced) && quoteLevel(q-esc) < s.depth(esc) {
			return // the end of the string around the name
		}
		if b, more := s.closing(q+1, src[q], q-esc); b >= 0 {
			v.a, v.b, v.quoted, v.quote, v.escapes = q+1, b, true, src[q], q-esc
			v.next, v.more = b, more
			return
		}
		if p = q + 1; p >= len(src) {
			return
		}
		v.a, v.b, v.next = p, p, p
	}
	q = p
	limit := min(len(src), p+maxValue)
	for q < limit && (src[q] < 0x80 || !wideStop(src[q:])) && (!endsValue(src[q]) || goesOn(src, p, q, v.pass, v.spaced && v.sep != '=')) && (src[q] != '\\' || !stopsValue(src, q)) {
		if src[q] == '[' && q > p {
			if n, _ := placeholderAt(src[q:]); n > 0 {
				break
			}
		}
		q++
	}
	if q == limit && q < len(src) && (src[q] < 0x80 || !wideStop(src[q:])) && (!endsValue(src[q]) || goesOn(src, p, q, v.pass, v.spaced && v.sep != '=')) {
		v.b, v.next, v.more = q, q, true
		return
	}
	if q < len(src) && src[q] == ',' && v.sep == '=' && !v.spaced {
		q = connectionPart(src, q)
	}
	v.next = q
	v.b = p + len(strings.TrimRight(src[p:q], ".:"))
	if v.named && v.sep == ':' && v.b == q {
		v.literal = jsonNumber(src[p:q])
	}
}

// connectionPart returns the ';' that ends a value with commas in a connection string, or q, where the
// first comma stands.
func connectionPart(src string, q int) int {
	for p := q; p < len(src) && p < q+8; p++ {
		switch c := src[p]; {
		case c == ';':
			return p
		case isSpace(c), isQuote(c), c == '=', c == '&', c == ')':
			return q
		}
	}
	return q
}

// wideStop reports a full-width sign between clauses.
func wideStop(t string) bool {
	for _, w := range [...]string{"\uFF0C", "\u3002", "\u3001", "\uFF1B", "\uFF09"} {
		if strings.HasPrefix(t, w) {
			return true
		}
	}
	return false
}

func endsValue(c byte) bool {
	return isSpace(c) || isQuote(c) || c == ',' || c == ';' || c == '&' || c == ')' || c == ']' || c == '}' || c == '<' || c == '>' || c == '|'
}

// stopsValue reports that the backslash at p ends a value without quotes: the line or the string around
// it ends there.
func stopsValue(src string, p int) bool {
	q := p + 1
	for q < len(src) && q < p+8 && src[q] == '\\' {
		q++
	}
	if q >= len(src) {
		return true
	}
	switch c := src[q]; {
	case isQuote(c), c == 'n', c == 'r', c == 't', q > p+1:
		return true
	case c == 'u' && q+4 < len(src) && src[q+1] == '0' && src[q+2] == '0':
		switch src[q+3 : q+5] {
		case "26", "22", "27", "3c", "3C", "3e", "3E", "20", "0a", "0A", "09": // & " ' < >, blanks
			return true
		}
	}
	return false
}

// goesOn reports that the byte at q, which ends most values, belongs to the one that begins at p: a '&'
// that no further parameter follows, a bracket within a password.
func goesOn(src string, p, q int, pass, prose bool) bool {
	if q == p || q+1 >= len(src) {
		return false
	}
	next := src[q+1]
	switch src[q] {
	case '&':
		if !isAlnum(next) && next != '_' {
			return pass && strings.IndexByte("!@#$%^*-+", next) >= 0
		}
		k := q + 1
		for k < len(src) && k < q+32 && (inWord(src[k]) || src[k] == '-' || src[k] == '.' || src[k] == '[' || src[k] == ']') {
			k++
		}
		switch {
		case k == len(src):
			return pass
		case src[k] == ';':
			return hasDigit(src[q+1 : k])
		}
		return src[k] != '=' && (src[k] != '&' || pass && isDigit(next))
	case ',', ';', '<':
		if !pass || !prose || isSpace(next) || isQuote(next) || src[q] == '<' && (next == '/' || isLetter(next)) || !hasDigit(src[p:q]) && !hasSymbol(src[p:q]) {
			return false
		}
		for k := q + 1; k < len(src) && k < q+16; k++ {
			switch c := src[k]; {
			case isSpace(c):
				return true
			case c == '=', c == ':', isQuote(c), c == '\\':
				return false
			}
		}
		return true
	case '\'':
		return pass && isAlnum(next) && isAlnum(src[q-1]) && src[p] != '\'' && hasDigit(src[p:q])
	case ')', ']', '}', '|', '>':
		return pass && isAlnum(next) && (hasDigit(src[p:q]) || hasSymbol(src[p:q])) && src[p] != '('
	}
	return false
}

// closing returns where the quote that opened before p is closed on the same line: at the first of its
// kind with as many backslashes before it, or -1. The position is that of the first backslash. A value
// longer than maxValue ends there.
func (s *scanner) closing(p int, quote byte, escapes int) (end int, more bool) {
	run, src := 0, s.src
	for q := p; q < len(src); q++ {
		if q == p+maxValue {
			return q - run, true
		}
		switch src[q] {
		case '\n', '\r':
			return -1, false
		case '\\':
			run++
			continue
		case quote:
			if run == escapes || escapes == 0 && run%2 == 0 {
				return q - run*min(escapes, 1), false
			}
			if run < escapes || quote == '"' && quoteLevel(run) < quoteLevel(escapes) {
				return -1, false
			}
		case '"':
			if quoteLevel(run) < s.depth(p) {
				return -1, false
			}
		}
		run = 0
	}
	return -1, false
}
