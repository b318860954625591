package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Error is one mistake in the configuration. Its text never contains a secret.
type Error struct {
	// Source is where the mistake stands: a file, "environment", ".env" or "command line".
	Source string
	// Line is the line in the file, counted from 1; 0 where there is none.
	Line int
	// Key is the key, the variable or the flag, such as "models.gpt-4o.rpm"; "" for the whole file.
	Key string
	// Problem says what is wrong, with the value where it may be seen.
	Problem string
	// Hint says how to mend it, "" where that is plain.
	Hint string

	rank int // the order of sources in a list
}

// Error returns one line: SOURCE:LINE: KEY: PROBLEM; HINT.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Source)
	if e.Line > 0 {
		b.WriteString(":" + strconv.Itoa(e.Line))
	}
	if e.Key != "" {
		b.WriteString(": " + e.Key)
	}
	b.WriteString(": " + e.Problem)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Errors are all mistakes of a configuration at once: command line, environment and .env first, then
// the file from top to bottom. It is never empty.
type Errors []*Error

// Error returns the mistakes, one per line.
func (e Errors) Error() string {
	if len(e) == 1 {
		return e[0].Error()
	}
	lines := []string{fmt.Sprintf("%d mistakes in the configuration:", len(e))}
	for _, one := range e {
		lines = append(lines, "  "+one.Error())
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the single mistakes, for errors.As.
func (e Errors) Unwrap() []error {
	out := make([]error, len(e))
	for i, one := range e {
		out[i] = one
	}
	return out
}

// Ranks of sources.
const (
	rankFlag = iota
	rankEnvironment
	rankDotEnv
	rankFile
)

func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.Line, b.Line))
	})
}

// flaw is what a parser says about a value: the problem, to be read after the value itself, and the
// hint.
type flaw struct{ problem, hint string }

func (f *flaw) Error() string { return f.problem }

func bad(problem, hint string) error { return &flaw{problem, hint} }

// show returns a value as an error may show it: quoted, cut, and hidden if it looks like a key or
// has swallowed a neighbour that may hold one.
func show(value string) string {
	const most = 60
	if looksSecret(value) {
		return "the value (hidden)"
	}
	cut := min(most, len(value))
	if at := strings.IndexAny(value, " \t\r\n"); at >= 0 && mayHoldSecret(value[at:]) {
		cut = min(cut, at)
	}
	for cut > 0 && cut < len(value) && value[cut]&0xC0 == 0x80 { // not within a character
		cut--
	}
	if cut < len(value) {
		return strconv.Quote(value[:cut]) + "…"
	}
	return strconv.Quote(value)
}

// mayHoldSecret reports whether a text contains a word that goes before secrets, or something that
// looks like one.
func mayHoldSecret(text string) bool {
	if credentialHeader(text) {
		return true
	}
	for word := range strings.FieldsSeq(text) {
		if looksSecret(strings.Trim(word, `"',:;{}[]`)) {
			return true
		}
	}
	return false
}

// showKey returns a key as an error may show it. Where the colon or the blank behind it is missing,
// the value becomes a part of the key, so only what can be a name is shown.
func showKey(key string) string {
	end := 0
	for end < len(key) && (nameByte[key[end]] || end > 0 && key[end] == '*') {
		end++
	}
	name := key[:end]
	for _, secret := range []string{"api_keys", "api_key", "admin_key"} {
		if strings.HasPrefix(name, secret) && len(name) > len(secret)+3 {
			name = secret
			break
		}
	}
	const most = 60
	switch {
	case name == "" || len(name) > most || looksSecret(name):
		return "(a key that is not shown)"
	case name != key:
		return name + "…"
	}
	return key
}

// nameByte tells which bytes names of keys are made of.
var nameByte = func() (set [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./") {
		set[c] = true
	}
	return set
}()

// nearest returns the candidate a reader most likely meant, "" if none is near.
func nearest(word string, candidates []string) string {
	plain := strings.NewReplacer("-", "_", " ", "_", ".", "_")
	word = plain.Replace(strings.ToLower(word))
	if len(word) > 40 {
		return ""
	}
	best, distance := "", max(1, min(3, len(word)/3))+1
	for _, c := range candidates {
		if d := editDistance(word, plain.Replace(strings.ToLower(c))); d < distance {
			best, distance = c, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions, replacements and swaps of neighbours between a and b.
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
