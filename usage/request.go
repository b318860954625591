package usage

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/andres20980/aurea-orchestrator/money"
)

// Request is what of a call's body bears on its price. Counts are tokens unless they say otherwise.
type Request struct {
	API   API
	Model string
	// BodyBytes is the length of the whole body, MediaBytes the part of it that is base64 of pictures and sound.
	BodyBytes, MediaBytes int64
	// Images counts pictures, AudioBytes is the base64 of sound in MediaBytes.
	Images, AudioBytes int64
	// Messages counts messages, prompts and inputs; Tools the tools offered, of which BuiltinTools bring a description of the provider's own.
	Messages, Tools, BuiltinTools int64
	// Choices is how many answers are written and billed: n, or best_of, times the number of prompts.
	Choices int64
	// OutputCap is the most tokens of one answer that the request allows; with two caps in it, the larger one.
	OutputCap int64
	HasCap    bool
	// ThinkingBudget is what the request grants for thinking, inside OutputCap by the rules, and PredictedBytes the length of
	// a prediction, whose rejected tokens are billed as output.
	ThinkingBudget, PredictedBytes int64
	// Tier, Geo and Fast are the request's wishes for service_tier, inference_geo and speed.
	Tier, Geo string
	Fast      bool
	// CacheControl says that the request asks for cache writes, TTL1h for some that last an hour.
	CacheControl, TTL1h bool
	// Structured says that the answer's format is prescribed, which adds instructions of the provider's to the input.
	Structured bool
	AudioOut   bool // the answer may be sound
	Stream     bool
	Reasoning  bool // thinking is asked for
	// Unbounded lists why the input's size does not follow from the body: media by reference, stored conversations, tools that the
	// provider runs. Rounds is how often the model may then read its whole context.
	Unbounded []string
	Rounds    int64
	// WebSearches and FileSearches are how many searches the provider may bill for.
	WebSearches, FileSearches int64
	// ContainerFee is the most that the containers cost in which the provider's tools may run code.
	ContainerFee money.USD
	// Unpriced names something that is billed in a way that no table prices; such a request has no bound.
	Unpriced string
	// InputTokens, if not 0, is the most that the whole input can be by something better than its bytes: see [Outline].
	InputTokens int64
}

// serverRounds is how many uses of server tools are assumed where the request does not limit them. Anthropic pauses a turn after
// ten (https://docs.claude.com/en/docs/agents-and-tools/tool-use/overview); OpenAI publishes no number.
const serverRounds = 10

// ReadRequest reads a body in one pass and leaves it unchanged. It is strict where a mistake costs money: a name that is there
// twice in an object, however deep, of which two readers may take different ones (RFC 8259, section 4), invalid UTF-8, nesting deeper than 1,000, and counts that are no whole
// numbers are errors. What does not bear on the price, such as the schema of a tool, has to be such JSON and no more. Names
// count exactly as written; Max_Tokens is not max_tokens. The error names the field and never quotes a value longer than 40 bytes.
func ReadRequest(api API, body []byte) (Request, error) {
	r, _ := readers.Get().(*RequestReader)
	req, err := r.Read(api, body)
	if len(body) <= kept {
		r.forget()
		readers.Put(r)
	}
	return req, err
}

var readers = sync.Pool{New: func() any { return new(RequestReader) }}

// kept is the longest body after which what it was read with is used again.
const kept = 64 << 10

// read reads the body that the decoder begins with.
func (r *requestReader) read(api API, body []byte) (Request, error) {
	r.names.owner = -1
	r.req = Request{API: api, BodyBytes: int64(len(body)), Choices: 1, Rounds: 1}
	if kind := r.dec.PeekKind(); kind != '{' && (kind != 0 || len(bytes.TrimSpace(body)) == 0) {
		return Request{}, errors.New("the body is not a JSON object")
	}
	if err := r.object(r.field); err != nil {
		return Request{}, readable(err)
	}
	if r.dec.PeekKind() != 0 || len(bytes.Trim(body[r.dec.InputOffset():], " \t\r\n")) > 0 {
		return Request{}, errors.New("the body goes on after its JSON object")
	}
	r.finish()
	return r.req, nil
}

// readable turns a syntax error into a sentence that shows nothing of the body but a name.
func readable(err error) error {
	var syntax *jsontext.SyntacticError
	if !errors.As(err, &syntax) {
		return err
	}
	return fmt.Errorf("the body is not valid JSON at byte %d: %w", syntax.ByteOffset, syntax.Err)
}

