package money

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// USD is an amount of money in pico-dollars (1e-12 USD). The zero value is no money. It is a plain
// value and safe to share.
type USD int64

// Units of [USD].
const (
	Pico   USD = 1
	Nano   USD = 1_000
	Micro  USD = 1_000_000
	Milli  USD = 1_000_000_000
	Cent   USD = 10_000_000_000
	Dollar USD = 1_000_000_000_000

	// Max is the largest single amount, about 9.22 million dollars.
	Max USD = math.MaxInt64
)

// ErrOverflow says that a result does not fit its type. Callers refuse the call: an amount that
// cannot be written down cannot be held.
var ErrOverflow = errors.New("money: amount too large")

// ErrSyntax says that a text is not an amount as [Parse] accepts it.
var ErrSyntax = errors.New("money: want dollars as decimal text such as 0.25, with at most 7 digits before and 12 after the point, no sign, exponent or blank")

// Parse reads US dollars as decimal text: one to seven digits, then optionally a point and one to twelve digits.
// It returns an error matching [ErrSyntax] for anything else, and [ErrOverflow] above [Max].
func Parse(s string) (USD, error) {
	sum, err := ParseSum(s)
	if err != nil {
		return 0, err
	}
	u, ok := sum.USD()
	if !ok {
		return 0, fmt.Errorf("%w: %q", ErrOverflow, s)
	}
	return u, nil
}

// MustParse is [Parse] for literals in tests and tables; it panics where Parse fails.
func MustParse(s string) USD {
	u, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

// Add returns u + v, or [ErrOverflow].
func (u USD) Add(v USD) (USD, error) {
	s := u + v
	if (s > u) != (v > 0) && v != 0 {
		return 0, ErrOverflow
	}
	return s, nil
}

// Mul returns n × u for n ≥ 0 and u ≥ 0, or [ErrOverflow]; a negative factor is an overflow too,
// because no count and no price is negative.
func (u USD) Mul(n int64) (USD, error) {
	if u < 0 || n < 0 {
		return 0, ErrOverflow
	}
	hi, lo := bits.Mul64(uint64(u), uint64(n))
	if hi != 0 || lo > math.MaxInt64 {
		return 0, ErrOverflow
	}
	return USD(lo), nil
}

// MulRatio returns u × num ÷ den rounded up, or [ErrOverflow]. It is the one place where money is
// rounded; an estimate or a multiplied price is never rounded in the payer's favour.
func (u USD) MulRatio(num, den int64) (USD, error) {
	if u < 0 || num < 0 || den <= 0 {
		return 0, ErrOverflow
	}
	hi, lo := bits.Mul64(uint64(u), uint64(num))
	if hi >= uint64(den) {
		return 0, ErrOverflow
	}
	q, r := bits.Div64(hi, lo, uint64(den))
	if r != 0 {
		q++
	}
	if q > math.MaxInt64 {
		return 0, ErrOverflow
	}
	return USD(q), nil
}

// String returns the amount in dollars as decimal text without trailing zeros, such as "0.000054".
// Negative amounts, which only differences have, carry a minus sign.
func (u USD) String() string { return SumOf(u).String() }

// MarshalJSON writes the amount as a JSON string, so that no reader takes it for a float.
func (u USD) MarshalJSON() ([]byte, error) { return []byte(`"` + u.String() + `"`), nil }

// UnmarshalJSON reads the string that MarshalJSON writes.
func (u *USD) UnmarshalJSON(b []byte) error {
	var s Sum
	if err := s.UnmarshalJSON(b); err != nil {
		return err
	}
	v, ok := s.USD()
	if !ok {
		return ErrOverflow
	}
	*u = v
	return nil
}

// digits reads a run of at most limit decimal digits at the start of s.
func digits(s string, limit int) (value int64, n int, ok bool) {
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n == 0 || n > limit {
		return 0, n, false
	}
	value, err := strconv.ParseInt(s[:n], 10, 64)
	return value, n, err == nil
}

func parseParts(s string, wholeDigits int) (dollars, pico int64, err error) {
	dollars, n, ok := digits(s, wholeDigits)
	if !ok {
		return 0, 0, fmt.Errorf("%w: %q", ErrSyntax, s)
	}
	rest := s[n:]
	if rest == "" {
		return dollars, 0, nil
	}
	pico, n, ok = digits(strings.TrimPrefix(rest, "."), 12)
	if rest[0] != '.' || !ok || n != len(rest)-1 {
		return 0, 0, fmt.Errorf("%w: %q", ErrSyntax, s)
	}
	for range 12 - n {
		pico *= 10
	}
	return dollars, pico, nil
}
