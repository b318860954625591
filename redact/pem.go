package redact

import "strings"

// keyBlock handles the block whose head "-----BEGIN " begins at i and goes on at p. Private keys are
// replaced whole, as far as they look like one if the end is missing; certificates and public keys
// stay. It returns where to go on, or 0.
func (s *scanner) keyBlock(i, p int) int {
	src := s.src
	head := src[p:min(len(src), p+48)]
	n := strings.Index(head, "-----")
	if n < 0 || !strings.Contains(head[:n], "PRIVATE KEY") || strings.ContainsAny(head[:n], "\r\n") {
		return 0
	}
	s.emit(i, p+n+5, labelKey)
	s.swallow = swallow{mode: swallowBlock}
	return p + n + 5
}

func isBreak(c byte) bool { return c == '\n' || c == '\r' || c == '\\' || isQuote(c) }

// skipBreaks steps over what stands between the lines of a block in text, JSON and source code.
func skipBreaks(src string, p int) int {
	limit := min(len(src), p+24)
	for p < limit {
		switch c := src[p]; {
		case isSpace(c), isQuote(c), c == '|', c == '>':
			p++
		case c == '\\' && p+1 < limit && (src[p+1] == 'n' || src[p+1] == 'r' || src[p+1] == 't' || src[p+1] == '\\' || src[p+1] == '\n'):
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
