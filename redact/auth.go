package redact

import "strings"

// authorization returns the end of the credentials in the value of an Authorization header, or 0 if
// there are none.
func (s *scanner) authorization(v value) int {
	src := s.src
	if v.quoted {
		t := src[v.a:v.b]
		if w, rest, ok := strings.Cut(t, " "); ok && knownScheme(w) && (rest == "" || reference(rest)) {
			return 0
		}
		if reference(t) || !strings.ContainsAny(t, " 0123456789") && len(t) < 8 {
			return 0
		}
		return v.b
	}
	scheme := src[v.a:v.b]
	if reference(scheme) || v.next >= len(src) || src[v.next] != ' ' || !knownScheme(scheme) {
		if credential(scheme) || len(scheme) >= 6 && hasDigit(scheme) {
			return v.b
		}
		return 0
	}
	if foldPrefix(scheme, "digest") || foldPrefix(scheme, "aws4-") || foldPrefix(scheme, "oauth") || foldPrefix(scheme, "hawk") {
		s.lineFrom(v)
		return v.b
	}
	p := v.next
	for p < len(src) && p < v.next+4 && src[p] == ' ' {
		p++
	}
	q := p
	limit := min(len(src), p+maxValue)
	for q < limit && !endsValue(src[q]) && src[q] != '\\' {
		q++
	}
	if q == limit && q < len(src) {
		s.swallow = swallow{mode: swallowValue}
	}
	t := src[p:q]
	if len(t) < 4 || reference(t) || prose(t) {
		s.swallow = swallow{}
		return 0
	}
	return q
}

func knownScheme(t string) bool {
	for _, w := range [...]string{"bearer", "basic", "token", "digest", "apikey", "key", "negotiate", "ntlm", "oauth", "hawk", "bot", "aws4-hmac-sha256", "sso-key", "splunk", "sharedkey"} {
		if len(t) == len(w) && foldPrefix(t, w) {
			return true
		}
	}
	return false
}

// userinfo handles what follows "://": a password before '@' in the authority of a URL. It returns where
// to go on.
func (s *scanner) userinfo(p int) int {
	src := s.src
	colon, at := -1, -1
	limit := min(len(src), p+reach-16)
scan:
	for q := p; q < limit; q++ {
		switch c := src[q]; {
		case c == ':' && colon < 0:
			colon = q
		case c == '@':
			at = q
		case (c == '/' || c == '?' || c == '#') && colon >= 0 && at < 0 && q > colon+1 && !digitsOnly(src[colon+1:q]):
			// An unescaped character of a password, if the '@' follows.
		case (c == '#' || c == '?') && colon >= 0 && at > colon && atFollows(src[q+1:min(limit, q+24)]):
			// One after an unescaped '@' of the password.
		case isSpace(c), c == '/', c == '?', c == '#', c == '"', c == '\'', c == '`', c == '<', c == '>', c == '\\', c == ',', c == ')' && at >= 0:
			break scan
		}
	}
	if at < 0 {
		return p
	}
	s.urlAt = at
	key, _ := keyEnd(src, p)
	if key > 0 && key <= at {
		s.emit(p, key, labelKey)
	}
	switch {
	case colon < 0 || colon > at:
		if key <= 0 && at-p >= 16 && strings.IndexByte(src[p:at], '%') < 0 && credential(src[p:at]) {
			return s.emit(p, at, labelKey)
		}
	case colon+1 < at && colon >= s.copied && !reference(src[colon+1:at]) && !template(src[colon+1:at]):
		s.urlColon = colon
	}
	return max(p, s.floor)
}

// atFollows reports that there is an '@' in t before anything that a path or a query has.
func atFollows(t string) bool {
	n := strings.IndexAny(t, "@/=& \t\n\"'`<>,")
	return n >= 0 && t[n] == '@'
}

// passLine handles a line of PostgreSQL's password file, host:port:database:user:password, whose first ':' is at i. The ports are those of PostgreSQL and PgBouncer, because
// there is nothing else to know it by. It returns where to go on, or 0. See https://www.postgresql.org/docs/current/libpq-pgpass.html.
func (s *scanner) passLine(i int) int {
	src, limit := s.src, min(len(s.src), i+reach-8)
	p := i + 6
	if p >= limit || src[p-1] != ':' || src[i+1:p-1] != "5432" && src[i+1:p-1] != "5433" && src[i+1:p-1] != "6432" {
		if p = i + 3; p >= limit || src[i+1:p] != "*:" {
			return 0
		}
	}
	b := i
	for b > s.context && b > i-64 && (inWord(src[b-1]) || src[b-1] == '.' || src[b-1] == '-' || src[b-1] == '*') {
		b--
	}
	if c := s.before(b); c != 0 && c != '\n' && (c != ']' || s.last != labelIP) {
		return 0
	}
	field := func() (a, z int) {
		a = p
		for p < limit && src[p] != ':' && !isSpace(src[p]) && !isQuote(src[p]) {
			if src[p] == '\\' {
				p++
			}
			p++
		}
		z = min(p, limit)
		p = z + 1
		return a, z
	}
	for range 2 {
		if a, z := field(); a == z || z >= limit || src[z] != ':' {
			return 0
		}
	}
	a, z := field()
	if z-a < 4 || z >= limit && z < len(src) || z < len(src) && src[z] != '\n' && src[z] != '\r' || reference(src[a:z]) || template(src[a:z]) || strings.Contains(src[a:z], "REDACTED") {
		return 0
	}
	s.scanTo(i+1, a)
	return s.emit(a, z, labelPassword)
}

// lineFrom swallows what follows the value v to the end of its line, or of the string it stands in.
func (s *scanner) lineFrom(v value) {
	w := swallow{mode: swallowLine, quote: v.outer}
	if d := s.depth(v.a); d > 0 {
		w.depth = d
		if w.escapes = 1<<(d-1) - 1; w.quote == 0 {
			w.quote = '"'
		}
	} else if w.quote == 0 {
		w.quote = '\''
	}
	s.swallow = w
}

func digitsOnly(t string) bool {
	for k := range len(t) {
		if !isDigit(t[k]) {
			return false
		}
	}
	return true
}
