package cli

import (
	"strings"
	"unicode"
)

// visible replaces what would steer a terminal instead of being shown on it, such as escape sequences in the words of a provider or in a name.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
