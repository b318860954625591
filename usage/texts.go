package usage

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// shortText is the length in bytes up to which a text counts as its bytes: what a tokenizer would take off is less than it costs.
	shortText = 64
	// chunk is how much of a text a tokenizer gets at a time. What tokenizers take for some texts rises with the square of their length; in pieces of this size it
	// rises with the length, and 0.1 to 0.2 % more tokens are counted.
	chunk = 2 << 10
)

// leastBytes is how many bytes a token of a text stands for at most: common words are longer tokens, but a server that only speaks OpenAI's format under the name of one of its
// models, and a simulated one, count in their own way, mostly a token for four bytes.
const leastBytes = 4

// Tokenized returns how many tokens fewer than its bytes a request has by a tokenizer, in the messages after the first so many and, where that is none, in the texts
// around them. count is given pieces of up to 2 KB of the texts as the model reads them; where it returns false, that text and all after it count as their
// bytes. 3 % and 2 tokens are added to each text's count, for what is written around it and for a model whose vocabulary differs a little, and no text counts
// as less than a token for four bytes.
func (o Outline) Tokenized(after int, count func(text string) (tokens int64, ok bool)) (fewer int64) {
	t := texts{count: count}
	if after == 0 {
		for _, v := range o.texts {
			t.read(v)
		}
	}
	for _, m := range o.marks[min(after, len(o.marks)):] {
		t.read(m.value)
	}
	return t.fewer
}

// texts walks values and counts the long texts in them.
type texts struct {
	dec   *jsontext.Decoder
	count func(string) (int64, bool)
	fewer int64
	ended bool
}

func (t *texts) read(v []byte) {
	if t.ended {
		return
	}
	t.dec = jsontext.NewDecoder(bytes.NewBuffer(v))
	_ = t.value("") // what cannot be read counts as its bytes
}

func (t *texts) value(name string) error {
	switch t.dec.PeekKind() {
	case '{':
		return eachName(t.dec, t.value)
	case '[':
		return eachElement(t.dec, func() error { return t.value(name) })
	case '"':
		v, err := t.dec.ReadValue()
		if err != nil || t.ended || len(v) <= shortText || encoded[name] {
			return err
		}
		t.text(v)
		return nil
	}
	return t.dec.SkipValue()
}

// encoded are names of what may be no text: media, which are counted apart, and what only the provider can read.
var encoded = map[string]bool{
	"url": true, "image_url": true, "data": true, "file_data": true, "file_url": true, "video_url": true, "audio_url": true, "document_url": true,
	"encrypted_content": true, "signature": true,
}

func (t *texts) text(v jsontext.Value) {
	text, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return
	}
	tokens := int64(2)
	for rest := text; len(rest) > 0; {
		n := cut(rest)
		more, ok := t.count(string(rest[:n]))
		if !ok {
			t.ended = true
			return
		}
		tokens += more
		rest = rest[n:]
	}
	tokens += (tokens*3 + 99) / 100
	tokens = max(tokens, int64(len(v))/leastBytes+1)
	t.fewer += max(0, int64(len(v))-tokens)
}

// cut returns the length of the next piece, which ends between two characters.
func cut(text []byte) int {
	if len(text) <= chunk {
		return len(text)
	}
	n := chunk
	for n > chunk-utf8.UTFMax && !utf8.RuneStart(text[n]) {
		n--
	}
	return n
}
