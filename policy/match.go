package policy

import (
	"strings"
	"unicode/utf8"
)

// IsGlob reports whether pattern contains a wildcard, that is whether it can match a name other
// than itself.
func IsGlob(pattern string) bool { return strings.ContainsAny(pattern, "*?") }

// Match reports whether pattern matches the whole of name. In a pattern "*" stands for any run of
// characters, the empty one and slashes included, "?" for exactly one character, and every other
// character for itself; there is no escape. Case counts, as it does for the providers.
//
// The time grows with len(pattern) × len(name) at worst, never exponentially, so a name sent by a
// stranger cannot stall the matching. Match allocates nothing.
func Match(pattern, name string) bool {
	// After a "*" only the latest one needs to be tried again: if a later part of the pattern fits
	// somewhere, fitting it as early as possible leaves the most room for the rest.
	p, n := 0, 0
	star, retry := -1, 0
	for n < len(name) {
		_, size := utf8.DecodeRuneInString(name[n:])
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, retry = p, n
			p++
		case p < len(pattern) && pattern[p] == '?':
			p++
			n += size
		case strings.HasPrefix(pattern[p:], name[n:n+size]):
			p += size
			n += size
		case star >= 0:
			_, skip := utf8.DecodeRuneInString(name[retry:])
			retry += skip
			p, n = star+1, retry
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
