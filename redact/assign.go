package redact

import "strings"

// maxValue bounds a quoted value; longer ones are taken for text.
const maxValue = 1024

// value is the right side of an assignment.
type value struct {
	a, b    int // the value in the text, without its quotes
	next    int // where to go on behind it
	quoted  bool
	bare    bool // the name is PASS or pass alone, which tests print as well
	outer   byte // the quote right before the name, if the name has none of its own
	named   bool // the name is quoted too: a field of a JSON-like object
	spaced  bool // blanks stand before the value
	sep     byte // ':', '=', ' ' (a flag) or 'i' (prose: "is")
	literal bool // a bare JSON number as the value of a quoted name
}

// assignment looks at the name before the ':' or '=' at i and redacts what is assigned to it if it is
// sensitive. It returns where to go on.
func (s *scanner) assignment(i int) int {
	name, quoted := s.nameBefore(i)
	if name == "" {
		return i + 1
	}
	kind := classify(name)
	if kind == nameNone {
		return i + 1
	}
	v := value{named: quoted, sep: s.src[i], bare: len(name) == 4 && foldPrefix(name, "pass")}
	if k := i - len(name) - 1; !quoted && k >= 0 && isQuote(s.src[k]) && s.src[k+1:i] == name {
		v.outer = s.src[k]
	}
	p := i + 1
	switch s.at(p) {
	case '=': // ":=", "=="
		if v.sep == '=' {
			return i + 1
		}
		v.sep = '='
		p++
	case '>': // "=>"
		p++
	case ':', '~':
		return i + 1
	}
	from := p
	for p < len(s.src) && p < from+8 && isBlank(s.src[p]) {
		p++
	}
	v.spaced = p > from
	return s.assigned(kind, p, v, i+1)
}

// assigned redacts the value at p. If it stays, scanning goes on at resume.
func (s *scanner) assigned(kind nameKind, p int, v value, resume int) int {
	s.readValue(&v, p)
	if v.a == v.b {
		return resume
	}
	switch kind {
	case nameAuth:
		if v.b = s.authorization(v); v.b == 0 {
			return resume
		}
		l := labelAuth
		if v.named && v.quoted {
			l = labelField
		}
		s.emit(v.a, v.b, l)
		return max(v.b, min(v.next, s.lineEnd(v.b)))
	case nameCookie:
		if !v.quoted {
			if s.at(v.next) != ';' && strings.IndexByte(s.src[v.a:v.next], '=') < 1 {
				return resume
			}
			v.b = s.lineEnd(v.a)
			if q := strings.IndexAny(s.src[v.a:v.b], "\"'`"); q >= 0 {
				v.b = v.a + q
			}
			v.b = v.a + len(strings.TrimRight(s.src[v.a:v.b], " \t\\"))
			v.next = v.b
		}
		if strings.IndexByte(s.src[v.a:min(v.b, v.a+maxName)], '=') < 1 || reference(s.src[v.a:v.b]) {
			return resume
		}
	default:
		if !s.acceptable(kind, v) {
			return resume
		}
	}
	switch {
	case v.literal && s.finding:
		s.emit(v.a, v.b, kindLabel(kind))
	case v.literal:
		s.replace(v.a, v.b, `"`+Field+`"`)
		s.floor, s.context, s.last = v.b, v.b, labelField
	case v.named && v.quoted && v.sep == ':' && s.finding:
		s.emit(v.a, v.b, kindLabel(kind))
	case v.named && v.quoted && v.sep == ':':
		s.emit(v.a, v.b, labelField)
	case kind == namePassword, kind == nameSecret && !credential(s.src[v.a:v.b]):
		s.emit(v.a, v.b, labelPassword)
	default:
		s.emit(v.a, v.b, labelKey)
	}
	return v.next
}

// nameBefore returns the name that ends before i, blanks and quotes skipped, and whether it is quoted.
// A last word that says little alone brings the one before it: "API key".
func (s *scanner) nameBefore(i int) (string, bool) {
	src, limit := s.src, max(s.context, i-maxName)
	p := i
	for p > limit && p > i-4 && (isBlank(src[p-1]) || src[p-1] == '?' || src[p-1] == '!' || src[p-1] == ']') {
		p--
	}
	quoted := false
	if p > limit && isQuote(src[p-1]) {
		quoted = true
		for p--; p > limit && src[p-1] == '\\'; p-- {
		}
	}
	e := p
	for e > limit && src[e-1] == '_' {
		e--
	}
	if e < limit+2 || !isAlnum(src[e-1]) && src[e-1] != '-' && src[e-1] != '.' || !maybeSensitive(src[e-2], src[e-1]) {
		return "", false
	}
	a := p
	for a > limit && (inWord(src[a-1]) || src[a-1] == '-' || src[a-1] == '.') {
		a--
	}
	if vague(src[a:p]) {
		b := a
		if b > limit && src[b-1] == ' ' {
			b--
			for b > limit && isLetter(src[b-1]) {
				b--
			}
			return src[b:p], quoted
		}
	}
	return src[a:p], quoted
}

