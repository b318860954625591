package money

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Sum is a total or a limit in US dollars: Dollars whole dollars and Pico pico-dollars, where
// 0 ≤ Pico < 1e12 for negative totals too (−0.25 is {-1, 750000000000}). The zero value is no money; Sums compare with ==. It is a plain value and safe to share.
type Sum struct {
	Dollars int64
	Pico    int64
}

// Unlimited is the limit of an account that has none: the largest limit there is, handled by the
// same code as any other.
var Unlimited = Sum{Dollars: math.MaxInt64 / 4}

// ParseSum reads US dollars as [Parse] does, up to 9999999.999999999999.
func ParseSum(s string) (Sum, error) {
	d, p, err := parseParts(s, 7)
	return Sum{d, p}, err
}

// SumOf returns u as a Sum.
func SumOf(u USD) Sum {
	s := Sum{int64(u / Dollar), int64(u % Dollar)}
	return s.normal()
}

func (s Sum) normal() Sum {
	if s.Pico >= int64(Dollar) {
		s.Pico -= int64(Dollar)
		s.Dollars++
	} else if s.Pico < 0 {
		s.Pico += int64(Dollar)
		s.Dollars--
	}
	return s
}

// Plus returns s + t. Totals of real money cannot overflow it: that takes 2⁶³ dollars.
func (s Sum) Plus(t Sum) Sum { return Sum{s.Dollars + t.Dollars, s.Pico + t.Pico}.normal() }

// Minus returns s − t, which may be negative.
func (s Sum) Minus(t Sum) Sum { return Sum{s.Dollars - t.Dollars, s.Pico - t.Pico}.normal() }

// Add returns s + u.
func (s Sum) Add(u USD) Sum { return s.Plus(SumOf(u)) }

// Sub returns s − u.
func (s Sum) Sub(u USD) Sum { return s.Minus(SumOf(u)) }

// Cmp compares s with t and returns −1, 0 or +1.
func (s Sum) Cmp(t Sum) int {
	if c := cmp.Compare(s.Dollars, t.Dollars); c != 0 {
		return c
	}
	return cmp.Compare(s.Pico, t.Pico)
}

// Negative reports whether s is below zero.
func (s Sum) Negative() bool { return s.Dollars < 0 }

// IsUnlimited reports whether s stands for no limit.
func (s Sum) IsUnlimited() bool { return s.Cmp(Unlimited) >= 0 }

// USD returns s as a single amount, and false where it does not fit an int64 of pico-dollars.
func (s Sum) USD() (USD, bool) {
	const whole = math.MaxInt64 / int64(Dollar)
	if s.Dollars >= whole || s.Dollars < -whole {
		if s.Dollars == whole && s.Pico <= math.MaxInt64%int64(Dollar) {
			return USD(s.Dollars*int64(Dollar) + s.Pico), true
		}
		return 0, false
	}
	return USD(s.Dollars*int64(Dollar) + s.Pico), true
}

// Clamp returns s as a single amount, cut to 0…[Max]: what a hold can at most draw from a remainder of s.
func (s Sum) Clamp() USD {
	if s.Negative() {
		return 0
	}
	if u, ok := s.USD(); ok {
		return u
	}
	return Max
}

// String returns s in dollars as decimal text without trailing zeros, or "unlimited".
func (s Sum) String() string {
	if s.IsUnlimited() {
		return "unlimited"
	}
	var room [40]byte
	b := room[:0]
	if s.Negative() {
		b, s = append(b, '-'), Sum{}.Minus(s)
	}
	b = strconv.AppendInt(b, s.Dollars, 10)
	if s.Pico == 0 {
		return string(b)
	}
	b = append(b, '.')
	for unit := int64(Dollar) / 10; s.Pico > 0; unit /= 10 { // no zeros at the end
		b = append(b, '0'+byte(s.Pico/unit%10)) // #nosec G115 -- a digit
		s.Pico %= unit
	}
	return string(b)
}

// MarshalJSON writes the dollars as a JSON string, and null for no limit.
func (s Sum) MarshalJSON() ([]byte, error) {
	if s.IsUnlimited() {
		return []byte("null"), nil
	}
	return []byte(`"` + s.String() + `"`), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Sum) UnmarshalJSON(b []byte) error {
	text := string(b)
	if text == "null" {
		*s = Unlimited
		return nil
	}
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return fmt.Errorf("%w: %s", ErrSyntax, text)
	}
	text = text[1 : len(text)-1]
	unsigned, negative := strings.CutPrefix(text, "-")
	d, p, err := parseParts(unsigned, 18)
	if err != nil {
		return err
	}
	*s = Sum{d, p}
	if negative {
		*s = Sum{}.Minus(*s)
	}
	return nil
}
