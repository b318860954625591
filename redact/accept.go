package redact

import "strings"

// acceptable reports that the value assigned to a sensitive name is a secret, and not a reference to
// one, a type, a description or code.
func (s *scanner) acceptable(kind nameKind, v value) bool {
	t := s.src[v.a:v.b]
	plain := kind == namePassword && v.sep == '=' && !v.spaced && t == "secret" // password=secret
	if reference(t) || ordinary(t) && !plain || release(t) {
		return false
	}
	if v.literal {
		return true
	}
	if v.named && v.quoted && v.sep == ':' {
		return true // a field of an object: its value is what its name says
	}
	next := s.at(v.b)
	if v.bare && (v.sep == ':' && !hasDigit(t) || v.sep == ':' && strings.Contains(t, "/") || !hasLetter(t)) {
		return false // the results of tests: "PASS: TestName/1", "pass=3 fail=0"
	}
	if !v.quoted {
		if v.sep == ':' && !v.spaced && len(t) < 6 && digitsOnly(t) {
			return false // a line of a file
		}
		if v.spaced && v.sep == '=' && len(t) < 5 {
			return false
		}
		if code(t) || s.at(v.next) == '[' || len(t) < 4 && (v.spaced || kind == nameKey) && !hasLetter(t) && !hasSymbol(t) {
			return false
		}
		if home := t[0] == '/' && !base64Like(t) || strings.HasPrefix(t, "./") || strings.HasPrefix(t, "~/"); home {
			return false // a path, as in PWD=/home/user
		}
	}
	if strings.Contains(t, "://") {
		return false // a URL: its own password is found there
	}
	if v.quoted && variable(t) && !hasDigit(t) {
		return false // a table of names
	}
	strong := credential(t)
	digit := hasDigit(t)
	if kind == nameKey || v.sep == 'i' && kind != namePassword {
		switch {
		case strong:
			return true
		case v.sep == ' ', v.sep == '=' && !v.spaced, v.quoted:
			return len(t) >= 6 && (digit && hasLetter(t) || len(t) >= 8 && !identifier(t) && !strings.Contains(t, " "))
		}
		return len(t) >= 6 && digit && hasLetter(t)
	}
	marked := digit || hasSymbol(t) || strings.Count(t, "-") >= 2 && !v.quoted
	switch {
	case v.quoted:
		return !strings.Contains(t, " ") || digit && len(t) <= 40
	case v.sep == 'i' && !hasLetter(t) && (len(t) < 4 || strings.Contains(t, "-") && !v.quoted):
		return false // "is 8-16 characters long"
	case v.sep == 'i':
		return digit || strings.Count(t, "-") >= 2 || strings.ContainsAny(strings.TrimRight(t, "!?"), "!@#$%^*+=~")
	case v.sep == ' ':
		return marked || len(t) >= 6
	case v.sep == '=' && !v.spaced:
		return marked || !(identifier(t) && (next == ',' || next == ')' || strings.Contains(t, "_")))
	case v.sep == '=':
		return marked
	}
	if marked {
		return true
	}
	if len(t) < 4 || typeLike(t) {
		return false
	}
	// Letters alone after ':' are a secret only where the line ends: "password: must be long".
	rest := strings.TrimLeft(s.src[v.b:min(len(s.src), v.b+8)], " \t.")
	return rest == "" || rest[0] == '\n' || rest[0] == '\r' || rest[0] == ';' || isQuote(rest[0]) || rest[0] == '\\'
}

// reference reports that t stands for a secret that is elsewhere, or that it is masked already.
func reference(t string) bool {
	switch t[0] {
	case '[':
		return true
	case '<':
		return t[len(t)-1] == '>' || len(t) == 1
	}
	return template(t) || masked(t)
}

