package usage

import "github.com/go-json-experiment/json/jsontext"

// eachName calls f with each name of the object that follows; f reads the value. Another value is skipped. The start of a body that is no
// object is an error.
func eachName(dec *jsontext.Decoder, f func(name string) error) error {
	if dec.PeekKind() != '{' {
		return dec.SkipValue()
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		tok, err := dec.ReadToken()
		if err != nil {
			return err
		}
		if err := f(tok.String()); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// eachElement calls f before each element of the array that follows; f reads it. Another value is skipped.
func eachElement(dec *jsontext.Decoder, f func() error) error {
	if dec.PeekKind() != '[' {
		return dec.SkipValue()
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != ']' {
		if err := f(); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// readText reads a string; any other value is skipped and leaves *s.
func readText(dec *jsontext.Decoder, s *string) error {
	if dec.PeekKind() != '"' {
		return dec.SkipValue()
	}
	tok, err := dec.ReadToken()
	if err == nil {
		*s = tok.String()
	}
	return err
}

// Truncated reports whether an answer that was not streamed ended at its output cap.
func Truncated(api API, body []byte) bool {
	dec := lenient(body)
	cut := false
	check := func(at, word string) func(string) error {
		return func(name string) error {
			var s string
			if name != at {
				return dec.SkipValue()
			}
			err := readText(dec, &s)
			cut = cut || s == word
			return err
		}
	}
	_ = eachName(dec, func(name string) error {
		switch {
		case name == "choices" && (api == Chat || api == Completions):
			return eachElement(dec, func() error { return eachName(dec, check("finish_reason", "length")) })
		case name == "stop_reason" && api == Messages:
			return check(name, "max_tokens")(name)
		case name == "incomplete_details" && api == Responses:
			return eachName(dec, check("reason", "max_output_tokens"))
		}
		return dec.SkipValue()
	})
	return cut
}
