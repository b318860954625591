// Package corpus makes labelled documents for measuring the redactor: prompts, logs, code, mail and
// configuration with made-up personal data and credentials in them, and documents that only look as if.
//
// The documents are templates filled with values made from public formats when they are needed: no
// person and no service has them. The same seed makes the same documents.
package corpus

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
)

// Span is where a value stands in a document.
type Span struct {
	Start, End int
	Kind       string // EMAIL, PHONE, SSN, CARD, IP, KEY or PASSWORD
}

// Document is one text with its labels. One without labels is a hard negative: nothing in it may be
// changed.
type Document struct {
	Text  string
	Spans []Span
	JSON  bool // the text is JSON and must stay so
}

// Load fills each template of a file n times. Templates are separated by lines of "---"; one whose
// first line is "#json" is JSON. {{NAME}} stands for a labelled value, {{name}} for one that is none.
func Load(dir fs.FS, file string, n int, seed uint64) ([]Document, error) {
	data, err := fs.ReadFile(dir, file)
	if err != nil {
		return nil, err
	}
	g := &maker{rng: rand.New(rand.NewPCG(seed, 7))} // #nosec G404 -- made-up values, the same in every run
	var docs []Document
	for k, template := range strings.Split(string(data), "\n---\n") {
		for range n {
			doc, err := g.fill(template)
			if err != nil {
				return nil, fmt.Errorf("%s, template %d: %w", file, k+1, err)
			}
			docs = append(docs, doc)
		}
	}
	return docs, nil
}

func (g *maker) fill(template string) (doc Document, err error) {
	template, doc.JSON = strings.CutPrefix(template, "#json\n")
	var b strings.Builder
	for rest := strings.TrimRight(template, "\n"); ; {
		before, after, found := strings.Cut(rest, "{{")
		b.WriteString(before)
		if !found {
			break
		}
		name, after, found := strings.Cut(after, "}}")
		if !found {
			return doc, fmt.Errorf("{{%s is not closed", name)
		}
		rest = after
		if name == "" || name[0] == ' ' || name[0] == '.' { // a template in the text itself
			b.WriteString("{{" + name + "}}")
			continue
		}
		value, kind, err := g.value(name)
		if err != nil {
			return doc, err
		}
		if doc.JSON {
			value = escaped(value)
		}
		if kind != "" {
			doc.Spans = append(doc.Spans, Span{b.Len(), b.Len() + len(value), kind})
		}
		b.WriteString(value)
	}
	doc.Text = b.String()
	if doc.JSON && !json.Valid([]byte(doc.Text)) {
		return doc, fmt.Errorf("no JSON: %s", doc.Text)
	}
	return doc, nil
}

func escaped(value string) string {
	b, err := json.Marshal(value)
	if err != nil {
		return value
	}
	s := string(b[1 : len(b)-1])
	return strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">").Replace(s)
}
