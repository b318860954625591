package money_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/money"
)

func TestParse(t *testing.T) {
	t.Parallel()
	good := map[string]money.USD{
		"0": 0, "0.25": 250_000_000_000, "10.00": 10 * money.Dollar, "007": 7 * money.Dollar,
		"0.000000000001": 1, "9223372.036854775807": money.Max,
	}
	for text, want := range good {
		if got, err := money.Parse(text); err != nil || got != want {
			t.Errorf("Parse(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", " ", "-1", "+1", "1e3", ".5", "5.", "1,5", "0x1", "12345678", "0.0000000000001",
		" 1", "1 ", "NaN", "Inf", "1..2", "1.2.3", "1_000", "١", "$1", "--1", "1.-2",
	} {
		if got, err := money.Parse(text); !errors.Is(err, money.ErrSyntax) {
			t.Errorf("Parse(%q) = %v, %v; want ErrSyntax", text, got, err)
		}
	}
	if _, err := money.Parse("9999999"); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("Parse above Max: %v", err)
	}
	if s, err := money.ParseSum("9999999.999999999999"); err != nil || s.String() != "9999999.999999999999" {
		t.Errorf("ParseSum of the largest limit = %v, %v", s, err)
	}
}

func TestArithmeticReportsOverflow(t *testing.T) {
	t.Parallel()
	_, add := money.Max.Add(1)
	_, sub := (-money.Max).Add(-money.Max)
	_, mul := money.Dollar.Mul(9_223_373)
	_, neg := money.Dollar.Mul(-1)
	_, ratio := money.Max.MulRatio(2, 1)
	for name, err := range map[string]error{"add": add, "sub": sub, "mul": mul, "negative": neg, "ratio": ratio} {
		if !errors.Is(err, money.ErrOverflow) {
			t.Errorf("%s: got %v, want ErrOverflow", name, err)
		}
	}
}

// Sums must agree with arbitrary-precision integers whatever the order of operations.
func TestSumAgreesWithBigInt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s money.Sum
		want := new(big.Int)
		for _, u := range rapid.SliceOf(rapid.Int64Range(-int64(money.Max), int64(money.Max))).Draw(t, "amounts") {
			if rapid.Bool().Draw(t, "subtract") {
				s = s.Sub(money.USD(u))
				want.Sub(want, big.NewInt(u))
			} else {
				s = s.Add(money.USD(u))
				want.Add(want, big.NewInt(u))
			}
			got := new(big.Int).Mul(big.NewInt(s.Dollars), big.NewInt(int64(money.Dollar)))
			got.Add(got, big.NewInt(s.Pico))
			if got.Cmp(want) != 0 || s.Pico < 0 || s.Pico >= int64(money.Dollar) {
				t.Fatalf("got %v (%+v), want %v", got, s, want)
			}
			if u, ok := s.USD(); ok && (money.SumOf(u) != s || !want.IsInt64()) {
				t.Fatalf("USD of %+v = %v", s, u)
			}
		}
		var back money.Sum
		if b, err := json.Marshal(s); err != nil || json.Unmarshal(b, &back) != nil || back != s {
			t.Fatalf("%v reads back as %v", s, back)
		}
	})
}

func TestMulRatioRoundsUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		u := rapid.Int64Range(0, int64(money.Max)).Draw(t, "u")
		num := rapid.Int64Range(0, 1000).Draw(t, "num")
		den := rapid.Int64Range(1, 1000).Draw(t, "den")
		want := new(big.Int).Mul(big.NewInt(u), big.NewInt(num))
		want.Add(want, big.NewInt(den-1)).Div(want, big.NewInt(den))
		got, err := money.USD(u).MulRatio(num, den)
		if want.IsInt64() != (err == nil) || (err == nil && want.Int64() != int64(got)) {
			t.Fatalf("%d × %d ÷ %d = %v, %v; want %v", u, num, den, got, err, want)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"0", "1.5", "9999999.999999999999", "1e9", "-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := money.ParseSum(text)
		if err != nil {
			return
		}
		again, err := money.ParseSum(s.String())
		if err != nil || again != s {
			t.Fatalf("%q reads as %v and again as %v, %v", text, s, again, err)
		}
	})
}

func ExampleParse() {
	limit, _ := money.Parse("0.10")
	call, _ := money.Parse("0.000054399")
	fmt.Println(limit-call, "left")
	// Output: 0.099945601 left
}
