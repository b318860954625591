package usage

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/andres20980/aurea-orchestrator/internal/wire"
)

// Parse reads the usage from the whole body of a 2xx answer that was not streamed. Of a value that is there twice the last one that is
// not null counts; nothing is ever added twice.
//
// It returns an error matching [ErrMissing] when there is no usage, or not enough of it to price the call, and one
// matching [ErrInvalid] when the counts are impossible. Neither means that the call was free.
func Parse(api API, body []byte) (Usage, error) {
	body = bytes.TrimPrefix(body, byteOrderMark)
	if api == Gemini {
		return parseGemini(body)
	}
	s := borrow(body, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	defer s.giveBack()
	a := answer{dec: &s.Decoder, names: namesOf(api)}
	if a.dec.PeekKind() != '{' || eachName(a.dec, a.field) != nil || goesOn(a.dec) {
		return Usage{}, errCut
	}
	if a.status == "queued" || a.status == "in_progress" {
		return Usage{}, fmt.Errorf("%w: its status is %s", ErrMissing, a.status)
	}
	u, err := a.result(api)
	u.Complete = err == nil
	return u, err
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// goesOn reports whether something follows the object that was read.
func goesOn(dec *jsontext.Decoder) bool {
	return len(bytes.Trim(dec.UnreadBuffer(), " \t\r\n")) > 0
}

var errCut = fmt.Errorf("%w: the body is not a whole JSON object, or nested too deep", ErrMissing)

// ParseAny reads the usage from the whole bytes of an answer, streamed or not: it tells by how they begin. Of a stream that broke off it returns the counts
// that it had by then, whose Complete is false: they are no bill. The errors are those of [Parse].
func ParseAny(api API, body []byte) (Usage, error) {
	start := bytes.TrimLeft(bytes.TrimPrefix(body, byteOrderMark), " \t\r\n")
	if len(start) == 0 || start[0] == '{' || start[0] == '[' && api != Gemini {
		return Parse(api, start)
	}
	m := NewMeter(api)
	_, _ = m.Write(body)
	_ = m.Close()
	return m.Result()
}

// parseGemini reads an answer that is not streamed as a stream of one piece.
func parseGemini(body []byte) (Usage, error) {
	m := NewMeter(Gemini)
	m.read(wire.Event{Data: body})
	u, err := m.Result()
	switch {
	case !m.begun && m.failed == nil || goesOn(m.event.dec):
		return Usage{}, errCut
	case err == nil && !u.Complete:
		return Usage{}, fmt.Errorf("%w: no candidate has a finishReason", ErrMissing)
	}
	return u, err
}

// result reads the counts by the rules of the API. All but Complete is set.
func (a *answer) result(api API) (u Usage, err error) {
	counts := &a.usage
	if !a.has {
		counts = &a.groq
	}
	if !a.has && !a.hasGroq {
		return Usage{}, ErrMissing
	}
	switch api {
	case Messages:
		u, err = counts.messages()
	case Embeddings:
		u, err = counts.embeddings()
	case Gemini:
		u, err = counts.gemini()
	default:
		u, err = counts.openAI()
	}
	if err != nil {
		return Usage{}, err
	}
	counts.reported(&u)
	if u.InputTokens() == 0 && !u.HasReported {
		return Usage{}, errNothingRead
	}
	if a.tier != "" {
		u.Tier = a.tier
	}
	u.Model = a.model
	a.tools.into(&u)
	return u, nil
}

// errNothingRead says that an answer counts nothing for its input. A model reads a token at least; servers that do not count say zero.
var errNothingRead = fmt.Errorf("%w: it counts no input", ErrInvalid)

// lenient reads JSON as its receivers do, because it is not ours to refuse: with names that are there twice and with invalid UTF-8.
func lenient(body []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// answer is what of a body bears on its cost.
type answer struct {
	dec         *jsontext.Decoder
	names       *group
	model, tier string
	status      string
	usage, groq counts
	has         bool // usage is an object
	hasGroq     bool
	tools       tools
}

// field reads the value of a field of the answer.
func (a *answer) field(name string) error {
	switch name {
	case "model":
		return readText(a.dec, &a.model)
	case "service_tier":
		return readText(a.dec, &a.tier)
	case "status":
		return readText(a.dec, &a.status)
	case "usage":
		return a.readUsage()
	case "x_groq":
		return eachName(a.dec, func(inner string) error {
			if inner == "usage" {
				return a.readGroq()
			}
			return skip(a.dec)
		})
	case "output":
		if a.names != responsesNames {
			break
		}
		a.tools.web, a.tools.file, a.tools.other = 0, 0, ""
		return eachElement(a.dec, func() error {
			_, err := a.tools.readItem(a.dec)
			return err
		})
	case "tool_usage":
		return a.tools.readUsage(a.dec)
	}
	return skip(a.dec)
}

func (a *answer) readUsage() error {
	if a.dec.PeekKind() != '{' {
		return skip(a.dec) // null, or nonsense
	}
	a.usage, a.has = counts{}, true
	return a.usage.read(a.dec, a.names)
}

func (a *answer) readGroq() error {
	if a.dec.PeekKind() != '{' {
		return skip(a.dec)
	}
	a.groq, a.hasGroq = counts{}, true
	return a.groq.read(a.dec, a.names)
}
