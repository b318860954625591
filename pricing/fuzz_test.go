package pricing

import (
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
)

// What is read of a number is the smallest whole number that is not below it: a price is never too low.
func FuzzPico(f *testing.F) {
	for _, seed := range []string{"0", "2.5", "1.5e-07", "1e-900", "0e-999", "9223372036854775807", "9223372036854775808", "1e19", "00.10", ".5", "5.", "1e+3", "1E1", "1e1000"} {
		f.Add(seed, 6)
	}
	f.Fuzz(func(t *testing.T, text string, shift int) {
		if shift < 0 || shift > perUnit {
			return
		}
		got, err := pico(text, shift)
		if err != nil {
			if !errors.Is(err, errNumber) && !errors.Is(err, money.ErrOverflow) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%q is a number only to us", text)
		}
		exact.Mul(exact, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(shift)), nil)))
		read := new(big.Rat).SetInt64(int64(got))
		below := new(big.Rat).Sub(read, big.NewRat(1, 1))
		if read.Cmp(exact) < 0 || below.Cmp(exact) >= 0 {
			t.Fatalf("%q times 10^%d is read as %d", text, shift, got)
		}
	})
}

// A table is read whole or not at all, and what it gives out is a price.
func FuzzBuiltin(f *testing.F) {
	row := `{"provider":"p","names":["m","n"],"context":10,"prices":[{"from":"","rates":{"input":"1","output":"2"}},{"from":"2026-01-02","rates":{"input":"3"},"long":[{"over":5,"rates":{"output":"4"}}]}]}`
	f.Add(`{"rows":[`+row+`]}`, `{"rows":[{"provider":"p","names":["m"],"patch":true,"source":"s","half":["batch"],"geo":{"us":"1.1"}}]}`)
	f.Add(`{"rows":[`+row+`,`+row+`]}`, `{"rows":[]}`)
	f.Add(`{"a":1,"rows":[{"names":["m"],"prices":[{"rates":{"input":"-1"}}]}]}`, `[]`)
	f.Fuzz(func(t *testing.T, prices, overlay string) {
		table, err := readBuiltin([]byte(prices), []byte(overlay))
		if err != nil {
			return
		}
		table.Lint()
		for _, key := range table.Models("") {
			provider, model, _ := strings.Cut(key, "/")
			for _, at := range []time.Time{{}, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)} {
				p, err := table.Lookup(provider, model, at)
				if err != nil {
					if _, is := errors.AsType[*UnknownPriceError](err); !is {
						t.Fatalf("%s: %v", key, err)
					}
					continue
				}
				for d := range dimensions {
					if v, ok := p.For("", 0).Get(d); ok && v < 0 {
						t.Fatalf("%s costs %s for %s", key, v, d)
					}
				}
			}
		}
	})
}

// Whatever a model is called, looking it up twice gives the same, an operator's price goes before all others, and no model is free by chance.
func FuzzLookup(f *testing.F) {
	for _, seed := range []string{"gpt-4o", "openai/gpt-4o-2024-08-06", "ft:gpt-4o:org::id", "claude-3-5-sonnet@20241022", "", "/", "a/b/c", "ft:", "-2024-01-01"} {
		f.Add("openai", seed, int64(2_500_000_000_000))
	}
	table := Embedded()
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, provider, model string, perMillion int64) {
		p, err := table.Lookup(provider, model, now)
		again, errAgain := table.Lookup(provider, model, now)
		if (err == nil) != (errAgain == nil) || p.Hash != again.Hash || p.Match != again.Match {
			t.Fatalf("%s/%s: %+v, %v and then %+v, %v", provider, model, p, err, again, errAgain)
		}
		if err == nil {
			if v, known := p.Rates.Get(Input); p.Free || known && v <= 0 {
				t.Fatalf("%s/%s is free: %+v", provider, model, p)
			}
		}
		if perMillion <= 0 || model == "" {
			return
		}
		dollars := money.USD(perMillion)
		said := table.WithOverrides(map[string]Override{model: {Input: &dollars, Output: &dollars}})
		p, err = said.Lookup(provider, model, now)
		if err != nil {
			t.Fatalf("%s/%s with the operator's price: %v", provider, model, err)
		}
		want := money.USD((perMillion-1)/1_000_000 + 1)
		if in, _ := p.For("", 0).Get(Input); in != want || p.Free {
			t.Fatalf("%s/%s costs %d a token, want %d", provider, model, in, want)
		}
	})
}
