// Cases for semgrep; never built.
//go:build never

package rules

// ok: weak-random
import (
	"crypto/rand"

	// ruleid: weak-random
	mathrand "math/rand/v2"
)

func bad() uint64 { return mathrand.Uint64() }

func good() string { return rand.Text() }
