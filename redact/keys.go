package redact

import "slices"

// keyShape is how the keys of one issuer look: a prefix, then min to max characters of an alphabet.
// A max of 0 is no limit. Shapes come from the issuers' public documentation.
type keyShape struct {
	prefix   string
	min, max int
	alphabet uint8
	digit    bool // the body has at least one digit
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
		{"sk-", 10, 0, alphaURL, true}, // OpenAI, DeepSeek, Moonshot, LiteLLM and others
		{"sk-", 24, 0, alphaAlnum, false},
		{"sk-ant-", 8, 0, alphaURL, true},
		{"sk-ant-", 20, 0, alphaURL, false},
		{"sk-proj-", 8, 0, alphaURL, true},
		{"sk-proj-", 20, 0, alphaURL, false},
		{"sk-or-v1-", 8, 0, alphaURL, true},
		{"sess-", 32, 0, alphaAlnum, true},
		{"xai-", 16, 0, alphaAlnum, true},
		{"gsk_", 16, 0, alphaAlnum, true},
		{"AIza", 30, 0, alphaURL, false},
		{"AQ.Ab8", 20, 0, alphaURL, false},
		{"hf_", 20, 0, alphaAlnum, false},
		{"api_org_", 20, 0, alphaAlnum, false},
		{"r8_", 30, 0, alphaAlnum, true},
		{"pplx-", 32, 0, alphaAlnum, false},
		{"tvly-", 16, 0, alphaURL, true},
		{"fw_", 20, 0, alphaAlnum, true},
		{"nvapi-", 30, 0, alphaURL, true},
		{"csk-", 20, 0, alphaAlnum, true},
		{"tgp_v1_", 20, 0, alphaURL, true},
		{"jina_", 30, 0, alphaURL, true},
		{"fc-", 32, 0, alphaHex, true},
		{"pcsk_", 20, 0, alphaURL, true},
		{"lsv2_pt_", 20, 0, alphaURL, true},
		{"lsv2_sk_", 20, 0, alphaURL, true},
		{"ABSK", 40, 0, alphaBase64, true},
		{"bedrock-api-key-", 20, 0, alphaBase64, true},
		{"vck_", 30, 0, alphaURL, true},
		{"apify_api_", 20, 0, alphaAlnum, true},
		// Clouds.
		{"AKIA", 16, 16, alphaUpper, false},
		{"ASIA", 16, 16, alphaUpper, false},
		{"ABIA", 16, 16, alphaUpper, false},
		{"ACCA", 16, 16, alphaUpper, false},
		{"ya29.", 20, 0, alphaURL, true},
		{"GOCSPX-", 20, 0, alphaURL, false},
		{"LTAI", 12, 26, alphaAlnum, true},
		{"AKID", 28, 34, alphaAlnum, true},
		{"dop_v1_", 32, 0, alphaHex, true},
		{"doo_v1_", 32, 0, alphaHex, true},
		{"dor_v1_", 32, 0, alphaHex, true},
		{"dapi", 32, 36, alphaHex, true},
		{"tskey-", 16, 0, alphaURL, true},
		{"dp.pt.", 30, 0, alphaAlnum, true},
		{"dp.st.", 30, 0, alphaDotted, true},
		{"pul-", 40, 40, alphaHex, true},
		{"hvs.", 20, 0, alphaURL, true},
		{"hvb.", 20, 0, alphaURL, true},
		{"sbp_", 32, 0, alphaAlnum, true},
		{"sb_secret_", 16, 0, alphaURL, true},
		{"pscale_tkn_", 20, 0, alphaDotted, true},
		{"pscale_pw_", 20, 0, alphaDotted, true},
		{"AGE-SECRET-KEY-1", 50, 0, alphaUpper, true},
		// Code and packages.
		{"ghp_", 20, 0, alphaAlnum, true},
		{"gho_", 20, 0, alphaAlnum, true},
		{"ghu_", 20, 0, alphaAlnum, true},
		{"ghs_", 20, 0, alphaAlnum, true},
		{"ghr_", 20, 0, alphaAlnum, true},
		{"github_pat_", 20, 0, alphaURL, true},
		{"glpat-", 16, 0, alphaDotted, true},
		{"gldt-", 16, 0, alphaURL, true},
		{"glrt-", 16, 0, alphaDotted, true},
		{"glptt-", 16, 0, alphaURL, true},
		{"glsoat-", 16, 0, alphaURL, true},
		{"npm_", 30, 0, alphaAlnum, false},
		{"pypi-", 50, 0, alphaURL, true},
		{"rubygems_", 32, 0, alphaHex, true},
		{"dckr_pat_", 20, 0, alphaURL, false},
		{"oy2", 40, 46, alphaAlnum, true},
		{"ATATT3", 30, 0, alphaBase64, true},
		{"ATCTT3", 30, 0, alphaBase64, true},
		{"ATBB", 24, 0, alphaAlnum, true},
		{"lin_api_", 30, 0, alphaAlnum, true},
		{"PMAK-", 24, 0, alphaURL, true},
		{"figd_", 20, 0, alphaURL, true},
		{"ntn_", 30, 0, alphaAlnum, true},
		{"secret_", 40, 0, alphaAlnum, true},
		// Payments, messages, monitoring.
		{"sk_live_", 10, 0, alphaAlnum, false},
		{"sk_test_", 10, 0, alphaAlnum, false},
		{"rk_live_", 10, 0, alphaAlnum, false},
		{"rk_test_", 10, 0, alphaAlnum, false},
		{"whsec_", 20, 0, alphaBase64, true},
		{"sq0atp-", 20, 0, alphaURL, true},
		{"sq0csp-", 20, 0, alphaURL, true},
		{"shpat_", 32, 0, alphaHex, true},
		{"shpss_", 32, 0, alphaHex, true},
		{"shpca_", 32, 0, alphaHex, true},
		{"shppa_", 32, 0, alphaHex, true},
		{"xoxb-", 10, 0, alphaURL, true},
		{"xoxp-", 10, 0, alphaURL, true},
		{"xoxa-", 10, 0, alphaURL, true},
		{"xoxr-", 10, 0, alphaURL, true},
		{"xoxs-", 10, 0, alphaURL, true},
		{"xoxe-", 10, 0, alphaURL, true},
		{"xoxe.xox", 20, 0, alphaURL, true},
		{"xapp-", 20, 0, alphaURL, true},
		{"SG.", 40, 0, alphaDotted, true},
		{"SK", 32, 32, alphaHex, true},
		{"key-", 32, 32, alphaHex, true},
		{"xkeysib-", 32, 0, alphaURL, true},
		{"re_", 24, 0, alphaURL, true},
		{"phx_", 30, 0, alphaAlnum, true},
		{"sntrys_", 30, 0, alphaBase64, true},
		{"sntryu_", 30, 0, alphaBase64, true},
		{"glsa_", 24, 0, alphaURL, true},
		{"glc_", 32, 0, alphaBase64, true},
		{"NRAK-", 24, 0, alphaUpper, true},
		{"pat-na1-", 30, 0, alphaURL, true},
		{"pat-eu1-", 30, 0, alphaURL, true},
		{"EAACEdEose0cBA", 10, 0, alphaAlnum, false},
	}
	slices.SortStableFunc(list, func(a, b keyShape) int {
		if a.prefix[0] != b.prefix[0] {
			return int(a.prefix[0]) - int(b.prefix[0])
		}
		return len(b.prefix) - len(a.prefix)
	})
	return list
}()

