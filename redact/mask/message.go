package mask

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// message is what one event of an answer carries.
type message struct {
	data    []byte
	strings []leaf
	scalars []scalar // the others, and texts that say what the event is
}

// leaf is a string of a message.
type leaf struct {
	path     string
	from, to int
	// key names the text that the string is a piece of, and group what ends together; empty for a string that is whole.
	key, group string
}

type scalar struct {
	path string
	raw  string
}

// read reads a message.
func read(data []byte) (*message, error) {
	e := &message{data: data}
	dec := jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if err := e.value(dec, ""); err != nil {
		return nil, err
	}
	for i := range e.strings {
		e.strings[i].key, e.strings[i].group = e.channel(e.strings[i].path)
	}
	return e, nil
}

func (e *message) value(dec *jsontext.Decoder, path string) error {
	switch dec.PeekKind() {
	case '{':
		if _, err := dec.ReadToken(); err != nil {
			return err
		}
		for dec.PeekKind() != '}' {
			literal, err := dec.ReadValue()
			if err != nil {
				return err
			}
			name := string(unquoted(literal))
			if path != "" {
				name = path + "." + name
			}
			if err := e.value(dec, name); err != nil {
				return err
			}
		}
		_, err := dec.ReadToken()
		return err
	case '[':
		if _, err := dec.ReadToken(); err != nil {
			return err
		}
		for i := 0; dec.PeekKind() != ']'; i++ {
			if err := e.value(dec, path+"["+strconv.Itoa(i)+"]"); err != nil {
				return err
			}
		}
		_, err := dec.ReadToken()
		return err
	}
	literal, err := dec.ReadValue()
	if err != nil {
		return err
	}
	if literal.Kind() == '"' {
		end := int(dec.InputOffset())
		e.strings = append(e.strings, leaf{path: path, from: end - len(literal), to: end})
	}
	if len(literal) < 200 {
		e.scalars = append(e.scalars, scalar{path, string(literal)})
	}
	return nil
}

// raw returns a value that has no others in it as it stands in the message, empty if there is none.
func (e *message) raw(path string) string {
	for _, s := range e.scalars {
		if s.path == path {
			return s.raw
		}
	}
	return ""
}

func (e *message) text(path string) string { return strings.Trim(e.raw(path), `"`) }

// chat reports whether the message is a chunk of chat completions, or of the older ones.
func (e *message) chat() bool { return e.raw("type") == "" }

// channel names the text that a string is a piece of: what stands below the delta of a choice, in a delta of its own, or is one.
func (e *message) channel(path string) (key, group string) {
	if choice, rest, ok := strings.Cut(path, "]."); ok && strings.HasPrefix(choice, "choices[") && e.chat() {
		if !strings.HasPrefix(rest, "delta.") && rest != "text" {
			return "", ""
		}
		group = "choice " + e.index(choice+"]", choice)
		if call, field, ok := strings.Cut(rest, "]."); ok && strings.HasPrefix(call, "delta.tool_calls[") {
			rest = "delta.tool_calls[" + e.index(choice+"]."+call+"]", call) + "]." + field
		}
		return group + " " + rest, group
	}
	if e.chat() || path != "delta" && !strings.HasPrefix(path, "delta.") {
		return "", ""
	}
	group = fmt.Sprintf("item %s %s %s", e.raw("item_id"), e.raw("output_index"), e.raw("index"))
	return fmt.Sprintf("%s %s %s %s %s", group, e.raw("type"), e.raw("content_index"), e.raw("summary_index"), path), group
}

// index is the number that an element says it has, else its place.
func (e *message) index(path, opened string) string {
	if n := e.raw(path + ".index"); n != "" {
		return n
	}
	return opened[strings.LastIndexByte(opened, '[')+1:]
}

// ends returns the groups of texts that end with the message; all says that every text does.
func (e *message) ends() (groups []string, all bool) {
	if e.chat() {
		for _, s := range e.scalars {
			if choice, ok := strings.CutSuffix(s.path, "].finish_reason"); ok && s.raw[0] == '"' {
				groups = append(groups, "choice "+e.index(choice+"]", choice))
			}
		}
		return groups, false
	}
	kind := e.text("type")
	switch {
	case kind == "content_block_stop", strings.HasSuffix(kind, ".done") && e.raw("item_id") != "":
		_, group := e.channel("delta")
		return []string{group}, false
	case strings.HasSuffix(kind, ".delta"), kind == "content_block_delta", kind == "content_block_start", kind == "message_start", kind == "ping":
		return nil, false
	case strings.HasSuffix(kind, ".added"), strings.HasSuffix(kind, ".created"), strings.HasSuffix(kind, ".in_progress"), strings.HasSuffix(kind, ".searching"):
		return nil, false
	}
	return nil, true
}

// head appends the members that say which answer a chunk belongs to.
func (e *message) head(dst []byte) []byte {
	for _, name := range []string{"id", "object", "created", "model"} {
		if raw := e.raw(name); raw != "" {
			dst = append(dst, `"`+name+`":`+raw+`,`...)
		}
	}
	return dst
}
