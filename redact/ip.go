package redact

import (
	"net/netip"
	"strings"
)

// ipv4 looks at dotted digits beginning at i. It returns the end of the address, or of the dotted run
// that is not one, and whether it is an address.
func (s *scanner) ipv4(i int) (int, bool) {
	src := s.src
	p, octets := i, 0
	for {
		q := p
		for q < len(src) && q < i+64 && isDigit(src[q]) {
			q++
		}
		if q == p {
			p-- // a dot that ends a sentence
			break
		}
		octets++
		if p = q; p >= len(src) || src[p] != '.' {
			break
		}
		p++
	}
	if octets != 4 || p-i > 15 || p < len(src) && inWord(src[p]) {
		return p, false
	}
	b, ok := quad(src[i:p])
	if !ok || b == [4]byte{} || b[0] == 255 || s.versionAround(i, p) {
		return p, false // "any", netmasks and versions tell nothing about a person
	}
	return cidr(src, p, 32), true
}

// versionAround reports signs that the dotted number src[i:end] is a version or the number of a
// section.
func (s *scanner) versionAround(i, end int) bool {
	switch s.before(i) {
	case '/': // Chrome/120.0.0.0
		p := i - 1
		for p > s.context && i-p < 24 && isLetter(s.src[p-1]) {
			p--
		}
		if p < i-1 && isUpper(s.src[p]) {
			return true
		}
	case '=':
		switch s.before(i - 1) {
		case '=', '>', '<', '~', '!':
			return true
		}
	case '^', '~':
		return true
	}
	if c := s.at(end); c == '-' || c == '+' {
		for _, w := range [...]string{"alpha", "beta", "rc", "snapshot", "dev", "pre", "build", "post", "stable", "release"} {
			if foldPrefix(s.src[end+1:], w) {
				return true
			}
		}
	}
	return s.words(i)&(nearVersion|nearChange) != 0
}

// cidr extends an address that ends at p by its prefix length, if there is one.
func cidr(src string, p, bits int) int {
	if p >= len(src) || src[p] != '/' {
		return p
	}
	n, q := 0, p+1
	for q < len(src) && q < p+4 && isDigit(src[q]) {
		n = n*10 + int(src[q]-'0')
		q++
	}
	if q == p+1 || n > bits || q < len(src) && (inWord(src[q]) || src[q] == '/') {
		return p
	}
	return q
}

// maxV6 is the longest text of an address: six groups and a dotted quad, without the zone.
const maxV6 = 45

// ipv6 looks for an address around the ':' at i and returns its end, or 0.
//
// Only addresses with a digit and at least three groups count, or two where the first one says what it
// is (fe80, fc.., fd.., 2000::/3): "::", "std::x", "dead::" and slices stay.
func (s *scanner) ipv6(i int) int {
	src := s.src
	if c := s.at(i + 1); c != ':' && !isHex(c) {
		return 0
	}
	a := i
	for a > s.floor && i-a < 5 && isHex(src[a-1]) {
		a--
	}
	if i-a > 4 || a == i && s.at(i+1) != ':' || inWord(s.before(a)) || s.before(a) == ':' {
		return 0
	}
	p := i
	for p < len(src) && p < i+64 && (isHex(src[p]) || src[p] == ':' || src[p] == '.') {
		p++
	}
	s.v6Until = p
	end := p
	for end > i && (src[end-1] == '.' || src[end-1] == ':' && !strings.HasSuffix(src[a:end], "::")) {
		end-- // punctuation after the address
	}
	if strings.HasSuffix(src[a:end], "::") && s.at(end) == '[' {
		return 0 // what stood here was part of a mail address
	}
	if port := strings.LastIndexByte(src[a:end], ':'); port > 3 && end-a-port > 5 && end-a-port <= 6 && digitsOnly(src[a+port+1:end]) {
		end = a + port // five digits are the port behind an address without brackets
	} else if strings.Count(src[a:end], ":") == 8 && digitsOnly(src[a+port+1:end]) {
		end = a + port
	}
	if end-a > maxV6 || end-a < 4 || end < len(src) && inWord(src[end]) {
		return 0
	}
	text := src[a:end]
	groups, digit := 0, false
	for k := range len(text) {
		if text[k] != ':' && text[k] != '.' && (k == 0 || text[k-1] == ':' || text[k-1] == '.') {
			groups++
		}
		digit = digit || isDigit(text[k])
	}
	if !digit || groups < 3 && (groups < 2 || !globalOrLocal(text)) {
		return 0
	}
	if _, err := netip.ParseAddr(text); err != nil {
		return 0
	}
	if end < len(src) && src[end] == '%' {
		z := end + 1
		for z < len(src) && z < end+17 && inWord(src[z]) {
			z++
		}
		if z > end+1 {
			end = z
		}
	}
	return s.emit(a, cidr(src, end, 128), labelIP)
}

// globalOrLocal reports a first group of fe80, fc.., fd.., 2... or 3...: addresses in real use.
func globalOrLocal(text string) bool {
	g, _, _ := strings.Cut(text, ":")
	if len(g) != 4 {
		return false
	}
	return g[0] == '2' || g[0] == '3' || foldPrefix(g, "fe80") || foldPrefix(g, "fc") || foldPrefix(g, "fd")
}

// quad reads four numbers up to 255 with dots between them and without zeros before them.
func quad(t string) (b [4]byte, ok bool) {
	k := 0
	for n := range b {
		from, v := k, 0
		for k < len(t) && isDigit(t[k]) {
			v = v*10 + int(t[k]-'0')
			k++
		}
		if k == from || v > 255 || k-from > 1 && t[from] == '0' || n < 3 && (k == len(t) || t[k] != '.') {
			return b, false
		}
		b[n] = byte(v)
		k++
	}
	return b, k > len(t)
}
