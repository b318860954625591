package batch

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// builder writes a JSON object.
type builder struct{ buf []byte }

func (b *builder) name(name string) {
	if len(b.buf) == 0 {
		b.buf = append(b.buf, '{')
	} else {
		b.buf = append(b.buf, ',')
	}
	b.text(name)
	b.buf = append(b.buf, ':')
}

// field writes a value that is JSON already.
func (b *builder) field(name string, value []byte) {
	b.name(name)
	b.buf = append(b.buf, value...)
}

func (b *builder) close() []byte { return append(b.buf, '}') }

func (b *builder) text(s string) {
	q, err := jsontext.AppendQuote(b.buf, s)
	if err != nil { // s is not UTF-8; what came from JSON always is
		q, _ = jsontext.AppendQuote(b.buf, strings.ToValidUTF8(s, "\uFFFD"))
	}
	b.buf = q
}

func quote(s string) []byte {
	var b builder
	b.text(s)
	return b.buf
}
