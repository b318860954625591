package config

import "strconv"

// Limit is a limit of a model: a positive number, [None] where the operator lifted it, or [Unset]
// where nothing was said and a default holds.
type Limit int64

// The two limits that are not numbers.
const (
	Unset Limit = 0
	None  Limit = -1
)

// IsSet reports whether the operator said anything, none included.
func (l Limit) IsSet() bool { return l != Unset }

// Value returns the number, and false for [None] and [Unset].
func (l Limit) Value() (int64, bool) {
	if l <= 0 {
		return 0, false
	}
	return int64(l), true
}

// Or returns l, or other where l is [Unset].
func (l Limit) Or(other Limit) Limit {
	if l == Unset {
		return other
	}
	return l
}

// String returns the limit as the configuration writes it, and "" for [Unset].
func (l Limit) String() string {
	switch {
	case l > 0:
		return strconv.FormatInt(int64(l), 10)
	case l == None:
		return "none"
	default:
		return ""
	}
}
