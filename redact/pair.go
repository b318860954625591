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

// variableKind is the kind of the name in variable "db_password" { … default = "…" } of Terraform, of which the word default ends before i.
func (s *scanner) variableKind(i int) nameKind {
	t := s.src[max(s.context, i-variableReach):i]
	n := strings.LastIndex(t, "variable ")
	if n < 0 || strings.Contains(t[n:], "\n}") {
		return nameNone
	}
	t = strings.TrimLeft(t[n+len("variable "):], `\"`)
	e := 0
	for e < len(t) && (inWord(t[e]) || t[e] == '-') {
		e++
	}
	return classify(t[:e])
}

// variableReach is how far back the beginning of a variable's block may be, in bytes.
const variableReach = 200

// trimPairs drops what stands between names and values from the end of t.
func trimPairs(t string) string { return strings.TrimRight(t, " \t\r\n\"'\\:=,;") }
