package mask

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/andres20980/aurea-orchestrator/internal/wire"
)

// Stream is a writer that takes an answer of server-sent events and passes it on with the values put back. Events in which nothing changes pass byte by byte as they are, and as soon as
// they are whole. Each text of the answer (a choice, a block of content, the arguments of one call of a tool) is followed for itself; what is held back of it comes before the event that
// ends it. Close must be called at the end. A Stream is for one goroutine.
type Stream struct {
	w     io.Writer
	m     *Map
	frame wire.Framer
	texts []*channel
	head  []byte // the members of a chat's chunk that say which answer it belongs to
}

// channel is one text of an answer, of which the events carry pieces.
type channel struct {
	key   string
	group string // what ends together with it
	path  string // of its pieces: "choices[0].delta.content"
	chat  bool
	state text
	held  []byte
	// The event of the last piece, kept while something is held.
	name, data []byte
	from, to   int // the piece's literal in data
}

// NewStream returns a stream that writes to w.
func (m *Map) NewStream(w io.Writer) *Stream {
	s := &Stream{w: w, m: m}
	s.frame.Each = s.event
	return s
}

// Write takes the next bytes of the answer. The error is that of the underlying writer.
func (s *Stream) Write(p []byte) (int, error) { return s.frame.Write(p) }

// Reset forgets an answer that has come to nothing, for another one to come.
func (s *Stream) Reset() {
	s.frame.Reset()
	s.texts, s.head = nil, nil
}

// Close passes on what is held back, for a stream that ended without saying so.
func (s *Stream) Close() error {
	if err := s.frame.Flush(); err != nil {
		return err
	}
	return s.release(true)
}

// event passes on one event.
func (s *Stream) event(raw []byte) error {
	name, data, some := parts(raw)
	if !some {
		return s.write(raw)
	}
	if len(data) == 0 || data[0] != '{' {
		if err := s.release(true); err != nil { // [DONE]
			return err
		}
		return s.write(raw)
	}
	e, err := read(data)
	if err != nil {
		return s.write(raw) // not ours to understand: nothing of anybody's is in it
	}
	groups, all := e.ends()
	var edits []edit
	for _, leaf := range e.strings {
		edits = s.piece(edits, e, leaf, name, all || slices.Contains(groups, leaf.group))
	}
	if e.chat() {
		s.head = e.head(s.head[:0])
	}
	if err := s.release(all, groups...); err != nil {
		return err
	}
	if len(edits) == 0 {
		return s.write(raw)
	}
	return s.write(event(name, apply(data, edits)))
}

func (s *Stream) write(p []byte) error {
	_, err := s.w.Write(p)
	return err
}

// piece appends what to change in one string of an event.
func (s *Stream) piece(edits []edit, e *message, leaf leaf, name []byte, last bool) []edit {
	literal := e.data[leaf.from:leaf.to]
	if leaf.key == "" { // it is whole
		if inner, _ := s.m.scan(&text{}, unquoted(literal), true); len(inner) > 0 {
			edits = inLiteral(edits, literal, leaf.from, inner)
		}
		return edits
	}
	c := s.channel(leaf, e.chat())
	p := unquoted(literal)
	before := len(c.held)
	if before > 0 {
		p = append(c.held, p...)
	}
	changes, kept := s.m.scan(&c.state, p, last)
	if before == 0 && len(changes) == 0 && kept == len(p) {
		return edits
	}
	out := apply(p[:kept], changes)
	quoted, _ := jsontext.AppendQuote(nil, out)
	c.held = append([]byte(nil), p[kept:]...)
	if len(c.held) > 0 {
		c.name, c.data, c.from, c.to = append(c.name[:0], name...), append(c.data[:0], e.data...), leaf.from, leaf.to
	}
	return append(edits, edit{start: leaf.from, end: leaf.to, with: quoted})
}

func (s *Stream) channel(l leaf, chat bool) *channel {
	for _, c := range s.texts {
		if c.key == l.key {
			return c
		}
	}
	c := &channel{key: l.key, group: l.group, path: l.path, chat: chat}
	s.texts = append(s.texts, c)
	return c
}

// release ends all texts, or those of some groups, and passes on what is held of them.
func (s *Stream) release(all bool, groups ...string) error {
	rest := s.texts[:0]
	var err error
	for _, c := range s.texts {
		if !all && !slices.Contains(groups, c.group) {
			rest = append(rest, c)
			continue
		}
		if len(c.held) > 0 && err == nil {
			err = s.write(s.remainder(c))
		}
	}
	clear(s.texts[len(rest):])
	s.texts = rest
	return err
}

// remainder is an event that carries what is held of a text.
func (s *Stream) remainder(c *channel) []byte {
	quoted, _ := jsontext.AppendQuote(nil, c.held)
	if c.chat {
		return event(c.name, chunk(s.head, c.group, c.key, quoted))
	}
	return event(c.name, apply(c.data, []edit{{start: c.from, end: c.to, with: quoted}}))
}

// event returns an event.
func event(name, data []byte) []byte {
	var out []byte
	if len(name) > 0 {
		out = append(append(append(out, "event: "...), name...), '\n')
	}
	for line := range bytes.SplitSeq(data, []byte{'\n'}) {
		out = append(append(append(out, "data: "...), line...), '\n')
	}
	return append(out, '\n')
}

// parts returns the type of an event and what it carries, false if that is nothing.
func parts(raw []byte) (name, data []byte, some bool) {
	split := wire.Splitter{Each: func(e wire.Event) { name, data, some = bytes.Clone(e.Name), bytes.Clone(e.Data), true }}
	_, _ = split.Write(raw)
	_ = split.Close()
	return name, data, some
}

// chunk is a chat's chunk with one piece of a text, of which key is the path behind its group.
func chunk(head []byte, group, key string, quoted []byte) []byte {
	index := strings.TrimPrefix(group, "choice ")
	path := strings.TrimPrefix(key, group+" ")
	out := append([]byte{'{'}, head...)
	out = append(out, `"choices":[{"index":`+index+`,`...)
	out = append(out, nest(strings.Split(path, "."), quoted)...)
	return append(out, `,"finish_reason":null}]}`...)
}

// nest writes a member at a path: "delta", "tool_calls[1]", "function", "arguments".
func nest(path []string, value []byte) []byte {
	name, index, list := strings.Cut(strings.TrimSuffix(path[0], "]"), "[")
	out, _ := jsontext.AppendQuote(nil, name)
	out = append(out, ':')
	if len(path) == 1 {
		return append(out, value...)
	}
	inner := nest(path[1:], value)
	if !list {
		return append(append(append(out, '{'), inner...), '}')
	}
	out = append(out, `[{"index":`+index+`,`...)
	return append(append(out, inner...), `}]`...)
}
