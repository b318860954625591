package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/go-json-experiment/json/jsontext"
)

// clean takes out of a transport error what must not be seen, the address's user part and query, and puts in why the context ended.
func (p *HTTP) clean(ctx context.Context, err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

// ended says why an exchange broke off: because our caller's context ended, because the provider was silent, or by itself.
func (p *HTTP) ended(ctx context.Context, silence *watch, err error) error {
	if silent := silence.silent(); silent != nil && ctx.Err() == nil {
		return silent
	}
	return p.clean(ctx, err)
}

// ErrorObject reads the values of error.code, error.type and error.message, the shape that OpenAI's, Anthropic's and most compatible providers' error bodies
// share, and of the other members of error beside them; those of an object within it are named "details.error_code". Fields that are missing or no strings are
// empty; a number becomes its text. What lies deeper, and what comes after the first hundred, is of no use and not read: the time is linear in the body.
func ErrorObject(body []byte) map[string]string {
	out := make(map[string]string)
	dec := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if descend(dec, "error") {
		_ = readMembers(dec, "", out) // what was read up to a mistake is worth having
	}
	return out
}

const mostMembers = 100

// readMembers reads the members of the object that dec stands in, up to its end.
func readMembers(dec *jsontext.Decoder, prefix string, out map[string]string) error {
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		key := prefix + name.String()
		switch kind := dec.PeekKind(); {
		case len(out) >= mostMembers:
			return nil
		case kind == '"', kind == '0':
			value, err := dec.ReadToken()
			if err != nil {
				return err
			}
			out[key] = value.String()
		case kind == '{' && prefix == "":
			if _, err := dec.ReadToken(); err != nil {
				return err
			}
			if err := readMembers(dec, key+".", out); err != nil {
				return err
			}
		default:
			if err := dec.SkipValue(); err != nil {
				return err
			}
		}
	}
	_, err := dec.ReadToken()
	return err
}

// descend moves dec into the object that is the value of name in the object that comes next.
func descend(dec *jsontext.Decoder, name string) bool {
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return false
	}
	for dec.PeekKind() == '"' {
		key, err := dec.ReadToken()
		if err != nil {
			return false
		}
		if key.String() != name {
			if dec.SkipValue() != nil {
				return false
			}
			continue
		}
		if dec.PeekKind() != '{' {
			return false
		}
		_, err = dec.ReadToken()
		return err == nil
	}
	return false
}
