package usage

import (
	"bytes"
	"fmt"
)

// deepestBody is how deep objects and lists may be nested in a body. Providers' own readers stop at 128 to 1,024, and to go deeper costs
// time that has nothing to do with the length of the body.
const deepestBody = 1000

var errTooDeep = fmt.Errorf("the body is nested deeper than %d", deepestBody)

// tooDeep reports whether the first object or list in data is nested deeper than deepestBody. It looks at brackets outside of texts and at nothing else,
// which takes a small part of the time of reading it.
func tooDeep(data []byte) bool {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			if depth++; depth > deepestBody {
				return true
			}
		case '}', ']':
			if depth--; depth <= 0 {
				return false
			}
		case '"':
			i = endOfText(data, i)
		}
	}
	return false
}

// endOfText returns where the text that begins at start ends; the end of the data if it does not.
func endOfText(data []byte, start int) int {
	for i := start; ; {
		next := bytes.IndexByte(data[i+1:], '"')
		if next < 0 {
			return len(data)
		}
		i += 1 + next
		escapes := 0
		for i-1-escapes > start && data[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i
		}
	}
}
