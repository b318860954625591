package pricing

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/andres20980/aurea-orchestrator/money"
)

// Powers of ten that turn dollars per so many units into pico-dollars per unit.
const (
	perUnit     = 12
	perThousand = 9
	perMillion  = 6
)

var errNumber = errors.New("want a decimal number that is not negative")

// pico reads a decimal number, with an exponent or without, and returns it times 10^shift, rounded up. This is the one place
// where a price is rounded; no digit passes through a float on the way.
func pico(text string, shift int) (money.USD, error) {
	digits, exponent, err := decimal(text)
	if err != nil {
		return 0, err
	}
	exponent += shift
	roundUp := false
	if exponent < 0 {
		cut := max(len(digits)+exponent, 0)
		roundUp = strings.Trim(digits[cut:], "0") != ""
		digits = digits[:cut]
	}
	if digits == "" {
		digits = "0"
	}
	if digits != "0" && exponent > 0 {
		if exponent > 19 {
			return 0, fmt.Errorf("%w: %s", money.ErrOverflow, text)
		}
		digits += strings.Repeat("0", exponent)
	}
	v, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %s", money.ErrOverflow, text)
	}
	if roundUp {
		return money.USD(v).Add(1)
	}
	return money.USD(v), nil
}

// decimal splits a number into its digits, as an integer without leading zeros ("" for zero), and its power of ten.
func decimal(text string) (digits string, exponent int, err error) {
	mantissa, exp, hasExp := strings.Cut(strings.ToLower(text), "e")
	if hasExp {
		if exponent, err = strconv.Atoi(exp); err != nil || exponent > 999 || exponent < -999 {
			return "", 0, fmt.Errorf("%w: %q", errNumber, text)
		}
	}
	whole, fraction, hasPoint := strings.Cut(mantissa, ".")
	if whole == "" || hasPoint && fraction == "" || len(mantissa) > 100 {
		return "", 0, fmt.Errorf("%w: %q", errNumber, text)
	}
	digits = whole + fraction
	if strings.Trim(digits, "0123456789") != "" {
		return "", 0, fmt.Errorf("%w: %q", errNumber, text)
	}
	return strings.TrimLeft(digits, "0"), exponent - len(fraction), nil
}

// ratio reads a factor such as 1.1 as a fraction.
func ratio(text string) (Ratio, error) {
	digits, exponent, err := decimal(text)
	if err != nil || digits == "" || exponent < -9 || exponent > 3 || len(digits) > 9 {
		return Ratio{}, fmt.Errorf("%w above zero: %q", errNumber, text)
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	r := Ratio{Num: n, Den: 1}
	for ; exponent > 0; exponent-- {
		r.Num *= 10
	}
	for ; exponent < 0; exponent++ {
		r.Den *= 10
	}
	return r, err
}

// Dollars reads a JSON number of US dollars, with an exponent or without, exactly, and rounds what is finer than a pico-dollar up. It is for amounts
// that providers report; people write amounts as [money.Parse] reads them.
func Dollars(number string) (money.USD, error) { return pico(number, perUnit) }
