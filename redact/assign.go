package redact

import "strings"

// maxValue is how much of a value is looked at, in bytes; the rest of a longer one is swallowed.
const maxValue = reach - 48

// value is the right side of an assignment.
type value struct {
	a, b    int // the value in the text, without its quotes
	next    int // where to go on behind it
	quoted  bool
	quote   byte // what it is quoted with
	escapes int  // backslashes before the quotes
	more    bool // it is longer than maxValue
	pass    bool // it may be a password, which has more kinds of characters than a key
	slashes int  // backslashes before the quotes of the name
	bare    bool // the name is PASS or pass alone, which tests print as well
	outer   byte // the quote right before the name, if the name has none of its own
	named   bool // the name is quoted too: a field of a JSON-like object
	spaced  bool // blanks stand before the value
	sep     byte // ':', '=', ' ' (a flag) or 'i' (prose: "is")
	literal bool // a bare JSON number as the value of a quoted name
}

// assignment looks at the name before the ':' or '=' at i, which ends before p, and redacts what is
// assigned to it if it is sensitive. It returns where to go on.
func (s *scanner) assignment(i, p int) int {
	resume := p
	if !s.named(i) {
		return resume
	}
	if s.src[i] == '=' {
		switch s.before(i) {
		case '!', '<', '>', '=':
			return resume // a comparison
		}
	}
	name, slashes := s.nameBefore(i)
	if name == "" {
		return resume
	}
	kind := classify(name)
	if kind == nameNone && len(name) == 5 && foldPrefix(name, "value") {
		kind = s.pairKind(i)
	}
	if kind == nameNone && name == "default" && s.src[i] == '=' {
		kind = s.variableKind(i)
	}
	if kind == nameNone || len(name) == 3 && kind == nameKey && name == "sig" && s.at(i-4) != '&' && s.at(i-4) != '?' {
		return resume
	}
	quoted := slashes >= 0
	v := value{named: quoted, slashes: max(0, slashes), sep: s.src[i], bare: len(name) == 4 && foldPrefix(name, "pass")}
	if k := i - len(name) - 1; !quoted && k >= 0 && isQuote(s.src[k]) && s.src[k+1:i] == name {
		v.outer = s.src[k]
	}
	switch v.sep {
	case '\\':
		v.sep = '='
	case wideColon[0]:
		v.sep = ':'
	}
	switch s.at(p) {
	case '=': // ":=", "=="
		if v.sep == '=' {
			return resume
		}
		v.sep = '='
		p++
	case '>': // "=>"
		p++
	case ':', '~':
		return resume
	}
	from := p
	for p < len(s.src) && p < from+8 && isBlank(s.src[p]) {
		p++
	}
	v.spaced = p > from
	if s.at(p) == '&' && v.sep == ':' && isLetter(s.at(p+1)) {
		p++ // a reference, as in Rust: "token: &str"
	}
	if a := i - len(name) - slashes - 2; v.named && a >= 0 && s.src[a] == '/' {
		return resume // the end of a path: "node_modules/jsonwebtoken"
	}
	if v.sep == ':' && !v.named && (s.at(p) == '|' || s.at(p) == '>') {
		p = s.blockScalar(p)
	}
	if v.named && v.sep == ':' && (s.at(p) == '{' || s.at(p) == '[') {
		if end := s.nest(kind, p, v); end > 0 {
			return end
		}
		return resume
	}
	return s.assigned(kind, p, v, resume)
}

// blockScalar returns where the text begins that YAML writes on the lines behind the '|' or '>' at p, or p.
func (s *scanner) blockScalar(p int) int {
	q := p + 1
	if c := s.at(q); c == '-' || c == '+' {
		q++
	}
	if s.at(q) != '\n' {
		return p
	}
	k := q + 1
	for k < len(s.src) && k < q+24 && s.src[k] == ' ' {
		k++
	}
	if k == q+1 || k >= len(s.src) || isSpace(s.src[k]) {
		return p
	}
	return k
}

// named reports that a name which may be a sensitive one ends before i. It is quick, for it is asked of
// every ':' and '='.
func (s *scanner) named(i int) bool {
	src := s.src
	p := i - 1
	for p > 3 && (src[p] == ' ' || src[p] == '?' || src[p] == '!' || src[p] == ']') && p > i-4 {
		p--
	}
	if p > 3 && isQuote(src[p]) {
		for p--; p > 3 && src[p] == '\\'; p-- {
		}
	}
	return p <= 3 || src[p] >= 0x80 || src[p] == '_' || src[p] == '\t' || src[p] == 'o' || src[p] == 'a' || maybeSensitive(src[p-2], src[p-1], src[p])
}

