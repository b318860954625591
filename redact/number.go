package redact

import "strings"

const (
	maxGroups = 10
	maxDigits = 19 // the longest card number, ISO/IEC 7812
)

// number is a run of digit groups with single separators between them, as people write cards, social
// security and phone numbers. A finding covers some of the first groups.
type number struct {
	groups int
	size   [maxGroups]int  // digits of a group
	end    [maxGroups]int  // where a group ends in the text
	total  [maxGroups]int  // digits up to and with a group
	gap    [maxGroups]byte // what stands before a group: ' ', '-', '.', '/', ')' or '('
	digits [maxDigits]byte
}

// digits handles the word at i, which begins with a digit. It returns where to go on.
func (s *scanner) digits(i int) int {
	src := s.src
	j := i + 1
	for j < len(src) && isDigit(src[j]) {
		j++
	}
	mixed := j < len(src) && inWord(src[j])
	if mixed {
		for j++; j < len(src) && inWord(src[j]); j++ {
		}
	}
	if mixed {
		return j
	}
	if j-i < 7 {
		switch next := s.at(j + 1); s.at(j) {
		case ':', 0xC2, 0xE2, '/', '(':
		case ' ', '-', '.', ')':
			if !isDigit(next) && next != '(' && next != ' ' && next != '-' && next < 0x80 {
				return j
			}
		default:
			return j // too short to be anything alone
		}
	}
	if j < len(src) && src[j] == ':' {
		if end := s.botToken(i, j); end > 0 {
			return end
		}
	}
	if j == i+1 && strings.HasPrefix(src[i:], "1//0") { // refresh tokens of Google
		if end := refreshToken(src, i+4); end > 0 {
			return s.emitKey(i, end, alphaURL, end-i >= maxKey)
		}
	}
	if j-i == 4 && j+7 < len(src) && src[j] == '-' && src[j+6] == 'T' && isDigit(src[j+7]) && src[j+3] == '-' && isDigit(src[j+1]) && isDigit(src[j+4]) {
		for j += 7; j < len(src) && j < i+32 && (isDigit(src[j]) || src[j] == ':' || src[j] == '.'); j++ {
		} // an instant, RFC 3339
		return j
	}
	if !s.pii || j-i > maxDigits || s.attached(i, j) {
		return j
	}
	if j-i < 7 { // too short to be anything alone
		kind, _ := gapAt(src, j)
		if kind == 0 {
			return j
		}
		if kind == '.' && j-i <= 3 {
			if end, ok := s.ipv4(i); ok {
				return s.emit(i, end, labelIP)
			} else if end > j && s.at(j+1) != 0 && dots(src[i:end]) > 3 && !(src[i] == '0' && end-i == 14 && src[i+1] > '0') {
				return end
			}
		}
	}
	if end := s.date(i, j); end > 0 {
		return end
	}
	if j-i == 1 && s.before(i) != '+' {
		// Only the trunk prefix of North America stands alone, before three digits.
		if _, p := gapAt(src, j); src[i] != '1' || !isDigit(s.at(p)) || !isDigit(s.at(p+1)) || !isDigit(s.at(p+2)) {
			return j
		}
	}
	var n number
	n.collect(src, i)
	if i > s.numberEnd {
		s.numberKnown = false
	}
	s.numberEnd = n.end[n.groups-1]
	a, l := i, labelCard
	end := s.card(&n, i)
	if end == 0 {
		l, end = labelSSN, s.ssn(&n, i)
	}
	if end == 0 {
		l = labelPhone
		a, end = s.phone(&n, i)
	}
	if end > 0 {
		if end = s.emitNumber(a, end, l); end > 0 {
			return end
		}
	}
	return j
}

// date returns the end of a calendar date, year first, at i; or 0.
func (s *scanner) date(i, j int) int {
	src := s.src
	if j-i != 4 || len(src) < i+10 || src[i] != '1' && src[i] != '2' || src[j] != '-' && src[j] != '/' || src[j+3] != src[j] ||
		!isDigit(src[j+1]) || !isDigit(src[j+2]) || !isDigit(src[j+4]) || !isDigit(src[j+5]) ||
		src[j+1] > '1' || src[j+4] > '3' || !s.closed(i+10) || s.before(i) == '+' {
		return 0
	}
	return i + 10
}