// requestReader walks a body. Its methods read exactly one value each.
type requestReader struct {
	dec   *jsontext.Decoder
	names distinct
	depth int // of contents within contents
	req   Request

	caps           []int64
	n, bestOf      int64
	prompts        int64
	serverTools    bool
	compacts       bool
	uses, maxCalls int64 // of server tools: granted one by one, and in all; -1 is no limit
	elsewhere      bool  // some of the input is not in the body
	documents      int64 // in the body, of unknown length
}

// skip passes over a value that does not bear on the price. What stands in it may, for whoever reads it after us: no name may be there twice.
func (r *requestReader) skip() error {
	if kind := r.dec.PeekKind(); kind == '{' || kind == '[' {
		if err := r.names.look(r.dec.UnreadBuffer()); err != nil {
			return err
		}
	}
	_, err := r.dec.ReadValue()
	return err
}

// object reads an object, in which no name may be there twice.
func (r *requestReader) object(f func(name string) error) error {
	if r.dec.PeekKind() != '{' {
		return r.skip()
	}
	from := len(r.names.open)
	err := eachName(r.dec, func(name string) error {
		if !r.names.add(from, name) {
			return errTwice(name)
		}
		return f(name)
	})
	r.names.end(from)
	return err
}

func (r *requestReader) list(f func() error) error {
	if r.dec.PeekKind() != '[' {
		return r.skip()
	}
	return eachElement(r.dec, f)
}

// text reads a string into *s; null leaves it.
func (r *requestReader) text(field string, s *string) error {
	switch r.dec.PeekKind() {
	case 'n':
		return r.skip()
	case '"':
		tok, err := r.dec.ReadToken()
		if err == nil {
			*s = tok.String()
		}
		return err
	case 0:
		_, err := r.dec.ReadToken()
		return err
	default:
		return fmt.Errorf("%s: want a string, not a %s", field, kindName(r.dec.PeekKind()))
	}
}

func (r *requestReader) flag(field string, b *bool) error {
	tok, err := r.dec.ReadToken()
	switch {
	case err != nil:
		return err
	case tok.Kind() == 't' || tok.Kind() == 'f':
		*b = tok.Bool()
	case tok.Kind() != 'n':
		return fmt.Errorf("%s: want true or false, not a %s", field, kindName(tok.Kind()))
	}
	return nil
}

// whole reads a count of at least least; ok is false for null.
func (r *requestReader) whole(field string, least int64) (n int64, ok bool, err error) {
	tok, err := r.dec.ReadToken()
	if err != nil {
		return 0, false, err
	}
	n, ok, err = tokenCount(tok)
	if err == nil && ok && n < least {
		err = fmt.Errorf("want at least %d, not %d", least, n)
	}
	if err != nil {
		return 0, false, fmt.Errorf("%s: %w", field, err)
	}
	return n, ok, nil
}

// present reads a value and reports whether it is there in earnest: neither null nor false.
func (r *requestReader) present() (bool, error) {
	kind := r.dec.PeekKind()
	return kind != 'n' && kind != 'f', r.skip()
}

// mostReasons is how many reasons are kept: one is enough to refuse, and a body may hold a great many.
const mostReasons = 16

func (r *requestReader) unbounded(why string) {
	r.elsewhere = true
	r.because(why)
}

// document is what is in the body, but in a form that does not tell how many tokens it is: the same bytes are the same tokens, however.
func (r *requestReader) document(why string) {
	r.documents++
	r.because(why)
}

func (r *requestReader) because(why string) {
	if len(r.req.Unbounded) >= mostReasons && why != compacted || slices.Contains(r.req.Unbounded, why) {
		return
	}
	r.req.Unbounded = append(r.req.Unbounded, why)
}

// finish draws the sums that need the whole body.
func (r *requestReader) finish() {
	for _, c := range r.caps {
		r.req.OutputCap, r.req.HasCap = max(r.req.OutputCap, c), true
	}
	r.req.Choices = product(max(r.n, r.bestOf, 1), max(r.prompts, 1))
	if r.compacts {
		r.req.Rounds++
	}
	if !r.serverTools {
		return
	}
	uses := r.uses
	if uses < 0 || r.maxCalls > 0 && r.maxCalls < uses {
		uses = r.maxCalls
	}
	if uses <= 0 {
		uses = serverRounds
	}
	r.req.Rounds += uses
	r.req.WebSearches = min(r.req.WebSearches, 1) * uses
	r.req.FileSearches = min(r.req.FileSearches, 1) * uses
}

// product multiplies counts and stops just past the largest one, which every bound refuses.
func product(a, b int64) int64 {
	if b > 0 && a > maxCount/b {
		return maxCount + 1
	}
	return a * b
}
