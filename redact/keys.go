package redact

import (
	"slices"
	"strings"
)

// keyShape is how the keys of one issuer look: a prefix, then min to max characters of an alphabet.
// A max of 0 is no limit. Shapes come from the issuers' public documentation.
type keyShape struct {
	prefix   string
	min, max int
	alphabet uint8
	digit    bool // the body has at least one digit

	second, third byte // of the prefix, to rule shapes out cheaply; third is 0 if there is none
}

const (
	alphaAlnum  uint8 = 1 << iota // A-Z a-z 0-9
	alphaURL                      // and - _
	alphaDotted                   // and - _ .
	alphaUpper                    // A-Z 0-9
	alphaHex                      // 0-9 a-f
	alphaBase64                   // A-Z a-z 0-9 + / = - _
)

var alphabets = func() (t [256]uint8) {
	for c := range t {
		b := byte(c)
		switch {
		case isDigit(b):
			t[c] = 0xFF
		case isUpper(b):
			t[c] = alphaAlnum | alphaURL | alphaDotted | alphaUpper | alphaBase64
		case isLower(b):
			t[c] = alphaAlnum | alphaURL | alphaDotted | alphaBase64
			if isHex(b) {
				t[c] |= alphaHex
			}
		case b == '-', b == '_':
			t[c] = alphaURL | alphaDotted | alphaBase64
		case b == '.':
			t[c] = alphaDotted
		case b == '+', b == '/', b == '=':
			t[c] = alphaBase64
		}
	}
	return t
}()

func shape(prefix string, least, most int, alphabet uint8, digit bool) keyShape {
	k := keyShape{prefix: prefix, min: least, max: most, alphabet: alphabet, digit: digit, second: prefix[1]}
	if len(prefix) > 2 {
		k.third = prefix[2]
	}
	return k
}

// firstShape is where the shapes that begin with a byte begin in keyShapes.
var firstShape = func() (t [256]uint8) {
	for k, keyShape := range slices.Backward(keyShapes) {
		t[keyShape.prefix[0]] = uint8(k)
	}
	return t
}()

// wordsLookedAt are the beginnings of words that are looked at for another reason than a key of that
// prefix: what a token begins with, and words before or about a secret.
var wordsLookedAt = [...]string{
	"atla", "bear", "Bear", "BEAR", "basi", "Basi", "BASI",
	"is ", "is:", "es ", "est ", "ist ", "eyJ", "pass", "Pass", "PASS", "iden", "IDEN", "Conv", "conv", "pwd ", "Pwd ", "PWD ", "pw ", "PW ", "Kenn", "kenn",
}

// keyStarts holds the first two bytes of all that word looks for: 8 KB, one bit a pair.
var keyStarts = func() (t [1024]uint64) {
	set := func(a, b byte) { t[uint(a)<<2|uint(b)>>6] |= 1 << (b & 63) }
	for _, k := range keyShapes {
		set(k.prefix[0], k.prefix[1])
	}
	for _, w := range wordsLookedAt {
		set(w[0], w[1])
	}
	for _, a := range []byte("MNO") {
		for _, b := range []byte("DTjz") {
			set(a, b)
		}
	}
	return t
}()

func keyStart(a, b byte) bool { return keyStarts[uint(a)<<2|uint(b)>>6]>>(b&63)&1 != 0 }

