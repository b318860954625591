package pricing

import (
	"math/big"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/money"
)

func TestPico(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		shift int
		want  money.USD
	}{
		{"2.5", perMillion, 2_500_000},
		{"0.075", perMillion, 75_000},
		{"0.0025", perMillion, 2_500},
		{"1.5e-07", perUnit, 150_000},
		{"1.25E-6", perUnit, 1_250_000},
		{"0.000000075", perUnit, 75_000},
		{"2.5e-9", perUnit, 2_500},
		{"10", perThousand, 10_000_000_000},
		{"0", perUnit, 0},
		{"0.0", perUnit, 0},
		{"0e-999", perUnit, 0},
		{"1e-13", perUnit, 1},  // rounded up
		{"1e-900", perUnit, 1}, // however little
		{"0.39999999999999997e-6", perUnit, 400_000},
		{"1.0000000000000001", 0, 2},
		{"9223372036854775807", 0, money.Max},
	} {
		if got, err := pico(c.text, c.shift); err != nil || got != c.want {
			t.Errorf("pico(%q, %d) = %d, %v; want %d", c.text, c.shift, got, err, c.want)
		}
	}
	for _, bad := range []string{"", "-1", "+1", ".5", "5.", "1e", "1e1000", "1_0", " 1", "0x1", "NaN", "1.2.3", "9223372036854775808", "1e30"} {
		if got, err := pico(bad, 0); err == nil {
			t.Errorf("pico(%q) = %d, want an error", bad, got)
		}
	}
}

// What pico returns is the smallest integer that is not below the exact value.
func TestPicoIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := strconv.FormatInt(rapid.Int64Range(0, 999_999).Draw(t, "whole"), 10)
		if rapid.Bool().Draw(t, "point") {
			text += "." + rapid.StringMatching(`[0-9]{1,20}`).Draw(t, "fraction")
		}
		if rapid.Bool().Draw(t, "exponent") {
			text += "e" + strconv.Itoa(rapid.IntRange(-30, 3).Draw(t, "e"))
		}
		shift := rapid.SampledFrom([]int{0, perMillion, perThousand}).Draw(t, "shift")
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%q is no number", text)
		}
		exact.Mul(exact, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(shift)), nil)))
		up := new(big.Int).Div(new(big.Int).Add(exact.Num(), new(big.Int).Sub(exact.Denom(), big.NewInt(1))), exact.Denom())
		got, err := pico(text, shift)
		if !up.IsInt64() {
			if err == nil {
				t.Fatalf("pico(%q, %d) = %d, want an overflow", text, shift, got)
			}
			return
		}
		if err != nil || int64(got) != up.Int64() {
			t.Fatalf("pico(%q, %d) = %d, %v; want %s", text, shift, got, err, up)
		}
	})
}

func TestRatio(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Ratio{"1.1": {11, 10}, "6": {6, 1}, "6.0": {60, 10}, "0.5": {5, 10}, "1e1": {10, 1}} {
		if got, err := ratio(text); err != nil || got != want {
			t.Errorf("ratio(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, bad := range []string{"0", "-1", "", "x", "1e9", "0.0000000001"} {
		if got, err := ratio(bad); err == nil {
			t.Errorf("ratio(%q) = %v, want an error", bad, got)
		}
	}
}
