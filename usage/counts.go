package usage

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/andres20980/aurea-orchestrator/pricing"
)

// field is a number of a usage object that bears on the price, whatever the API calls it.
type field uint8

const (
	inTokens        field = iota // what the model read
	inTokensAlso                 // the same in an embedding's answer, under other names
	outTokens                    // what it wrote
	allTokens                    // both
	cached                       // read from the cache
	cachedHits                   // the same, by DeepSeek's name
	cachedAlso                   // the same, by Moonshot's and Mistral's names
	cachedSound                  // of that, sound
	cachedPictures               // of that, pictures
	written                      // written to the cache
	writtenAlso                  // the same, by the names of others
	writtenShort                 // of that, for minutes
	writtenLong                  // of that, for an hour or more
	soundIn                      // sound read
	pictureIn                    // pictures read
	thinking                     // thought
	soundOut                     // sound written
	pictureOut                   // pictures written
	toolResults                  // read again from tools that the provider ran, beside inTokens
	soundOfTools                 // of that, sound
	picturesOfTools              // of that, pictures
	searches                     // web searches, as Anthropic and OpenRouter count them
	searchesWeb                  // web searches, as xAI counts them
	searchesX                    // searches of X
	codeCalls                    // calls of xAI's other tools
	fileCalls
	documentCalls
	pictureCalls
	sources // sources of xAI's older search, which are billed each
	seconds // of sound that are billed by time
	numbers // how many fields there are
)

// word is a text of a usage object that bears on the price.
type word uint8

const (
	tierWord     word = iota
	tierAlso          // the tier, in Gemini's other field
	placeWord         // where the call ran
	speedWord         // how fast
	typeWord          // of an iteration
	creditWord        // whether a fallback credit was redeemed
	ownKeyWord        // whether another provider charged besides
	costWord          // what the provider charged, in dollars; from here on the words are numbers
	totalWord         // the same, within an object
	upstreamWord      // what the other provider charged
	ticksWord         // what the provider charged, in ten billionths of a dollar
	words
)

// counts are the numbers and texts of a usage object. A value that is null is not there. The zero value has none.
type counts struct {
	n     [numbers]int64
	text  [words]string
	known uint32 // fields that are there
	wrong uint32 // fields that are there and are no counts
	why   string // what stands in the place of one of them

	iterations iterations
}

// iterations are the parts of an answer that Anthropic bills apart from its sums.
type iterations struct {
	there    bool
	more     Usage
	unpriced string
	err      error
}

// entry says what a name in a usage object stands for.
type entry struct {
	kind    entryKind
	field   field
	picture field // of a list of tokens by kind, whose field is for sound; numbers if nobody asks
	word    word
	group   *group
}

type entryKind uint8

const (
	aNumber entryKind = iota
	aWord
	aGroup        // an object of entries
	aList         // Gemini's list of tokens by kind
	theIterations // Anthropic's list of iterations
)

// group is an object of entries by name, as JSON writes the names. What is not in it is passed over.
type group struct {
	entries map[string]entry
	fields  uint32 // all of its numbers, those of the groups within too
}

