package redact

import "strings"

// argument handles a call with its '(' at i: login("user", "…"), define("DB_PASSWORD", "…"). It returns where to go on.
func (s *scanner) argument(i int) int {
	if n := s.secretArgument(i); n >= 0 {
		if end := s.passed(i, n); end > 0 {
			return end
		}
	}
	return s.definition(i)
}

// secretArgument is which argument of the call at i is a password, from 0; -1 if none is by the name of what is called.
func (s *scanner) secretArgument(i int) int {
	b := i
	for b > s.context && b > i-4 && (s.src[b-1] == ' ' || s.src[b-1] == '=') {
		b--
	}
	a := b
	for a > s.context && a > b-40 && inWord(s.src[a-1]) {
		a--
	}
	var buf [40]byte
	n := 0
	for k := a; k < b; k++ {
		if c := s.src[k]; c != '_' {
			buf[n] = lower(c)
			n++
		}
	}
	name := string(buf[:n])
	switch name {
	case "login", "signin", "auth", "authenticate", "basicauth", "httpbasicauth", "httpdigestauth", "digestauth", "setbasicauth", "withbasicauth", "credentials", "setcredentials",
		"usernamepasswordcredentials", "passwordcredentials", "passwordcredential", "networkcredential", "usernamepasswordauthenticationtoken", "plaincredentials":
		return 1
	case "pdo", "getconnection", "plainauth", "mysqli", "mysqliconnect", "mysqlconnect":
		return 2
	}
	for _, verb := range [...]string{"set", "with", "use"} {
		if strings.HasPrefix(name, verb) && classify(name) != nameNone {
			return 0
		}
	}
	return -1
}

// passed redacts the nth argument of the call at i, if it is a text. Those before it are texts or names. It returns where to go on, or 0.
func (s *scanner) passed(i, n int) int {
	src, p, limit := s.src, i+1, min(len(s.src), i+reach-8)
	for ; ; n-- {
		for p < limit && src[p] == ' ' {
			p++
		}
		a, b, end := textAt(src, p, limit)
		switch {
		case n == 0 && a > 0:
			t := src[a:b]
			if len(t) < 4 || reference(t) || ordinary(t) || strings.Contains(t, "REDACTED") || !chosen(t, true) && !credential(t) {
				return 0
			}
			s.scanTo(i+1, a)
			return s.emit(a, b, labelPassword)
		case n == 0:
			return 0
		case a == 0:
			for end = p; end < limit && (inWord(src[end]) || src[end] == '.' || src[end] == '$'); end++ {
			}
		}
		for end < limit && src[end] == ' ' {
			end++
		}
		if end >= limit || src[end] != ',' {
			return 0
		}
		p = end + 1
	}
}

// textAt returns what stands between the quotes at p, and where they end; a is 0 if there are none that close before limit.
func textAt(src string, p, limit int) (a, b, end int) {
	q := p
	for q < limit && src[q] == '\\' {
		q++
	}
	escapes := q - p
	if q >= limit || !isQuote(src[q]) {
		return 0, 0, p
	}
	run := 0
	for k := q + 1; k < limit; k++ {
		switch src[k] {
		case '\\':
			run++
			continue
		case '\n':
			return 0, 0, p
		case src[q]:
			if run == escapes || escapes == 0 && run%2 == 0 {
				return q + 1, k - min(run, escapes), k + 1
			}
		}
		run = 0
	}
	return 0, 0, p
}

// definition handles define("DB_PASSWORD", "…") with its '(' at i. It returns where to go on.
func (s *scanner) definition(i int) int {
	src := s.src
	quote := s.at(i + 1)
	if quote != '"' && quote != '\'' {
		return i + 1
	}
	q := i + 2
	for q < len(src) && q < i+2+maxName && (inWord(src[q]) || src[q] == '-' || src[q] == '.') {
		q++
	}
	if q < i+5 || s.at(q) != quote || s.at(q+1) != ',' || !maybeSensitive(src[q-3], src[q-2], src[q-1]) {
		return i + 1
	}
	kind := classify(src[i+2 : q])
	if kind == nameNone || kind == nameAuth || kind == nameCookie {
		return i + 1
	}
	p := q + 2
	for p < len(src) && p < q+6 && src[p] == ' ' {
		p++
	}
	if s.at(p) != quote {
		return i + 1
	}
	v := value{sep: '=', pass: true}
	s.readValue(&v, p)
	if t := src[v.a:v.b]; !v.quoted || v.more || len(t) < 4 || reference(t) || ordinary(t) || !chosen(t, true) && !credential(t) {
		return i + 1
	}
	if kind == namePassword || kind == nameSecret && !credential(src[v.a:v.b]) {
		return s.emit(v.a, v.b, labelPassword)
	}
	return s.emit(v.a, v.b, labelKey)
}

// argumentSettled is settled for the '(' at i.
func (s *scanner) argumentSettled(i int) bool {
	q := i + 1
	if q == len(s.src) {
		return false
	}
	if quote := s.src[q]; quote != '"' && quote != '\'' && quote != '\\' {
		return true
	}
	if s.secretArgument(i) >= 0 {
		return s.lineSettled(i)
	}
	for q++; q < len(s.src) && (inWord(s.src[q]) || s.src[q] == '-' || s.src[q] == '.'); q++ {
	}
	if len(s.src)-q < 2 {
		return false
	}
	return s.src[q+1] != ',' || classify(s.src[i+2:q]) == nameNone || s.lineSettled(i)
}