// nest replaces the object or array at p, the value of a sensitive field of JSON, or returns 0.
func (s *scanner) nest(kind nameKind, p int, v value) int {
	k := s.blanks(p + 1)
	quote := s.src[k:min(len(s.src), k+v.slashes+1)]
	full := len(quote) == v.slashes+1 && quote[v.slashes] == '"' && strings.Trim(quote[:v.slashes], `\`) == ""
	if n, _ := placeholderAt(s.src[k:]); n > 0 {
		return 0
	}
	switch c := s.at(k); {
	case s.src[p] == '{' && !full,
		s.src[p] == '[' && !full && c != '{' && c != '[' && !isDigit(c):
		return 0
	}
	if s.src[p] == '{' && (schema(s.src[p:min(len(s.src), p+maxValue)]) || describes(s.src[k:min(len(s.src), k+24)])) {
		return 0
	}
	if s.finding {
		s.emit(p, p+1, kindLabel(kind))
	} else {
		s.emitQuoted(p, p+1, labelField, v.slashes)
	}
	s.swallow = swallow{mode: swallowNest, depth: 1, escapes: v.slashes}
	return p + 1
}

// assigned redacts the value at p. If it stays, scanning goes on at resume.
func (s *scanner) assigned(kind nameKind, p int, v value, resume int) int {
	v.pass = kind == namePassword || kind == nameSecret
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
		if v.named && v.quoted && !s.finding {
			l = labelField
		}
		s.emit(v.a, v.b, l)
		if s.swallow.mode != swallowNothing {
			return v.b
		}
		return s.rest(v)
	case nameCookie:
		if !v.quoted && s.at(v.next) != ';' && strings.IndexByte(s.src[v.a:v.next], '=') < 1 {
			return resume
		}
		if strings.IndexByte(s.src[v.a:min(v.b, v.a+maxName)], '=') < 1 || reference(s.src[v.a:v.b]) {
			return resume
		}
	default:
		if !s.acceptable(kind, v) || logprob(s.src[min(len(s.src), v.next+1):]) && v.named {
			if p := s.typed(v); p > 0 {
				return s.assigned(kind, p, value{sep: '='}, resume)
			}
			return resume
		}
	}
	switch {
	case v.literal && s.finding:
		s.emit(v.a, v.b, kindLabel(kind))
	case v.literal:
		return s.emitQuoted(v.a, v.b, labelField, v.slashes)
	case v.named && v.quoted && v.sep == ':' && s.finding:
		s.emit(v.a, v.b, kindLabel(kind))
	case v.named && v.quoted && v.sep == ':':
		s.emit(v.a, v.b, labelField)
	case kind == namePassword, kind == nameSecret && !credential(s.src[v.a:v.b]):
		s.emit(v.a, v.b, labelPassword)
	default:
		s.emit(v.a, v.b, labelKey)
	}
	if kind == nameCookie && !v.quoted {
		s.lineFrom(v)
		return v.b
	}
	return s.rest(v)
}

// typed returns where the value begins in "apiKey: string = …", of which v was taken for the value; or 0.
func (s *scanner) typed(v value) int {
	if v.sep != ':' || v.quoted || v.named || v.b == v.a || v.b-v.a > 16 {
		return 0 // the name of a type is short, and what follows it must lie within reach
	}
	p, limit := v.b, min(len(s.src), v.b+12)
	for p < limit && s.src[p] != '=' {
		if c := s.src[p]; c != ' ' && c != '>' && c != ']' && c != '?' && !isLetter(c) {
			return 0
		}
		p++
	}
	if p >= limit || s.at(p+1) == '=' {
		return 0
	}
	for p++; p < len(s.src) && p < limit && s.src[p] == ' '; p++ {
	}
	return p
}

// rest goes on behind the value v that was replaced, or swallows what is left of it.
func (s *scanner) rest(v value) int {
	switch {
	case v.more && v.quoted:
		s.swallow = swallow{mode: swallowQuoted, quote: v.quote, escapes: v.escapes, depth: s.depth(v.a - 1 - v.escapes)}
		return v.b
	case v.more:
		s.swallow = swallow{mode: swallowValue}
		return v.b
	}
	return max(v.b, v.next)
}

// nameBefore returns the name that ends before i, blanks and quotes skipped, and how many backslashes
// stand before its closing quote, or -1 if it has none. A last word that says little alone brings the
// one before it: "API key".
func (s *scanner) nameBefore(i int) (string, int) {
	src, limit := s.src, max(s.context, i-maxName)
	p := i
	for p > limit && p > i-4 && (isBlank(src[p-1]) || src[p-1] == '?' || src[p-1] == '!' || src[p-1] == ']') {
		p--
	}
	quoted := -1
	if p > limit && isQuote(src[p-1]) {
		quoted = 0
		for p--; p > limit && src[p-1] == '\\'; p-- {
			quoted++
		}
	}
	e := p
	for e > limit && src[e-1] == '_' {
		e--
	}
	if e >= limit+6 && wideName(src[limit:e]) {
		return "password", quoted
	}
	if e < limit+2 || !isAlnum(src[e-1]) && src[e-1] != '-' && src[e-1] != '.' || !maybeSensitive(s.at(e-3), src[e-2], src[e-1]) {
		return "", -1
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
	for _, v := range [...]string{"key", "keys", "phrase", "code", "string", "passe"} {
		if len(w) == len(v) && foldPrefix(w, v) {
			return true
		}
	}
	return false
}

// stated handles prose: "the password is hunter2". The word "is", of n
// bytes, stands at i. It returns where to go on, or 0.
func (s *scanner) stated(i, n int) int {
	if i == 0 || s.src[i-1] != ' ' {
		return 0
	}
	p := i + n + 1
	if s.at(p) == ':' || s.at(p) == ' ' {
		p++
	}
	if !likelyStated(s.src[p:min(len(s.src), p+64)]) {
		return 0
	}
	kind := s.statedKind(i)
	if kind == nameNone {
		return 0
	}
	if end := s.assigned(kind, p, value{sep: 'i', spaced: true}, 0); end > p {
		return end
	}
	return 0
}

// statedKind is the kind of what "is" at i tells the value of.
func (s *scanner) statedKind(i int) nameKind {
	name, _ := s.nameBefore(i)
	kind := classify(name)
	if kind == nameNone && s.words(i)&nearPassword != 0 {
		kind = namePassword
	}
	if kind != namePassword && kind != nameSecret && kind != nameKey {
		return nameNone
	}
	return kind
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
	if j-i == 5 && s.before(i) != '-' && strings.HasPrefix(src[j:], "BEGIN ") {
		if end := s.keyBlock(i, j+6); end > 0 {
			return end
		}
		return j
	}
	if j-i == 1 && j+1 < len(src) && isLetter(src[j]) {
		return s.flag(i)
	}
	if j-i != 2 || j >= len(src) || !isLetter(src[j]) || inWord(s.before(i)) {
		return j
	}
	q := j
	for q < len(src) && q < j+maxName && (inWord(src[q]) || src[q] == '-') {
		q++
	}
	if q < len(src) && src[q] == '=' && userOption(src[j:q]) {
		return s.userOf(i, q, j)
	}
	if q >= len(src) || src[q] != ' ' {
		return j
	}
	if userOption(src[j:q]) {
		return s.userOf(i, q, j)
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
func (s *scanner) element(i int) int { return s.elementAt(i, i+1) }

// elementAt handles the end of a tag at i whose content begins at p.
func (s *scanner) elementAt(i, p int) int {
	switch s.at(p) { // idle skips these too
	case ' ', '\n', '=', '<':
		return p
	}
	kind := s.tagKind(i)
	if kind == nameNone {
		return p
	}
	rest := s.src[p:min(len(s.src), p+maxValue)]
	n := strings.IndexAny(rest, "<\n\"\\")
	if n <= 0 || n+1 >= len(rest) || rest[n:n+2] != "</" && !foldPrefix(rest[n:], `\u003c`) && !strings.HasPrefix(rest[n:], `<\/`) {
		return p
	}
	v := value{a: p, b: p + n, next: p + n, quoted: true, sep: '='}
	if !s.acceptable(kind, v) {
		return p
	}
	if kind == namePassword {
		return s.emit(v.a, v.b, labelPassword)
	}
	return s.emit(v.a, v.b, labelKey)
}

// tagKind is the kind of the name in the tag that ends at i.
func (s *scanner) tagKind(i int) nameKind {
	a, limit := i, max(s.context, i-maxName)
	for a > limit && (inWord(s.src[a-1]) || s.src[a-1] == '-' || s.src[a-1] == ':') {
		a--
	}
	if i-a > 5 && s.before(a) == '\\' && foldPrefix(s.src[a:i], "u003c") {
		return classify(s.src[a+5 : i]) // a '<' of JSON
	}
	if a == i || s.before(a) != '<' {
		return nameNone
	}
	return classify(s.src[a:i])
}

// describes reports that the first field of an object, whose name t begins with, tells about the object
// what no secret needs: it describes one.
func describes(t string) bool {
	t = strings.TrimLeft(t, "\\\"")
	for _, w := range [...]string{"description", "title", "$ref", "properties", "enum", "default", "format", "component", "version", "oneOf", "anyOf", "allOf", "oauth2", "nullable", "required", "secretKeyRef", "valueFrom", "location"} {
		if strings.HasPrefix(t, w) && len(t) > len(w) && (t[len(w)] == '"' || t[len(w)] == '\\') {
			return true
		}
	}
	return false
}
