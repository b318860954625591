package redact

import (
	"strings"
	"sync"
)

// maxDepth is how many arrays and objects may be inside each other; deeper ones are taken for text.
const maxDepth = 500

// JSON redacts a JSON document, or several of them in a row, on its decoded strings. The result is JSON
// again: a bare number that must go becomes a quoted placeholder, and the whole value of a field with a
// sensitive name becomes "[REDACTED]" (null, true, false and "" stay, and so do JSON Schema
// descriptions of such a field). A document with nothing to redact comes back byte by byte as it was,
// in the same slice. What is not JSON is redacted as text.
func (r *Redactor) JSON(doc []byte) []byte {
	out, changed := r.jsonPass(doc)
	for range 4 {
		if !changed {
			break
		}
		out, changed = r.jsonPass(out)
	}
	return out
}

func (r *Redactor) jsonPass(doc []byte) ([]byte, bool) {
	s := r.scanner(view(doc), "")
	p := s.blanks(0)
	ok := p < len(doc)
	for ok && p < len(doc) {
		if p, ok = s.jsonValue(p, 0, ""); ok {
			p = s.blanks(p)
		}
	}
	if !ok {
		s = r.scanner(view(doc), "")
		s.run(0)
	}
	if !s.changed {
		return doc, false
	}
	return append(s.out, s.src[s.copied:]...), true
}

func (s *scanner) blanks(p int) int {
	for p < len(s.src) && (s.src[p] == ' ' || s.src[p] == '\n' || s.src[p] == '\r' || s.src[p] == '\t') {
		p++
	}
	return p
}

// jsonValue redacts the value at p, which belongs to the field name, and returns its end; false and
// where it failed if it is not JSON.
func (s *scanner) jsonValue(p, depth int, name string) (int, bool) {
	if p >= len(s.src) || depth > maxDepth {
		return p, false
	}
	switch c := s.src[p]; c {
	case '{':
		return s.jsonObject(p, depth+1)
	case '[':
		return s.jsonArray(p, depth+1, name)
	case '"':
		end, esc, ok := jsonString(s.src, p)
		if ok {
			s.jsonText(p, end, esc, name)
		}
		return end, ok
	case 't':
		return s.literal(p, "true")
	case 'f':
		return s.literal(p, "false")
	case 'n':
		return s.literal(p, "null")
	default:
		end, whole, ok := jsonNumberEnd(s.src, p)
		if ok && whole && s.pii && end-p >= 7 {
			s.jsonInteger(p, end, name)
		}
		return end, ok
	}
}

func (s *scanner) literal(p int, w string) (int, bool) {
	if strings.HasPrefix(s.src[p:], w) {
		return p + len(w), true
	}
	return p, false
}

func (s *scanner) jsonArray(p, depth int, name string) (int, bool) {
	p = s.blanks(p + 1)
	if s.at(p) == ']' {
		return p + 1, true
	}
	for {
		var ok bool
		if p, ok = s.jsonValue(p, depth, name); !ok {
			return p, false
		}
		switch p = s.blanks(p); s.at(p) {
		case ',':
			p = s.blanks(p + 1)
		case ']':
			return p + 1, true
		default:
			return p, false
		}
	}
}

func (s *scanner) jsonObject(p, depth int) (int, bool) {
	p = s.blanks(p + 1)
	if s.at(p) == '}' {
		return p + 1, true
	}
	pair := false // {"name": "password", "value": …}
	for {
		end, esc, ok := jsonString(s.src, p)
		if !ok {
			return end, false
		}
		name := s.src[p+1 : end-1]
		if esc {
			name = string(unescape(nil, name))
		}
		s.jsonText(p, end, esc, "")
		if p = s.blanks(end); s.at(p) != ':' {
			return p, false
		}
		p = s.blanks(p + 1)
		if kind := classify(name); kind != nameNone || pair && name == "value" {
			p, ok = s.jsonSecret(p, depth, name)
		} else {
			pair = pair || s.namesSecret(name, p)
			p, ok = s.jsonValue(p, depth, name)
		}
		if !ok {
			return p, false
		}
		switch p = s.blanks(p); s.at(p) {
		case ',':
			p = s.blanks(p + 1)
		case '}':
			return p + 1, true
		default:
			return p, false
		}
	}
}

