package redact

import "strings"

// scanner is one pass over one text.
type scanner struct {
	src  string
	name string // the field src is the value of, as context for numbers; may be empty

	out     []byte
	copied  int // out holds the redacted src[:copied]
	changed bool

	// floor is where the earliest next finding may begin: after the last finding, placeholder or
	// backslash escape.
	floor int
	// context is where words stop to count as context: after the last finding or placeholder, whose
	// kind is last. Both passes over a text see the same border there, which keeps redaction
	// idempotent.
	context int
	last    label

	v6Until    int // src[:v6Until] holds no further IPv6 address
	jsonUntil  int // src[:jsonUntil] starts no further JSON document
	tokenUntil int // src[:tokenUntil] starts no further JSON web token
	urlAt      int // the '@' of a URL's user information

	// The words before a run of digit groups count for all groups of the run.
	numberEnd   int
	numberNear  near
	numberKnown bool

	pii   bool
	depth int
	muted bool // only look where JSON values end

	finding bool // note what is found instead of replacing it
	found   []Finding
}

// run scans src[i:].
func (s *scanner) run(i int) {
	src := s.src
	for i < len(src) {
		switch class[src[i]] {
		case classWord:
			if i+1 < len(src) && keyStart(src[i], src[i+1]) {
				if j := s.word(i); j > i {
					i = j
					continue
				}
			}
			for i++; i < len(src) && inWord(src[i]); i++ {
			}
		case classDigit:
			i = s.digits(i)
		case classColon:
			i = s.colon(i)
		case classEqual:
			i = s.assignment(i)
		case classAt:
			i = s.email(i, i+1)
		case classPercent:
			// In a URL '@' is written %40.
			if strings.HasPrefix(src[i:], "%40") {
				i = s.email(i, i+3)
			} else {
				i++
			}
		case classDash:
			i = s.dashes(i)
		case classGreater:
			i = s.element(i)
		case classEscape:
			i = s.escape(i)
		case classOpen:
			i = s.open(i)
		default:
			i++
		}
	}
}

// emit replaces src[a:b] and returns b.
func (s *scanner) emit(a, b int, l label) int {
	if s.finding {
		s.found = append(s.found, Finding{Start: a, End: b, Type: labelTypes[l]})
		s.copied = b
	} else {
		s.replace(a, b, placeholders[l])
	}
	s.floor, s.context, s.last = b, b, l
	s.numberKnown = false
	return b
}

func (s *scanner) replace(a, b int, text string) {
	if s.out == nil {
		s.out = make([]byte, 0, len(s.src)+32)
	}
	s.out = append(s.out, s.src[s.copied:a]...)
	s.out = append(s.out, text...)
	s.copied, s.changed = b, true
}

// before returns the byte before i, or ']' where a finding or placeholder ended: that is what stands
// there when the text is redacted again. At the start of the text it returns 0.
func (s *scanner) before(i int) byte {
	switch i {
	case 0:
		return 0
	case s.context:
		return ']'
	case s.floor:
		return '\n' // an escape
	}
	return s.src[i-1]
}

// at returns the byte at i, or 0 outside the text.
func (s *scanner) at(i int) byte {
	if i < 0 || i >= len(s.src) {
		return 0
	}
	return s.src[i]
}

// escape skips a backslash sequence, so that the n of "\n555-123-4567" is not taken for a letter of
// what follows.
func (s *scanner) escape(i int) int {
	n := 2
	if s.at(i+1) == 'u' && i+6 <= len(s.src) && isHex(s.src[i+2]) && isHex(s.src[i+3]) &&
		isHex(s.src[i+4]) && isHex(s.src[i+5]) {
		n = 6
	}
	i = min(i+n, len(s.src))
	s.floor = i
	return i
}

// open handles '[' and '{': a placeholder is stepped over, a JSON document is redacted as such.
func (s *scanner) open(i int) int {
	if s.src[i] == '[' {
		if n, l := placeholderAt(s.src[i:]); n > 0 {
			i += n
			s.floor, s.context, s.last = i, i, l
			return i
		}
	}
	if i >= s.jsonUntil && s.depth < maxNesting && !s.finding && jsonLike(s.src[i:]) {
		if end, ok := s.document(i); ok {
			return end
		}
	}
	return i + 1
}

// placeholderAt returns the length and kind of the placeholder t begins with.
func placeholderAt(t string) (int, label) {
	end := strings.IndexByte(t[:min(len(t), 24)], ']')
	if end < 0 || !strings.HasSuffix(t[:end], "REDACTED") {
		return 0, labelNone
	}
	for l, p := range placeholders {
		if p == t[:end+1] {
			return end + 1, label(l)
		}
	}
	return 0, labelNone
}

// colon handles ':': the middle of an address, of a URL, or of a field.
func (s *scanner) colon(i int) int {
	if s.pii && i >= s.v6Until {
		if end := s.ipv6(i); end > 0 {
			return end
		}
	}
	if s.at(i+1) == '/' && s.at(i+2) == '/' {
		return s.userinfo(i + 3)
	}
	return s.assignment(i)
}
