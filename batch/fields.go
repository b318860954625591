package batch

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// fields are the top-level values of a line, in order. The values are parts of the line.
type fields []field

type field struct {
	name  string
	value jsontext.Value
}

func (f fields) get(name string) (jsontext.Value, bool) {
	for i := range f {
		if f[i].name == name {
			return f[i].value, true
		}
	}
	return nil, false
}

// mostFields is how many top-level values a line may have for split to take it: looking for names that are there twice costs their square.
const mostFields = 32

// split takes a JSON object apart without looking into its values: those are read where they are used, and only there it shows whether they are JSON. ok is false
// for whatever is not plainly an object of different names; then [object] says what is wrong with it.
func split(line []byte, into fields) (_ fields, ok bool) {
	at := blank(line, 0)
	if at == len(line) || line[at] != '{' {
		return into, false
	}
	for first := true; ; first = false {
		at = blank(line, at+1)
		if at == len(line) || line[at] == '}' && !first || line[at] != '"' {
			return into, at < len(line) && line[at] == '}' && first && blank(line, at+1) == len(line)
		}
		end := stringEnd(line, at)
		if end < 0 || len(into) == mostFields {
			return into, false
		}
		name, ok := nameOf(line[at:end])
		if _, twice := into.get(name); twice || !ok {
			return into, false
		}
		if at = blank(line, end); at == len(line) || line[at] != ':' {
			return into, false
		}
		at = blank(line, at+1)
		if end = valueEnd(line, at); end < 0 {
			return into, false
		}
		into = append(into, field{name, line[at:end:end]})
		if at = blank(line, end); at == len(line) {
			return into, false
		}
		switch line[at] {
		case ',':
		case '}':
			return into, blank(line, at+1) == len(line)
		default:
			return into, false
		}
	}
}

// blank returns where the first byte at or after at is that is no white space.
func blank(line []byte, at int) int {
	for at < len(line) && (line[at] == ' ' || line[at] == '\t' || line[at] == '\n' || line[at] == '\r') {
		at++
	}
	return at
}

// stringEnd returns the end of the string that begins at at, or -1.
func stringEnd(line []byte, at int) int {
	for from := at + 1; ; {
		i := bytes.IndexByte(line[from:], '"')
		if i < 0 {
			return -1
		}
		quote := from + i
		slashes := 0
		for line[quote-1-slashes] == '\\' { // ends at the opening quote
			slashes++
		}
		if from = quote + 1; slashes%2 == 0 {
			return from
		}
	}
}

// valueEnd returns the end of the value that begins at at, or -1. Brackets are counted, whatever they are: whoever reads the value sees whether they match.
func valueEnd(line []byte, at int) int {
	if at == len(line) {
		return -1
	}
	if line[at] == '"' {
		return stringEnd(line, at)
	}
	if line[at] != '{' && line[at] != '[' {
		end := at
		for end < len(line) && !bytes.ContainsRune([]byte(" \t\r\n,}]{[\":"), rune(line[end])) {
			end++
		}
		if end == at {
			return -1
		}
		return end
	}
	for depth := 0; at < len(line); {
		switch line[at] {
		case '"':
			if at = stringEnd(line, at); at < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if at++; depth == 0 {
			return at
		}
	}
	return -1
}

// knownNames are those that nearly every line has; they cost no memory of their own.
var knownNames = []string{"custom_id", "method", "url", "body", "id", "model", "prompt", "system", "messages", "max_tokens", "temperature"}

// nameOf decodes a name.
func nameOf(quoted []byte) (string, bool) {
	inner := quoted[1 : len(quoted)-1]
	if i := slices.IndexFunc(knownNames, func(known string) bool { return known == string(inner) }); i >= 0 {
		return knownNames[i], true
	}
	b, err := jsontext.AppendUnquote(nil, quoted)
	return string(b), err == nil
}
