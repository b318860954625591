// Package tokens counts the tokens of texts as OpenAI's models read them. It is for bounds: see docs/bound.md. The vocabularies are published by OpenAI
// (https://github.com/openai/tiktoken) and built in; they take about 7 MB of a program, and memory and a tenth of a second when a text is counted for the first time.
//
// What a text costs may rise with the square of its length, up to minutes for 100 KB of blanks and line ends: give it texts in pieces of a few kilobytes.
package tokens

import (
	"strings"
	"sync"

	"github.com/tiktoken-go/tokenizer/codec"
)

// For returns a function that counts the tokens of a text as a model of OpenAI's reads it, and whether the model's vocabulary is known: those of the models that OpenAI lists
// (https://github.com/openai/tiktoken/blob/main/tiktoken/model.py). A model that is not known may count more, so there is no function for it. The function returns false for a
// text that it cannot count; it is safe for concurrent use. For is what aurea.Config.Tokenizer wants.
func For(model string) (count func(text string) (tokens int64, ok bool), ok bool) {
	switch vocabulary(model) {
	case o200k:
		return func(text string) (int64, bool) { return counted(newer(), text) }, true
	case cl100k:
		return func(text string) (int64, bool) { return counted(older(), text) }, true
	default:
		return nil, false
	}
}

const (
	o200k  = "o200k_base"
	cl100k = "cl100k_base"
)

var (
	newer = sync.OnceValue(codec.NewO200kBase)
	older = sync.OnceValue(codec.NewCl100kBase)
)

func counted(c *codec.Codec, text string) (int64, bool) {
	n, err := c.Count(text)
	return int64(n), err == nil
}

// vocabularies are the beginnings of models' names, longer ones before those that begin alike. A name goes on with a dash, a point, or not at all.
var vocabularies = []struct{ prefix, name string }{
	{"gpt-4o", o200k},
	{"gpt-4.1", o200k},
	{"gpt-4.5", o200k},
	{"chatgpt-4o", o200k},
	{"gpt-5", o200k},
	{"o1", o200k},
	{"o3", o200k},
	{"o4-mini", o200k},
	{"gpt-4", cl100k},
	{"gpt-3.5-turbo", cl100k},
	{"gpt-35-turbo", cl100k},
	{"text-embedding-3-small", cl100k},
	{"text-embedding-3-large", cl100k},
	{"text-embedding-ada-002", cl100k},
}

func vocabulary(model string) string {
	if base, tuned := strings.CutPrefix(model, "ft:"); tuned { // ft:BASE:organisation:name:id
		model, _, _ = strings.Cut(base, ":")
	}
	for _, v := range vocabularies {
		rest, ok := strings.CutPrefix(model, v.prefix)
		if ok && (rest == "" || rest[0] == '-' || rest[0] == '.' && v.prefix == "gpt-5") {
			return v.name
		}
	}
	return ""
}