// template reports the ways configuration and code write "insert the secret here".
func template(t string) bool {
	for _, p := range [...]string{"${", "$(", "{{", "<%", "#{", "%{", "%(", "@@"} {
		if strings.HasPrefix(t, p) {
			return true
		}
	}
	switch t[0] {
	case '$':
		return len(t) > 1 && (identifier(t[1:]) || digitsOnly(t[1:]))
	case '{':
		return len(t) < 2 || identifier(strings.TrimRight(t[1:], "}"))
	case '%':
		return len(t) <= 3 || t[len(t)-1] == '%' && identifier(t[1:len(t)-1])
	case '!': // a tag of YAML: !vault
		return len(t) > 1 && identifier(t[1:])
	case '&', '*':
		return len(t) > 1 && path(t[1:]) && (!isDigit(t[len(t)-1]) || foldPrefix(t[1:], "uint") || foldPrefix(t[1:], "int"))
	}
	return false
}

// masked reports a value of one mark repeated: ****, xxxx, ….
func masked(t string) bool {
	if isAlnum(t[0]) && len(t) < 3 {
		return false
	}
	for k := range len(t) {
		switch c := t[k]; {
		case c == t[0] || c == '.' || c == '-' || c == '*' || c == '_' || c == '#' || c == '?':
		case c >= 0x80 && t[0] >= 0x80 && strings.HasPrefix(t, "\xE2"): // bullets, ellipses
		case (c == 'x' || c == 'X') && (t[0] == 'x' || t[0] == 'X'):
		default:
			return false
		}
	}
	return true
}

// ordinary reports words that are types, literals or remarks where a secret could stand.
func ordinary(t string) bool {
	if len(t) > 24 {
		return false
	}
	if foldPrefix(t, "your") || foldPrefix(t, "redacted") || foldPrefix(t, "replace") {
		return !hasDigit(t)
	}
	var buf [24]byte
	for k := range len(t) {
		buf[k] = lower(t[k])
	}
	switch string(buf[:len(t)]) {
	case "string", "str", "int", "integer", "bool", "boolean", "null", "nil", "none", "undefined", "true", "false", "number",
		"float", "object", "any", "optional", "required", "text", "bytes", "byte", "char", "varchar", "void", "self", "this",
		"password", "passwd", "pwd", "pass", "token", "secret", "key", "api_key", "apikey", "credentials", "credential",
		"invalid", "missing", "expired", "wrong", "incorrect", "empty", "unset", "unknown", "valid", "ok", "yes", "no",
		"is", "was", "are", "must", "should", "may", "can", "cannot", "not", "the", "a", "an", "for", "and", "or", "to",
		"in", "on", "from", "with", "your", "my", "our", "here", "there", "see", "set", "use", "enter", "type", "value",
		"changed", "reset", "updated", "default", "disabled", "enabled", "hidden", "private", "public", "static", "const",
		"new", "let", "var", "async", "await", "return", "func", "function", "lambda", "n/a", "na", "tbd", "todo",
		"short", "long", "too", "weak", "strong", "length", "min", "max", "basic", "bearer", "digest", "oauth", "oauth2",
		"jwt", "saml", "ldap", "failed", "success", "successful", "denied", "granted", "revoked", "rotated", "not_set",
		"std", "string?", "str?", "secretstr", "securestring", "option", "...", "plain", "encrypted", "hashed", "bcrypt",
		"env", "file", "vault", "keychain", "include", "omit", "same-origin", "prompt", "stdin", "inherit", "workspace:*", "latest", "auto", "always", "never", "if-not-present", "error", "it":
		return true
	}
	return false
}

// code reports an expression: a call, a dotted path, a member, a generic type.
func code(t string) bool {
	if strings.Contains(t, "->") || strings.Contains(t, "::") {
		return true
	}
	if k := strings.IndexAny(t, "([{"); k >= 0 {
		return k == 0 || path(t[:k])
	}
	if variable(t) {
		return true
	}
	return strings.Contains(t, ".") && path(t) && !hasDigit(t)
}

