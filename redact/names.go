package redact

import "strings"

// nameKind is what a name promises its value to be.
type nameKind uint8

const (
	nameNone nameKind = iota
	namePassword
	nameSecret // a password or a key: the value tells
	nameKey
	nameAuth   // the Authorization header
	nameCookie // a list of name=value pairs
)

// maxName bounds the look back for a name.
const maxName = 64

// suffix is the end of a sensitive name, its letters lower-case and its words joined.
type suffix struct {
	text string
	kind nameKind
}

// suffixes by their last letter.
var suffixes = func() (t [256][]suffix) {
	add := func(kind nameKind, list ...string) {
		for _, w := range list {
			c := w[len(w)-1]
			t[c] = append(t[c], suffix{w, kind})
		}
	}
	add(namePassword, "password", "passwd", "pwd", "passphrase", "passcode", "passwords", "senha", "contrasena", "passwort", "kennwort", "depasse", "wachtwoord", "senord", "passord", "salasana", "adgangskode", "heslo", "parola")
	add(nameSecret, "secret", "secrets", "credential", "credentials", "seedphrase", "recoveryphrase", "recoverycode", "mnemonic")
	add(nameAuth, "authorization")
	add(nameCookie, "setcookie")
	add(nameKey, "token", "connectionstring", "secretkeybase", "sharedaccesssignature", "accesskeyid", "apikeyid",
		"apikeys", "accesstokens", "refreshtokens", "authtokens", "apitokens", "privatekeys", "secretkeys",
		"apikey", "accesskey", "secretkey", "privatekey", "signingkey", "encryptionkey", "masterkey", "adminkey",
		"accountkey", "authkey", "servicekey", "subscriptionkey", "sharedkey", "deploykey", "storagekey", "functionkey",
		"hmackey", "authorizationkey", "openaikey", "anthropickey", "licensekey", "serverkey", "webhookkey", "virtualkey", "appkey", "applicationkey", "sshkey", "hashkey", "aeskey", "rootkey", "tunnelkey")
	return t
}()

// wholeNames are sensitive only alone: as the end of a longer name they mean something else (bypass).
var wholeNames = map[string]nameKind{
	"pass": namePassword, "pw": namePassword, "dbpass": namePassword, "dbpw": namePassword, "userpass": namePassword,
	"smtppass": namePassword, "mysqlpass": namePassword, "pgpass": namePassword, "redispass": namePassword,
	"adminpass": namePassword, "rootpass": namePassword, "mailpass": namePassword, "ftppass": namePassword,
	"sshpass": namePassword, "authpass": namePassword, "httppass": namePassword, "proxypass": namePassword,
	"loginpass": namePassword, "emailpass": namePassword, "mypass": namePassword,
	"auth": nameKey, "jwt": nameKey, "bearer": nameKey, "cvv": nameKey, "cvv2": nameKey, "cvc": nameKey, "cvc2": nameKey,
	"dsn": nameKey, "sig": nameKey, "xamzsignature": nameKey, "xgoogsignature": nameKey, "authheader": nameKey,
	"cookie": nameCookie, "cookies": nameCookie,
}

// qualifiers follow the telling words of a name without changing what it is.
var qualifiers = [...]string{
	"prod", "production", "dev", "staging", "live", "confirm", "confirmation", "confirmed", "hash", "hashed", "value",
	"plaintext", "base64", "b64", "primary", "secondary", "again", "repeat",
}

// pairs is a set of pairs of letters, case folded: one bit each.
type pairs [32]uint32

func (p *pairs) add(a, b byte)      { p[a&31] |= 1 << (b & 31) }
func (p *pairs) has(a, b byte) bool { return p[a&31]>>(b&31)&1 != 0 }

// qualifiedPairs holds the last two letters of the qualifiers: one look rules out most other names.
var qualifiedPairs = func() (t pairs) {
	for _, w := range qualifiers {
		t.add(w[len(w)-2], w[len(w)-1])
	}
	return t
}()

