package redact

// Lengths of an international number, E.164: the country code and up to 15 digits in all.
const (
	minE164 = 8
	maxE164 = 15
)

// phone returns where a phone number at the start of n begins and ends, or an end of 0. The beginning
// may lie before i: a '+' or an opening parenthesis belongs to it.
func (s *scanner) phone(n *number, i int) (a, end int) {
	if n.total[n.groups-1] < 7 {
		return i, 0
	}
	a = i
	if s.before(i) == '(' && n.groups > 1 && n.gap[1] == ')' {
		a = i - 1
	}
	if s.before(a) == '+' && (a < 2 || !inWord(s.before(a-1))) {
		if n.digits[0] == '0' && n.total[n.groups-1] >= 10 && s.numberWords(i)&nearPhone != 0 {
			return a - 1, s.longest(n)
		}
		end = s.international(n, 0)
		if a--; n.groups > 1 && n.gap[1] == ')' && s.before(a) == '(' {
			a-- // (+49) 30 …
		}
		return a, end
	}
	if a == i && s.before(i) == '+' {
		return i, 0 // a sum
	}
	if n.groups >= 4 && n.gap[1] == '.' && n.gap[2] == '.' && n.gap[3] == '.' && n.size[0] == 3 {
		return i, 0 // an address with zeros before its digits, or a version
	}
	if g := s.northAmerican(n, i); g >= 0 {
		return a, s.extension(n.end[g])
	}
	if g := s.trunk(n, i); g >= 0 {
		return a, s.extension(n.end[g])
	}
	if string(n.digits[:2]) == "00" && n.digits[2] != '0' && n.groups >= 3 && n.size[0] <= 5 && s.abroad(n, i) {
		if end := s.international(n, 2); end > 0 {
			return a, end
		}
	}
	if s.numberWords(i)&nearPhone == 0 {
		return i, 0
	}
	if n.groups == 1 && n.total[0] < 9 && i > window && wordsIn(s.src[max(s.context, i-window/2):i])&nearPhone == 0 {
		return i, 0 // a short number without a separator belongs to a word close by only
	}
	if end := s.longest(n); end > 0 {
		return a, end
	}
	return i, 0
}

// longest returns the end of the most groups that can be one number, or 0.
func (s *scanner) longest(n *number) int {
	for g := n.groups - 1; g >= 0; g-- {
		if n.total[g] >= 7 && n.total[g] <= maxE164 && s.closedOrExtended(n.end[g]) {
			return s.extension(n.end[g])
		}
	}
	return 0
}

// international returns the end of a number with its country code; skip digits come before the code.
func (s *scanner) international(n *number, skip int) int {
	if n.digits[skip] == '0' {
		return 0
	}
	best := 0
	for g := n.groups - 1; g >= 0; g-- {
		total := n.total[g] - skip
		if total < minE164 {
			break
		}
		if total > maxE164 || !s.closedOrExtended(n.end[g]) {
			continue
		}
		if n.digits[skip] != '1' || total == 11 {
			return s.extension(n.end[g])
		}
		if best == 0 && g > 0 && total <= 13 {
			best = s.extension(n.end[g])
		}
	}
	return best
}

// northAmerican returns the last group of a number of the North American plan, or -1: three, three and
// four digits, a 1 before them or not. With blanks between, area and exchange must be ones that exist,
// for columns of figures look the same.
func (s *scanner) northAmerican(n *number, i int) int {
	g := 0
	if n.size[0] == 1 && n.digits[0] == '1' && n.groups > 1 {
		g = 1
	}
	if !n.shape(g, 3, 3, 4) || !s.closedOrExtended(n.end[g+2]) {
		return -1
	}
	d := n.digits[n.total[g]-3:]
	x, y := n.gap[g+1], n.gap[g+2]
	switch {
	case string(d[:10]) == "0000000000":
		return -1
	case x == '-' && y == '-', x == ')' && y != '/', x == '/' && y == '-', x == ' ' && y == '-':
		return g + 2
	case x == '.' && y == '.':
		if c := s.before(i); c == 'v' || c == 'V' {
			return -1
		}
		return g + 2
	case x == ' ' && y == ' ':
		if d[0] >= '2' && d[3] >= '2' || g == 1 || s.numberWords(i)&nearPhone != 0 {
			return g + 2
		}
	}
	return -1
}

