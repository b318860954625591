package corpus

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
)

const (
	digits = "0123456789"
	hexa   = "0123456789abcdef"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	lowerc = "abcdefghijklmnopqrstuvwxyz"
	alnum  = digits + upper + lowerc
	urlish = alnum + "-_"
)

// maker makes values.
type maker struct{ rng *rand.Rand }

func (g *maker) n(most int) int { return g.rng.IntN(most) }

func (g *maker) of(alphabet string, n int) string {
	b := make([]byte, n)
	for k := range b {
		b[k] = alphabet[g.n(len(alphabet))]
	}
	return string(b)
}

func (g *maker) pick(list ...string) string { return list[g.n(len(list))] }

// pattern replaces '#' by a digit, '%' by one from 2 on, '@' by a letter or digit.
func (g *maker) pattern(p string) string {
	b := []byte(p)
	for k, c := range b {
		switch c {
		case '#':
			b[k] = digits[g.n(10)]
		case '%':
			b[k] = digits[2+g.n(8)]
		case '@':
			b[k] = alnum[g.n(len(alnum))]
		}
	}
	return string(b)
}

// value makes what {{name}} stands for. Its kind is empty if it is nothing to be redacted.
func (g *maker) value(name string) (value, kind string, err error) {
	switch name {
	case "EMAIL":
		return g.email(), name, nil
	case "PHONE":
		return g.phone(), name, nil
	case "NANP":
		return g.pattern(g.pick(nanp...)), "PHONE", nil
	case "E164":
		return g.international(), "PHONE", nil
	case "LOCAL": // only with a word for it
		return g.pattern(g.pick(local...)), "PHONE", nil
	case "TEN":
		return g.pattern("%##%######"), "PHONE", nil
	case "SSN":
		return g.ssn("-"), name, nil
	case "SSNWORD":
		return g.ssn(g.pick("-", " ", "", ".")), "SSN", nil
	case "SSNBARE":
		return g.ssn(""), "SSN", nil
	case "SSNBARENUM": // a number of JSON has no zero before it
		return g.pattern("%########"), "SSN", nil
	case "CARD":
		return g.card(), name, nil
	case "CARDBARE":
		return strings.Map(func(r rune) rune {
			if r < '0' {
				return -1
			}
			return r
		}, g.card()), "CARD", nil
	case "CARDWORD": // no check digit
		return g.pattern(g.pick("4###-####-####-####", "#### #### #### ####", "5###############", "3### ###### #####")), "CARD", nil
	case "IP":
		return g.ip(), name, nil
	case "IPV4":
		return g.v4(), "IP", nil
	case "IPV6":
		return g.v6(), "IP", nil
	case "CIDR":
		return fmt.Sprintf("10.%d.%d.0/%d", g.n(256), g.n(256), 8+g.n(24)), "IP", nil
	case "KEY":
		return g.key(), name, nil
	case "JWT":
		return g.jwt(), "KEY", nil
	case "PEM":
		return g.pem(), "KEY", nil
	case "SECRET": // only with a label for it
		return g.secret(), "KEY", nil
	case "ODD": // as people of many countries write them, behind a word for them
		return g.pattern(g.pick(odd...)), "PHONE", nil
	case "PW":
		return g.chosen(), "PASSWORD", nil
	case "PW50":
		return g.of(lowerc+digits+"!@#$%^&*(-_=+)", 48) + "7k", "KEY", nil
	case "SHA1KEY":
		return g.of(hexa, 40), "KEY", nil
	case "AZKEY":
		return g.of(alnum+"+/", 86) + "==", "KEY", nil
	case "SIG":
		return g.of(alnum, 20) + "%2B" + g.of(alnum, 20) + "%3D", "KEY", nil
	case "SEVEN":
		return g.pattern("%##-####"), "PHONE", nil
	case "DIGITS12":
		return g.pattern("49%#########"), "PHONE", nil
	case "TELURI":
		return g.pattern("+1-%##-%##-####"), "PHONE", nil
	case "PASSWORD":
		return g.password(), name, nil
	case "STRONG":
		return g.strong(), "PASSWORD", nil
	case "BASIC":
		return base64.StdEncoding.EncodeToString([]byte(g.user() + ":" + g.strong())), "KEY", nil
	}
	if v := g.harmless(name); v != "" {
		return v, "", nil
	}
	return "", "", fmt.Errorf("no value is called %q", name)
}

