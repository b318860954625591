package simulate

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Price is what one token costs, in pico-dollars (1e-12 USD). In JSON it is in dollars per million tokens, as decimal text:
// {"input":"0.15","output":"0.60"}. A CacheRead or CacheWrite of 0 costs as much as input.
type Price struct {
	Input, Output         int64
	CacheRead, CacheWrite int64
}

// maxPrice is a dollar per token.
const maxPrice = picoPerDollar

const picoPerDollar = 1_000_000_000_000

// PerMillion returns a price from dollars per million tokens as decimal text, such as "0.15". It must come to whole pico-dollars per token.
func PerMillion(input, output string) (p Price, err error) {
	if p.Input, err = perMillion(input); err != nil {
		return p, err
	}
	p.Output, err = perMillion(output)
	return p, err
}

// perMillion moves the point by six places: a dollar per million tokens is 1,000,000 pico-dollars per token.
func perMillion(s string) (int64, error) {
	whole, part, _ := strings.Cut(s, ".")
	part = strings.TrimRight(part, "0")
	if s == "" || len(part) > 6 {
		return 0, fmt.Errorf("price %q: want dollars per million tokens with at most 6 digits after the point, such as \"0.15\"", s)
	}
	n, err := strconv.ParseUint(whole+part+strings.Repeat("0", 6-len(part)), 10, 63)
	if err != nil || n > maxPrice {
		return 0, fmt.Errorf("price %q: want dollars per million tokens, such as \"0.15\", at most 1000000", s)
	}
	return int64(n), nil
}

func perMillionText(pico int64) string {
	s := fmt.Sprintf("%d.%06d", pico/1_000_000, pico%1_000_000)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

type priceJSON struct {
	Input      string `json:"input"`
	Output     string `json:"output"`
	CacheRead  string `json:"cache_read,omitempty"`
	CacheWrite string `json:"cache_write,omitempty"`
}

func (p Price) wire() priceJSON {
	w := priceJSON{Input: perMillionText(p.Input), Output: perMillionText(p.Output)}
	if p.CacheRead != 0 {
		w.CacheRead = perMillionText(p.CacheRead)
	}
	if p.CacheWrite != 0 {
		w.CacheWrite = perMillionText(p.CacheWrite)
	}
	return w
}

func (w priceJSON) price() (p Price, err error) {
	for _, f := range []struct {
		to   *int64
		text string
	}{{&p.Input, w.Input}, {&p.Output, w.Output}, {&p.CacheRead, w.CacheRead}, {&p.CacheWrite, w.CacheWrite}} {
		if f.text == "" {
			continue
		}
		if *f.to, err = perMillion(f.text); err != nil {
			return p, err
		}
	}
	return p, nil
}

// of returns what usage costs.
func (p Price) of(u tokens) money {
	read, write := p.CacheRead, p.CacheWrite
	if read == 0 {
		read = p.Input
	}
	if write == 0 {
		write = p.Input
	}
	var m money
	m.addTokens(u.input, p.Input)
	m.addTokens(u.cacheRead, read)
	m.addTokens(u.cacheWrite, write)
	m.addTokens(u.output, p.Output)
	return m
}

// money is an exact sum.
type money struct{ dollars, pico int64 }

// addTokens adds count times price. Neither is negative; count is below 2^60, price at most maxPrice.
func (m *money) addTokens(count, price int64) {
	hi, lo := bits.Mul64(uint64(count), uint64(price)) // #nosec G115 -- not negative
	d, p := bits.Div64(hi, lo, picoPerDollar)
	m.add(money{int64(d), int64(p)}) // #nosec G115 -- below 2^60, below 1e12
}

func (m *money) add(o money) {
	m.dollars += o.dollars
	if m.pico += o.pico; m.pico >= picoPerDollar {
		m.pico -= picoPerDollar
		m.dollars++
	}
}

// text writes dollars as decimal text, without needless zeros.
func (m money) text() string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%d.%012d", m.dollars, m.pico), "0"), ".")
}

// picoText writes the whole sum in pico-dollars.
func (m money) picoText() string {
	if m.dollars == 0 {
		return strconv.FormatInt(m.pico, 10)
	}
	return fmt.Sprintf("%d%012d", m.dollars, m.pico)
}
