package redact

import (
	"math/bits"
	"strings"
)

// reach is how far the scanner looks ahead of the place where it stands, in bytes. A decision never
// depends on more, so that a stream has to hold back little; what goes on beyond it is swallowed.
const reach = 152

// scanner is one pass over one text, or over the window of a stream.
type scanner struct {
	src  string
	name string // the field src is the value of, as context for numbers; may be empty
	r    *Redactor

	out     []byte
	copied  int // out holds the redacted src[:copied]
	changed bool

	finding bool // note what is found instead of replacing it
	found   []Finding

	// open says that more text follows src: what it could change is not decided yet.
	open bool

	// floor is where the earliest next finding may begin: after the last finding, placeholder or
	// backslash escape.
	floor int
	// context is where words stop to count as context: after the last finding or placeholder, whose
	// kind is last. Both passes over a text see the same border there, which keeps redaction
	// idempotent.
	context int
	last    label

	v6Until    int // src[:v6Until] holds no further IPv6 address
	tokenUntil int // src[:tokenUntil] starts no further JSON web token
	urlAt      int // the '@' of a URL's user information
	urlColon   int // the ':' before the password in it

	// The words before a run of digit groups count for all groups of the run.
	numberEnd   int
	numberNear  near
	numberKnown bool

	again   bool // the second look at what stands before a finding
	fresh   bool // what is scanned next is looked at although it is within a word
	swallow swallow
	quotes  quotes

	begun   bool // something else than blanks was seen
	jsonDoc bool // the text begins like a document of JSON

	letGo bool   // the last finding is one the operator allows
	own   []span // what the operator added, in order, from where the scan is

	pii   bool
	muted bool // only look where JSON values end
}

// run scans src[i:] and returns where it stopped: at the end, or where more text must come first.
//
// Most bytes are never looked at alone: a mask of each block of 32 bytes says where something may begin.
func (s *scanner) run(i int) int {
	src := s.src
	if !s.begun {
		s.noteDocument()
	}
	sure, end := len(src), len(src)
	if s.open {
		sure, end = s.tail()
	}
	last := end
	end = s.untilOwn(last)
	block, mask := -1, uint32(0)
	for {
		if s.letGo { // it stays, and what follows it
			s.letGo, s.swallow = false, swallow{}
		}
		if s.swallow.mode != swallowNothing {
			if i = s.devour(i); s.swallow.mode != swallowNothing {
				return i
			}
			s.fresh = true
		}
		if i >= end {
			if end == last && len(s.own) == 0 || i < end || len(s.own) > 0 && i < s.own[0].start {
				return i
			}
			i = s.emitOwn(i)
			end = s.untilOwn(last)
			continue
		}
		if !s.fresh || !inWord(src[i]) || i > 0 && !inWord(src[i-1]) {
			s.fresh = false
			if i>>5 != block {
				block = i >> 5
				mask = s.marks(block << 5)
			}
			rest := mask >> (i & 31)
			if rest == 0 {
				i = min((block+1)<<5, end)
				continue
			}
			if i += bits.TrailingZeros32(rest); i >= end {
				i = end
				continue
			}
			if i+1 < sure {
				// Of a run of the same sign only the ends tell something.
				if c := src[i]; c == src[i+1] && (c == '@' || c == '=' || c == ':' && i > 0 && src[i-1] == ':') || idle(c, src[i+1]) {
					for i++; i+1 < sure && src[i] == c && src[i+1] == c; i++ {
					}
					continue
				}
			}
		}
		if i >= sure && !s.settled(i) {
			return i
		}
		j := s.look(i)
		s.fresh = j > i && !(s.open && j == len(src) && inWord(src[j-1]))
		i = max(j, i+1)
	}
}

// idle reports that nothing begins at the byte c if next follows.
func idle(c, next byte) bool {
	switch c {
	case '(':
		return next != '"' && next != '\'' && next != '\\'
	case '[':
		return !isUpper(next)
	case '-':
		return next != '-' && next != 'p' && next != 'a' && next != 'u'
	case '>':
		return next == ' ' || next == '\n' || next == '=' || next == '<'
	}
	return false
}

// tail returns up to where all decisions are certain, and up to where they can be made at all: where
// the last run of bytes begins that more text may continue.
func (s *scanner) tail() (sure, end int) {
	sure = max(0, len(s.src)-reach)
	end = len(s.src)
	for end > sure && token[s.src[end-1]] {
		end--
	}
	return sure, end
}

// look looks closer at the place i. It returns where to go on, or i if the word there is an ordinary
// one.
func (s *scanner) look(i int) int {
	switch class[s.src[i]] {
	case classWord:
		if i+1 < len(s.src) && keyStart(s.src[i], s.src[i+1]) {
			return s.word(i)
		}
		return i
	case classDigit:
		return s.digits(i)
	case classColon:
		return s.colon(i)
	case classEqual:
		return s.assignment(i, i+1)
	case classAt:
		return s.email(i, i+1)
	case classPercent:
		// In a URL '@' is written %40.
		if strings.HasPrefix(s.src[i:], "%40") {
			return s.email(i, i+3)
		}
		if foldPrefix(s.src[i:], "%2b") {
			return s.encodedPhone(i, i+3)
		}
	case classDash:
		return s.dashes(i)
	case classGreater:
		return s.element(i)
	case classEscape:
		return s.escape(i)
	case classOpen:
		return s.bracket(i)
	case classCall:
		return s.argument(i)
	case classWide:
		if strings.HasPrefix(s.src[i:], wideColon) {
			return s.assignment(i, i+len(wideColon))
		}
	}
	return i + 1
}

