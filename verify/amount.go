package verify

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/andres20980/aurea-orchestrator/money"
)

// exactDecimals is from how many digits after the point on an amount in dollars is taken for unrounded: the cheapest token costs more than a
// thousandth of a millionth of a dollar, and no console shows that.
const exactDecimals = 9

// amount is dollars as an export writes them.
type amount struct {
	sum      money.Sum
	decimals int  // digits written after the point, in dollars
	digits   int  // that count, from the first that is not zero to the last
	cut      bool // there were digits beyond the twelfth that are not zero
}

// parseAmount reads dollars, or cents, as decimal text: a sign, digits, perhaps separators of thousands, a point, digits, an exponent. An exponent is what
// programs make of small floats, such as 4.5e-06.
func parseAmount(text string, cents bool) (a amount, err error) {
	s := strings.TrimPrefix(strings.TrimSpace(text), "+")
	s, negative := strings.CutPrefix(s, "-")
	s = strings.TrimPrefix(s, "$")
	bad := fmt.Errorf("%q is no amount", text)
	exponent := 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		if exponent, err = strconv.Atoi(s[i+1:]); err != nil || exponent < -40 || exponent > 12 {
			return a, bad
		}
		s = s[:i]
	}
	whole, rest, _ := strings.Cut(s, ".")
	if whole, err = withoutCommas(whole); err != nil || !digitsOnly(whole) || !digitsOnly(rest) || whole+rest == "" || len(whole) > 15 || len(rest) > 80 {
		return a, bad
	}
	a.digits = len(strings.Trim(whole+rest, "0"))
	if cents {
		exponent -= 2
	}
	for ; exponent < 0; exponent++ {
		whole = "0" + whole
		rest, whole = whole[len(whole)-1:]+rest, whole[:len(whole)-1]
	}
	for ; exponent > 0; exponent-- {
		rest += "0"
		whole, rest = whole+rest[:1], strings.TrimSuffix(rest[1:], "0")
	}
	a.decimals = len(rest)
	if len(rest) > 12 {
		a.cut = strings.Trim(rest[12:], "0") != ""
		rest = rest[:12]
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if len(whole) > 15 {
		return a, bad
	}
	if a.sum.Dollars, err = strconv.ParseInt(whole, 10, 64); err != nil {
		return a, bad
	}
	if a.sum.Pico, err = strconv.ParseInt((rest + "000000000000")[:12], 10, 64); err != nil {
		return a, bad
	}
	if negative {
		a.sum = money.Sum{}.Minus(a.sum)
	}
	return a, nil
}

// float is by how much an amount may be off because a program held it in a float, which shows in sixteen or seventeen digits, or has digits after the twelfth.
func (a amount) float() money.USD {
	var off money.USD
	if a.cut {
		off = money.Pico
	}
	if a.digits == 16 || a.digits == 17 {
		d := a.sum
		if d.Negative() {
			d = money.Sum{}.Minus(d)
		}
		off += money.USD((d.Dollars+1)/4503) + money.Pico // 2⁻⁵² of the amount, in pico-dollars
	}
	return off
}

// roundingOf is by how much each amount of a file may be off that writes at most so many digits after the point.
func roundingOf(most int) money.USD {
	if most >= exactDecimals {
		return 0
	}
	half := money.Dollar / 2
	for range most {
		half /= 10
	}
	return half
}

// parseCount reads a count: digits, perhaps separators of thousands, and perhaps a point with zeros, as spreadsheets write it. An empty text is 0.
func parseCount(text string) (int64, error) {
	s := strings.TrimSpace(text)
	if whole, rest, point := strings.Cut(s, "."); point && strings.Trim(rest, "0") == "" {
		s = whole
	}
	s, err := withoutCommas(s)
	if err != nil || !digitsOnly(s) || len(s) > 15 {
		return 0, fmt.Errorf("%q is no count", text)
	}
	if s == "" {
		return 0, nil
	}
	return strconv.ParseInt(s, 10, 64)
}

// withoutCommas takes separators out of 1,234,567.
func withoutCommas(s string) (string, error) {
	if !strings.Contains(s, ",") {
		return s, nil
	}
	for i, part := range strings.Split(s, ",") {
		if part == "" || len(part) > 3 || i > 0 && len(part) != 3 {
			return "", fmt.Errorf("%q is no number", s)
		}
	}
	return strings.ReplaceAll(s, ",", ""), nil
}

func digitsOnly(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