// firstShape is where the shapes that begin with a byte begin in keyShapes.
var firstShape = func() (t [256]uint8) {
	for k := len(keyShapes) - 1; k >= 0; k-- {
		t[keyShapes[k].prefix[0]] = uint8(k)
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
				return s.emit(i, end, labelKey)
			}
		}
	case 'b', 'B':
		if a, end := bearer(src, i); end > 0 {
			return s.emit(a, end, labelToken)
		}
	case 'i':
		if i+3 < len(src) && src[i+2] == ' ' {
			if end := s.stated(i); end > 0 {
				return end
			}
		}
	}
	if end := keyEnd(src, i); end > 0 {
		return s.emit(i, end, labelKey)
	}
	return i
}

// keyEnd returns the end of the shaped key at i, or 0.
func keyEnd(src string, i int) int {
	for k := int(firstShape[src[i]]); k < len(keyShapes); k++ {
		shape := &keyShapes[k]
		if shape.prefix[0] != src[i] {
			break
		}
		if len(src)-i < len(shape.prefix)+shape.min || src[i:i+len(shape.prefix)] != shape.prefix {
			continue
		}
		if end := shape.match(src, i+len(shape.prefix)); end > 0 {
			return end
		}
	}
	return 0
}

// maxToDigit is how many characters a key may have before its first digit. The chance that none of 48
// random letters and digits is a digit is below one in 5,000.
const maxToDigit = 48

func (k *keyShape) match(src string, p int) int {
	q, digit := p, !k.digit
	for q < len(src) && alphabets[src[q]]&k.alphabet != 0 {
		if !digit {
			// Generated keys have a digit soon; looking on for one would make "sk-sk-sk-…" quadratic.
			if digit = isDigit(src[q]); q-p > maxToDigit {
				return 0
			}
		}
		q++
	}
	if !digit || q < len(src) && inWord(src[q]) {
		return 0
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
	for p < len(src) {
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
	if src[p-1] == '.' {
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
	for end < len(src) && (alphabets[src[end]]&(alphaDotted|alphaBase64) != 0 || src[end] == '~') {
		c := src[end]
		digit, upper, low = digit || isDigit(c), upper || isUpper(c), low || isLower(c)
		end++
	}
	for end > a && src[end-1] == '.' {
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
			switch c := byte(acc >> bits); {
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
