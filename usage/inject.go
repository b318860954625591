package usage

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// InjectCap returns a copy of a body with an output cap in it; every other byte is as it was. The field's name follows from the API: max_output_tokens
// for responses, max_tokens for messages and completions, maxOutputTokens in generationConfig for Gemini; for chat completions it is field, which depends on the
// provider (max_completion_tokens at OpenAI, max_tokens elsewhere).
func InjectCap(api API, field string, body []byte, outputCap int64) ([]byte, error) {
	switch api {
	case Responses:
		field = "max_output_tokens"
	case Messages, Completions:
		field = "max_tokens"
	case Embeddings:
		return nil, errors.New("embeddings have no output to cap")
	case Gemini:
		return injectGeminiCap(body, outputCap)
	}
	if field != "max_tokens" && field != "max_completion_tokens" && api == Chat {
		return nil, fmt.Errorf("%q is not an output cap of chat completions; use max_tokens or max_completion_tokens", field)
	}
	if outputCap < 0 || outputCap > maxCount {
		return nil, fmt.Errorf("an output cap of %d tokens is out of range", outputCap)
	}
	return SetField(body, field, strconv.AppendInt(nil, outputCap, 10))
}

// injectGeminiCap sets maxOutputTokens in the request's generationConfig, in the spelling that the request uses.
func injectGeminiCap(body []byte, outputCap int64) ([]byte, error) {
	if outputCap < 0 || outputCap > maxCount {
		return nil, fmt.Errorf("an output cap of %d tokens is out of range", outputCap)
	}
	dec := loose(body)
	field, inner, config := "generationConfig", "maxOutputTokens", jsontext.Value("{}")
	err := eachName(dec, func(name string) error {
		v, err := dec.ReadValue()
		if camel(name) == "generationConfig" && v.Kind() == '{' {
			field, config = name, v.Clone()
		}
		return err
	})
	if err != nil {
		return nil, readable(err)
	}
	names := loose(config)
	err = eachName(names, func(name string) error {
		if camel(name) == "maxOutputTokens" {
			inner = name
		}
		return skip(names)
	})
	if err != nil {
		return nil, readable(err)
	}
	if config, err = SetField(config, inner, strconv.AppendInt(nil, outputCap, 10)); err != nil {
		return nil, err
	}
	return SetField(body, field, config)
}

// SetField returns a copy of a JSON object with one field set to a JSON value; every other byte is as it was. A field that is there, in
// whatever spelling of its letters, is replaced where it stands, so that no reader can find another value; else it is added at the end.
// A field that is there more than once is an error.
func SetField(body []byte, field string, value []byte) ([]byte, error) {
	dec := loose(body)
	if dec.PeekKind() != '{' {
		return nil, errors.New("the body is not a JSON object")
	}
	from, to, names := int64(-1), int64(-1), 0
	err := eachName(dec, func(name string) error {
		names++
		if name != field {
			return skip(dec)
		}
		if from >= 0 {
			return fmt.Errorf("the body has the name %q twice in one object", field)
		}
		v, err := dec.ReadValue()
		to = dec.InputOffset()
		from = to - int64(len(v))
		return err
	})
	if err != nil {
		return nil, readable(err)
	}
	end := dec.InputOffset() - 1 // the closing brace
	var out []byte
	if from >= 0 {
		out = make([]byte, 0, len(body)+len(value))
		return append(append(append(out, body[:from]...), value...), body[to:]...), nil
	}
	added := make([]byte, 0, len(field)+len(value)+4)
	if names > 0 {
		added = append(added, ',')
	}
	added = append(strconv.AppendQuote(added, field), ':')
	added = append(added, value...)
	out = make([]byte, 0, len(body)+len(added))
	return append(append(append(out, body[:end]...), added...), body[end:]...), nil
}

// CapBytes returns how many bytes [InjectCap] adds to a body at most: fewer where the field is there as null.
func CapBytes(api API, field string, outputCap int64) int64 {
	switch api {
	case Responses:
		field = "max_output_tokens"
	case Messages, Completions:
		field = "max_tokens"
	case Gemini:
		field = `generationConfig":{"maxOutputTokens}`
	}
	var digits [20]byte
	return int64(len(field) + len(`,"":`) + len(strconv.AppendInt(digits[:0], outputCap, 10)))
}