// read adds what the object that follows says. A group that comes twice is read as most receivers read it: the last one stands alone.
func (c *counts) read(dec *jsontext.Decoder, g *group) error {
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
		name, err := dec.ReadValue()
		if err != nil {
			return err
		}
		e, ok := g.entries[string(name)]
		if !ok {
			e, ok = g.escaped(name)
		}
		if !ok {
			err = skip(dec)
		} else {
			err = c.readEntry(dec, e)
		}
		if err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// fields are all numbers of an entry.
func (e entry) fields() (all uint32) {
	switch {
	case e.group != nil:
		all = e.group.fields
	case e.kind == aNumber || e.kind == aList:
		all = 1 << e.field
	}
	if e.kind == aList && e.picture != numbers {
		all |= 1 << e.picture
	}
	return all
}

// escaped looks for a name that is written with escapes.
func (g *group) escaped(name jsontext.Value) (entry, bool) {
	if bytes.IndexByte(name, '\\') < 0 {
		return entry{}, false
	}
	var short [64]byte
	plain, _ := jsontext.AppendUnquote(append(short[:0], '"'), name)
	e, ok := g.entries[string(append(plain, '"'))]
	return e, ok
}

func (c *counts) readEntry(dec *jsontext.Decoder, e entry) error {
	kind := dec.PeekKind()
	switch {
	case kind == 'n':
		return skip(dec)
	case kind == '{' && e.group != nil:
		c.forget(e.group.fields)
		return c.read(dec, e.group)
	case kind == '[' && e.kind == aList:
		return c.readKinds(dec, e)
	case kind == '[' && e.kind == theIterations:
		return c.iterations.read(dec)
	case kind == '{' || kind == '[' || e.kind == aGroup || e.kind == aList || e.kind == theIterations:
		return skip(dec)
	}
	v, err := dec.ReadValue()
	if err != nil {
		return err
	}
	if e.kind == aWord {
		switch {
		case len(v) > longestWord:
			c.text[e.word] = "?" // no name of anything, and no price
		case e.word < costWord || kind == '0' || isNumber(wordOf(v)): // some write amounts as texts
			c.text[e.word] = wordOf(v)
		}
		return nil
	}
	n, err := countOf(v)
	if err != nil && c.why == "" {
		c.why = clip(string(v[:min(len(v), 50)]))
	}
	c.set(e.field, n, err == nil)
	return nil
}

const longestWord = 128

// isNumber reports whether a text is a decimal number.
func isNumber(text string) bool {
	_, err := pricing.Dollars(text)
	return err == nil
}

// wordOf returns the text of a JSON string, and any other value as it is written.
func wordOf(v jsontext.Value) string {
	if v.Kind() != '"' {
		return string(v)
	}
	plain, _ := jsontext.AppendUnquote(nil, v)
	return string(plain)
}

// set stores a number, or what is wrong with it.
func (c *counts) set(f field, n int64, ok bool) {
	bit := uint32(1) << f
	c.known |= bit
	c.wrong &^= bit
	c.n[f] = n
	if !ok {
		c.wrong |= bit
	}
}

func (c *counts) forget(fields uint32) {
	c.known &^= fields
	c.wrong &^= fields
}

// readKinds reads Gemini's list of tokens by what they are made of (https://ai.google.dev/api/generate-content#Modality). Sound and pictures have prices of
// their own, video and documents that of text.
func (c *counts) readKinds(dec *jsontext.Decoder, e entry) error {
	c.forget(e.fields())
	return eachElement(dec, func() error {
		kind, n, bad := numbers, int64(0), error(nil)
		err := eachName(dec, func(name string) error {
			if name != "modality" && name != "tokenCount" {
				return skip(dec)
			}
			v, err := dec.ReadValue()
			switch {
			case err != nil:
			case name == "tokenCount":
				n, bad = countOf(v)
			case string(v) == `"AUDIO"`:
				kind = e.field
			case string(v) == `"IMAGE"`:
				kind = e.picture
			}
			return err
		})
		if err == nil && kind != numbers {
			if n += c.get(kind); n > maxCount {
				n, bad = maxCount, errCount
			}
			c.set(kind, n, bad == nil)
		}
		return err
	})
}

func (c *counts) has(f field) bool { return c.known&(1<<f) != 0 }

// get returns the first of the fields that is there, 0 if none is.
func (c *counts) get(fields ...field) int64 {
	for _, f := range fields {
		if c.has(f) {
			return c.n[f]
		}
	}
	return 0
}

// check reports one of the fields that is no count.
func (c *counts) check(used ...field) error {
	if c.wrong == 0 {
		return nil
	}
	for _, f := range used {
		if c.wrong&(1<<f) != 0 {
			return fmt.Errorf("%w: %s: %w, and there is %s", ErrInvalid, f, errCount, c.why)
		}
	}
	return nil
}

// String says what a field counts, for error messages.
func (f field) String() string { return fieldNames[f] }

var fieldNames = [numbers]string{
	"input tokens", "input tokens", "output tokens", "total tokens", "cached tokens", "cached tokens", "cached tokens", "cached audio tokens", "cached image tokens",
	"cache writes", "cache writes", "cache writes", "cache writes", "audio tokens of the input", "image tokens of the input", "reasoning tokens", "audio tokens",
	"image tokens", "tokens of tool results", "audio tokens of tool results", "image tokens of tool results",
	"web searches", "web searches", "searches of X", "calls of a tool", "calls of a tool", "calls of a tool", "calls of a tool", "sources", "seconds of sound",
}

// overwrite replaces field by field what next says.
func (c *counts) overwrite(next *counts) {
	for f := range numbers {
		if next.has(f) {
			c.set(f, next.n[f], next.wrong&(1<<f) == 0)
		}
	}
	if next.why != "" {
		c.why = next.why
	}
	for w, text := range next.text {
		if text != "" {
			c.text[w] = text
		}
	}
	if next.iterations.there {
		c.iterations = next.iterations
	}
}
