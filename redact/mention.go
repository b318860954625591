package redact

import "strings"

// copula returns the length of the word "is" of a language at i, or 0.
func copula(src string, i int) int {
	for _, w := range [...]string{"is ", "es ", "est ", "ist ", "is: "} {
		if strings.HasPrefix(src[i:], w) {
			return len(strings.TrimRight(w, ": "))
		}
	}
	return 0
}

// mentionReach bounds what may stand between the word password and the password.
const mentionReach = 40

// mentioned handles prose in which a password follows the word for it: "with password hunter2",
// "password has been set to hunter2". The word begins at i. It returns where to go on, or 0.
func (s *scanner) mentioned(i int) int {
	src := s.src
	n := passwordWord(src[i:])
	if n == 0 && i >= s.context+5 && foldPrefix(src[i:], "pass ") && (src[i-5:i] == "with " || src[i-3:i] == " / ") {
		n = 4
	}
	if n == 0 {
		return 0
	}
	p, limit := i+n, min(len(src), i+n+mentionReach)
	for p < limit {
		c := src[p]
		if c != ' ' || p+1 >= len(src) {
			return 0
		}
		for p < limit && src[p] == ' ' {
			p++
		}
		if p == limit {
			return 0
		}
		w := filler(src[p:])
		if w == 0 {
			w = purpose(src[p:limit])
		}
		if w == 0 {
			break
		}
		p += w
		if p < len(src) && src[p] == ':' {
			p++
		}
	}
	if p >= limit {
		return 0
	}
	q := p
	quote := byte(0)
	if isQuote(src[p]) {
		quote = src[p]
		p, q = p+1, p+1
	}
	end := min(len(src), p+64)
	for q < end && !isSpace(src[q]) && src[q] != quote && src[q] != '"' && src[q] != '\\' && src[q] != '<' && src[q] < 0x80 {
		q++
	}
	if quote != 0 && (q >= len(src) || src[q] != quote) || q == end && q < len(src) {
		return 0
	}
	t := src[p:q]
	if quote == 0 {
		t = strings.TrimRight(t, ".,;:?)]}'`")
	}
	if len(t) < 4 || strings.Contains(t, "REDACTED") || reference(t) || ordinary(t) || !chosen(t, quote != 0) {
		return 0
	}
	return s.emit(p, p+len(t), labelPassword)
}

// passwordWord returns the length of the word for a password that t begins with, or 0.
func passwordWord(t string) int {
	for _, w := range [...]string{"password", "passcode", "passphrase", "passwd", "passwort", "kennwort", "pwd", "pw"} {
		if !foldPrefix(t, w) {
			continue
		}
		if rest := t[len(w):]; strings.HasPrefix(rest, " ") {
			return len(w)
		} else if strings.HasPrefix(rest, "'s ") {
			return len(w) + 2
		}
	}
	return 0
}

// purpose returns the length of "for the staging box is" at the beginning of t, or 0.
func purpose(t string) int {
	if !strings.HasPrefix(t, "for ") {
		return 0
	}
	n := strings.Index(t, " is ")
	if n < 0 || strings.Count(t[:n], " ") > 4 || strings.ContainsAny(t[:n], "\n\".,;:()") {
		return 0
	}
	return n + len(" is")
}

// filler returns the length of a word that may stand between the word password and the password.
func filler(t string) int {
	for _, w := range [...]string{"is", "was", "to", "set", "has", "been", "now", "of", "as", "changed", "reset", "updated", "will", "be", "the", "following", "lautet", "ist", "est", "es", "\u00e8", "\u00e9", "-", "\u2013", "\u2014", "\u2192", "->", "="} {
		if strings.HasPrefix(t, w) && len(t) > len(w) && (t[len(w)] == ' ' || t[len(w)] == ':') {
			return len(w)
		}
	}
	return 0
}

// chosen reports that t looks like a password somebody chose, and not like a word, a number or a name
// of prose.
func chosen(t string, quoted bool) bool {
	digit, letter, symbol := hasDigit(t), hasLetter(t), strings.ContainsAny(strings.TrimRight(t, "!"), "!@#$%^*+=~?&|")
	if strings.Contains(t, "://") || strings.ContainsAny(t, "(){}") && !digit || code(t) {
		return false
	}
	for _, w := range [...]string{"sha1", "sha256", "sha512", "md5", "oauth2", "base64", "argon2", "argon2id", "scrypt", "pbkdf2", "utf8", "utf-8", "ipv4", "ipv6", "http2", "s3", "k8s"} {
		if len(t) == len(w) && foldPrefix(t, w) {
			return false
		}
	}
	switch {
	case quoted:
		return digit && letter || symbol || len(t) >= 6 && digit
	case digit && letter:
		return len(t) >= 6
	}
	return symbol && letter && len(t) >= 6
}

// wideName reports that t ends in a word for password that is not written in ASCII.
func wideName(t string) bool {
	switch c := t[len(t)-1]; {
	case c == 'a' && strings.HasSuffix(t, "contraseña"), c == 'o' && strings.HasSuffix(t, "hasło"):
		return true
	case c < 0x80:
		return false
	}
	for _, w := range [...]string{"密码", "密碼", "口令", "パスワード", "пароль", "비밀번호", "รหัสผ่าน", "كلمة المرور", "סיסמה"} {
		if strings.HasSuffix(t, w) {
			return true
		}
	}
	return false
}

// quotedAfter handles the words at i behind which a password stands in quotes: IDENTIFIED BY '…' of SQL,
// ConvertTo-SecureString "…" of PowerShell. It returns where to go on, or 0.
func (s *scanner) quotedAfter(i int) int {
	for _, w := range [...]string{"identified by ", "convertto-securestring -string ", "convertto-securestring "} {
		p := i + len(w)
		if !foldPrefix(s.src[i:], w) || s.at(p) != '"' && s.at(p) != '\'' {
			continue
		}
		v := value{sep: '=', pass: true}
		s.readValue(&v, p)
		if t := s.src[v.a:v.b]; !v.quoted || v.more || len(t) < 3 || reference(t) || masked(t) {
			return 0
		}
		return s.emit(v.a, v.b, labelPassword)
	}
	return 0
}
