package mask

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// edit replaces text[start:end].
type edit struct {
	start, end int
	with       []byte
	entry      *entry // its placeholder, with what is in with on both sides
}

func (e *edit) appendTo(dst []byte) []byte {
	dst = append(dst, e.with...)
	if e.entry == nil {
		return dst
	}
	return append(append(dst, e.entry.placeholder...), e.with...)
}

// apply makes edits, which are in order. Without any it returns the same slice.
func apply(doc []byte, edits []edit) []byte {
	if len(edits) == 0 {
		return doc
	}
	out := make([]byte, 0, len(doc)+16*len(edits))
	at := 0
	for i := range edits {
		out = edits[i].appendTo(append(out, doc[at:edits[i].start]...))
		at = edits[i].end
	}
	return append(out, doc[at:]...)
}

// unquoted returns the text of a JSON string literal, which is valid until the literal changes.
func unquoted(literal []byte) []byte {
	if inner := literal[1 : len(literal)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return inner
	}
	text, _ := jsontext.AppendUnquote(nil, literal) // halves of surrogate pairs become U+FFFD
	return text
}

// inLiteral turns edits of the text of a literal into edits of the document in which the literal begins at a place. What is not edited keeps its escapes.
func inLiteral(dst []edit, literal []byte, place int, edits []edit) []edit {
	raw, seen := 1, 0 // the same place in the literal and in its text
	advance := func(to int) int {
		for seen < to {
			n, size := unit(literal[raw:])
			raw, seen = raw+n, seen+size
		}
		return place + raw
	}
	for _, e := range edits {
		e.start, e.end = advance(e.start), advance(e.end)
		quoted, _ := jsontext.AppendQuote(nil, e.with)
		e.with = quoted[1 : len(quoted)-1]
		dst = append(dst, e)
	}
	return dst
}

// unit returns the length of the next character of a literal and of what it stands for.
func unit(raw []byte) (n, size int) {
	if raw[0] != '\\' {
		if raw[0] < utf8.RuneSelf {
			return 1, 1
		}
		r, n := utf8.DecodeRune(raw)
		return n, utf8.RuneLen(r) // of U+FFFD if it is none
	}
	if raw[1] != 'u' {
		return 2, 1
	}
	n = 6
	if bytes.HasPrefix(raw[6:], []byte(`\u`)) {
		n = 12
	}
	text, _ := jsontext.AppendUnquote(nil, append(append([]byte{'"'}, raw[:n]...), '"'))
	if r, size := utf8.DecodeRune(text); n == 6 || r > 0xffff { // a pair
		return n, size
	}
	text, _ = jsontext.AppendUnquote(nil, append(append([]byte{'"'}, raw[:6]...), '"'))
	return 6, len(text)
}
