package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // timezone works on machines without a zone database, as Windows is

	"github.com/andres20980/aurea-orchestrator/money"
)

// Each function here reads the text of one kind of value. An error is a flaw: its problem continues
// the sentence that begins with the value.

const moneyHint = "write decimal text such as 10.00, at most 7 digits before and 12 after the point"

func parseMoney(text string) (money.Sum, error) {
	s, err := money.ParseSum(text)
	if err != nil {
		return s, bad("is not an amount in US dollars", moneyHint)
	}
	return s, nil
}

func parsePrice(text string) (*money.USD, error) {
	u, err := money.Parse(text)
	if errors.Is(err, money.ErrOverflow) {
		return nil, bad("is too large for a price", "write US dollars per million tokens such as 0.25")
	}
	if err != nil {
		return nil, bad("is not a price", "write US dollars per million tokens as decimal text such as 0.25, at most 12 digits after the point")
	}
	return &u, nil
}

func parseDuration(text string) (time.Duration, error) {
	const hint = "write a number with its unit such as 200ms, 1s or 2m"
	d, err := time.ParseDuration(text)
	switch {
	case err == nil && text[0] != '+' && text[0] != '-':
		return d, nil
	case err == nil && d < 0:
		return 0, bad("is negative", hint)
	case decimal.MatchString(text):
		return 0, bad("has no unit", "write "+text+"s for seconds, or 200ms or 2m")
	}
	return 0, bad("is not a duration", hint)
}

// parsePositive is parseDuration without zero.
func parsePositive(text string) (time.Duration, error) {
	d, err := parseDuration(text)
	if err == nil && d == 0 {
		return 0, bad("is no time at all", "write more than 0, such as 60s")
	}
	return d, err
}

// parseSeconds is parseDuration with plain numbers read as seconds.
func parseSeconds(text string) (time.Duration, error) {
	const hint = "write seconds such as 1.5, or a duration such as 200ms, 1s or 2m"
	if decimal.MatchString(text) {
		text += "s"
	}
	d, err := parseDuration(text)
	if err != nil {
		return 0, bad("is not a duration", hint)
	}
	return d, nil
}

func parsePositiveSeconds(text string) (time.Duration, error) {
	d, err := parseSeconds(text)
	if err == nil && d == 0 {
		return 0, bad("is no time at all", "write more than 0, such as 60")
	}
	return d, err
}

var (
	decimal = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)
	whole   = regexp.MustCompile(`^[0-9]{1,18}$`)
	sizes   = regexp.MustCompile(`(?i)^([0-9]{1,18})\s?([kmg]i?b|b)?$`)
)

// most is above any limit a provider has, and far from where sums of it overflow.
const most = 1_000_000_000_000_000