// untilOwn is up to where to scan before the next finding of the operator's own.
func (s *scanner) untilOwn(end int) int {
	if len(s.own) > 0 {
		return min(end, s.own[0].start)
	}
	return end
}

// emitOwn replaces the next finding of the operator's own, as far as it lies behind i. It returns where
// to go on.
func (s *scanner) emitOwn(i int) int {
	f := s.own[0]
	s.own = s.own[1:]
	a := max(f.start, i, s.copied)
	if a >= f.end {
		return i
	}
	if s.jsonDoc && s.depth(a) != s.depthAhead(a, f.end) {
		return i // it lies across the strings of a document
	}
	s.fresh = true
	if end := s.emitNumber(a, f.end, f.label); end > 0 {
		return end
	}
	return i
}

// emit replaces src[a:b] and returns b.
func (s *scanner) emit(a, b int, l label) int {
	if o := s.r.own; o != nil && o.allow != nil && o.allowed(s.src[a:b]) {
		s.letGo = true
		return b
	}
	if !s.again && a > s.floor && a > s.context && token[s.src[a-1]] {
		s.lookAgain(a)
	}
	if s.finding {
		s.found = append(s.found, Finding{Start: a, End: b, Type: labelTypes[l]})
		s.copied, s.changed = b, true
	} else {
		s.replace(a, b, placeholders[l])
	}
	s.floor, s.context, s.last = b, b, l
	s.numberKnown = false
	return b
}

// maxAgain is how far back the second look goes, in bytes.
const maxAgain = 40

// lookAgain scans what touches the finding at a once more. A placeholder is another neighbour than what
// it replaces: in "555-123-4567-2001:db8::1" the first number ends only where the address is gone.
func (s *scanner) lookAgain(a int) {
	low := max(s.floor, s.context)
	i := a
	for i > low && i > a-maxAgain && token[s.src[i-1]] {
		i--
	}
	if a-i < 6 || i > low && token[s.src[i-1]] {
		return
	}
	t := *s
	t.again, t.fresh = true, true
	s.take(&t, i, a)
}

// scanTo scans what stands between i and a finding at a, which was found before it was looked at.
func (s *scanner) scanTo(i, a int) {
	t := *s
	t.fresh = false
	s.take(&t, i, a)
}

// take has t, a copy, scan src[i:a] as if the text ended there, and takes over what it finds.
func (s *scanner) take(t *scanner, i, a int) {
	t.src, t.open, t.swallow = s.src[:a], false, swallow{}
	t.v6Until, t.tokenUntil, t.numberKnown, t.urlAt, t.urlColon, t.own = 0, 0, false, -1, -1, nil
	if t.run(i); t.copied > s.copied {
		s.out, s.found, s.copied, s.changed, s.floor, s.context, s.last = t.out, t.found, t.copied, true, t.floor, t.context, t.last
	}
}

// emitQuoted replaces a bare value of JSON by a placeholder in quotes that stand behind n backslashes.
func (s *scanner) emitQuoted(a, b int, l label, n int) int {
	if s.finding {
		return s.emit(a, b, l)
	}
	const slashes = `\\\\\\\\\\\\\\\`
	quote := slashes[:min(n, len(slashes))] + `"`
	s.replace(a, b, quote+placeholders[l]+quote)
	s.floor, s.context, s.last = b, b, l
	s.numberKnown = false
	return b
}

func (s *scanner) replace(a, b int, text string) {
	if s.out == nil {
		s.out = make([]byte, 0, len(s.src)+len(s.src)>>4+64)
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
// what follows. JSON inside JSON doubles the backslashes.
func (s *scanner) escape(i int) int {
	j := i + 1
	for j < len(s.src) && j < i+16 && s.src[j] == '\\' {
		j++
	}
	c := s.at(j)
	switch {
	case c == 'u' && j+5 <= len(s.src) && isHex(s.src[j+1]) && isHex(s.src[j+2]) && isHex(s.src[j+3]) && isHex(s.src[j+4]):
		if s.src[j+1] == '0' && s.src[j+2] == '0' {
			switch s.src[j+3 : j+5] {
			case "40":
				return s.email(i, j+5)
			case "2b", "2B":
				if end := s.encodedPhone(i, j+5); end > i+1 {
					return end
				}
			case "3d", "3D":
				if end := s.assignment(i, j+5); end > j+5 {
					return end
				}
			case "3e", "3E":
				if end := s.elementAt(i, j+5); end > j+5 {
					return end
				}
			}
		}
		j += 5
	case c == '/', isQuote(c):
		return j // the slash of a URL; a quote is looked at by others
	case j-i == 1 || c == 'n' || c == 'r' || c == 't' || c == 'f' || c == 'b':
		j++
	}
	j = min(j, len(s.src))
	s.floor = j
	return j
}

// bracket handles '[': a placeholder is stepped over.
func (s *scanner) bracket(i int) int {
	if n, l := placeholderAt(s.src[i:]); n > 0 {
		i += n
		s.floor, s.context, s.last = i, i, l
		return i
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
	if i == s.urlColon {
		s.urlColon = -1
		return s.emit(i+1, s.urlAt, labelPassword)
	}
	if s.pii && i >= s.v6Until {
		if end := s.ipv6(i); end > 0 {
			return end
		}
	}
	if s.at(i+1) == '/' && s.at(i+2) == '/' {
		return s.userinfo(i + 3)
	}
	if strings.HasPrefix(s.src[i+1:], `\/\/`) {
		return s.userinfo(i + 5)
	}
	if c := s.at(i + 1); c == '5' || c == '6' || c == '*' {
		if end := s.passLine(i); end > 0 {
			return end
		}
	}
	return s.assignment(i, i+1)
}
