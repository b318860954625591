// Cases for semgrep; never built.
//go:build never

package rules

import "strconv"

type price struct {
	// ruleid: money-float
	perToken float64
}

func bad(count int64, dear string) int64 {
	// ruleid: money-float
	rate, _ := strconv.ParseFloat(dear, 64)
	// ruleid: money-float
	return int64(float64(count) * rate)
}

func good(count, picoDollars int64) int64 {
	// ok: money-float
	return count * picoDollars
}