// harmless makes values that are nobody's secret.
func (g *maker) harmless(name string) string {
	switch name {
	case "uuid":
		return g.uuid()
	case "sha1":
		return g.of(hexa, 40)
	case "sha256":
		return g.of(hexa, 64)
	case "md5":
		return g.of(hexa, 32)
	case "hex8":
		return g.of(hexa, 8)
	case "hex16":
		return g.of(hexa, 16)
	case "base64":
		b := make([]byte, 60+g.n(200))
		for k := range b {
			b[k] = byte(g.n(256)) // #nosec G115 -- below 256
		}
		return base64.StdEncoding.EncodeToString(b)
	case "epoch":
		return fmt.Sprint(1700000000 + g.n(80000000))
	case "millis":
		return fmt.Sprint(1700000000000 + g.rng.Int64N(80000000000))
	case "nanos":
		return fmt.Sprint(1700000000000000000 + g.rng.Int64N(80000000000000000))
	case "iso":
		return fmt.Sprintf("20%02d-%02d-%02dT%02d:%02d:%02d.%03dZ", 20+g.n(9), 1+g.n(12), 1+g.n(28), g.n(24), g.n(60), g.n(60), g.n(1000))
	case "date":
		return fmt.Sprintf("20%02d-%02d-%02d", 20+g.n(9), 1+g.n(12), 1+g.n(28))
	case "time":
		return fmt.Sprintf("%02d:%02d:%02d", g.n(24), g.n(60), g.n(60))
	case "int":
		return fmt.Sprint(g.n(5000))
	case "big":
		return fmt.Sprint(10000000 + g.rng.Int64N(900000000))
	case "id12":
		return g.pattern("1###########")
	case "amount":
		return fmt.Sprintf("%d,%03d.%02d", 1+g.n(999), g.n(1000), g.n(100))
	case "float":
		return fmt.Sprintf("%.12f", g.rng.Float64()*100)
	case "version":
		return fmt.Sprintf("%d.%d.%d", g.n(20), g.n(40), g.n(100))
	case "version4":
		return fmt.Sprintf("%d.%d.%d.%d", 1+g.n(20), g.n(40), g.n(100), g.n(250))
	case "order":
		return g.pick("ORD-", "INV-", "PO-", "SO") + g.pattern("########")
	case "port":
		return fmt.Sprint(1024 + g.n(60000))
	case "name":
		return g.first() + " " + g.last()
	case "first":
		return g.first()
	case "user":
		return g.user()
	case "host":
		return g.pick("db", "api", "web", "cache", "mail") + fmt.Sprint(g.n(20)) + "." + g.domain()
	case "domain":
		return g.domain()
	case "model":
		return g.pick("gpt-4o-2024-08-06", "claude-3-5-sonnet-20241022", "gemini-1.5-pro-002", "o3-mini-2025-01-31", "llama-3.1-405b-instruct", "text-embedding-3-large")
	case "mac":
		return g.of(hexa, 2) + ":" + g.of(hexa, 2) + ":" + g.of(hexa, 2) + ":" + g.of(hexa, 2) + ":" + g.of(hexa, 2) + ":" + g.of(hexa, 2)
	case "isbn":
		return g.pattern("978-#-##-######-#")
	case "zip":
		return g.pattern("#####-####")
	}
	return ""
}