func dots(t string) (n int) {
	for i := range len(t) {
		if t[i] == '.' {
			n++
		}
	}
	return n
}

// attached reports that the digits src[i:j] are the tail of something longer: a UUID, a version, a
// name, an amount with thousands.
func (s *scanner) attached(i, j int) bool {
	switch c := s.before(i); c {
	case '-', '.':
		return i-1 > s.floor && inWord(s.src[i-2])
	case ',':
		return j-i == 3 && i-1 > s.floor && isDigit(s.src[i-2])
	}
	return false
}

// collect reads the groups from i on. The first group is within maxDigits; reading ends before a
// group that would pass it or that runs into a letter.
func (n *number) collect(src string, i int) {
	p, kind, sum := i, byte(0), 0
	for n.groups < maxGroups {
		q := p
		for q < len(src) && isDigit(src[q]) && sum+q-p < maxDigits {
			n.digits[sum+q-p] = src[q]
			q++
		}
		if q < len(src) && inWord(src[q]) && (src[q]|0x20 != 'x' && !foldPrefix(src[q:], "ext")) {
			return
		}
		g := n.groups
		sum += q - p
		n.size[g], n.end[g], n.total[g], n.gap[g] = q-p, q, sum, kind
		n.groups++
		if kind, p = gapAt(src, q); kind == 0 {
			return
		}
	}
}

// gapAt reads the separator at p between two groups of digits: an optional ')', one blank, dash, dot or
// slash, an optional '('. It returns 0 if no digit follows.
func gapAt(src string, p int) (kind byte, next int) {
	if p+1 < len(src) && (src[p] == ' ' || src[p] == '-') && isDigit(src[p+1]) { // nearly always
		return src[p], p + 1
	}
	if p < len(src) && src[p] == ')' {
		kind = ')'
		p++
	}
	if k, w := separator(src, p); w > 0 {
		if kind == 0 {
			kind = k
		}
		p += w
	}
	if p < len(src) && src[p] == '(' {
		kind = '('
		p++
	}
	if kind == 0 || p >= len(src) || !isDigit(src[p]) {
		return 0, p
	}
	return kind, p
}

// separator returns the kind and width of the separator at p. Typographic blanks and dashes count as
// the plain ones.
func separator(src string, p int) (byte, int) {
	if p >= len(src) {
		return 0, 0
	}
	switch src[p] {
	case ' ', '-', '.', '/':
		return src[p], 1
	case 0xC2: // U+00A0
		if p+1 < len(src) && src[p+1] == 0xA0 {
			return ' ', 2
		}
	case 0xE2:
		if p+2 >= len(src) {
			break
		}
		switch c := src[p+2]; {
		case src[p+1] == 0x80 && c >= 0x90 && c <= 0x95: // U+2010 to U+2015
			return '-', 3
		case src[p+1] == 0x80 && (c == 0x89 || c == 0xAF): // U+2009, U+202F
			return ' ', 3
		case src[p+1] == 0x88 && c == 0x92: // U+2212
			return '-', 3
		}
	}
	return 0, 0
}

// closed reports that a number may end at p: no letter, no further digits behind a dash or dot, and no
// '@', which would make it the name in an address.
func (s *scanner) closed(p int) bool {
	if p >= len(s.src) {
		return true
	}
	switch c := s.src[p]; c {
	case '-', '.':
		return !isDigit(s.at(p + 1))
	case '@':
		return false
	default:
		return !inWord(c)
	}
}

// uniform reports that all gaps up to and with group g are of one kind.
func (n *number) uniform(g int) bool {
	for k := 2; k <= g; k++ {
		if n.gap[k] != n.gap[1] {
			return false
		}
	}
	return true
}

// shape reports that the groups from g on have the given sizes.
func (n *number) shape(g int, sizes ...int) bool {
	if g+len(sizes) > n.groups {
		return false
	}
	for k, size := range sizes {
		if n.size[g+k] != size {
			return false
		}
	}
	return true
}

