package usage

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/andres20980/aurea-orchestrator/internal/wire"
)

// event is what one event of a stream says of the answer's cost.
type event struct {
	answer
	api  API
	data bytes.Buffer
	kind string // its type
	word string // what marks its end, if it is no JSON

	problem   *problem // an error
	top       *problem // code, message and type, which are an error if the event is one
	choices   []choice
	pieces    int64 // of visible output
	more      bool  // output that is no such piece, as thought that is shown
	text      int64 // bytes of its text, as JSON has it
	truncated bool
	hidden    bool
}

func (ev *event) reset(api API, e wire.Event) {
	dec := ev.dec
	if dec == nil {
		dec = new(jsontext.Decoder)
	}
	*ev = event{api: api, choices: ev.choices[:0], kind: typeOf(e.Name)}
	ev.names = namesOf(api)
	ev.data = *bytes.NewBuffer(e.Data)
	dec.Reset(&ev.data, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	ev.dec = dec
	if len(e.Data) < 16 {
		ev.word = string(bytes.TrimSpace(e.Data))
	}
}

// stops reports whether the event is the end of a stream of choices.
func (ev *event) stops() bool {
	return ev.word == "[DONE]" && ev.plain()
}

// plain says that the stream is one of OpenAI's choices.
func (ev *event) plain() bool { return ev.api == Chat || ev.api == Completions }

// problem is an error, in the provider's words.
type problem struct{ kind, code, message, detail string }

// whole reads the event and reports whether it is a whole JSON object.
func (ev *event) whole() bool {
	if ev.dec.PeekKind() != '{' || eachName(ev.dec, ev.part) != nil {
		return false
	}
	switch {
	case ev.kind == "error" && ev.problem == nil:
		ev.problem = ev.top
		if ev.problem == nil {
			ev.problem = new(problem)
		}
	case ev.problem == nil && ev.top != nil && ev.top.kind == "error":
		ev.problem = ev.top
		ev.problem.kind = ""
	case ev.kind == thought:
		ev.pieces, ev.hidden = 0, true // mostly a summary, which is shorter or longer than what it sums up
	}
	return true
}

// part reads a field of the event.
func (ev *event) part(name string) error {
	if ev.api == Gemini {
		return ev.geminiPart(name)
	}
	kind := ev.dec.PeekKind()
	switch name {
	case "type", "object":
		if kind != '"' {
			return skip(ev.dec)
		}
		if name == "type" && ev.plain() {
			return ev.readTop(name) // choices have no types; an error among them has
		}
		v, err := ev.dec.ReadValue()
		if t := typeOf(unquoted(v)); ev.kind != "error" && (name == "type" || t == "error") {
			ev.kind = t
		}
		return err
	case "error":
		return ev.readProblem()
	case "code", "message":
		if name == "message" && kind == '{' && ev.api == Messages {
			return eachName(ev.dec, ev.field)
		}
		return ev.readTop(name)
	case "response":
		if kind == '{' && ev.api == Responses {
			return eachName(ev.dec, ev.responsePart)
		}
	case "choices":
		if ev.plain() {
			return eachElement(ev.dec, ev.readChoice)
		}
	case "delta":
		return ev.readDelta()
	case "content_block":
		if ev.api == Messages {
			return eachName(ev.dec, ev.blockPart)
		}
	case "item":
		if ev.api == Responses {
			return ev.readStreamedItem()
		}
	case "x_groq":
		if kind == '{' {
			return ev.groqPart()
		}
	}
	return ev.field(name)
}

// readTop keeps a text or number at the top of the event, in case the event is an error.
func (ev *event) readTop(name string) error {
	if ev.top == nil {
		if kind := ev.dec.PeekKind(); kind != '"' && kind != '0' {
			return skip(ev.dec)
		}
		ev.top = new(problem)
	}
	return ev.top.field(ev.dec, name)
}

// readProblem reads an error that is an object, or only a text.
func (ev *event) readProblem() error {
	switch ev.dec.PeekKind() {
	case '{':
		ev.problem = new(problem)
		return eachName(ev.dec, func(name string) error { return ev.problem.field(ev.dec, name) })
	case '"':
		var message string
		err := readText(ev.dec, &message)
		if message != "" {
			ev.problem = &problem{message: message}
		}
		return err
	}
	return skip(ev.dec) // null and nonsense
}

// field reads a field of an error. Gemini calls its type status.
func (p *problem) field(dec *jsontext.Decoder, name string) error {
	var target *string
	switch name {
	case "type", "status":
		target = &p.kind
	case "code":
		target = &p.code
	case "message":
		target = &p.message
	case "details":
		return eachName(dec, func(inner string) error {
			if inner == "error_code" {
				return readText(dec, &p.detail)
			}
			return skip(dec)
		})
	default:
		return skip(dec)
	}
	if kind := dec.PeekKind(); kind != '"' && kind != '0' {
		return skip(dec)
	}
	tok, err := dec.ReadToken()
	if err == nil {
		*target = tok.String()
	}
	return err
}

// groqPart reads Groq's own object: its usage, and why a stream was stopped early (https://console.groq.com/docs/api-reference).
func (ev *event) groqPart() error {
	return eachName(ev.dec, func(name string) error {
		switch name {
		case "error":
			return ev.readProblem()
		case "usage":
			return ev.readGroq()
		}
		return skip(ev.dec)
	})
}

// streamError reads an error by what the providers call its parts.
func (p *problem) streamError(api API) *StreamError {
	e := &StreamError{Type: p.kind, Code: p.code, Message: p.message}
	if api == Messages { // where the detail tells a spend limit from a rate limit
		if e.Code = p.detail; e.Code == "" {
			e.Code = e.Type
		}
	}
	return e
}

// readDelta reads what an event of messages or responses adds.
func (ev *event) readDelta() error {
	if ev.api == Responses && ev.dec.PeekKind() == '"' {
		v, err := ev.dec.ReadValue()
		if len(v) > 2 {
			ev.pieces++ // unless the event turns out to be thought
			ev.text += int64(len(v) - 2)
		}
		return err
	}
	if ev.api != Messages {
		return skip(ev.dec)
	}
	visible := false
	err := eachName(ev.dec, func(name string) error {
		switch name {
		case "text", "partial_json":
			return ev.nonEmpty(&visible)
		case "thinking", "signature":
			ev.hidden = true // the text of thought is a summary
		case "stop_reason":
			var reason string
			err := readText(ev.dec, &reason)
			ev.truncated = ev.truncated || reason == "max_tokens"
			return err
		}
		return skip(ev.dec)
	})
	if visible {
		ev.pieces++
	}
	return err
}

// blockPart reads a field of a block that begins. Any but text and a call of the client's tools is made of more than is shown.
func (ev *event) blockPart(name string) error {
	switch name {
	case "type":
		var kind string
		err := readText(ev.dec, &kind)
		ev.hidden = ev.hidden || kind != "text" && kind != "tool_use"
		return err
	case "name", "text":
		visible := false
		err := ev.nonEmpty(&visible)
		if visible {
			ev.pieces++
		}
		return err
	}
	return skip(ev.dec)
}

// readStreamedItem reads an item of a response.
func (ev *event) readStreamedItem() error {
	kind, err := ev.tools.readItem(ev.dec)
	ev.hidden = ev.hidden || kind != "message" && kind != "function_call" && kind != "custom_tool_call"
	return err
}

// responsePart reads a field of the response that an event carries.
func (ev *event) responsePart(name string) error {
	switch name {
	case "error":
		return ev.readProblem()
	case "incomplete_details":
		return eachName(ev.dec, func(inner string) error {
			var reason string
			if inner != "reason" {
				return skip(ev.dec)
			}
			err := readText(ev.dec, &reason)
			ev.truncated = ev.truncated || reason == "max_output_tokens"
			return err
		})
	}
	return ev.field(name)
}

// unquoted returns the text of a JSON string that has no escapes; one that has is nothing we look for.
func unquoted(v []byte) []byte {
	if len(v) < 2 || v[0] != '"' {
		return nil
	}
	return v[1 : len(v)-1]
}

// typeOf returns an event's type without an allocation if it is one that matters.
func typeOf(name []byte) string {
	switch string(name) {
	case "error":
		return "error"
	case "ping":
		return "ping"
	case "message_start":
		return "message_start"
	case "message_delta":
		return "message_delta"
	case "message_stop":
		return "message_stop"
	case "response.output_item.done":
		return "response.output_item.done"
	case "response.completed":
		return "response.completed"
	case "response.incomplete":
		return "response.incomplete"
	case "response.failed":
		return "response.failed"
	case "response.done": // OpenRouter's word for an end of any kind
		return "response.done"
	}
	if bytes.HasPrefix(name, []byte(thought)) {
		return thought
	}
	return ""
}

// thought begins the types of events that show thought in responses.
const thought = "response.reasoning"