// namesSecret reports that the string at p, the value of a field "name", "key" or "header", is a
// sensitive name itself.
func (s *scanner) namesSecret(field string, p int) bool {
	if field != "name" && field != "key" && field != "header" || s.at(p) != '"' {
		return false
	}
	end, esc, ok := jsonString(s.src, p)
	return ok && !esc && classify(s.src[p+1:end-1]) != nameNone
}

// jsonSecret replaces the value at p of a field with a sensitive name.
func (s *scanner) jsonSecret(p, depth int, name string) (int, bool) {
	skip := scanner{src: s.src, r: s.r, urlAt: -1, urlColon: -1}
	end, ok := skip.jsonSkip(p, depth)
	if !ok {
		return end, false
	}
	switch raw := s.src[p:end]; raw[0] {
	case 'n', 't', 'f':
		return end, true
	case '"':
		if raw == `""` || keepString(raw[1:len(raw)-1]) || name == "token" && logprob(s.src[end:]) {
			return s.jsonValue(p, depth, name)
		}
	case '{':
		if schema(raw) {
			return s.jsonValue(p, depth, name)
		}
	case '[':
		if s.blanks(p+1) == end-1 {
			return end, true
		}
	}
	s.replace(p, end, `"`+Field+`"`)
	s.floor, s.context, s.last = end, end, labelField
	return end, true
}

// keepString reports placeholders, masks and references to a secret kept elsewhere.
func keepString(t string) bool {
	if n, _ := placeholderAt(t); n == len(t) {
		return true
	}
	for _, p := range [...][2]string{{"${", "}"}, {"{{", "}}"}, {"<", ">"}, {"Bearer [", "]"}} {
		if strings.HasPrefix(t, p[0]) && strings.HasSuffix(t, p[1]) && !strings.ContainsAny(t[len(p[0]):len(t)-len(p[1])], "{}<> ") {
			return true
		}
	}
	return len(t) > 2 && strings.Trim(t, "*") == ""
}

// logprob reports the next field of an entry of token probabilities: {"token": "Hi", "logprob": -0.1}.
func logprob(rest string) bool {
	rest = strings.TrimLeft(rest, " \n\r\t")
	if rest == "" || rest[0] != ',' {
		return false
	}
	return strings.HasPrefix(strings.TrimLeft(rest[1:], " \n\r\t"), `"logprob"`)
}

// schema reports that an object describes a field instead of holding its value (JSON Schema).
func schema(raw string) bool {
	k := strings.Index(raw[:min(len(raw), 1024)], `"type"`)
	if k < 0 || strings.ContainsAny(raw[1:k], "{}") {
		return false
	}
	rest := strings.TrimLeft(raw[k+6:], " \n\r\t:")
	for _, t := range [...]string{`"string"`, `"object"`, `"array"`, `"number"`, `"integer"`, `"boolean"`, `["`} {
		if strings.HasPrefix(rest, t) {
			return true
		}
	}
	return false
}

// jsonSkip returns the end of the value at p without redacting anything.
func (s *scanner) jsonSkip(p, depth int) (int, bool) {
	s.pii, s.muted = false, true
	return s.jsonValue(p, depth, "")
}

// decodeBuffers holds the space for decoded strings: most have nothing to redact, and looking at them
// shall not allocate.
var decodeBuffers = sync.Pool{New: func() any { return new([]byte) }}

// jsonText redacts the string src[p:end], quotes included.
func (s *scanner) jsonText(p, end int, esc bool, name string) {
	if s.muted || end-p < 5 {
		return
	}
	text := s.src[p+1 : end-1]
	if esc {
		buf := decodeBuffers.Get().(*[]byte)
		defer decodeBuffers.Put(buf)
		*buf = unescape((*buf)[:0], text)
		text = view(*buf)
	}
	inner := s.r.scanner(text, name)
	inner.run(0)
	if !inner.changed {
		return
	}
	inner.out = append(inner.out, text[inner.copied:]...)
	if s.out == nil {
		s.out = make([]byte, 0, len(s.src)+32)
	}
	s.out = append(s.out, s.src[s.copied:p]...)
	s.out = quote(s.out, view(inner.out))
	s.copied, s.changed = end, true
}

// jsonInteger replaces the bare number src[p:end] if all of it is a finding.
func (s *scanner) jsonInteger(p, end int, name string) {
	text := s.src[p:end]
	inner := s.r.scanner(text, name)
	inner.run(0)
	if !inner.changed || inner.copied != len(text) || inner.out[0] != '[' {
		return
	}
	s.replace(p, end, `"`+string(inner.out)+`"`)
}
