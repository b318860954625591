package simulate

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// The scanner reads JSON in one pass, without building values: the simulator often shares its cores with what it is there to measure.
// It accepts what encoding/json accepts as valid. Positions are indexes into the text; a negative one means "not JSON".

const maxDepth = 1000

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skip returns the position behind the value that starts at i.
func skip(b []byte, i, depth int) int {
	if i >= len(b) || depth > maxDepth {
		return -1
	}
	switch c := b[i]; {
	case c == '"':
		return skipString(b, i)
	case c == '{':
		return members(b, i, depth, nil)
	case c == '[':
		return elements(b, i, depth, nil)
	case c == '-' || c >= '0' && c <= '9':
		return skipNumber(b, i)
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if len(b)-i >= len(word) && string(b[i:i+len(word)]) == word {
			return i + len(word)
		}
	}
	return -1
}

func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c < 0x20:
			return -1
		case c == '\\':
			if i++; i >= len(b) {
				return -1
			}
			switch b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				for range 4 {
					if i++; i >= len(b) || !hex(b[i]) {
						return -1
					}
				}
			default:
				return -1
			}
		}
	}
	return -1
}

func hex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func skipNumber(b []byte, i int) int {
	digits := func() bool {
		from := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		return i > from
	}
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i++; !digits() {
			return -1
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return -1
		}
	}
	return i
}

// members calls visit, if there is one, with the raw name (without quotes) and value of each member of the object at i.
func members(b []byte, i, depth int, visit func(name, value []byte)) int {
	if i = space(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1
	}
	for i < len(b) && b[i] == '"' {
		nameEnd := skipString(b, i)
		if nameEnd < 0 {
			return -1
		}
		name := b[i+1 : nameEnd-1]
		if i = space(b, nameEnd); i >= len(b) || b[i] != ':' {
			return -1
		}
		from := space(b, i+1)
		end := skip(b, from, depth+1)
		if end < 0 {
			return -1
		}
		if visit != nil {
			visit(name, b[from:end])
		}
		if i = space(b, end); i >= len(b) {
			return -1
		}
		if b[i] == '}' {
			return i + 1
		}
		if b[i] != ',' {
			return -1
		}
		i = space(b, i+1)
	}
	return -1
}

// elements calls visit, if there is one, with each raw element of the array at i.
func elements(b []byte, i, depth int, visit func(value []byte)) int {
	if i = space(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1
	}
	for i < len(b) {
		end := skip(b, i, depth+1)
		if end < 0 {
			return -1
		}
		if visit != nil {
			visit(b[i:end])
		}
		if i = space(b, end); i >= len(b) {
			return -1
		}
		if b[i] == ']' {
			return i + 1
		}
		if b[i] != ',' {
			return -1
		}
		i = space(b, i+1)
	}
	return -1
}

// object visits the members of a text that is one JSON object and nothing else, and reports whether it is.
func object(b []byte, visit func(name, value []byte)) bool {
	i := space(b, 0)
	if i >= len(b) || b[i] != '{' {
		return false
	}
	end := members(b, i, 0, visit)
	return end >= 0 && space(b, end) == len(b)
}

// text returns the string a raw JSON value stands for.
func text(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), true
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// whole returns a whole number written as one.
func whole(raw []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n, err == nil
}
