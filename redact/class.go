package redact

// label is the kind of a finding.
type label uint8

const (
	labelNone label = iota
	labelEmail
	labelPhone
	labelSSN
	labelCard
	labelIP
	labelKey
	labelPassword
	labelToken
	labelAuth
	labelField
	labelIBAN
	labelBirth
)

var placeholders = [...]string{ // #nosec G101 -- what stands in for secrets
	labelEmail:    "[EMAIL_REDACTED]",
	labelPhone:    "[PHONE_REDACTED]",
	labelSSN:      "[SSN_REDACTED]",
	labelCard:     "[CARD_REDACTED]",
	labelIP:       "[IP_REDACTED]",
	labelKey:      "[KEY_REDACTED]",
	labelPassword: "[PASSWORD_REDACTED]",
	labelToken:    "[TOKEN_REDACTED]",
	labelAuth:     "[AUTH_REDACTED]",
	labelField:    Field,
	labelIBAN:     "[IBAN_REDACTED]",
	labelBirth:    "[DOB_REDACTED]",
}

// The classes of bytes the scanner tells apart. Letters, digits and '_' make words and must stay the
// two lowest after plain: inWord relies on it.
const (
	classPlain uint8 = iota
	classWord
	classDigit
	classColon
	classEqual
	classAt
	classPercent
	classDash
	classGreater
	classEscape
	classOpen // '['
	classCall // '('
	classWide // the first byte of full-width signs
)

// wideColon stands behind names in Chinese and Japanese.
const wideColon = "\uFF1A"

var class = func() (t [256]uint8) {
	for c := range t {
		switch b := byte(c); {
		case isLetter(b), b == '_':
			t[c] = classWord
		case isDigit(b):
			t[c] = classDigit
		}
	}
	t[':'], t['='], t['@'], t['%'] = classColon, classEqual, classAt, classPercent
	t['-'], t['>'], t['\\'] = classDash, classGreater, classEscape
	t['['], t['('], t[wideColon[0]] = classOpen, classCall, classWide
	return t
}()

func isDigit(c byte) bool  { return c-'0' <= 9 }
func isLetter(c byte) bool { return c|0x20-'a' < 26 }
func isUpper(c byte) bool  { return c-'A' < 26 }
func isLower(c byte) bool  { return c-'a' < 26 }
func isAlnum(c byte) bool  { return isDigit(c) || isLetter(c) }
func isHex(c byte) bool    { return isDigit(c) || c|0x20-'a' < 6 }
func isBlank(c byte) bool  { return c == ' ' || c == '\t' }
func isSpace(c byte) bool  { return c == ' ' || c-'\t' < 5 }
func isQuote(c byte) bool  { return c == '"' || c == '\'' || c == '`' }

// inWord reports letters, digits and '_'. Bytes of other scripts are borders: a value may touch them.
func inWord(c byte) bool { return class[c]-classWord <= classDigit-classWord }

// lower folds the ASCII capital c.
func lower(c byte) byte {
	if isUpper(c) {
		return c | 0x20
	}
	return c
}

// foldPrefix reports whether s begins with the lower-case text p, whatever the case of s.
func foldPrefix(s, p string) bool {
	if len(s) < len(p) {
		return false
	}
	for i := range len(p) {
		if lower(s[i]) != p[i] {
			return false
		}
	}
	return true
}
