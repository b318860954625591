package config

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// lookup returns the value of a variable; a variable with an empty value is unset.
type lookup func(name string) (string, bool)

// undefined says that a ${NAME} stands for nothing.
type undefined struct{ name string }

func (u *undefined) Error() string {
	return fmt.Sprintf("${%s} stands for a variable that is not set", u.name)
}

// expand replaces ${NAME} and ${NAME:-fallback} in text, and $${ by ${. What a variable contains is
// taken as it is and not expanded again; a fallback is expanded.
func expand(text string, env lookup) (string, error) {
	var b strings.Builder
	for {
		at := strings.Index(text, "${")
		if at < 0 {
			b.WriteString(text)
			return b.String(), nil
		}
		if at > 0 && text[at-1] == '$' {
			b.WriteString(text[:at-1] + "${")
			text = text[at+2:]
			continue
		}
		b.WriteString(text[:at])
		end := closing(text, at)
		if end < 0 {
			return "", bad("has a ${ without its }", "write ${NAME} or ${NAME:-fallback}; $${ stands for a plain ${")
		}
		name, fallback, optional := strings.Cut(text[at+2:end], ":-")
		if !variable.MatchString(name) {
			return "", bad("has a ${…} that is not the name of a variable", "write ${NAME} or ${NAME:-fallback}; $${ stands for a plain ${")
		}
		value, ok := env(name)
		if !ok {
			if !optional {
				return "", &undefined{name}
			}
			var err error
			if value, err = expand(fallback, env); err != nil {
				return "", err
			}
		}
		b.WriteString(value)
		text = text[end+1:]
	}
}

func (u *undefined) remedy() string {
	return fmt.Sprintf("set %s in the environment or in .env, or write ${%s:-fallback}", u.name, u.name)
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// closing returns the index of the } that ends the ${ at index at, −1 if there is none on its line.
func closing(text string, at int) int {
	depth := 0
	for i := at; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "${"):
			depth++
			i++
		case text[i] == '}':
			if depth--; depth == 0 {
				return i
			}
		case text[i] == '\n':
			return -1
		}
	}
	return -1
}

// YAML gives { and } a meaning of their own within {…}, so {api_key: ${NAME}} is no YAML. Before the
// file is parsed each ${…} is therefore wrapped up: replaced by its number between two characters of
// the private use area, which YAML takes for letters. unwrap puts the text back into a scalar.
const (
	wrapOpen  = "\uE0A0"
	wrapClose = "\uE0A1"
)

// wrapping holds the texts that were wrapped.
type wrapping struct{ texts []string }

// wrap replaces each ${…} in source. The number of lines does not change. A source that already
// contains the two characters is returned as it is; it can still use ${…} where YAML allows it.
func (w *wrapping) wrap(source []byte) []byte {
	if bytes.Contains(source, []byte(wrapOpen)) || bytes.Contains(source, []byte(wrapClose)) {
		return source
	}
	text := string(source)
	var b strings.Builder
	for {
		at := strings.Index(text, "${")
		if at < 0 {
			b.WriteString(text)
			return []byte(b.String())
		}
		end := closing(text, at)
		if end < 0 {
			b.WriteString(text[:at+2])
			text = text[at+2:]
			continue
		}
		start := at
		if at > 0 && text[at-1] == '$' {
			start--
		}
		b.WriteString(text[:start])
		fmt.Fprintf(&b, "%s%d%s", wrapOpen, len(w.texts), wrapClose)
		w.texts = append(w.texts, text[start:end+1])
		text = text[end+1:]
	}
}

// unwrap puts wrapped texts back.
func (w *wrapping) unwrap(scalar string) string {
	if len(w.texts) == 0 || !strings.Contains(scalar, wrapOpen) {
		return scalar
	}
	return wrapped.ReplaceAllStringFunc(scalar, func(m string) string {
		var n int
		if _, err := fmt.Sscanf(strings.Trim(m, wrapOpen+wrapClose), "%d", &n); err != nil || n >= len(w.texts) {
			return m
		}
		return w.texts[n]
	})
}

var wrapped = regexp.MustCompile(wrapOpen + "[0-9]+" + wrapClose)
