package mask

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// Answer returns an answer with the values put back, in the same slice if there is nothing to put back. An answer that is not JSON is taken for text.
func (m *Map) Answer(body []byte) []byte {
	if m == nil || !m.mentions(body) {
		return body
	}
	out, err := m.texts(body)
	if err != nil {
		edits, _ := m.scan(&text{}, body, true)
		return apply(body, edits)
	}
	return out
}

// texts puts the values back into the texts of a document.
func (m *Map) texts(doc []byte) ([]byte, error) {
	var edits []edit
	err := literals(doc, func(literal []byte, start int) {
		if inner, _ := m.scan(&text{}, unquoted(literal), true); len(inner) > 0 {
			edits = inLiteral(edits, literal, start, inner)
		}
	})
	if err != nil {
		return nil, err
	}
	return apply(doc, edits), nil
}

// literals calls each with every string of a document, names included, and where it begins.
func literals(doc []byte, each func(literal []byte, start int)) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(doc), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	for depth, first := 0, true; first || depth > 0; first = false {
		switch dec.PeekKind() {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			literal, err := dec.ReadValue()
			if err != nil {
				return err
			}
			each(literal, int(dec.InputOffset())-len(literal))
			continue
		}
		if _, err := dec.ReadToken(); err != nil {
			return err
		}
	}
	return nil
}
