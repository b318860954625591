package redact

import "strings"

// pairKind is the kind of the name in {"name": "API_TOKEN", "value": …}, of which the word value ends
// before i, written as JSON, YAML, XML or in a row of attributes.
func (s *scanner) pairKind(i int) nameKind {
	t := s.src[max(s.context, i-2*window):i]
	t = trimPairs(t)
	if len(t) < 5 || !strings.EqualFold(t[len(t)-5:], "value") {
		return nameNone
	}
	t = trimPairs(t[:len(t)-5])
	b := len(t)
	for b > 0 && (inWord(t[b-1]) || t[b-1] == '-' || t[b-1] == '.') {
		b--
	}
	name := t[b:]
	t = trimPairs(t[:b])
	for _, w := range [...]string{"name", "key", "header", "id", "field"} {
		if n := len(t) - len(w); n >= 0 && strings.EqualFold(t[n:], w) && (n == 0 || !inWord(t[n-1])) {
			return classify(name)
		}
	}
	return nameNone
}

// trimPairs drops what stands between names and values from the end of t.
func trimPairs(t string) string { return strings.TrimRight(t, " \t\r\n\"'\\:=,;") }

// argument handles a call like define("DB_PASSWORD", "…") with its '(' at i. It returns where to go on.
func (s *scanner) argument(i int) int {
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
	if quote := s.src[q]; quote != '"' && quote != '\'' {
		return true
	}
	for q++; q < len(s.src) && (inWord(s.src[q]) || s.src[q] == '-' || s.src[q] == '.'); q++ {
	}
	if len(s.src)-q < 2 {
		return false
	}
	return s.src[q+1] != ',' || classify(s.src[i+2:q]) == nameNone || s.lineSettled(i)
}
