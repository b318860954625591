// Package money is exact money for model calls: integers of pico-dollars, never floats.
//
// A price of a model is often less than a millionth of a dollar per token, so the unit is the
// pico-dollar (1e-12 USD). Two types share it:
//
//   - [USD] is an int64 and serves single amounts: the price of a call, a hold, a lease. It reaches
//     about 9.2 million dollars.
//   - [Sum] is a pair (whole dollars, pico-dollars) and serves limits and totals, which may grow
//     past what an int64 of pico-dollars holds.
//
// Arithmetic reports overflow instead of wrapping. Text is decimal without sign, exponent or blanks,
// in [Parse] and in String alike, so what is printed can be read back to the last digit.
package money
