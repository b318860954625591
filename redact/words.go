package redact

import "strings"

// near is what the words before a number say about it.
type near uint8

const (
	nearCard near = 1 << iota
	nearSSN
	nearPhone
	nearPassword
	nearVersion // the very last word only
	nearChange  // of versions
)

// window is how far back words count, in bytes.
const window = 48

// numberWords is words for the group of digits at i. The groups of a run share the words
// before the first of them, so that a long run is not looked over again and again.
func (s *scanner) numberWords(i int) near {
	if !s.numberKnown {
		s.numberNear, s.numberKnown = s.words(i), true
	}
	return s.numberNear
}

// words reads the words in the window before i. At the start of the text the name of the field counts
// as one more.
func (s *scanner) words(i int) near {
	a := max(s.context, i-window, s.fieldName(i))
	var seen near
	if a == 0 {
		seen = wordsIn(s.name)
	} else if a == s.context && a > 0 && i-a <= 8 && glue(s.src[a:i]) {
		// The next one of a list: "Cards: A, B".
		switch s.last {
		case labelCard:
			seen = nearCard
		case labelSSN:
			seen = nearSSN
		case labelPhone:
			seen = nearPhone
		}
	}
	for a > s.context && a < i && isLetter(s.src[a-1]) {
		a++ // a word cut by the window
	}
	if last := wordsIn(s.src[a:i]); a < i {
		seen = seen&^nearVersion | last
		for p := i; last&nearVersion != 0 && p > a; p-- {
			if c := s.src[p-1]; isDigit(c) || c == '\n' || i-p > 6 {
				return seen &^ nearVersion
			} else if isLetter(c) {
				break
			}
		}
	}
	return seen
}

// glue reports that t only separates the items of a list.
func glue(t string) bool {
	u := strings.Trim(t, " ,;/|&(+\n\r\t\"'")
	return u == "" && strings.Trim(t, " \t") != "" || u == "and" || u == "or"
}

// wordsIn classifies the words of t, split at everything but letters and at the humps of camel case.
func wordsIn(t string) near {
	var seen near
	var buf [16]byte
	for i := 0; i < len(t); {
		if t[i] >= 0x80 {
			seen |= wideWord(t[i:])
			i++
			continue
		}
		if !isLetter(t[i]) {
			i++
			continue
		}
		n := 0
		for start := i; i < len(t) && isLetter(t[i]); i++ {
			if i > start && isUpper(t[i]) && isLower(t[i-1]) {
				break
			}
			if n < len(buf) {
				buf[n] = lower(t[i]) // #nosec G602 -- the line above looks
			}
			n++
		}
		seen &^= nearVersion
		if n <= len(buf) {
			seen |= meaning(string(buf[:n]), t[i:])
		}
	}
	return seen
}

// meaning classifies one lower-case word; rest is the text behind it.
func meaning(w, rest string) near {
	if len(w) > 6 {
		for _, p := range [...]string{"telefo", "teleph", "handyn", "mobiln", "mobieln", "cellul", "phonen", "rufnum", "festnetz", "hotline"} {
			if strings.HasPrefix(w, p) {
				return nearPhone
			}
		}
		for _, p := range [...]string{"kreditk", "creditc", "kartenn", "cardnum"} {
			if strings.HasPrefix(w, p) {
				return nearCard
			}
		}
	}
	switch w {
	case "card", "cards", "cc", "ccn", "ccnum", "cardnumber", "cardno", "creditcard", "visa", "mastercard", "amex",
		"maestro", "unionpay", "jcb", "debit", "pan", "karte", "kreditkarte", "tarjeta", "carte", "carta":
		return nearCard
	case "ssn", "ssns", "socialsecurity", "itin", "tin":
		return nearSSN
	case "social":
		if foldPrefix(rest, " security") || foldPrefix(rest, "_security") || foldPrefix(rest, "-security") || foldPrefix(rest, "security") {
			return nearSSN
		}
	case "phone", "phones", "telephone", "tel", "mobile", "cell", "cellphone", "fax", "whatsapp", "sms", "phonenumber",
		"msisdn", "hotline", "mob", "ph", "tlf", "telf", "cel", "gsm", "tfno", "fono", "viber", "mobiel", "cellulare", "numero", "nummer", "telefon", "telefono", "telefone", "handy", "mobil", "movil", "celular", "landline", "voicemail",
		"dial", "dialed", "dialled", "telefoon", "telephonenumber", "mobilenumber", "phoneno":
		return nearPhone
	case "call", "text", "reach", "ring", "contact":
		if w != "text" && foldPrefix(rest, ": ") {
			return nearPhone
		}
		for _, p := range [...]string{" me ", " us ", " at ", " him ", " her ", " them ", " on ", " you ", " number", " no", " #", "_number", "_no", "Number", "No"} {
			if foldPrefix(rest, p) {
				return nearPhone
			}
		}
	case "password", "passwd", "pwd", "passphrase", "passcode":
		return nearPassword
	case "bump", "bumps", "bumped", "dependencies", "changelog", "semver", "downgrade", "downgraded":
		return nearChange
	case "v", "ver", "version", "versions", "release", "firmware", "build", "chrome", "chromium", "firefox", "safari", "edg", "edge", "webkit", "opera", "npm", "node", "driver", "kernel", "section", "chapter", "table", "figure", "fig", "appendix", "clause", "paragraph", "step", "revision", "rev", "agent", "oid":
		return nearVersion
	}
	return 0
}

// wideWord knows the words for phone of some other scripts.
func wideWord(t string) near {
	for _, w := range [...]string{"电话", "電話", "手机", "手機", "携帯", "전화", "телефон", "тел", "हेल्पलाइन", "फोन", "هاتف"} {
		if strings.HasPrefix(t, w) {
			return nearPhone
		}
	}
	for _, w := range [...]string{"卡号", "卡號", "信用卡", "カード", "карт"} {
		if strings.HasPrefix(t, w) {
			return nearCard
		}
	}
	// "é" and the like inside téléphone, teléfono, móvil.
	for _, w := range [...]string{"éléphone", "éfono", "óvil"} {
		if strings.HasPrefix(t, w) {
			return nearPhone
		}
	}
	return 0
}

// fieldName returns where the name begins of the field of JSON whose whole value begins at i, if it is
// one that says what the value is; or 0. What stands before it is about other fields.
func (s *scanner) fieldName(i int) int {
	p := i
	if p > 0 && (s.src[p-1] == '+' || s.src[p-1] == '(') {
		p--
	}
	if p > 0 && s.src[p-1] == '"' {
		for p--; p > 0 && s.src[p-1] == '\\'; p-- {
		}
	}
	for p > 0 && s.src[p-1] == ' ' {
		p--
	}
	if p < 3 || s.src[p-1] != ':' || p < s.context {
		return 0
	}
	for p--; p > 0 && s.src[p-1] == ' '; p-- {
	}
	if p < 2 || s.src[p-1] != '"' {
		return 0
	}
	for p--; p > 0 && s.src[p-1] == '\\'; p-- {
	}
	end := p
	for p > 0 && p > end-window && s.src[p-1] != '"' {
		p--
	}
	name := s.src[p:end]
	for _, w := range [...]string{"value", "val", "number", "text", "content", "data", "raw", "input", "digits", "num", "no", "answer", "v", "to", "from"} {
		if len(name) == len(w) && foldPrefix(name, w) {
			return 0
		}
	}
	return p
}