// trunk returns the last group of a national number with the trunk 0, as written in most of Europe and
// Asia, or -1: 06 12 34 56 78, 020 7946 0958, 090-1234-5678. Dumps of bytes and words in hexadecimal
// look alike where no letter stands in them.
func (s *scanner) trunk(n *number, i int) int {
	if n.digits[0] != '0' || n.digits[1] == '0' || n.size[0] < 2 || n.size[0] > 5 || s.neighbour(i-1, -1) {
		return -1
	}
	for g := n.groups - 1; g >= 1; g-- {
		if n.total[g] < 9 || n.total[g] > 11 || !s.closedOrExtended(n.end[g]) {
			continue
		}
		if n.shape(0, 2, 2, 4) || n.shape(0, 3, 3, 3) || g > 4 || s.neighbour(n.end[g], 1) {
			return -1 // a date with something behind it, a column, a dump
		}
		ok := g >= 2 || n.size[0] >= 3 && n.size[1] >= 5
		for k := 1; k <= g; k++ {
			switch {
			case n.size[k] < 2, k > 1 && n.gap[k] != n.gap[1] && n.gap[1] != '/' && n.gap[1] != ')':
				ok = false
			case n.gap[k] == '.' && n.size[k] != 2:
				ok = false
			}
		}
		if ok {
			return g
		}
	}
	return -1
}

// neighbour reports that behind the separator at p, in the given direction, another hexadecimal number
// stands.
func (s *scanner) neighbour(p, step int) bool {
	if p <= s.floor || p >= len(s.src) || s.src[p] != ' ' && s.src[p] != ':' {
		return false
	}
	n, digit := 0, false
	for p += step; p >= s.floor && p < len(s.src) && n < 32 && inWord(s.src[p]); p += step {
		if !isHex(s.src[p]) {
			return false
		}
		digit = digit || isDigit(s.src[p])
		n++
	}
	return digit && n%2 == 0 || n == 2
}

// closedOrExtended reports that a phone number may end at p, an extension behind it or not.
func (s *scanner) closedOrExtended(p int) bool { return s.closed(p) || s.extension(p) > p }

// extension returns the end of the extension that follows a number ending at p, or p.
func (s *scanner) extension(p int) int {
	src, q := s.src, p
	if q < len(src) && src[q] == ',' {
		q++
	}
	if q < len(src) && src[q] == ' ' {
		q++
	}
	switch t := src[q:]; {
	case foldPrefix(t, "extension"):
		q += 9
	case foldPrefix(t, "ext."):
		q += 4
	case foldPrefix(t, "ext"):
		q += 3
	case foldPrefix(t, "x."):
		q += 2
	case foldPrefix(t, "x"), foldPrefix(t, "#"):
		q++
	default:
		return p
	}
	if q < len(src) && src[q] == ' ' {
		q++
	}
	e := q
	for e < len(src) && e < q+6 && isDigit(src[e]) {
		e++
	}
	if e == q || e < len(src) && inWord(src[e]) {
		return p
	}
	return e
}

// abroad reports that a number that begins with 00 is one of another country, and not a column of
// figures: its groups are not alike, or a word for phones stands before it.
func (s *scanner) abroad(n *number, i int) bool {
	if s.numberWords(i)&nearPhone != 0 {
		return true
	}
	last := n.groups - 1
	if s.neighbour(i-1, -1) || s.neighbour(n.end[last], 1) || n.gap[1] == '.' || n.gap[1] == '/' {
		return false
	}
	alike := true
	for g := 1; g <= last; g++ {
		if n.size[g] < 2 && (n.size[0] > 2 || g != 2) {
			return false
		}
		alike = alike && n.size[g] == n.size[0]
	}
	return !(alike && n.size[0] != 2) && n.total[last] >= 11
}

// encodedPhone handles an encoded '+' at i, as "%2B" in a URL, behind which the number begins at j. It
// returns where to go on.
func (s *scanner) encodedPhone(i, j int) int {
	if !s.pii || j >= len(s.src) || !isDigit(s.src[j]) {
		return i + 1
	}
	var n number
	n.collect(s.src, j)
	if n.groups == 0 {
		return i + 1
	}
	if end := s.international(&n, 0); end > 0 {
		return s.emit(i, end, labelPhone)
	}
	return i + 1
}