// vague reports the second halves of names written as two words.
func vague(w string) bool {
	if len(w) < 3 || len(w) > 6 {
		return false
	}
	for _, v := range [...]string{"key", "keys", "phrase", "code", "string"} {
		if len(w) == len(v) && foldPrefix(w, v) {
			return true
		}
	}
	return false
}

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
		if b := closing(src, q+1, src[q], q-esc); b >= 0 {
			v.a, v.b, v.quoted = q+1, b, true
			v.next = b
			return
		}
		if p = q + 1; p >= len(src) {
			return
		}
		v.a, v.b, v.next = p, p, p
	}
	q = p
	for q < len(src) && !endsValue(src[q]) {
		if src[q] == '\\' && (q+1 >= len(src) || isQuote(src[q+1]) || src[q+1] == 'n' || src[q+1] == 'r' || src[q+1] == 't' || src[q+1] == '\\') {
			break
		}
		q++
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
	for p := q; p < len(src) && p < q+maxName; p++ {
		switch c := src[p]; {
		case c == ';':
			return p
		case isSpace(c), isQuote(c), c == '=', c == '&', c == ')':
			return q
		}
	}
	return q
}

func endsValue(c byte) bool {
	return isSpace(c) || isQuote(c) || c == ',' || c == ';' || c == '&' || c == ')' || c == ']' || c == '}' || c == '<' || c == '>' || c == '|'
}

// closing returns where the quote that opened before p is closed on the same line: at the first of its
// kind with as many backslashes before it, or -1. The position is that of the first backslash.
func closing(src string, p int, quote byte, escapes int) int {
	run := 0
	for q := p; q < len(src) && q < p+maxValue; q++ {
		switch src[q] {
		case '\n', '\r':
			return -1
		case '\\':
			run++
			continue
		case quote:
			if run == escapes || escapes == 0 && run%2 == 0 {
				return q - run*min(escapes, 1)
			}
		}
		run = 0
	}
	return -1
}

func (s *scanner) lineEnd(p int) int {
	if n := strings.IndexAny(s.src[p:min(len(s.src), p+maxValue)], "\r\n"); n >= 0 {
		return p + n
	}
	return min(len(s.src), p+maxValue)
}

// stated handles prose: "the password is hunter2". The word "is" stands at i. It returns where to go
// on, or 0.
func (s *scanner) stated(i int) int {
	if i == 0 || s.src[i-1] != ' ' {
		return 0
	}
	p := i + 3
	if s.at(p) == ':' || s.at(p) == ' ' {
		p++
	}
	if !likelyStated(s.src[p:min(len(s.src), p+64)]) {
		return 0
	}
	name, _ := s.nameBefore(i)
	kind := classify(name)
	if kind == nameNone && s.words(i)&nearPassword != 0 {
		kind = namePassword
	}
	if kind != namePassword && kind != nameSecret && kind != nameKey {
		return 0
	}
	if end := s.assigned(kind, p, value{sep: 'i', spaced: true}, 0); end > p {
		return end
	}
	return 0
}

// likelyStated reports that t begins with something else than a word of prose.
func likelyStated(t string) bool {
	for k := range len(t) {
		switch c := t[k]; {
		case isQuote(c), isDigit(c):
			return true
		case isSpace(c):
			return false
		case !isLetter(c) && c != ',' && c != '.' && c != '\'':
			return true
		}
	}
	return len(t) > 40
}

// dashes handles a run of '-': the head of a key block, or of a flag with its value behind a blank.
func (s *scanner) dashes(i int) int {
	src := s.src
	j := i + 1
	for j < len(src) && src[j] == '-' {
		j++
	}
	if j-i == 5 && strings.HasPrefix(src[j:], "BEGIN ") {
		if end := s.keyBlock(i, j+6); end > 0 {
			return end
		}
		return j
	}
	if j-i != 2 || j >= len(src) || !isLetter(src[j]) || inWord(s.before(i)) {
		return j
	}
	q := j
	for q < len(src) && q < j+maxName && (inWord(src[q]) || src[q] == '-') {
		q++
	}
	if q >= len(src) || src[q] != ' ' {
		return j
	}
	kind := classify(src[j:q])
	if kind == nameNone || kind == nameAuth || kind == nameCookie || s.at(q+1) == '-' {
		return j
	}
	if end := s.assigned(kind, q+1, value{sep: ' '}, 0); end > 0 {
		return end
	}
	return j
}

// element handles the '>' at i as the end of a tag: <password>…</password>.
func (s *scanner) element(i int) int {
	a, limit := i, max(s.context, i-maxName)
	for a > limit && (inWord(s.src[a-1]) || s.src[a-1] == '-' || s.src[a-1] == ':') {
		a--
	}
	if a == i || s.before(a) != '<' {
		return i + 1
	}
	kind := classify(s.src[a:i])
	if kind == nameNone {
		return i + 1
	}
	rest := s.src[i+1 : min(len(s.src), i+1+maxValue)]
	n := strings.IndexAny(rest, "<\n")
	if n <= 0 || rest[n] != '<' || n+1 >= len(rest) || rest[n+1] != '/' {
		return i + 1
	}
	v := value{a: i + 1, b: i + 1 + n, next: i + 1 + n, quoted: true, sep: '='}
	if !s.acceptable(kind, v) {
		return i + 1
	}
	if kind == namePassword {
		return s.emit(v.a, v.b, labelPassword)
	}
	return s.emit(v.a, v.b, labelKey)
}