func parseWhole(text string) (int64, bool) {
	if !whole.MatchString(text) {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n <= most
}

func parseLimit(text string) (Limit, error) {
	if text == "none" {
		return None, nil
	}
	const hint = "write a whole number such as 500, or none to lift the limit"
	n, ok := parseWhole(text)
	switch {
	case !ok:
		return Unset, bad("is not a limit", hint)
	case n == 0:
		return Unset, bad("would let nothing through", hint+"; policy.denied_models forbids a model")
	}
	return Limit(n), nil
}

// parseMaxOutput reads a number of tokens, or none for no limit of the operator's own.
func parseMaxOutput(text string) (int64, error) {
	l, err := parseLimit(text)
	n, _ := l.Value()
	return n, err
}

// count returns a parser of whole numbers from least to greatest.
func count[T int | int64](least, greatest int64) func(string) (T, error) {
	return func(text string) (T, error) {
		n, ok := parseWhole(text)
		if !ok {
			return 0, bad("is not a whole number", fmt.Sprintf("write one from %d", least))
		}
		if n < least || n > greatest {
			return 0, bad("is out of range", fmt.Sprintf("write a whole number from %d to %d", least, greatest))
		}
		return T(n), nil
	}
}

// tokens is a number of tokens, weight that of a target, retries and calls what their names say.
var (
	tokens  = count[int64](1, most)
	weight  = count[int64](1, 1_000_000)
	burst   = count[int64](0, math.MaxInt32)
	retries = count[int](0, 1_000)
	calls   = count[int](0, math.MaxInt32)
)

func parseRatio(text string) (float64, error) {
	const hint = "write a number from 0 to 1 such as 0.5"
	if !decimal.MatchString(text) {
		return 0, bad("is not a ratio", hint)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f > 1 {
		return 0, bad("is out of range", hint)
	}
	return f, nil
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1", "t", "y":
		return true, nil
	case "false", "no", "off", "0", "f", "n":
		return false, nil
	}
	return false, bad("is neither true nor false", "write true or false")
}

func parseBoolPointer(text string) (*bool, error) {
	b, err := parseBool(text)
	if err != nil {
		return nil, err
	}
	return &b, nil
}

func parseLevel(text string) (slog.Level, error) {
	switch strings.ToLower(text) {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, bad("is not a level", "write debug, info, warn or error")
}

// choice returns a parser that takes one of some words.
func choice(words ...string) func(string) (string, error) {
	return func(text string) (string, error) {
		for _, w := range words {
			if text == w {
				return w, nil
			}
		}
		hint := "write " + strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
		if near := nearest(text, words); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
		return "", bad("is not one of the choices", hint)
	}
}

func parseSize(text string) (int64, error) {
	const hint = "write a number with its unit such as 50MB or 64KiB"
	m := sizes.FindStringSubmatch(text)
	if m == nil {
		return 0, bad("is not a size", hint)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	factor := map[string]int64{
		"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
	}[strings.ToLower(m[2])]
	switch {
	case err != nil || n > most/factor:
		return 0, bad("is too large", hint)
	case n == 0:
		return 0, bad("would let nothing through", hint)
	}
	return n * factor, nil
}

func parseListen(text string) (string, error) {
	const hint = "write HOST:PORT such as 127.0.0.1:8080"
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		if whole.MatchString(text) {
			return "", bad("has no host", "write 127.0.0.1:"+text+", or :"+text+" for every address of the machine")
		}
		return "", bad("is not an address", hint)
	}
	if n, ok := parseWhole(port); !ok || n > math.MaxUint16 {
		return "", bad("has no port from 0 to 65535", hint)
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !hostName.MatchString(host) {
		return "", bad("has no valid host", hint)
	}
	return text, nil
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$`)

func parseZone(text string) (*time.Location, error) {
	zone, err := time.LoadLocation(text)
	if err != nil {
		return nil, bad("is not a time zone", "write a name of the IANA database such as UTC or Europe/Madrid")
	}
	return zone, nil
}

// parseBaseURL takes an http or https URL and drops slashes at its end. What could carry a credential
// is refused without being shown.
func parseBaseURL(text string) (string, error) {
	const hint = "write an http or https URL such as https://api.openai.com/v1"
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", &hiddenFlaw{flaw{"is not a URL", hint}}
	case u.User != nil:
		return "", &hiddenFlaw{flaw{"contains a user or a password", "put the credential into api_key or headers"}}
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", &hiddenFlaw{flaw{`contains a "?" or a "#"`, "write the URL up to the path; the path of each endpoint is appended to it"}}
	case strings.ContainsAny(text, " \t\r\n"):
		return "", &hiddenFlaw{flaw{"contains a blank", hint}}
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return "", bad("is not an http or https URL", hint)
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		if n, ok := parseWhole(port); !ok || n < 1 || n > math.MaxUint16 {
			return "", bad("has no port from 1 to 65535", hint)
		}
	}
	return strings.TrimRight(text, "/"), nil
}

// hiddenFlaw is a flaw of a value that must not be shown.
type hiddenFlaw struct{ flaw }

// headerName is a field name of RFC 9110, section 5.1.
var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// ownHeaders are written by the HTTP transport; a configured value would break the connection.
var ownHeaders = map[string]bool{
	"host": true, "content-length": true, "transfer-encoding": true, "connection": true, "te": true,
	"trailer": true, "upgrade": true, "keep-alive": true, "proxy-connection": true, "accept-encoding": true,
}

// parseKey takes an API key. Blanks around it come from files and clipboards and are dropped.
func parseKey(text string) (Secret, error) {
	text = strings.TrimSpace(text)
	for _, c := range text {
		if c <= ' ' || c > '~' {
			return Secret{}, bad("contains a blank or a character that no header can carry", "copy the key anew")
		}
	}
	return Secret{text}, nil
}

func parseHeaderValue(text string) (Secret, error) {
	for _, c := range []byte(text) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return Secret{}, bad("contains a character that no header can carry", "write it on one line")
		}
	}
	return Secret{strings.TrimSpace(text)}, nil
}

// parseNames reads a comma-separated list of model names or globs.
func parseNames(text string) ([]string, error) {
	var names []string
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, bad("names no model", "write names or globs with commas between them")
	}
	return names, nil
}

func parseName(text string) (string, error) {
	if strings.TrimSpace(text) != text || text == "" {
		return "", bad("is empty or has blanks around it", "write the name alone")
	}
	return text, nil
}

func parseText(text string) (string, error) {
	if strings.TrimSpace(text) == "" {
		return "", bad("is empty", "write the text, or take the line out")
	}
	return text, nil
}

func parsePattern(text string) (string, error) {
	re, err := regexp.Compile(text)
	switch {
	case err != nil:
		return "", bad("is not a regular expression", "write it as https://pkg.go.dev/regexp/syntax says, in single quotes")
	case re.MatchString(""):
		return "", bad("matches the empty text", "let it match at least one character")
	}
	return text, nil
}
