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
		"hmackey", "authorizationkey", "openaikey", "anthropickey", "licensekey", "serverkey", "webhookkey", "virtualkey")
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

// lastPairs holds the last two letters of all names that may be sensitive, qualifiedPairs those of the
// qualifiers: one look rules out most others.
var lastPairs, qualifiedPairs = func() (all, qualified pairs) {
	for _, w := range qualifiers {
		all.add(w[len(w)-2], w[len(w)-1])
		qualified.add(w[len(w)-2], w[len(w)-1])
	}
	for _, list := range suffixes {
		for _, s := range list {
			all.add(s.text[len(s.text)-2], s.text[len(s.text)-1])
		}
	}
	all.add('u', 'e') // value
	for w := range wholeNames {
		all.add(w[len(w)-2], w[len(w)-1])
	}
	return all, qualified
}()

// maybeSensitive reports that a name which ends in a and b may be sensitive.
func maybeSensitive(a, b byte) bool { return lastPairs.has(a, b) || isDigit(b) }

// classify tells the kind of a name, whatever its case and the way its words are joined.
func classify(name string) nameKind {
	for len(name) > 0 && !isAlnum(name[len(name)-1]) {
		name = name[:len(name)-1]
	}
	if len(name) < 2 || !maybeSensitive(name[len(name)-2], name[len(name)-1]) {
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