func (g *maker) uuid() string {
	h := g.of(hexa, 32)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

func (g *maker) first() string {
	return g.pick("Ana", "John", "Maria", "Wei", "Olu", "Priya", "Jean", "Lena", "Tomás", "Aisha", "Noah", "Emma", "Zoë", "Ivan")
}

func (g *maker) last() string {
	return g.pick("Smith", "García", "Müller", "Chen", "Okafor", "Patel", "Dubois", "O'Brien", "Rossi", "Kowalski", "Haddad", "Berg")
}

func (g *maker) user() string {
	return g.pick("jdoe", "maria.garcia", "svc_batch", "admin", "root", "wchen7", "a.patel", "deploy", "lena_m", "x9")
}

func (g *maker) domain() string {
	return g.pick("example.com", "mail.example.org", "corp.example.co.uk", "acme.io", "uni-example.de", "shop.example.fr", "startup.dev", "example.travel", "sub.example.museum", "cuvox.de")
}

func (g *maker) email() string {
	switch g.n(8) {
	case 0:
		return strings.ToUpper(g.user()) + "@" + strings.ToUpper(g.domain())
	case 1:
		return g.user() + "+" + g.pick("news", "tag1", "x-y") + "@" + g.domain()
	case 2:
		return "o'neil" + fmt.Sprint(g.n(99)) + "@" + g.domain()
	case 3:
		return g.user() + "-" + fmt.Sprint(g.n(9999)) + "@" + g.of(lowerc, 6) + "." + g.pick("com", "net", "ai", "xyz", "app", "co.jp")
	case 4:
		return fmt.Sprint(g.n(999999)) + "@" + g.pick("qq.com", "163.com")
	}
	return g.user() + "@" + g.domain()
}

var nanp = []string{
	"%##-%##-####", "(%##) %##-####", "(%##)%##-####", "%##.%##.####", "+1 %##-%##-####", "+1 (%##) %##-####", "+1-%##-%##-####", "1-%##-%##-####",
	"1 (%##) %##-####", "+1%##%######", "+1 %## %## ####", "+1.%##.%##.####", "001-%##-%##-####", "%##-%##-####x###", "(%##)%##-####x#####",
	"%##.%##.####x####", "+1-%##-%##-####x####", "001-%##-%##-####x###", "%##-%##-#### ext. ###", "1.%##.%##.####", "1-800-%##-####", "%##/%##-####",
	"%## %## ####", "(%##) %## ####", "+1(%##)%##-####",
}

var abroad = []string{
	"+44 20 7### ####", "+44 7### ######", "+44 (0)20 7### ####", "+447#########", "+49 30 #######", "+49 (0)89 ######", "+4917########", "+49-1##-#######",
	"+33 1 ## ## ## ##", "+33 6.##.##.##.##", "+336########", "+34 6## ## ## ##", "+34 91 ### ## ##", "+39 06 #### ####", "+39 3## ### ####", "+31 6 ########",
	"+41 44 ### ## ##", "+46 8 ### ### ##", "+47 ### ## ###", "+48 ### ### ###", "+55 11 9####-####", "+55 (11) #### ####", "+52 55 #### ####", "+61 2 #### ####",
	"+61 4## ### ###", "+81 3-####-####", "+81-90-####-####", "+82 10-####-####", "+86 138 #### ####", "+91 98### #####", "+91-98########", "+7 (495) ###-##-##",
	"+27 82 ### ####", "+234 80# ### ####", "+971 50 ### ####", "+353 1 ### ####", "+65 6### ####", "0049 30 #######", "0044 20 7### ####", "00 33 1 ## ## ## ##",
	"+12 01%.#### ####", "+39%-%##-###-####", "+44-1632-96####", "+61.4##.###.###", "+358 40 #######", "+420 6## ### ###",
}

var national = []string{
	"020 7946 0###", "(020) 7946 0###", "07700 900###", "01632 960###", "06 ## ## ## ##", "01.##.##.##.##", "030 1234####", "0171 #######", "089/######", "090-####-####",
	"03-####-####", "(03) 5### ####", "0412 ### ###", "011-####-####",
}

var local = []string{
	"%##-####", "%## ## ###", "%## ### ###", "#### ####", "6## ## ## ##", "0660 ### ## ##", "078 #### ####", "06-########", "%##%######", "0%########", "%## ## ## ##",
	"0047-08-### ####", "003 #### ####", "0### ### ####", "(0###) ###.####", "### #### ####", "1## #### ####", "##-##-##-##",
}

// odd are the ways of writing them that data sets made by programs like.
var odd = []string{
	"+## ### ### ####", "+##-##-###.####", "+##.###-###-####", "+### ##.###.####", "0##-###.####", "(0###) ###-####", "0### ### ### ##", "+1 %##.%##-####",
	"00##-##-### ####", "+## (0) ### ######", "0##########", "+4#-1##########", "%##.%##-####", "## ## ## ## ##", "0# ## ## ## ##", "###-####-####", "+1-%##-%##-#### x####",
	"07### ######", "+44 (0) 1### ######", "(##) ####-####", "####-###-###", "+61 (0)4## ### ###", "0#.##.##.##.##", "%########", "%### ####",
}

func (g *maker) international() string { return g.pattern(g.pick(abroad...)) }

func (g *maker) phone() string {
	switch g.n(4) {
	case 0:
		return g.international()
	case 1:
		return g.pattern(g.pick(national...))
	}
	return g.pattern(g.pick(nanp...))
}

func (g *maker) ssn(sep string) string {
	return fmt.Sprintf("%03d%s%02d%s%04d", 1+g.n(665), sep, 1+g.n(99), sep, 1+g.n(9999))
}

func (g *maker) card() string {
	type issuer struct {
		prefix string
		n      int
	}
	list := []issuer{{"4", 16}, {"4", 16}, {"4", 13}, {"51", 16}, {"55", 16}, {"2223", 16}, {"34", 15}, {"37", 15}, {"6011", 16}, {"65", 16}, {"3528", 16}, {"36", 14}, {"300", 14}, {"6212", 16}, {"4", 19}, {"5018", 16}, {"6759", 16}}
	is := list[g.n(len(list))]
	d := []byte(is.prefix + g.of(digits, is.n-len(is.prefix)))
	for c := byte('0'); c <= '9'; c++ {
		d[is.n-1] = c
		if luhn(d) {
			break
		}
	}
	s := string(d)
	sep := g.pick("", "", " ", "-", ".")
	if sep == "" {
		return s
	}
	switch is.n {
	case 16:
		return s[:4] + sep + s[4:8] + sep + s[8:12] + sep + s[12:]
	case 15:
		return s[:4] + sep + s[4:10] + sep + s[10:]
	case 14:
		return s[:4] + sep + s[4:10] + sep + s[10:]
	}
	return s
}

func luhn(d []byte) bool {
	sum := 0
	for k := range d {
		v := int(d[len(d)-1-k] - '0')
		if k%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

func (g *maker) v4() string {
	return g.pick(
		fmt.Sprintf("%d.%d.%d.%d", 1+g.n(223), g.n(256), g.n(256), 1+g.n(254)),
		fmt.Sprintf("10.%d.%d.%d", g.n(256), g.n(256), 1+g.n(254)),
		fmt.Sprintf("192.168.%d.%d", g.n(256), 1+g.n(254)),
		fmt.Sprintf("203.0.113.%d", 1+g.n(254)))
}

func (g *maker) v6() string {
	h := func() string { return fmt.Sprintf("%x", g.n(65536)) }
	full := make([]string, 8)
	for k := range full {
		full[k] = g.of(hexa, 4)
	}
	return g.pick("2001:db8::"+h(), "2001:db8:"+h()+":"+h()+"::"+h(), "fe80::"+h()+":"+g.of(hexa, 2)+"ff:fe"+g.of(hexa, 2)+":"+h(), strings.Join(full, ":"), strings.ToUpper(strings.Join(full, ":")),
		"::ffff:"+g.v4(), "fd00:"+h()+"::1", "2a00:1450:4009:80b::200e", "2606:4700:4700::1111")
}

func (g *maker) ip() string {
	if g.n(4) == 0 {
		return g.v6()
	}
	return g.v4()
}

func (g *maker) jwt() string {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return part(`{"alg":"HS256","typ":"JWT"}`) + "." + part(`{"sub":"`+g.of(digits, 10)+`","name":"`+g.of(lowerc, 8)+`","iat":`+g.of(digits, 10)+`}`) + "." + g.of(urlish, 43)
}

func (g *maker) pem() string {
	kind := g.pick("RSA PRIVATE", "PRIVATE", "EC PRIVATE", "OPENSSH PRIVATE")
	var b strings.Builder
	b.WriteString("-----BEGIN " + kind + " KEY-----\n")
	for range 3 + g.n(20) {
		b.WriteString(g.of(alnum+"+/", 64) + "\n")
	}
	b.WriteString(g.of(alnum, 20) + "==\n-----END " + kind + " KEY-----")
	return b.String()
}

// secret is a value that only its label makes one.
func (g *maker) secret() string {
	return g.pick(g.of(alnum, 3)+"8Q~"+g.of(alnum, 34), g.of(hexa, 32), g.of(hexa, 40), g.of(hexa, 64), g.of(alnum, 24), g.of(alnum, 40), g.of(urlish, 43), g.uuid(), g.of(alnum+"+/", 43)+"=", g.of(lowerc+digits, 20), g.of(upper+digits, 26))
}

func (g *maker) strong() string {
	return g.pick("Tr0ub4dor&", "hunter", "S3cur3P@ss", "Winter", "correct-Horse-", "Qw3rty!", "xK9#mP", "P4ssw0rd!", "zL.7", "L0ng_er.") + fmt.Sprint(10+g.n(9000)) + g.pick("", "!", "#", "x")
}

func (g *maker) password() string {
	if g.n(5) == 0 {
		return g.of(urlish+"!@#$%^*+?", 8+g.n(12)) + "7x"
	}
	return g.strong()
}

// chosen is a password as people and programs make them.
func (g *maker) chosen() string {
	word := g.pick("sunshine", "Dragon", "Monkey", "letmein", "Football", "iloveyou", "Starwars", "qwerty", "Summer", "Passw0rd")
	switch g.n(7) {
	case 0:
		return word + fmt.Sprint(g.n(10000))
	case 1:
		return word + g.pick("!", "@", "#", "$") + fmt.Sprint(g.n(1000))
	case 2:
		return g.of(alnum, 12)[:11] + "4"
	case 3:
		return g.of(alnum+"!@#$%^*_-+=?~", 14) + "8z"
	case 4:
		return g.pick("correct", "blue", "tiny") + "-" + g.pick("horse", "river", "cat") + "-" + g.pick("staple", "moon", "42")
	case 5:
		return g.of(upper, 3) + g.of(digits, 4) + g.of(lowerc, 3)
	}
	return word + "_" + fmt.Sprint(1980+g.n(40))
}
