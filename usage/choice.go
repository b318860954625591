package usage

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// choice is one of the answers in a stream of choices.
type choice struct {
	index    int64
	finished bool
}

// maxChoices is how many choices are told apart; no provider gives more.
const maxChoices = 1024

// readChoice reads one choice of a chunk.
func (ev *event) readChoice() error {
	var c choice
	if passed, err := passEmpty(ev.dec); passed {
		ev.addChoice(c)
		return err
	}
	visible := false
	err := eachName(ev.dec, func(name string) error {
		switch name {
		case "index":
			return c.readIndex(ev.dec)
		case "usage":
			return ev.readUsage() // Moonshot's place for it (https://platform.moonshot.ai/docs/api/chat)
		case "finish_reason":
			if ev.dec.PeekKind() != '"' {
				break
			}
			v, err := ev.dec.ReadValue()
			reason := unquoted(v)
			c.finished = c.finished || len(reason) > 0
			ev.truncated = ev.truncated || string(reason) == "length"
			return err
		case "text":
			return ev.nonEmpty(&visible)
		case "delta":
			return eachName(ev.dec, func(inner string) error {
				switch inner {
				case "content", "refusal", "tool_calls", "function_call", "audio":
					return ev.nonEmpty(&visible)
				case "role":
					return skip(ev.dec)
				}
				v, err := ev.dec.ReadValue()
				ev.more = ev.more || len(v) > 2 && v.Kind() != 'n' // thought, under the names that providers give it
				return err
			})
		case "error":
			return ev.readProblem()
		}
		return skip(ev.dec)
	})
	if visible {
		ev.pieces++
	}
	ev.addChoice(c)
	return err
}

func (ev *event) addChoice(c choice) {
	if len(ev.choices) < maxChoices {
		ev.choices = append(ev.choices, c)
	}
}

func (c *choice) readIndex(dec *jsontext.Decoder) error {
	if dec.PeekKind() != '0' {
		return skip(dec)
	}
	v, err := dec.ReadValue()
	c.index, _ = strconv.ParseInt(string(v), 10, 64)
	return err
}

// nonEmpty reports output in the value that follows: a text that is not empty, itself or among the texts that models write in lists and objects.
func (ev *event) nonEmpty(visible *bool) error {
	switch ev.dec.PeekKind() {
	case '"':
		v, err := ev.dec.ReadValue()
		*visible = *visible || len(v) > 2
		ev.text += int64(max(len(v)-2, 0))
		return err
	case '[':
		return eachElement(ev.dec, func() error {
			if ev.dec.PeekKind() != '{' {
				return skip(ev.dec)
			}
			return ev.nonEmpty(visible)
		})
	case '{':
		return eachName(ev.dec, func(name string) error {
			switch name {
			case "text", "arguments", "name", "function", "custom", "input", "data", "transcript":
				return ev.nonEmpty(visible)
			}
			return skip(ev.dec)
		})
	}
	return skip(ev.dec)
}
