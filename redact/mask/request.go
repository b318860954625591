package mask

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/andres20980/aurea-orchestrator/redact"
)

// Request masks what the redactor finds in the body of a request. A body without findings comes back in the same slice, with a Map that has none; any other differs only where something was
// found. The error says that the body is not JSON, which nobody should send on then. body is not changed.
func Request(r *redact.Redactor, body []byte) ([]byte, *Map, error) {
	q := &request{redactor: r, doc: body, taken: make(map[string]bool), entries: make(map[string]*entry)}
	edits, err := q.document(body, true)
	if err != nil {
		return nil, nil, err
	}
	if len(q.order) == 0 && len(q.unmaskable) == 0 {
		return body, nil, nil
	}
	named(q.order, q.taken)
	return apply(body, edits), newMap(q.order, q.found, q.unmaskable), nil
}

// request is a body that is being masked.
type request struct {
	redactor *redact.Redactor
	doc      []byte
	place    string
	findings []redact.Finding // room for those of one text

	entries           map[string]*entry // by value
	order             []*entry
	taken             map[string]bool // placeholders that stand in the body
	found, unmaskable []Found
}

// where says what is known of the value that is looked at.
type where struct {
	name, parent string
	depth        int
	top          string // the member of the request that it is in
	free         bool   // what is here means nothing to the provider: names too are its author's own
}

// maxDepth is how deep one JSON may stand in the texts of another, and stay JSON.
const maxDepth = 4

// walker reads one document, the request's or one that is a text in it.
type walker struct {
	*request
	dec   *jsontext.Decoder
	doc   []byte
	edits []edit
	outer bool // it is the request's own
	level int
}

// document returns the edits of a document. Anything behind it is an error.
func (q *request) document(doc []byte, outer bool) ([]edit, error) {
	return q.nested(doc, outer, 0)
}

func (q *request) nested(doc []byte, outer bool, level int) ([]edit, error) {
	w := &walker{request: q, doc: doc, outer: outer, level: level}
	w.dec = jsontext.NewDecoder(bytes.NewBuffer(doc), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if err := w.value(where{free: !outer}); err != nil {
		return nil, unreadable(err)
	}
	if _, err := w.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the body goes on after its JSON value")
	}
	return w.edits, nil
}

// unreadable says where a document breaks off, and nothing of what it says.
func unreadable(err error) error {
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("the body is not valid JSON at byte %d: %w", syntax.ByteOffset, syntax.Err)
	}
	return err
}

// value reads one value.
func (w *walker) value(at where) error {
	switch w.dec.PeekKind() {
	case '{':
		return w.object(at)
	case '[':
		return w.array(at)
	case '"':
		literal, start, err := w.literal()
		if err != nil {
			return err
		}
		w.string(at, literal, start)
		return nil
	}
	literal, start, err := w.literal()
	if err != nil {
		return err
	}
	if literal.Kind() == '0' && at.free {
		w.number(at, literal, start)
	}
	return nil
}

// literal reads a value that has no others in it, and returns where it begins.
func (w *walker) literal() (jsontext.Value, int, error) {
	literal, err := w.dec.ReadValue()
	return literal, int(w.dec.InputOffset()) - len(literal), err
}

func (w *walker) object(at where) error {
	if _, err := w.dec.ReadToken(); err != nil {
		return err
	}
	for w.dec.PeekKind() != '}' {
		literal, start, err := w.literal()
		if err != nil {
			return err
		}
		name := string(unquoted(literal))
		in := where{name: name, parent: at.name, depth: at.depth + 1, top: at.top, free: at.free}
		if w.outer && at.depth == 0 {
			in.top, w.place = name, place(name)
		}
		if at.free {
			w.text(where{free: true}, literal, start)
		}
		w.note(literal)
		in.free = in.free || !structural(at, name)
		if !at.free && operational(in) {
			if err := w.dec.SkipValue(); err != nil {
				return err
			}
			continue
		}
		if err := w.value(in); err != nil {
			return err
		}
	}
	_, err := w.dec.ReadToken()
	return err
}

func (w *walker) array(at where) error {
	if _, err := w.dec.ReadToken(); err != nil {
		return err
	}
	for i := 0; w.dec.PeekKind() != ']'; i++ {
		if w.outer && at.depth == 1 {
			w.place = fmt.Sprintf("%s[%d]", place(at.top), i)
		}
		in := at
		in.depth++
		if err := w.value(in); err != nil {
			return err
		}
	}
	_, err := w.dec.ReadToken()
	return err
}

// place is a member's name, if it is one of a format's: others are as private as what is in them.
func place(name string) string {
	if len(name) > 40 || strings.ContainsFunc(name, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
		return "the body"
	}
	return name
}

// structural reports whether what is in a member is of the formats' own making. What is in the input of a tool call, and in metadata, is not.
func structural(at where, name string) bool {
	return !(name == "metadata" || name == "input" && at.depth > 0)
}

// operational reports whether a member is meant for the provider's own use: credentials for a tool that it is to call.
func operational(in where) bool {
	return (in.top == "mcp_servers" || in.top == "tools") && in.depth > 1 && (in.name == "authorization_token" || in.name == "authorization" || in.name == "headers")
}

// fixed are the members whose texts a provider reads as they are.
func fixed(name string) bool {
	switch name {
	case "model", "role", "type", "id", "signature", "encrypted_content", "pattern", "media_type", "$ref", "$id", "$schema":
		return true
	}
	return strings.HasSuffix(name, "_id") || strings.HasSuffix(name, "_ids")
}

