package redact

import (
	"encoding/json"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonString finds the end of the string at p and whether it has escapes (RFC 8259, section 7).
func jsonString(src string, p int) (end int, esc, ok bool) {
	if p >= len(src) || src[p] != '"' {
		return p, false, false
	}
	for q := p + 1; q < len(src); q++ {
		switch c := src[q]; {
		case c == '"':
			return q + 1, esc, true
		case c < ' ':
			return q, esc, false
		case c == '\\':
			esc = true
			q++
			if q >= len(src) {
				return q, esc, false
			}
			switch src[q] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				for k := 1; k <= 4; k++ {
					if q+k >= len(src) || !isHex(src[q+k]) {
						return q, esc, false
					}
				}
				q += 4
			default:
				return q, esc, false
			}
		}
	}
	return len(src), esc, false
}

// jsonNumberEnd finds the end of the number at p and whether it is a whole one without a sign.
func jsonNumberEnd(src string, p int) (end int, whole, ok bool) {
	q := p
	run := func() bool {
		from := q
		for q < len(src) && isDigit(src[q]) {
			q++
		}
		return q > from
	}
	whole = true
	if q < len(src) && src[q] == '-' {
		whole = false
		q++
	}
	from := q
	if !run() || src[from] == '0' && q-from > 1 {
		return q, false, false
	}
	if q < len(src) && src[q] == '.' {
		whole = false
		q++
		if !run() {
			return q, false, false
		}
	}
	if q < len(src) && src[q]|0x20 == 'e' {
		whole = false
		q++
		if q < len(src) && (src[q] == '+' || src[q] == '-') {
			q++
		}
		if !run() {
			return q, false, false
		}
	}
	return q, whole, true
}

// jsonNumber reports that t is a JSON number.
func jsonNumber(t string) bool {
	end, _, ok := jsonNumberEnd(t, 0)
	return ok && end == len(t)
}

// unescape appends the decoded form of the inside of a valid JSON string.
func unescape(dst []byte, t string) []byte {
	for i := 0; i < len(t); {
		c := t[i]
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		i += 2
		switch c = t[i-1]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hex4(t[i:])
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if len(t) >= i+6 && t[i] == '\\' && t[i+1] == 'u' {
					low = hex4(t[i+2:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func hex4(t string) (r rune) {
	for k := range 4 {
		v := rune(t[k])
		if v > '9' {
			v = v&^0x20 - 'A' + 10
		} else {
			v -= '0'
		}
		r = r<<4 | v
	}
	return r
}

// quote appends t as a JSON string. Only what must be escaped is; bytes that are no UTF-8 stay as the
// document had them.
func quote(dst []byte, t string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := range len(t) {
		c := t[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, t[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			b, _ := json.Marshal(string(rune(c)))
			dst = append(dst, b[1:len(b)-1]...)
		}
	}
	return append(append(dst, t[from:]...), '"')
}
