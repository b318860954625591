package usage

import (
	"bytes"
	"errors"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// eachName calls f with each name of the object that follows; f reads the value. Another value is skipped. The start of a body that is no
// object is an error.
func eachName(dec *jsontext.Decoder, f func(name string) error) error {
	if dec.PeekKind() != '{' {
		return skip(dec)
	}
	if passed, err := passEmpty(dec); passed {
		return err
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := readName(dec)
		if err != nil {
			return err
		}
		if err := f(name); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// empty reports whether the next value is {}, behind what stands before it. To read it as one takes a third of the time, and bodies may be made of nothing else.
func empty(unread []byte) bool {
	for i, c := range unread {
		switch c {
		case ' ', '\t', '\r', '\n', ',', ':':
			continue
		}
		return c == '{' && i+1 < len(unread) && unread[i+1] == '}'
	}
	return false
}

// passEmpty passes over a value that is {}, and reports whether it was one.
func passEmpty(dec *jsontext.Decoder) (bool, error) {
	if !empty(dec.UnreadBuffer()) {
		return false, nil
	}
	_, err := dec.ReadValue()
	return true, err
}

// loose reads JSON in which names may be there twice: whoever reads a name looks out for that himself, which costs less.
func loose(body []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
}

// A scratch is a decoder that is used again.
type scratch struct {
	jsontext.Decoder
	body bytes.Buffer
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// borrow returns a decoder of a body, to be given back when nothing that was read with it is in use.
func borrow(body []byte, opts ...jsontext.Options) *scratch {
	s, _ := scratches.Get().(*scratch)
	s.body = *bytes.NewBuffer(body)
	s.Reset(&s.body, opts...)
	return s
}

func (s *scratch) giveBack() {
	s.body = bytes.Buffer{}
	s.Reset(&s.body)
	scratches.Put(s)
}

// skip passes over a value. Reading it whole takes half as long as passing over its tokens.
func skip(dec *jsontext.Decoder) error {
	if kind := dec.PeekKind(); (kind == '{' || kind == '[') && tooDeep(dec.UnreadBuffer()) {
		return errTooDeep
	}
	_, err := dec.ReadValue()
	return err
}

// readName reads a name.
func readName(dec *jsontext.Decoder) (string, error) {
	v, err := dec.ReadValue()
	if err != nil {
		return "", err
	}
	if name := frequent(v); name != "" {
		return name, nil
	}
	if v.Kind() != '"' {
		return "", errors.New("a name is missing")
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : len(v)-1]), nil
	}
	var short [64]byte
	b, err := jsontext.AppendUnquote(short[:0], v)
	if len(b) > 0 || err == nil { // invalid UTF-8 is replaced, and is not ours to refuse
		return string(b), nil
	}
	return "", err
}

// eachElement calls f before each element of the array that follows; f reads it. Another value is skipped.
func eachElement(dec *jsontext.Decoder, f func() error) error {
	if dec.PeekKind() != '[' {
		return skip(dec)
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != ']' {
		if err := f(); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// readText reads a string; any other value is skipped and leaves *s.
func readText(dec *jsontext.Decoder, s *string) error {
	if dec.PeekKind() != '"' {
		return skip(dec)
	}
	tok, err := dec.ReadToken()
	if err == nil {
		*s = tok.String()
	}
	return err
}

// Truncated reports whether an answer that was not streamed ended at its output cap.
func Truncated(api API, body []byte) bool {
	dec := lenient(body)
	cut := false
	check := func(at, word string) func(string) error {
		return func(name string) error {
			var s string
			if name != at {
				return skip(dec)
			}
			err := readText(dec, &s)
			cut = cut || s == word
			return err
		}
	}
	_ = eachName(dec, func(name string) error {
		switch {
		case name == "candidates" && api == Gemini:
			return eachElement(dec, func() error { return eachName(dec, check("finishReason", "MAX_TOKENS")) })
		case name == "choices" && (api == Chat || api == Completions):
			return eachElement(dec, func() error { return eachName(dec, check("finish_reason", "length")) })
		case name == "stop_reason" && api == Messages:
			return check(name, "max_tokens")(name)
		case name == "incomplete_details" && api == Responses:
			return eachName(dec, check("reason", "max_output_tokens"))
		}
		return skip(dec)
	})
	return cut
}