// address reports whether a text is where the provider is to fetch something.
func address(at where, text []byte) bool {
	if !bytes.HasPrefix(text, []byte("http://")) && !bytes.HasPrefix(text, []byte("https://")) {
		return false
	}
	switch at.name {
	case "image_url", "file_url", "server_url":
		return true
	}
	return at.name == "url" && (at.parent == "image_url" || at.parent == "source" || at.top == "mcp_servers")
}

func (w *walker) string(at where, literal []byte, start int) {
	w.note(literal)
	if !at.free && fixed(at.name) {
		return
	}
	text := unquoted(literal)
	switch {
	case media(text):
	case !at.free && address(at, text):
		w.look(at, text, func(f redact.Finding) {
			if f.Type != redact.IP {
				w.unmaskable = count(w.unmaskable, f.Type.String(), w.place)
			}
		})
	case w.arguments(at, text):
		inner, err := w.nested(text, false, w.level+1)
		if err != nil { // it only looked like JSON
			w.text(at, literal, start)
			return
		}
		w.edits = inLiteral(w.edits, literal, start, inner)
	case at.free && len(text) > 0 && w.redactor.SensitiveName(at.name):
		e := w.entry(redact.Password.String(), string(text))
		w.edits = inLiteral(w.edits, literal, start, []edit{{start: 0, end: len(text), entry: e}})
	default:
		w.text(at, literal, start)
	}
}

// arguments reports whether a text is the arguments of a tool call, which are JSON, or stands in such and is JSON too.
func (w *walker) arguments(at where, text []byte) bool {
	if w.level >= maxDepth || !at.free && at.name != "arguments" {
		return false
	}
	text = bytes.TrimLeft(text, " \t\r\n")
	return len(text) > 0 && (text[0] == '{' || text[0] == '[') && jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// text masks what is found in a text.
func (w *walker) text(at where, literal []byte, start int) {
	text := unquoted(literal)
	var edits []edit
	w.look(at, text, func(f redact.Finding) {
		edits = append(edits, edit{start: f.Start, end: f.End, entry: w.entry(f.Type.String(), string(text[f.Start:f.End]))})
	})
	if len(edits) > 0 {
		w.edits = inLiteral(w.edits, literal, start, edits)
	}
}

func (w *walker) look(at where, text []byte, each func(redact.Finding)) {
	w.findings = w.findings[:0]
	if at.free {
		w.findings = w.redactor.FindNamed(w.findings, at.name, text)
	} else {
		w.findings = w.redactor.Find(w.findings, text)
	}
	for _, f := range w.findings {
		each(f)
	}
}

// number masks a number that is found as a whole. It becomes a text, because a placeholder is one.
func (w *walker) number(at where, literal []byte, start int) {
	if w.redactor.SensitiveName(at.name) {
		w.edits = append(w.edits, edit{start: start, end: start + len(literal), with: []byte{'"'}, entry: w.entry(redact.Password.String(), string(literal))})
		return
	}
	w.look(at, literal, func(f redact.Finding) {
		if f.Start == 0 && f.End == len(literal) {
			w.edits = append(w.edits, edit{start: start, end: start + len(literal), with: []byte{'"'}, entry: w.entry(f.Type.String(), string(literal))})
		}
	})
}

// entry returns what stands for a value, and counts it.
func (q *request) entry(kind, value string) *entry {
	q.found = count(q.found, kind, q.place)
	e, ok := q.entries[value]
	if !ok {
		e = &entry{kind: kind, value: value, grows: true}
		q.entries[value] = e
		q.order = append(q.order, e)
	}
	e.grows = e.grows && (strings.HasPrefix(q.place, "messages") || strings.HasPrefix(q.place, "input"))
	return e
}

func count(found []Found, kind, place string) []Found {
	for i := range found {
		if found[i].Type == kind && found[i].Place == place {
			found[i].Count++
			return found
		}
	}
	return append(found, Found{Type: kind, Place: place, Count: 1})
}

// note remembers the placeholders that a text has already.
func (q *request) note(literal []byte) {
	text := unquoted(literal)
	for {
		i := bytes.IndexByte(text, '[')
		if i < 0 {
			return
		}
		text = text[i:]
		if end := bytes.IndexByte(text[:min(len(text), longestNoted)], ']') + 1; end > 0 && bytes.IndexByte(text[:end], '_') > 0 {
			q.taken[string(text[:end])] = true
		}
		text = text[1:]
	}
}

// longestNoted is longer than any placeholder that there can be.
const longestNoted = 40

// shortestMedia is the length from which a text without a space, of the letters of base64 only, is taken for media.
const shortestMedia = 256

// media reports whether a text is bytes in base64, with or without the head of a data URL. There is nothing in it to find, and nothing may be changed.
func media(text []byte) bool {
	if bytes.HasPrefix(text, []byte("data:")) {
		if head, rest, ok := bytes.Cut(text, []byte(";base64,")); ok && len(head) < 128 && bytes.IndexByte(head, ' ') < 0 {
			return base64(rest)
		}
		return false
	}
	return len(text) >= shortestMedia && base64(text)
}

func base64(text []byte) bool {
	for _, c := range text {
		if !('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '/' || c == '=' || c == '\n' || c == '\r') {
			return false
		}
	}
	return true
}
