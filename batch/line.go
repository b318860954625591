package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Defaults fill in what a line leaves out.
type Defaults struct {
	Model     string // for lines without a model
	System    string // for shorthand lines without a system prompt
	MaxTokens int64  // for lines without an output cap; 0 for none
	// Anthropic reports whether a model's provider speaks Anthropic's format, so that a shorthand line for it becomes a message. Default: none does.
	Anthropic func(model string) bool
	// CapField is the output cap's name in a chat completion for a model. Default: max_completion_tokens.
	CapField func(model string) string
}

// endpoints are the URLs a line may name.
var endpoints = map[string]usage.API{
	"/v1/chat/completions": usage.Chat, "/v1/completions": usage.Completions, "/v1/responses": usage.Responses,
	"/v1/embeddings": usage.Embeddings, "/v1/messages": usage.Messages,
}

// APIOf returns the API of an item's URL.
func APIOf(url string) (usage.API, bool) {
	api, ok := endpoints[url]
	return api, ok
}

// ParseLine reads one line of input: an OpenAI batch line (custom_id, method, url, body), or shorthand (id, model, and prompt or
// messages; anything else goes into the request as it is). The item's body is ready to be sent, but for fields Aurea owns.
// The error says what is wrong and how to mend it, without the line number.
func ParseLine(line []byte, d Defaults) (store.Item, error) {
	p := parser{d: d}
	if err := p.parse(line); err != nil {
		return store.Item{}, err
	}
	return p.item()
}

// parser reads lines one after the other. Its zero value, with defaults, is ready; what it holds is good until the next line.
type parser struct {
	d      Defaults
	fields fields
	reader usage.RequestReader
	buf    []byte // of a body that was put together

	id, url string
	body    []byte // as the line has it, or put together from shorthand
	req     usage.Request
	// What the defaults add to the body: the model, and a cap of so many tokens in that field.
	model    bool
	capField string
}

// parse reads a line.
func (p *parser) parse(line []byte) error {
	var ok bool
	if p.fields, ok = split(line, p.fields[:0]); !ok {
		var err error
		if p.fields, err = object(line); err != nil {
			return err
		}
	}
	_, full := p.fields.get("body")
	if id, there := p.fields.get("custom_id"); there && len(id) > 0 {
		full = true
	}
	err := p.shape(full)
	if err == nil {
		err = p.finish()
	}
	if err != nil && ok {
		if _, malformed := object(line); malformed != nil { // which says it of the whole line
			return malformed
		}
	}
	return err
}

func (p *parser) shape(full bool) error {
	if full {
		return p.batchLine()
	}
	return p.shorthand()
}

// item returns the line as it is kept.
func (p *parser) item() (_ store.Item, err error) {
	item := store.Item{CustomID: p.id, URL: p.url, Body: bytes.Clone(p.body), Lane: p.req.Model}
	if p.model {
		if item.Body, err = usage.SetField(item.Body, "model", quote(p.d.Model)); err != nil {
			return item, err
		}
	}
	if p.capField != "" {
		item.Body, err = usage.InjectCap(p.req.API, p.capField, item.Body, p.d.MaxTokens)
	}
	return item, err
}

// object splits a JSON object into its top-level values, in order. Duplicate names, trailing text and whatever else is not JSON are errors.
func object(line []byte) (all fields, err error) {
	dec := jsontext.NewDecoder(bytes.NewReader(line))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		if err == nil {
			err = errors.New("is not a JSON object")
		}
		return nil, jsonError(err)
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, jsonError(err)
		}
		key := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return nil, jsonError(err)
		}
		all = append(all, field{key, value.Clone()})
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, jsonError(err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("has more after the JSON object; put one object on each line")
	}
	return all, nil
}

func jsonError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("ends in the middle of the JSON object")
	}
	return fmt.Errorf("is not valid JSON: %s", strings.TrimPrefix(err.Error(), "jsontext: "))
}

func (f fields) text(name string) (string, error) {
	v, ok := f.get(name)
	if !ok {
		return "", nil
	}
	s, err := unquote(v)
	if err != nil {
		return "", fmt.Errorf("%q must be a string", name)
	}
	return s, nil
}

func unquote(v jsontext.Value) (string, error) {
	if v.Kind() != '"' {
		return "", errors.New("not a string")
	}
	if plain(v) {
		return string(v[1 : len(v)-1]), nil
	}
	b, err := jsontext.AppendUnquote(nil, v)
	return string(b), err
}

// plain reports whether a quoted string says what it means without decoding.
func plain(v []byte) bool {
	for _, c := range v {
		if c < ' ' || c > '~' || c == '\\' {
			return false
		}
	}
	return true
}

