package usage

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxCount is the largest count that is taken for real. Anything above is garbage or an attack.
const maxCount = 1_000_000_000_000

var errCount = errors.New("want a whole number from 0 to 1e12")

// count reads a whole number from the text of a JSON number. 5, 5.0 and 1e5 are whole; 0.5 is not.
func count(text string) (int64, error) {
	n, ok := wholeNumber(text)
	if !ok {
		return 0, fmt.Errorf("%w, not %s", errCount, clip(text))
	}
	return n, nil
}

func wholeNumber(text string) (n int64, ok bool) {
	mantissa, exp, hasExp := strings.Cut(text, "e")
	if !hasExp {
		mantissa, exp, _ = strings.Cut(text, "E")
	}
	if strings.HasPrefix(mantissa, "-") && strings.Trim(mantissa, "-0.") != "" {
		return 0, false
	}
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(mantissa, "-"), ".")
	fraction = strings.TrimRight(fraction, "0")
	digits := strings.TrimLeft(whole, "0")
	if digits == "" {
		digits = strings.TrimLeft(fraction, "0")
	} else {
		digits += fraction
	}
	if digits == "" {
		return 0, true
	}
	shift := exponent(exp) - len(fraction)
	if shift < 0 {
		plain := strings.TrimRight(digits, "0")
		cut := min(len(digits)-len(plain), -shift)
		digits, shift = digits[:len(digits)-cut], shift+cut
	}
	if shift < 0 || shift+len(digits) > 13 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	for ; shift > 0; shift-- {
		n *= 10
	}
	return n, n <= maxCount
}

// countOf reads a whole number from a JSON value. A value that is no number is no count.
func countOf(v jsontext.Value) (int64, error) {
	if len(v) <= 12 { // nearly all of them, without an allocation
		n := int64(0)
		for i, c := range v {
			if c < '0' || c > '9' {
				break
			}
			if n = n*10 + int64(c-'0'); i == len(v)-1 {
				return n, nil
			}
		}
	}
	n, ok := int64(0), false
	if v.Kind() == '0' {
		n, ok = wholeNumber(string(v))
	}
	if !ok {
		return 0, errCount
	}
	return n, nil
}

// exponent reads the digits after an e, cut to a size at which no number is a count any more.
func exponent(text string) int {
	const far = 1_000_000_000 // a JSON number of that many digits does not fit a body
	negative := strings.HasPrefix(text, "-")
	n := 0
	for _, c := range strings.TrimLeft(text, "+-") {
		if n = n*10 + int(c-'0'); n > far {
			n = far
		}
	}
	if negative {
		return -n
	}
	return n
}

// tokenCount reads a count from a token; null is no count.
func tokenCount(tok jsontext.Token) (n int64, ok bool, err error) {
	switch tok.Kind() {
	case 'n':
		return 0, false, nil
	case '0':
		n, err = count(tok.String())
		return n, err == nil, err
	default:
		return 0, false, fmt.Errorf("%w, not a %s", errCount, kindName(tok.Kind()))
	}
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '"':
		return "string"
	case '{':
		return "object"
	case '[':
		return "list"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	default:
		return "number"
	}
}

// clip shortens text from outside for an error message.
func clip(text string) string {
	if len(text) > 40 {
		return text[:37] + "..."
	}
	return text
}
