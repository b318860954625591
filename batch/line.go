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
	fields, order, err := object(line)
	if err != nil {
		return store.Item{}, err
	}
	var item store.Item
	if _, full := fields["body"]; full || fields["custom_id"] != nil {
		item, err = batchLine(fields, order)
	} else {
		item, err = shorthand(fields, order, d)
	}
	if err != nil {
		return item, err
	}
	return finish(item, d)
}

// object splits a JSON object into its top-level values, in order. Duplicate names and trailing text are errors.
func object(line []byte) (fields map[string]jsontext.Value, order []string, err error) {
	dec := jsontext.NewDecoder(bytes.NewReader(line))
	fields = make(map[string]jsontext.Value)
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		if err == nil {
			err = errors.New("is not a JSON object")
		}
		return nil, nil, jsonError(err)
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, nil, jsonError(err)
		}
		key := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return nil, nil, jsonError(err)
		}
		fields[key] = value.Clone()
		order = append(order, key)
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, nil, jsonError(err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, nil, errors.New("has more after the JSON object; put one object on each line")
	}
	return fields, order, nil
}

func jsonError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("ends in the middle of the JSON object")
	}
	return fmt.Errorf("is not valid JSON: %s", strings.TrimPrefix(err.Error(), "jsontext: "))
}

func text(fields map[string]jsontext.Value, name string) (string, error) {
	v, ok := fields[name]
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
	b, err := jsontext.AppendUnquote(nil, v)
	return string(b), err
}

func batchLine(fields map[string]jsontext.Value, order []string) (store.Item, error) {
	for _, name := range order {
		switch name {
		case "custom_id", "method", "url", "body":
		default:
			return store.Item{}, fmt.Errorf("has an unknown field %q; a batch line has custom_id, method, url and body", name)
		}
	}
	id, err := text(fields, "custom_id")
	if err != nil {
		return store.Item{}, err
	}
	if id == "" {
		return store.Item{}, errors.New(`needs a "custom_id"`)
	}
	method, err := text(fields, "method")
	if err != nil {
		return store.Item{}, err
	}
	if method != "" && method != "POST" {
		return store.Item{}, fmt.Errorf("has method %q; only POST is possible", method)
	}
	url, err := text(fields, "url")
	if err != nil {
		return store.Item{}, err
	}
	if _, ok := endpoints[url]; !ok {
		return store.Item{}, fmt.Errorf("has url %q; want /v1/chat/completions, /v1/completions, /v1/responses, /v1/embeddings or /v1/messages", url)
	}
	body := fields["body"]
	if body.Kind() != '{' {
		return store.Item{}, errors.New(`needs a "body" that is an object`)
	}
	return store.Item{CustomID: id, URL: url, Body: body}, nil
}

// shorthand builds a chat completion, or a message where the model's provider speaks Anthropic's format.
func shorthand(fields map[string]jsontext.Value, order []string, d Defaults) (store.Item, error) {
	id, err := shortID(fields["id"])
	if err != nil {
		return store.Item{}, err
	}
	model, err := text(fields, "model")
	if err != nil {
		return store.Item{}, err
	}
	if model == "" {
		model = d.Model
	}
	if model == "" {
		return store.Item{}, errors.New(`needs a "model", or --model for all lines`)
	}
	system, err := text(fields, "system")
	if err != nil {
		return store.Item{}, err
	}
	if system == "" {
		system = d.System
	}
	anthropic := d.Anthropic != nil && d.Anthropic(model)
	messages, err := shortMessages(fields, system, anthropic)
	if err != nil {
		return store.Item{}, err
	}
	var b builder
	b.field("model", quote(model))
	if anthropic && system != "" {
		b.field("system", quote(system))
	}
	b.field("messages", messages)
	for _, name := range order {
		switch name {
		case "id", "model", "system", "prompt", "messages":
		default:
			b.field(name, fields[name])
		}
	}
	item := store.Item{CustomID: id, URL: "/v1/chat/completions", Body: b.close()}
	if anthropic {
		item.URL = "/v1/messages"
	}
	return item, nil
}

func shortID(v jsontext.Value) (string, error) {
	switch v.Kind() {
	case '"':
		if s, err := unquote(v); err == nil && s != "" {
			return s, nil
		}
	case '0': // a number; ids often are
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return strconv.FormatInt(n, 10), nil
		}
	}
	return "", errors.New(`needs an "id" (a string or a whole number), or "custom_id", "method", "url" and "body"`)
}

func shortMessages(fields map[string]jsontext.Value, system string, anthropic bool) ([]byte, error) {
	prompt, hasPrompt := fields["prompt"]
	messages, hasMessages := fields["messages"]
	if hasPrompt == hasMessages {
		return nil, errors.New(`needs either "prompt" or "messages"`)
	}
	if hasMessages && messages.Kind() != '[' {
		return nil, errors.New(`"messages" must be an array`)
	}
	if hasPrompt {
		if prompt.Kind() != '"' {
			return nil, errors.New(`"prompt" must be a string`)
		}
		messages = jsontext.Value(`[{"role":"user","content":` + string(prompt) + `}]`)
	}
	if system == "" || anthropic {
		return messages, nil
	}
	first := `[{"role":"system","content":` + string(quote(system)) + `}`
	if rest := bytes.TrimSpace(messages[1:]); len(rest) > 0 && rest[0] != ']' {
		first += ","
	}
	return append([]byte(first), messages[1:]...), nil
}

// finish fills in model and output cap, and checks what every request must have.
func finish(item store.Item, d Defaults) (store.Item, error) {
	api := endpoints[item.URL]
	if len(item.CustomID) > 512 {
		return item, errors.New("has an id longer than 512 bytes")
	}
	req, err := usage.ReadRequest(api, item.Body)
	if err != nil {
		return item, err
	}
	if req.Model == "" {
		if d.Model == "" {
			return item, errors.New(`needs a "model" in its body, or --model for all lines`)
		}
		if item.Body, err = usage.SetField(item.Body, "model", quote(d.Model)); err != nil {
			return item, err
		}
		req.Model = d.Model
	}
	if req.Stream {
		return item, errors.New(`asks for a stream; leave "stream" out of a batch`)
	}
	if d.MaxTokens > 0 && !req.HasCap && api != usage.Embeddings {
		field := "max_completion_tokens"
		if d.CapField != nil {
			field = d.CapField(req.Model)
		}
		if item.Body, err = usage.InjectCap(api, field, item.Body, d.MaxTokens); err != nil {
			return item, err
		}
	}
	item.Lane = req.Model
	return item, nil
}

// builder writes a JSON object from values that are JSON already.
type builder struct{ buf []byte }

func (b *builder) field(name string, value []byte) {
	if len(b.buf) == 0 {
		b.buf = append(b.buf, '{')
	} else {
		b.buf = append(b.buf, ',')
	}
	b.buf = append(append(append(b.buf, quote(name)...), ':'), value...)
}

func (b *builder) close() []byte { return append(b.buf, '}') }

func quote(s string) []byte {
	q, err := jsontext.AppendQuote(nil, s)
	if err != nil { // s is not UTF-8; what came from JSON always is
		q, _ = jsontext.AppendQuote(nil, strings.ToValidUTF8(s, "\uFFFD"))
	}
	return q
}
