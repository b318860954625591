package redact

import "slices"

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

// keyShapes is sorted by prefix, longer ones first where one begins like another.
var keyShapes = func() []keyShape {
	list := []keyShape{
		// Model providers and their tools.
		shape("sk-", 10, 0, alphaURL, true), // OpenAI, DeepSeek, Moonshot, LiteLLM and others
		shape("sk-", 24, 0, alphaAlnum, false),
		shape("sk-ant-", 8, 0, alphaURL, true),
		shape("sk-ant-", 20, 0, alphaURL, false),
		shape("sk-proj-", 8, 0, alphaURL, true),
		shape("sk-proj-", 20, 0, alphaURL, false),
		shape("sk-or-v1-", 8, 0, alphaURL, true),
		shape("sess-", 32, 0, alphaAlnum, true),
		shape("xai-", 16, 0, alphaAlnum, true),
		shape("gsk_", 16, 0, alphaAlnum, true),
		shape("AIza", 30, 0, alphaURL, false),
		shape("AQ.Ab8", 20, 0, alphaURL, false),
		shape("hf_", 20, 0, alphaAlnum, false),
		shape("api_org_", 20, 0, alphaAlnum, false),
		shape("r8_", 30, 0, alphaAlnum, true),
		shape("pplx-", 32, 0, alphaAlnum, false),
		shape("tvly-", 16, 0, alphaURL, true),
		shape("fw_", 20, 0, alphaAlnum, true),
		shape("nvapi-", 30, 0, alphaURL, true),
		shape("csk-", 20, 0, alphaAlnum, true),
		shape("tgp_v1_", 20, 0, alphaURL, true),
		shape("jina_", 30, 0, alphaURL, true),
		shape("fc-", 32, 0, alphaHex, true),
		shape("pcsk_", 20, 0, alphaURL, true),
		shape("lsv2_pt_", 20, 0, alphaURL, true),
		shape("lsv2_sk_", 20, 0, alphaURL, true),
		shape("ABSK", 40, 0, alphaBase64, true),
		shape("bedrock-api-key-", 20, 0, alphaBase64, true),
		shape("vck_", 30, 0, alphaURL, true),
		shape("apify_api_", 20, 0, alphaAlnum, true),
		// Clouds.
		shape("AKIA", 16, 16, alphaUpper, false),
		shape("ASIA", 16, 16, alphaUpper, false),
		shape("ABIA", 16, 16, alphaUpper, false),
		shape("ACCA", 16, 16, alphaUpper, false),
		shape("ya29.", 20, 0, alphaURL, true),
		shape("GOCSPX-", 20, 0, alphaURL, false),
		shape("LTAI", 12, 26, alphaAlnum, true),
		shape("AKID", 28, 34, alphaAlnum, true),
		shape("dop_v1_", 32, 0, alphaHex, true),
		shape("doo_v1_", 32, 0, alphaHex, true),
		shape("dor_v1_", 32, 0, alphaHex, true),
		shape("dapi", 32, 36, alphaHex, true),
		shape("tskey-", 16, 0, alphaURL, true),
		shape("dp.pt.", 30, 0, alphaAlnum, true),
		shape("dp.st.", 30, 0, alphaDotted, true),
		shape("pul-", 40, 40, alphaHex, true),
		shape("hvs.", 20, 0, alphaURL, true),
		shape("hvb.", 20, 0, alphaURL, true),
		shape("sbp_", 32, 0, alphaAlnum, true),
		shape("sb_secret_", 16, 0, alphaURL, true),
		shape("pscale_tkn_", 20, 0, alphaDotted, true),
		shape("pscale_pw_", 20, 0, alphaDotted, true),
		shape("AGE-SECRET-KEY-1", 50, 0, alphaUpper, true),
		// Code and packages.
		shape("ghp_", 20, 0, alphaAlnum, true),
		shape("gho_", 20, 0, alphaAlnum, true),
		shape("ghu_", 20, 0, alphaAlnum, true),
		shape("ghs_", 20, 0, alphaAlnum, true),
		shape("ghr_", 20, 0, alphaAlnum, true),
		shape("github_pat_", 20, 0, alphaURL, true),
		shape("glpat-", 16, 0, alphaDotted, true),
		shape("gldt-", 16, 0, alphaURL, true),
		shape("glrt-", 16, 0, alphaDotted, true),
		shape("glptt-", 16, 0, alphaURL, true),
		shape("glsoat-", 16, 0, alphaURL, true),
		shape("npm_", 30, 0, alphaAlnum, false),
		shape("pypi-", 50, 0, alphaURL, true),
		shape("rubygems_", 32, 0, alphaHex, true),
		shape("dckr_pat_", 20, 0, alphaURL, false),
		shape("oy2", 40, 46, alphaAlnum, true),
		shape("ATATT3", 30, 0, alphaBase64, true),
		shape("ATCTT3", 30, 0, alphaBase64, true),
		shape("ATBB", 24, 0, alphaAlnum, true),
		shape("lin_api_", 30, 0, alphaAlnum, true),
		shape("PMAK-", 24, 0, alphaURL, true),
		shape("figd_", 20, 0, alphaURL, true),
		shape("ntn_", 30, 0, alphaAlnum, true),
		shape("secret_", 40, 0, alphaAlnum, true),
		// Payments, messages, monitoring.
		shape("sk_live_", 10, 0, alphaAlnum, false),
		shape("sk_test_", 10, 0, alphaAlnum, false),
		shape("rk_live_", 10, 0, alphaAlnum, false),
		shape("rk_test_", 10, 0, alphaAlnum, false),
		shape("whsec_", 20, 0, alphaBase64, true),
		shape("sq0atp-", 20, 0, alphaURL, true),
		shape("sq0csp-", 20, 0, alphaURL, true),
		shape("shpat_", 32, 0, alphaHex, true),
		shape("shpss_", 32, 0, alphaHex, true),
		shape("shpca_", 32, 0, alphaHex, true),
		shape("shppa_", 32, 0, alphaHex, true),
		shape("xoxb-", 10, 0, alphaURL, true),
		shape("xoxp-", 10, 0, alphaURL, true),
		shape("xoxa-", 10, 0, alphaURL, true),
		shape("xoxr-", 10, 0, alphaURL, true),
		shape("xoxs-", 10, 0, alphaURL, true),
		shape("xoxe-", 10, 0, alphaURL, true),
		shape("xoxe.xox", 20, 0, alphaURL, true),
		shape("xapp-", 20, 0, alphaURL, true),
		shape("SG.", 40, 0, alphaDotted, true),
		shape("SK", 32, 32, alphaHex, true),
		shape("key-", 32, 32, alphaHex, true),
		shape("xkeysib-", 32, 0, alphaURL, true),
		shape("re_", 24, 0, alphaURL, true),
		shape("phx_", 30, 0, alphaAlnum, true),
		shape("sntrys_", 30, 0, alphaBase64, true),
		shape("sntryu_", 30, 0, alphaBase64, true),
		shape("glsa_", 24, 0, alphaURL, true),
		shape("glc_", 32, 0, alphaBase64, true),
		shape("NRAK-", 24, 0, alphaUpper, true),
		shape("pat-na1-", 30, 0, alphaURL, true),
		shape("pat-eu1-", 30, 0, alphaURL, true),
		shape("EAACEdEose0cBA", 10, 0, alphaAlnum, false),
	}
	slices.SortStableFunc(list, func(a, b keyShape) int {
		if a.prefix[0] != b.prefix[0] {
			return int(a.prefix[0]) - int(b.prefix[0])
		}
		return len(b.prefix) - len(a.prefix)
	})
	return list
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

// keyStarts holds the first two bytes of all that word looks for: 8 KB, one bit a pair.
var keyStarts = func() (t [1024]uint64) {
	set := func(a, b byte) { t[uint(a)<<2|uint(b)>>6] |= 1 << (b & 63) }
	for _, k := range keyShapes {
		set(k.prefix[0], k.prefix[1])
	}
	for _, w := range [...]string{"be", "Be", "BE", "ba", "Ba", "BA", "is", "ey"} {
		set(w[0], w[1])
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
		if i >= s.tokenUntil {
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
	case 'i':
		if i+3 < len(src) && src[i+2] == ' ' {
			if end := s.stated(i); end > 0 {
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
	if len(src)-i < 20 || src[i:i+3] != "eyJ" {
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
	if parts == 0 || parts == 1 && p-from < 8 {
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