func (p *parser) batchLine() (err error) {
	for _, f := range p.fields {
		switch f.name {
		case "custom_id", "method", "url", "body":
		default:
			return fmt.Errorf("has an unknown field %q; a batch line has custom_id, method, url and body", f.name)
		}
	}
	if p.id, err = p.fields.text("custom_id"); err != nil {
		return err
	}
	if p.id == "" {
		return errors.New(`needs a "custom_id"`)
	}
	method, err := p.fields.text("method")
	if err != nil {
		return err
	}
	if method != "" && method != "POST" {
		return fmt.Errorf("has method %q; only POST is possible", method)
	}
	if p.url, err = p.fields.text("url"); err != nil {
		return err
	}
	if _, ok := endpoints[p.url]; !ok {
		return fmt.Errorf("has url %q; want /v1/chat/completions, /v1/completions, /v1/responses, /v1/embeddings or /v1/messages", p.url)
	}
	body, _ := p.fields.get("body")
	if body.Kind() != '{' {
		return errors.New(`needs a "body" that is an object`)
	}
	p.body = body
	return nil
}

// shorthand builds a chat completion, or a message where the model's provider speaks Anthropic's format.
func (p *parser) shorthand() (err error) {
	id, _ := p.fields.get("id")
	if p.id, err = shortID(id); err != nil {
		return err
	}
	model, err := p.fields.text("model")
	if err != nil {
		return err
	}
	if model == "" {
		model = p.d.Model
	}
	if model == "" {
		return errors.New(`needs a "model", or --model for all lines`)
	}
	system, err := p.fields.text("system")
	if err != nil {
		return err
	}
	if system == "" {
		system = p.d.System
	}
	anthropic := p.d.Anthropic != nil && p.d.Anthropic(model)
	b := builder{buf: p.buf[:0]}
	b.name("model")
	b.text(model)
	if anthropic && system != "" {
		b.name("system")
		b.text(system)
	}
	b.name("messages")
	if anthropic {
		system = ""
	}
	if err := p.messages(&b, system); err != nil {
		return err
	}
	for _, f := range p.fields {
		switch f.name {
		case "id", "model", "system", "prompt", "messages":
		default:
			b.field(f.name, f.value)
		}
	}
	p.buf = b.close()
	p.body, p.url = p.buf, "/v1/chat/completions"
	if anthropic {
		p.url = "/v1/messages"
	}
	return nil
}

func shortID(v jsontext.Value) (string, error) {
	switch v.Kind() {
	case '"':
		if s, err := unquote(v); err == nil && s != "" {
			return s, nil
		}
	case '0': // a number; ids often are
		if !v.IsValid() {
			break
		}
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return strconv.FormatInt(n, 10), nil
		}
	}
	return "", errors.New(`needs an "id" (a string or a whole number), or "custom_id", "method", "url" and "body"`)
}

// messages writes the line's messages after a system prompt, if there is one.
func (p *parser) messages(b *builder, system string) error {
	prompt, hasPrompt := p.fields.get("prompt")
	messages, hasMessages := p.fields.get("messages")
	switch {
	case hasPrompt == hasMessages:
		return errors.New(`needs either "prompt" or "messages"`)
	case hasMessages && messages.Kind() != '[':
		return errors.New(`"messages" must be an array`)
	case hasPrompt && prompt.Kind() != '"':
		return errors.New(`"prompt" must be a string`)
	}
	b.buf = append(b.buf, '[')
	if system != "" {
		b.buf = append(b.buf, `{"role":"system","content":`...)
		b.text(system)
		b.buf = append(b.buf, '}')
	}
	if hasMessages {
		rest := bytes.TrimLeft(messages[1:], " \t\r\n")
		if system != "" && rest[0] != ']' {
			b.buf = append(b.buf, ',')
		}
		b.buf = append(b.buf, messages[1:]...)
		return nil
	}
	if system != "" {
		b.buf = append(b.buf, ',')
	}
	b.buf = append(append(append(b.buf, `{"role":"user","content":`...), prompt...), "}]"...)
	return nil
}

// finish checks what every request must have, and finds what the defaults add.
func (p *parser) finish() (err error) {
	p.model, p.capField = false, ""
	if len(p.id) > 512 {
		return errors.New("has an id longer than 512 bytes")
	}
	if p.req, err = p.reader.Read(endpoints[p.url], p.body); err != nil {
		return err
	}
	if p.req.Model == "" {
		if p.d.Model == "" {
			return errors.New(`needs a "model" in its body, or --model for all lines`)
		}
		p.req.Model, p.model = p.d.Model, true
	}
	if p.req.Stream {
		return errors.New(`asks for a stream; leave "stream" out of a batch`)
	}
	if p.d.MaxTokens > 0 && !p.req.HasCap && p.req.API != usage.Embeddings {
		p.capField = "max_completion_tokens"
		if p.d.CapField != nil {
			p.capField = p.d.CapField(p.req.Model)
		}
	}
	return nil
}
