package redact

import (
	"math/rand/v2"
	"strings"
)

// made returns n characters that look generated, the same ones in every run. Nothing that looks like a
// credential is written into the source: scanners of repositories would rightly complain.
func made(n int) string { return from("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789", n) }

func madeHex(n int) string { return from("0123456789abcdef", n) }

func madeUpper(n int) string { return from("ABCDEFGHJKLMNPQRSTUVWXYZ234567", n) }

func from(alphabet string, n int) string {
	rng := rand.New(rand.NewPCG(7, uint64(n)))
	b := make([]byte, n)
	for k := range b {
		b[k] = alphabet[rng.IntN(len(alphabet))]
	}
	b[n/2] = '7' // a digit in every one
	return string(b)
}

// cardWith returns a card number of n digits that begins with prefix and has the right check digit.
func cardWith(prefix string, n int) string {
	d := []byte(prefix + from("0123456789", n)[:n-len(prefix)])
	for c := byte('0'); c <= '9'; c++ {
		d[n-1] = c
		if luhn(d) {
			break
		}
	}
	return string(d)
}

func spaced(digits, sep string, sizes ...int) string {
	var parts []string
	for _, n := range sizes {
		parts = append(parts, digits[:n])
		digits = digits[n:]
	}
	return strings.Join(parts, sep)
}

// keyBlockOf returns a made-up private key in the PEM frame.
func keyBlockOf(kind string) string {
	line := made(64) + "\n"
	return "-----BEGIN " + kind + "-----\n" + line + line + made(20) + "=\n-----END " + kind + "-----"
}

// jwt returns a made-up JSON web token.
func jwt() string { return "eyJ" + made(30) + ".eyJ" + made(60) + "." + made(43) }