// variable reports the name of something that holds a secret, with a hump, an underscore or a dot:
// testPrivateKey, new_password, cfg.apiKey2.
func variable(t string) bool {
	if !path(t) || classify(t) == nameNone {
		return false
	}
	for k := 1; k < len(t); k++ {
		if t[k] == '_' || t[k] == '.' || isUpper(t[k]) && isLower(t[k-1]) {
			return true
		}
	}
	return false
}

// path reports names joined by dots.
func path(t string) bool {
	if t[0] == '.' || isDigit(t[0]) {
		return false
	}
	for k := range len(t) {
		if !inWord(t[k]) && t[k] != '.' {
			return false
		}
	}
	return true
}

// identifier reports letters and '_' alone.
func identifier(t string) bool {
	for k := range len(t) {
		if !isLetter(t[k]) && t[k] != '_' {
			return false
		}
	}
	return t != ""
}

// typeLike reports a capitalised name with a hump: SecretStr, PasswordField.
func typeLike(t string) bool {
	if !isUpper(t[0]) || !identifier(t) {
		return false
	}
	for k := 1; k < len(t); k++ {
		if isUpper(t[k]) && isLower(t[k-1]) {
			return true
		}
	}
	return false
}

// prose reports a lower-case word.
func prose(t string) bool {
	for k := range len(t) {
		if !isLower(t[k]) && t[k] != '-' {
			return false
		}
	}
	return len(t) < 20
}

// credential reports the look of a generated value: long, without blanks, letters mixed with digits or
// both cases mixed.
func credential(t string) bool {
	if len(t) < 8 {
		return false
	}
	digits, changes := 0, 0
	upper, low := false, false
	for k := range len(t) {
		c := t[k]
		switch {
		case isSpace(c) || c >= 0x80:
			return false
		case isDigit(c):
			digits++
		case isUpper(c):
			upper = true
			if k > 0 && isLower(t[k-1]) {
				changes++
			}
		case isLower(c):
			low = true
		}
	}
	if digits > 0 {
		return len(t) >= 10 && (upper || low) || digits >= 16
	}
	return len(t) >= 16 && upper && low && changes >= 3 || len(t) >= 32 && !strings.ContainsAny(t, "_-./")
}

func hasDigit(t string) bool {
	for k := range len(t) {
		if isDigit(t[k]) {
			return true
		}
	}
	return false
}

func hasLetter(t string) bool {
	for k := range len(t) {
		if isLetter(t[k]) {
			return true
		}
	}
	return false
}

// hasSymbol reports a mark that words do not contain.
func hasSymbol(t string) bool {
	for k := range len(t) {
		if c := t[k]; c < 0x80 && !isAlnum(c) && strings.IndexByte("_-.'/?", c) < 0 {
			return true
		}
	}
	return false
}

// base64Like reports that t is a random value in base64 that only begins as a path does.
func base64Like(t string) bool {
	digit, up, low := false, false, false
	for k := range len(t) {
		if alphabets[t[k]]&alphaBase64 == 0 {
			return false
		}
		digit, up, low = digit || isDigit(t[k]), up || isUpper(t[k]), low || isLower(t[k])
	}
	return len(t) >= 32 && digit && up && low && strings.Count(t, "/") <= 4
}

// release reports that t is the version of something: "jsonwebtoken": "^9.0.2".
func release(t string) bool {
	k := 0
	for k < len(t) && k < 3 && strings.IndexByte("^~>=<v ", t[k]) >= 0 {
		k++
	}
	dots, from := 0, k
	for ; k < len(t) && (isDigit(t[k]) || t[k] == '.'); k++ {
		if t[k] == '.' {
			dots++
		}
	}
	if k == from || !isDigit(t[from]) || dots == 0 || dots > 3 || k-from > 16 {
		return false
	}
	return k == len(t) || (t[k] == '-' || t[k] == '+' || t[k] == ' ') && (len(t)-k < 24)
}