// word looks at the word at i, whose first two bytes are in keyStarts. It returns where to go on, or i
// if the word is an ordinary one.
func (s *scanner) word(i int) int {
	src := s.src
	switch src[i] {
	case 'e':
		if n := copula(src, i); n > 0 {
			if end := s.stated(i, n); end > 0 {
				return end
			}
		}
		if i >= s.tokenUntil && src[i+1] == 'y' {
			end, until := tokenEnd(src, i)
			if s.tokenUntil = until; end > 0 {
				return s.emitKey(i, end, alphaDotted, end-i >= maxKey)
			}
		}
	case 'b', 'B':
		if a, end := bearer(src, i); end > 0 {
			s.emit(a, end, labelToken)
			if end-i >= maxKey {
				s.swallow = swallow{mode: swallowAlphabet, alphabet: alphaDotted | alphaBase64}
			}
			return end
		}
	case 'a':
		if i >= s.floor+15 && strings.HasPrefix(src[i:], "atlasv1.") {
			if end := s.atlas(i); end > 0 {
				return end
			}
		}
	case 'I', 'C', 'c':
		if end := s.quotedAfter(i); end > 0 {
			return end
		}
	case 'M', 'N', 'O':
		if end := discordToken(src, i); end > 0 {
			return s.emit(i, end, labelKey)
		}
	case 'p', 'P', 'k', 'K':
		if end := s.mentioned(i); end > 0 {
			return end
		}
	case 'i':
		if end := s.quotedAfter(i); end > 0 {
			return end
		}
		if n := copula(src, i); n > 0 {
			if end := s.stated(i, n); end > 0 {
				return end
			}
		}
	}
	if end, alphabet := keyEnd(src, i); end > 0 {
		return s.emitKey(i, end, alphabet, end-i >= maxKey)
	}
	return i
}

// maxKey is how much of a key is looked at; the rest is swallowed.
const maxKey = reach - 24

// emitKey replaces the key src[a:b], of which more may follow.
func (s *scanner) emitKey(a, b int, alphabet uint8, more bool) int {
	s.emit(a, b, labelKey)
	if more {
		s.swallow = swallow{mode: swallowAlphabet, alphabet: alphabet}
	}
	return b
}

// keyEnd returns the end of the shaped key at i and its alphabet, or 0. No more than maxKey bytes are
// looked at.
func keyEnd(src string, i int) (end int, alphabet uint8) {
	if i+3 > len(src) {
		return 0, 0
	}
	second, third := src[i+1], src[i+2]
	for k := int(firstShape[src[i]]); k < len(keyShapes); k++ {
		shape := &keyShapes[k]
		if shape.prefix[0] != src[i] {
			break
		}
		if shape.second != second || shape.third != third && shape.third != 0 {
			continue
		}
		if len(src)-i < len(shape.prefix)+shape.min || src[i:i+len(shape.prefix)] != shape.prefix {
			continue
		}
		if end := shape.match(src, i+len(shape.prefix), i+maxKey); end > 0 {
			return end, shape.alphabet
		}
	}
	return 0, 0
}

// maxToDigit is how many characters a key may have before its first digit. The chance that none of 48
// random letters and digits is a digit is below one in 5,000.
const maxToDigit = 48

func (k *keyShape) match(src string, p, limit int) int {
	q, digit := p, !k.digit
	limit = min(limit, len(src))
	for q < limit && alphabets[src[q]]&k.alphabet != 0 {
		if !digit {
			// Generated keys have a digit soon; looking on for one would make "sk-sk-sk-…" quadratic.
			if digit = isDigit(src[q]); q-p > maxToDigit {
				return 0
			}
		}
		q++
	}
	if !digit || q < limit && inWord(src[q]) {
		return 0
	}
	if q == limit && limit < len(src) {
		if k.max > 0 {
			return 0
		}
		return q // and more
	}
	for q > p && (src[q-1] == '.' || src[q-1] == '-') {
		q-- // punctuation after the key
	}
	if n := q - p; n < k.min || k.max > 0 && n > k.max {
		return 0
	}
	return q
}

// tokenEnd returns the end of the JSON web token at i (RFC 7519: base64url parts with dots between,
// the first a JSON object), or 0, and up to where there is no other one.
func tokenEnd(src string, i int) (end, until int) {
	if len(src)-i < 4 || src[i:i+3] != "eyJ" {
		return 0, i
	}
	parts, p, from := 0, i, i
	limit := min(len(src), i+maxKey)
	for p < limit {
		if alphabets[src[p]]&alphaURL != 0 {
			p++
			continue
		}
		if parts < 2 && p-from < 8 || src[p] != '.' || parts == 4 {
			break
		}
		parts++
		p++
		from = p
	}
	if parts == 0 || parts == 1 && p-from < 8 || p-i < 20 {
		return 0, p
	}
	if src[p-1] == '.' && p-i < maxKey {
		p--
	}
	return p, p
}

