package usage

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// IncludeUsage returns a streamed request of chat completions or completions with stream_options.include_usage set to true, without which these streams carry no
// usage (https://platform.openai.com/docs/api-reference/chat/create#chat-create-stream_options); every other byte is as it was. changed says that the request did not
// ask for it: then the chunk with the usage, whose choices are empty, is nothing the client waits for.
//
// A request that asks already, is not streamed, or is of another API comes back as it is; so does one whose stream_options are nonsense, which is for the
// provider to refuse.
func IncludeUsage(api API, body []byte) (out []byte, changed bool, err error) {
	if api != Chat && api != Completions {
		return body, false, nil
	}
	s := borrow(body, jsontext.AllowDuplicateNames(true))
	defer s.giveBack()
	dec := &s.Decoder
	if dec.PeekKind() != '{' {
		return nil, false, errors.New("the body is not a JSON object")
	}
	streamed, options := false, jsontext.Value(nil)
	names := distinct{owner: -1}
	err = eachName(dec, func(name string) error {
		if (name == "stream" || name == "stream_options") && !names.add(0, name) {
			return fmt.Errorf("the body has the name %q twice in one object", name)
		}
		kind := dec.PeekKind()
		v, err := dec.ReadValue()
		switch name {
		case "stream":
			streamed = kind == 't'
		case "stream_options":
			options = v.Clone()
		}
		return err
	})
	if err != nil {
		return nil, false, readable(err)
	}
	if !streamed {
		return body, false, nil
	}
	switch options.Kind() {
	case jsontext.KindInvalid, 'n':
		options = jsontext.Value("{}")
	case '{':
	default:
		return body, false, nil
	}
	asked, err := asksForUsage(options)
	if asked || err != nil {
		return body, false, err
	}
	if options, err = SetField(options, "include_usage", []byte("true")); err != nil {
		return nil, false, err
	}
	out, err = SetField(body, "stream_options", options)
	return out, err == nil, err
}

// asksForUsage reports whether options have an include_usage that is not to be set: true, or nonsense.
func asksForUsage(options []byte) (bool, error) {
	dec := loose(options)
	asked := false
	err := eachName(dec, func(name string) error {
		if name == "include_usage" {
			kind := dec.PeekKind()
			asked = kind != 'f' && kind != 'n'
		}
		return skip(dec)
	})
	return asked, err
}

// OnlyUsage reports whether the data of an event of chat completions or completions is the chunk that [IncludeUsage] asks for: counts, and no choices. Errors are not.
func OnlyUsage(data []byte) bool {
	dec := lenient(data)
	counts, more := false, false
	err := eachName(dec, func(name string) error {
		switch kind := dec.PeekKind(); name {
		case "usage":
			counts = kind == '{'
		case "error":
			more = more || kind != 'n'
		case "choices":
			return eachElement(dec, func() error {
				more = true
				return skip(dec)
			})
		}
		return skip(dec)
	})
	return err == nil && counts && !more
}
