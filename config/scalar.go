package config

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// scalar is the text of a single value.
type scalar struct {
	text    string // variables filled in
	written string // as it stands in the file
}

// scalar returns the text of a single value; ok is false if there is none to be read, either because
// it is a mistake, which is then recorded, or because a ${NAME:-} gave nothing.
func (r *reader) scalar(v value) (scalar, bool) {
	n := resolve(v.node)
	if n.Kind != yaml.ScalarNode {
		r.fail(v, "is "+kindOf(n)+", where a single value belongs", "")
		return scalar{}, false
	}
	if isNull(n) {
		r.fail(v, "has no value", "write one, or take the line out to keep the default")
		return scalar{}, false
	}
	if !r.plainTag(v) {
		return scalar{}, false
	}
	written := r.wraps.unwrap(n.Value)
	text, err := expand(written, r.env)
	var missing *undefined
	var f *flaw
	switch {
	case errors.As(err, &missing):
		r.fail(v, missing.Error(), missing.remedy())
		return scalar{}, false
	case errors.As(err, &f):
		r.fail(v, "the value "+f.problem, f.hint)
		return scalar{}, false
	}
	if text == "" {
		if written == "" {
			r.fail(v, "has an empty value", "write one, or take the line out to keep the default")
		}
		return scalar{}, false
	}
	return scalar{text, written}, true
}

// plainTag reports whether a single value is of one of YAML's own kinds, and records a mistake if not.
func (r *reader) plainTag(v value) bool {
	switch resolve(v.node).ShortTag() {
	case "!!str", "!!int", "!!float", "!!bool", "!!timestamp":
		return true
	}
	r.fail(v, "has a YAML tag that means nothing here", "write the value without the !")
	return false
}

// into returns a reader of single values that sets *target. Prices, limits and all other numbers are
// read from the text of the file, so a decimal never passes through a float.
func into[T any](target *T, parse func(string) (T, error)) func(*reader, value) {
	return func(r *reader, v value) {
		s, ok := r.scalar(v)
		if !ok {
			return
		}
		got, err := parse(s.text)
		if err != nil {
			problem, hint := explain(s, err)
			r.fail(v, problem, hint)
			return
		}
		*target = got
	}
}

// noting is parse, and sets *given where it succeeds.
func noting[T any](given *bool, parse func(string) (T, error)) func(string) (T, error) {
	return func(text string) (T, error) {
		got, err := parse(text)
		if err == nil {
			*given = true
		}
		return got, err
	}
}

// explain makes problem and hint of a parser's error. A value with variables in it is shown as it is
// written: what they contain is nobody's business.
func explain(s scalar, err error) (problem, hint string) {
	if h, ok := errors.AsType[*hiddenFlaw](err); ok {
		return "the value (hidden) " + h.problem, h.hint
	}
	var f *flaw
	if !errors.As(err, &f) {
		return "the value (hidden) cannot be used", ""
	}
	if s.text != s.written {
		return "the value of " + show(fallbacks.ReplaceAllString(s.written, ":-…}")) + " " + f.problem, f.hintWithout(s.text)
	}
	shown := show(s.text)
	if shown != strconv.Quote(s.text) {
		return shown + " " + f.problem, f.hintWithout(s.text)
	}
	return shown + " " + f.problem, f.hint
}

// fallbacks matches what follows the name in ${NAME:-fallback}.
var fallbacks = regexp.MustCompile(`:-[^}]*}`)

// hintWithout returns the hint, or nothing if it repeats a value that is not to be seen.
func (f *flaw) hintWithout(value string) string {
	if strings.Contains(f.hint, value) {
		return ""
	}
	return f.hint
}

// secret reads a value that is never shown. Where lenient, a variable that is not set leaves it empty:
// a configuration may name the keys of providers that not everybody uses.
func (r *reader) secret(v value, parse func(string) (Secret, error), lenient bool) Secret {
	n := resolve(v.node)
	if n.Kind != yaml.ScalarNode {
		r.fail(v, "is "+kindOf(n)+", where a single value belongs", "")
		return Secret{}
	}
	if isNull(n) || !r.plainTag(v) {
		return Secret{}
	}
	text, err := expand(r.wraps.unwrap(n.Value), r.env)
	if missing, ok := errors.AsType[*undefined](err); ok {
		if r.unsets[v.key] = missing.name; !lenient {
			r.fail(v, missing.Error(), missing.remedy())
		}
		return Secret{}
	}
	var got Secret
	if err == nil {
		got, err = parse(text)
	}
	if f, ok := errors.AsType[*flaw](err); ok {
		r.fail(v, "the value (hidden) "+f.problem, f.hint)
	}
	return got
}
