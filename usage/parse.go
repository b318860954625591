package usage

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/andres20980/aurea-orchestrator/pricing"
)

// Parse reads the usage from the whole body of a 2xx answer that was not streamed. Of a value that is there twice the last one that is
// not null counts; nothing is ever added twice.
//
// It returns an error matching [ErrMissing] when there is no usage, or not enough of it to price the call, and one
// matching [ErrInvalid] when the counts are impossible. Neither means that the call was free.
func Parse(api API, body []byte) (Usage, error) {
	a := answer{dec: lenient(body)}
	if eachName(a.dec, a.field) != nil {
		return Usage{}, fmt.Errorf("%w: the body is not a whole JSON object", ErrMissing)
	}
	u, err := a.result(api)
	u.Complete = err == nil
	return u, err
}

// result reads the counts by the rules of the API. All but Complete is set.
func (a *answer) result(api API) (Usage, error) {
	counts := a.usage
	if !a.has {
		counts = a.groq
	}
	if counts == nil {
		return Usage{}, ErrMissing
	}
	var u Usage
	var err error
	switch api {
	case Messages:
		u, err = counts.messages(a.iterations)
	case Responses:
		u, err = counts.openAI("input_tokens", "output_tokens")
	case Embeddings:
		u, err = counts.embeddings()
	default:
		u, err = counts.openAI("prompt_tokens", "completion_tokens")
	}
	if err != nil {
		return Usage{}, err
	}
	if a.tier != "" {
		u.Tier = a.tier
	}
	u.Model, u.WebSearches, u.FileSearches = a.model, u.WebSearches+a.webSearches, a.fileSearches
	return u, nil
}

// lenient reads JSON as its receivers do, because it is not ours to refuse: with names that are there twice and with invalid UTF-8.
func lenient(body []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// answer is what of a body bears on its cost.
type answer struct {
	dec         *jsontext.Decoder
	model, tier string
	usage, groq fields
	has         bool // usage is an object
	iterations  []fields

	webSearches, fileSearches int64
}

// field reads the value of a field of the answer.
func (a *answer) field(name string) error {
	switch name {
	case "model":
		return readText(a.dec, &a.model)
	case "service_tier":
		return readText(a.dec, &a.tier)
	case "usage":
		return a.readUsage()
	case "x_groq":
		return eachName(a.dec, func(inner string) error {
			if inner != "usage" || a.dec.PeekKind() != '{' {
				return a.dec.SkipValue()
			}
			a.groq = fields{}
			return a.groq.read(a.dec, "", nil)
		})
	case "output":
		a.webSearches, a.fileSearches = 0, 0
		return eachElement(a.dec, a.readItem)
	}
	return a.dec.SkipValue()
}

func (a *answer) readUsage() error {
	if a.dec.PeekKind() != '{' {
		return a.dec.SkipValue() // null, or nonsense
	}
	a.usage, a.iterations, a.has = fields{}, nil, true
	return a.usage.read(a.dec, "", &a.iterations)
}

// readItem counts a search among the items of a response, which has a fee. Opening a page that was found has none
// (https://platform.openai.com/docs/guides/tools-web-search).
func (a *answer) readItem() error {
	var kind, action string
	err := eachName(a.dec, func(name string) error {
		switch name {
		case "type":
			return readText(a.dec, &kind)
		case "action":
			return eachName(a.dec, func(inner string) error {
				if inner == "type" {
					return readText(a.dec, &action)
				}
				return a.dec.SkipValue()
			})
		}
		return a.dec.SkipValue()
	})
	switch {
	case kind == "web_search_call" && action != "open_page" && action != "find_in_page" && action != "find":
		a.webSearches++
	case kind == "file_search_call":
		a.fileSearches++
	}
	return err
}

// fields are the numbers and texts of a usage object by path, such as "prompt_tokens_details.cached_tokens". A field that is null is not there.
type fields map[string]string

// textMark begins what is no number. No number begins so.
const textMark = "\x00"

// read adds the fields of the object that follows. A list called iterations is kept apart.
func (f fields) read(dec *jsontext.Decoder, prefix string, iterations *[]fields) error {
	return eachName(dec, func(name string) error {
		path := prefix + name
		switch kind := dec.PeekKind(); {
		case kind == '{' && strings.Count(path, ".") < 2:
			return f.read(dec, path+".", nil)
		case kind == '[' && name == "iterations" && iterations != nil:
			*iterations = nil
			return eachElement(dec, func() error {
				one := fields{}
				*iterations = append(*iterations, one)
				return one.read(dec, "", nil)
			})
		case kind == '{' || kind == '[' || kind == 'n':
			return dec.SkipValue()
		}
		tok, err := dec.ReadToken()
		if err != nil {
			return err
		}
		f[path] = tok.String()
		if tok.Kind() != '0' {
			f[path] = textMark + f[path]
		}
		return nil
	})
}

// count returns the first of the paths that is there.
func (f fields) count(paths ...string) (n int64, ok bool, err error) {
	for _, path := range paths {
		text, has := f[path]
		if !has {
			continue
		}
		if strings.HasPrefix(text, textMark) {
			return 0, false, fmt.Errorf("%w: %s: %w", ErrInvalid, path, errCount)
		}
		if n, err = count(text); err != nil {
			return 0, false, fmt.Errorf("%w: %s: %w", ErrInvalid, path, err)
		}
		return n, true, nil
	}
	return 0, false, nil
}

func (f fields) text(path string) string {
	s, _ := strings.CutPrefix(f[path], textMark)
	return s
}

// counts reads several counts; those that are not there stay 0.
func (f fields) counts(into map[*int64]string) error {
	for target, path := range into {
		n, ok, err := f.count(path)
		if err != nil {
			return err
		}
		if ok {
			*target = n
		}
	}
	return nil
}

// reported reads what the provider says it charged, in dollars: OpenRouter's usage.cost. Where the customer brought the key of another provider,
// that is the fee alone, and the other provider's price comes on top (https://openrouter.ai/docs/use-cases/usage-accounting).
func (f fields) reported(u *Usage) error {
	text, ok := f["cost"]
	if !ok || strings.HasPrefix(text, textMark) {
		return nil
	}
	cost, err := pricing.Dollars(text)
	if err != nil {
		return fmt.Errorf("%w: cost: %w", ErrInvalid, err)
	}
	if upstream, ok := f["cost_details.upstream_inference_cost"]; ok && f.text("is_byok") == "true" {
		more, err := pricing.Dollars(upstream)
		if err == nil {
			cost, err = cost.Add(more)
		}
		if err != nil {
			return fmt.Errorf("%w: cost: %w", ErrInvalid, err)
		}
	}
	u.Reported, u.HasReported = cost, true
	return nil
}
