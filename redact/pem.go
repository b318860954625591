package redact

import "strings"

// keyBlock handles the block whose head "-----BEGIN " begins at i and goes on at p. Private keys are
// replaced whole, as far as they look like one if the end is missing; certificates and public keys
// stay. It returns the end, or 0.
func (s *scanner) keyBlock(i, p int) int {
	src := s.src
	head := src[p:min(len(src), p+48)]
	n := strings.Index(head, "-----")
	if n < 0 || !strings.Contains(head[:n], "PRIVATE KEY") {
		return 0
	}
	p += n + 5
	end, lines, headers := p, 0, 0
	for p < len(src) {
		p = skipBreaks(src, p)
		if strings.HasPrefix(src[p:], "-----END ") {
			tail := src[p+9 : min(len(src), p+9+48)]
			if k := strings.Index(tail, "-----"); k >= 0 {
				return s.emit(i, p+9+k+5, labelKey)
			}
			break
		}
		q := p
		for q < len(src) && base64Value(src[q]) < 64 && src[q] != '_' || q < len(src) && src[q] == '=' {
			if src[q] == '-' && strings.HasPrefix(src[q:], "-----") {
				break
			}
			q++
		}
		if q == p {
			break
		}
		if headers++; lines == 0 && headers < 8 && q+1 < len(src) && src[q] == ':' && src[q+1] == ' ' { // "Proc-Type: 4,ENCRYPTED"
			for q < len(src) && src[q] != '\n' && src[q] != '\\' && src[q] != '"' {
				q++
			}
			p = q
			continue
		}
		if q-p < 16 && !(lines > 0 && (q == len(src) || isBreak(src[q]))) {
			break
		}
		lines++
		p, end = q, q
		if q-p < 16 && lines > 1 && q < len(src) && src[q] == ' ' {
			break
		}
	}
	return s.emit(i, end, labelKey)
}

func isBreak(c byte) bool { return c == '\n' || c == '\r' || c == '\\' || isQuote(c) }

// skipBreaks steps over what stands between the lines of a block in text, JSON and source code.
func skipBreaks(src string, p int) int {
	for p < len(src) {
		switch c := src[p]; {
		case isSpace(c), isQuote(c), c == '|', c == '>':
			p++
		case c == '\\' && p+1 < len(src) && (src[p+1] == 'n' || src[p+1] == 'r' || src[p+1] == 't' || src[p+1] == '\\' || src[p+1] == '\n'):
			p += 2
			if src[p-1] == '\\' {
				p--
			}
		default:
			return p
		}
	}
	return p
}