// lastTriples holds the last three letters of all names that may be sensitive, case folded, five bits of
// each: 4 KB. A separator may stand for the first of them.
var lastTriples = func() (t [1024]uint32) {
	set := func(a, b, c byte) {
		k := uint(a&31)<<10 | uint(b&31)<<5 | uint(c&31)
		t[k>>5] |= 1 << (k & 31)
	}
	add := func(w string) {
		n := len(w)
		for _, a := range []byte("_-. \x00\"'") {
			set(a, w[n-2], w[n-1])
		}
		if n > 2 {
			set(w[n-3], w[n-2], w[n-1])
			return
		}
		for a := range byte(32) {
			set(a, w[n-2], w[n-1])
		}
	}
	for _, w := range qualifiers {
		add(w)
	}
	for _, list := range suffixes {
		for _, s := range list {
			add(s.text)
		}
	}
	for w := range wholeNames {
		add(w)
	}
	for _, w := range [...]string{"key", "keys", "phrase", "code", "string", "passe", "value", "default"} {
		add(w)
	}
	return t
}()

// maybeSensitive reports that a name which ends in a, b and c may be sensitive.
func maybeSensitive(a, b, c byte) bool {
	k := uint(a&31)<<10 | uint(b&31)<<5 | uint(c&31)
	return isDigit(c) || lastTriples[k>>5]>>(k&31)&1 != 0
}

// classify tells the kind of a name, whatever its case and the way its words are joined.
func classify(name string) nameKind {
	for len(name) > 0 && !isAlnum(name[len(name)-1]) {
		name = name[:len(name)-1]
	}
	if len(name) < 2 || !maybeSensitive(third(name), name[len(name)-2], name[len(name)-1]) {
		return nameNone
	}
	if len(name) > maxName {
		name = name[len(name)-maxName:]
	}
	var buf [maxName]byte
	n := 0
	for k := range len(name) {
		if c := name[k]; isAlnum(c) {
			buf[n] = lower(c)
			n++
		} else if c >= 0x80 {
			n = 0 // a border, as everywhere
		}
	}
	if kind, ok := wholeNames[string(buf[:n])]; ok {
		return kind
	}
	return bySuffix(unqualified(buf[:n]))
}

// unqualified drops what follows the telling words of a name: numbers and words like "prod".
func unqualified(t []byte) []byte {
	for range 3 {
		n := len(t)
		if n < 3 || !isDigit(t[n-1]) && !qualifiedPairs.has(t[n-2], t[n-1]) {
			break
		}
		for _, q := range qualifiers {
			if n > len(q)+2 && endsWith(t[:n], q) {
				n -= len(q)
				break
			}
		}
		for n > 0 && isDigit(t[n-1]) {
			n--
		}
		if n == len(t) {
			break
		}
		t = t[:n]
	}
	return t
}

func endsWith(t []byte, w string) bool { return len(t) >= len(w) && string(t[len(t)-len(w):]) == w }

func bySuffix(t []byte) nameKind {
	if len(t) < 2 {
		return nameNone
	}
	for _, s := range suffixes[t[len(t)-1]] {
		if endsWith(t, s.text) {
			if s.text == "token" && harmlessToken(string(t[:len(t)-len(s.text)])) {
				return nameNone
			}
			return s.kind
		}
	}
	return nameNone
}

// harmlessToken reports that a token of this description is a unit of text or a place in a list, not a
// credential.
func harmlessToken(head string) bool {
	switch head {
	case "end", "start", "stop", "last", "first", "text", "image", "audio", "mask", "special", "each", "every", "single", "new", "max", "min":
		return true
	}
	for _, s := range [...]string{
		"per", "page", "next", "continuation", "pagination", "eos", "bos", "pad", "unk", "sep", "cls", "firsttoken",
		"prompt", "completion", "input", "output", "cached", "reasoning", "tofirst", "special", "sync", "cancellation",
		"resume", "previous", "prev", "maxnew", "stop",
	} {
		if strings.HasSuffix(head, s) {
			return true
		}
	}
	return false
}

// third is the last but two byte of a name, or 0.
func third(name string) byte {
	if len(name) < 3 {
		return 0
	}
	return name[len(name)-3]
}
