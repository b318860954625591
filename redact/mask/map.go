package mask

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Map knows which placeholder stands for what. The nil Map has none.
type Map struct {
	entries    []*entry // in the order of their placeholders as texts
	prefixes   [][]byte // "EMAIL_" and so on, of those there are
	longest    int      // placeholder
	found      []Found
	unmaskable []Found
}

// entry is a value and what stands for it.
type entry struct {
	kind, value, placeholder string
	grows                    bool // it stands only in the part of a request that grows from turn to turn
}

// Found says what was found of a type in one part of a request, never the value.
type Found struct {
	// Type is as package redact names it: EMAIL, KEY.
	Type string
	// Place is the part of the request: "messages[2]", "instructions".
	Place string
	// Count is how many there are, each time that a value stands there.
	Count int
}

// Found returns what was found, in the order of the request.
func (m *Map) Found() []Found {
	if m == nil {
		return nil
	}
	return m.found
}

// Unmaskable returns what was found in addresses that the provider is to fetch, and left there. Such a request should not be sent.
func (m *Map) Unmaskable() []Found {
	if m == nil {
		return nil
	}
	return m.unmaskable
}

// Values returns how many different values were masked.
func (m *Map) Values() int {
	if m == nil {
		return 0
	}
	return len(m.entries)
}

// named gives the entries their placeholders, past those that stand in the request already. What does not grow from turn to turn comes first, wherever its author wrote it.
func named(entries []*entry, taken map[string]bool) {
	last := make(map[string]int)
	for _, grows := range []bool{false, true} {
		for _, e := range entries {
			for e.grows == grows && (e.placeholder == "" || taken[e.placeholder]) {
				last[e.kind]++
				e.placeholder = "[" + e.kind + "_" + strconv.Itoa(last[e.kind]) + "]"
			}
		}
	}
}

// newMap takes entries that have placeholders.
func newMap(entries []*entry, found, unmaskable []Found) *Map {
	m := &Map{entries: slices.Clone(entries), found: found, unmaskable: unmaskable}
	slices.SortFunc(m.entries, func(a, b *entry) int { return strings.Compare(a.placeholder, b.placeholder) })
	for _, e := range m.entries {
		m.longest = max(m.longest, len(e.placeholder))
		if prefix := []byte(e.kind + "_"); !slices.ContainsFunc(m.prefixes, func(p []byte) bool { return bytes.Equal(p, prefix) }) {
			m.prefixes = append(m.prefixes, prefix)
		}
	}
	return m
}

// mentions reports whether there may be a placeholder in the bytes of an answer.
func (m *Map) mentions(p []byte) bool {
	return slices.ContainsFunc(m.prefixes, func(prefix []byte) bool { return bytes.Contains(p, prefix) })
}

// at looks for a placeholder at the beginning of text. If there is none, more says that one may come with more text.
func (m *Map) at(text []byte) (e *entry, more bool) {
	head := text[:min(len(text), m.longest)]
	i, _ := slices.BinarySearchFunc(m.entries, head, func(e *entry, head []byte) int { return strings.Compare(e.placeholder, string(head)) })
	if i < len(m.entries) && strings.HasPrefix(m.entries[i].placeholder, string(head)) && len(m.entries[i].placeholder) > len(text) {
		return nil, true
	}
	end := bytes.IndexByte(head, ']') + 1
	if end == 0 {
		return nil, false
	}
	i, ok := slices.BinarySearchFunc(m.entries, head[:end], func(e *entry, head []byte) int { return strings.Compare(e.placeholder, string(head)) })
	if !ok {
		return nil, false
	}
	return m.entries[i], false
}

// text says where a text is that comes in pieces, as far as it bears on how a value is written there.
type text struct {
	begun bool // past its white space
	list  bool // it began with a bracket, which may be JSON's
	json  bool // it is JSON as far as can be seen
	str   bool // within a string of that
	esc   bool // the next byte belongs to an escape
	after bool // a string has just ended
}

// scan finds the placeholders in p, which follows what t has seen, and returns what to write in their place. What follows p[:kept] must be seen again with more of the
// text; whole says that there is no more.
func (m *Map) scan(t *text, p []byte, whole bool) (edits []edit, kept int) {
	for i := 0; i < len(p); {
		if p[i] == '[' {
			e, more := m.at(p[i:])
			if more && !whole {
				return edits, i
			}
			if e != nil {
				t.begun, t.esc = true, false
				edits = append(edits, edit{start: i, end: i + len(e.placeholder), with: t.write(e.value)})
				i += len(e.placeholder)
				continue
			}
		}
		t.step(p[i])
		i++
	}
	return edits, len(p)
}

func (t *text) step(c byte) {
	blank := c == ' ' || c == '\n' || c == '\t' || c == '\r'
	switch {
	case !t.begun && !blank:
		t.begun, t.json, t.list = true, c == '{', c == '['
	case t.list && !blank && c != '[':
		t.list, t.json, t.str = false, c == '{' || c == '"', c == '"'
	case !t.json:
	case t.esc:
		t.esc = false
	case t.str:
		t.esc, t.after, t.str = c == '\\', c == '"', c != '"'
		t.json = c >= ' '
	case blank:
	case c == '"':
		t.str, t.json = true, !t.after
	default:
		t.json = !t.after || strings.IndexByte(",:}]", c) >= 0
		t.after = false
	}
}

// write returns a value as it is written here.
func (t *text) write(value string) []byte {
	if t.json && t.str {
		return escaped(value)
	}
	return []byte(value)
}

// escaped returns a value as it stands between the quotes of a JSON string. One that was found in JSON has its escapes already.
func escaped(value string) []byte {
	if strings.Contains(value, `\`) && jsontext.Value(`"`+value+`"`).IsValid() {
		return []byte(value)
	}
	quoted, _ := jsontext.AppendQuote(nil, value) // what is not UTF-8 becomes U+FFFD
	return quoted[1 : len(quoted)-1]
}

// Text returns a text with its values put back.
func (m *Map) Text(s string) string {
	if m == nil || !m.mentions([]byte(s)) {
		return s
	}
	edits, _ := m.scan(&text{}, []byte(s), true)
	return string(apply([]byte(s), edits))
}