// bearer returns the credential after "Bearer " or "Basic " at i, or an end of 0.
func bearer(src string, i int) (a, end int) {
	basic := foldPrefix(src[i:], "basic ")
	switch {
	case basic:
		a = i + 6
	case foldPrefix(src[i:], "bearer "):
		a = i + 7
	default:
		return 0, 0
	}
	for a < len(src) && a < i+10 && src[a] == ' ' {
		a++
	}
	end = a
	digit, upper, low := false, false, false
	for end < len(src) && end < i+maxKey && (alphabets[src[end]]&(alphaDotted|alphaBase64) != 0 || src[end] == '~') {
		c := src[end]
		digit, upper, low = digit || isDigit(c), upper || isUpper(c), low || isLower(c)
		end++
	}
	for end > a && end < i+maxKey && src[end-1] == '.' {
		end--
	}
	switch n := end - a; {
	case basic && n >= 8 && basicPair(src[a:end]),
		!basic && n >= 6 && digit,
		!basic && n >= 16 && upper && low,
		!basic && n >= 24:
		return a, end
	}
	return 0, 0
}

// basicPair reports that t is base64 of "user:password" (RFC 7617). Only as much is decoded as it takes
// to see the colon.
func basicPair(t string) bool {
	var acc, bits uint
	for k := 0; k < len(t) && k < 256; k++ {
		v := base64Value(t[k])
		if v > 63 {
			return false
		}
		acc, bits = acc<<6|uint(v), bits+6
		if bits >= 8 {
			bits -= 8
			switch c := byte(acc >> bits); { // #nosec G115 -- the low eight bits are meant
			case c == ':':
				return true
			case c < ' ' || c == 0x7F:
				return false
			}
		}
	}
	return false
}

func base64Value(c byte) byte {
	switch {
	case isUpper(c):
		return c - 'A'
	case isLower(c):
		return c - 'a' + 26
	case isDigit(c):
		return c - '0' + 52
	case c == '+', c == '-':
		return 62
	case c == '/', c == '_':
		return 63
	}
	return 255
}

// botToken returns the end of a Telegram bot token, an id and 35 characters, whose ':' is at j; or 0.
func (s *scanner) botToken(i, j int) int {
	if j-i < 8 || j-i > 10 || len(s.src) < j+36 || s.src[j+1:j+3] != "AA" {
		return 0
	}
	for _, c := range []byte(s.src[j+1 : j+36]) {
		if alphabets[c]&alphaURL == 0 {
			return 0
		}
	}
	return s.emit(i, j+36, labelKey)
}

// atlas returns the end of a token of HCP Terraform, 14 characters, ".atlasv1." and some 67 more; the
// middle stands at i.
func (s *scanner) atlas(i int) int {
	a := i - 15
	for k := a; k < i-1; k++ {
		if !isAlnum(s.src[k]) {
			return 0
		}
	}
	end := i + 8
	for end < len(s.src) && end < i+maxKey && alphabets[s.src[end]]&alphaURL != 0 {
		end++
	}
	if s.src[i-1] != '.' || a > 0 && inWord(s.before(a)) || end-i < 48 {
		return 0
	}
	return s.emit(a, end, labelKey)
}

// discordToken returns the end of a token of a Discord bot at i, or 0: the id in base64, which begins
// as digits do in it, six characters, and 27 or more.
func discordToken(src string, i int) int {
	p := i
	for k, least := range [...]int{23, 6, 27} {
		from := p
		for p < len(src) && p < from+44 && alphabets[src[p]]&alphaURL != 0 {
			p++
		}
		if n := p - from; n < least || k == 0 && n > 28 || k == 1 && n != 6 {
			return 0
		}
		if k < 2 {
			if p >= len(src) || src[p] != '.' {
				return 0
			}
			p++
		}
	}
	if p < len(src) && inWord(src[p]) {
		return 0
	}
	return p
}

// refreshToken returns the end of a token of which the first characters stand before p, or 0.
func refreshToken(src string, p int) int {
	q := p
	for q < len(src) && q < p+maxKey-4 && alphabets[src[q]]&alphaURL != 0 {
		q++
	}
	if q-p < 30 {
		return 0
	}
	return q
}
