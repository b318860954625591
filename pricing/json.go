package pricing

import (
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/andres20980/aurea-orchestrator/money"
)

// number reads a price from a JSON number, or from the text of one in a string.
func number(raw jsontext.Value, shift int) (money.USD, error) {
	switch raw.Kind() {
	case '0':
		return pico(string(raw), shift)
	case '"':
		s, _ := text(raw)
		return pico(s, shift)
	default:
		return 0, fmt.Errorf("%w, not %s", errNumber, raw)
	}
}

// whole reads a count; what is no whole number is not known.
func whole(raw jsontext.Value) int64 {
	s := string(raw)
	if t, ok := text(raw); ok {
		s = t
	}
	v, err := pico(s, 0)
	if err != nil || v > 1e12 {
		return 0
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	return int64(v)
}