// card returns the end of a payment card number at the start of n, or 0.
func (s *scanner) card(n *number, i int) int {
	if n.total[n.groups-1] < 12 {
		return 0
	}
	near := -1 // not looked yet
	for g := n.groups - 1; g >= 0; g-- {
		total := n.total[g]
		if total < 12 {
			break
		}
		if !n.uniform(g) || g > 0 && n.gap[1] != ' ' && n.gap[1] != '-' && n.gap[1] != '.' || !s.closed(n.end[g]) {
			continue
		}
		d := n.digits[:total]
		laid := g == 0 || cardLayout(n, g)
		right := laid && luhn(d)
		if right && (g > 0 || s.before(i) != '-') && issued(d) {
			return n.end[g]
		}
		if total < 13 || g > 4 || g == 0 && total == 13 && d[0] == '1' {
			continue // thirteen digits from 1 on are milliseconds since 1970
		}
		if near < 0 {
			near = int(s.numberWords(i) & nearCard)
		}
		if near > 0 && (total <= 16 || right) {
			return n.end[g]
		}
	}
	return 0
}

// cardLayout reports that the groups up to and with g are set as on a card.
func cardLayout(n *number, g int) bool {
	switch g {
	case 2:
		return n.shape(0, 4, 6, 5) || n.shape(0, 4, 6, 4)
	case 3:
		return n.shape(0, 4, 4, 4, 4) || n.shape(0, 4, 4, 4, 3) || n.shape(0, 4, 4, 4, 1)
	case 4:
		return n.shape(0, 4, 4, 4, 4, 3)
	}
	return false
}

// issued reports that a number of this length and these first digits can be a card: ISO/IEC 7812
// issuer ranges as the networks publish them.
func issued(d []byte) bool {
	p4 := int(d[0]-'0')*1000 + int(d[1]-'0')*100 + int(d[2]-'0')*10 + int(d[3]-'0')
	p2, p3, n := p4/100, p4/10, len(d)
	switch {
	case d[0] == '4': // Visa
		return n == 13 || n == 16 || n == 19
	case p2 >= 51 && p2 <= 55, p4 >= 2221 && p4 <= 2720: // Mastercard
		return n == 16
	case p2 == 34 || p2 == 37: // American Express
		return n == 15
	case p4 == 6011, p2 == 65, p3 >= 644 && p3 <= 649: // Discover
		return n == 16
	case p2 == 62: // UnionPay
		return n == 16 || n == 19
	case p4 >= 3528 && p4 <= 3589: // JCB
		return n == 16
	case p4 == 2131 || p4 == 1800: // JCB, older
		return n == 15
	case p3 >= 300 && p3 <= 305, p2 == 36, p2 == 38, p2 == 39: // Diners Club
		return n == 14 || n == 16
	case p4 >= 2200 && p4 <= 2204: // Mir
		return n == 16
	case p2 == 60, p2 == 81, p2 == 82, p4 == 9792: // RuPay, Troy
		return n == 16
	case p2 == 50, p2 >= 56 && p2 <= 58, p4 == 6304, p4 == 6390, p4 >= 6759 && p4 <= 6763: // Maestro
		return n == 12 || n == 13 || n == 16
	}
	return false
}

// luhn checks the last digit of d (ISO/IEC 7812-1, annex B).
func luhn(d []byte) bool {
	sum := 0
	for k := range d {
		v := int(d[len(d)-1-k] - '0')
		if k%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

// ssn returns the end of a US social security number at the start of n, or 0. The dashed form counts
// although it was never issued: 123-45-6789 is what people write; all other forms need a word.
func (s *scanner) ssn(n *number, i int) int {
	if n.shape(0, 3, 2, 4) && n.uniform(2) && s.closed(n.end[2]) {
		if c := s.before(i); n.gap[1] == '-' && c != '+' && string(n.digits[:9]) != "000000000" {
			return n.end[2]
		}
		if (n.gap[1] == ' ' || n.gap[1] == '.') && s.numberWords(i)&nearSSN != 0 {
			return n.end[2]
		}
	}
	if n.size[0] == 9 && s.closed(n.end[0]) && s.numberWords(i)&nearSSN != 0 {
		return n.end[0]
	}
	return 0
}
