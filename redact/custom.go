package redact

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxOwnLine is how much of a line the operator's patterns see at once, in bytes; a longer line is cut
// there.
const maxOwnLine = 64 << 10

// own is what an operator added to the redactor.
type own struct {
	patterns []*regexp.Regexp
	iban     bool
	birth    bool
	allow    []string // lower case
}

// span is where something of an operator's own stands.
type span struct {
	start, end int
	label      label
}

// Check returns an error that names the first pattern which cannot be used. The engine is that of
// package regexp, whose time is linear in the text.
func (o Options) Check() error {
	for _, p := range o.Patterns {
		re, err := regexp.Compile(p)
		if err != nil {
			return fmt.Errorf("pattern %q: %w; write it as https://pkg.go.dev/regexp/syntax says", p, err)
		}
		if re.MatchString("") {
			return fmt.Errorf("pattern %q matches the empty text; let it match at least one character", p)
		}
	}
	return nil
}

func (o Options) own() *own {
	w := &own{iban: o.IBAN && o.PII, birth: o.BirthDates && o.PII}
	literals := slices.DeleteFunc(slices.Clone(o.Literals), func(l string) bool { return l == "" })
	if len(literals) > 0 {
		// The longest first: the engine takes the first alternative that fits.
		slices.SortStableFunc(literals, func(a, b string) int { return len(b) - len(a) })
		for k, l := range literals {
			literals[k] = regexp.QuoteMeta(l)
		}
		w.patterns = append(w.patterns, regexp.MustCompile(strings.Join(literals, "|")))
	}
	for _, p := range o.Patterns {
		// What cannot be used matches nothing here: Check tells why.
		if re, err := regexp.Compile(p); err == nil && !re.MatchString("") {
			w.patterns = append(w.patterns, re)
		}
	}
	for _, a := range o.Allow {
		w.allow = append(w.allow, strings.ToLower(a))
	}
	if !w.seeks() && len(w.allow) == 0 {
		return nil
	}
	return w
}

// seeks reports that lines must be looked over as a whole.
func (w *own) seeks() bool { return w != nil && (len(w.patterns) > 0 || w.iban || w.birth) }

// allowed reports that t stays although it is a finding: it is on the list, or a mail address of a
// domain that is on it as "@domain".
func (w *own) allowed(t string) bool {
	if len(t) > 256 {
		return false
	}
	t = strings.ToLower(t)
	for _, a := range w.allow {
		if t == a || a[:min(1, len(a))] == "@" && strings.HasSuffix(t, a) {
			return true
		}
	}
	return false
}

// find appends what of the operator's own stands in text, in order and without overlap.
func (w *own) find(dst []span, text string) []span {
	for from := 0; from < len(text); {
		end := ownLineEnd(text, from)
		dst = w.line(dst, text[from:end], from)
		from = end
	}
	return dst
}

// ownLineEnd returns where the line at p ends, its break included, or where it is cut.
func ownLineEnd(text string, p int) int {
	limit := min(len(text), p+maxOwnLine)
	if n := strings.IndexByte(text[p:limit], '\n'); n >= 0 {
		return p + n + 1
	}
	return limit
}

// line is find for one line, which stands at the offset at.
func (w *own) line(dst []span, line string, at int) []span {
	first := len(dst)
	for _, re := range w.patterns {
		for _, m := range re.FindAllStringIndex(line, -1) {
			if m[1] > m[0] {
				dst = append(dst, span{at + m[0], at + m[1], labelField})
			}
		}
	}
	if w.iban {
		dst = ibans(dst, line, at)
	}
	if w.birth {
		dst = births(dst, line, at)
	}
	found := dst[first:]
	slices.SortStableFunc(found, func(a, b span) int { return a.start - b.start })
	kept := found[:0]
	for _, f := range found {
		if n := len(kept); n > 0 && f.start < kept[n-1].end {
			kept[n-1].end = max(kept[n-1].end, f.end)
			continue
		}
		kept = append(kept, f)
	}
	return dst[:first+len(kept)]
}

// ibans finds account numbers with the right check digits (ISO 13616).
func ibans(dst []span, line string, at int) []span {
	for i := 0; i+15 <= len(line); i++ {
		if !isUpper(line[i]) || !isUpper(line[i+1]) || !isDigit(line[i+2]) || !isDigit(line[i+3]) || i > 0 && inWord(line[i-1]) {
			continue
		}
		var buf [34]byte
		n, best := 0, 0
		for q := i; q < len(line) && n < len(buf); q++ {
			c := line[q]
			if c == ' ' || c == '-' {
				if n%4 != 0 {
					break
				}
				continue
			}
			if !isDigit(c) && !isUpper(c) {
				break
			}
			buf[n] = c
			n++
			if n >= 15 && (q+1 == len(line) || !inWord(line[q+1])) && mod97(buf[:n]) {
				best = q + 1
			}
		}
		if best > 0 {
			dst = append(dst, span{at + i, at + best, labelIBAN})
			i = best - 1
		}
	}
	return dst
}

func mod97(t []byte) bool {
	rest := 0
	for k := range t {
		c := t[(k+4)%len(t)]
		if isDigit(c) {
			rest = (rest*10 + int(c-'0')) % 97
		} else {
			rest = (rest*100 + int(c-'A') + 10) % 97
		}
	}
	return rest == 1
}

// birthWords stand before a date of birth.
var birthWords = [...]string{"date of birth", "dateofbirth", "date_of_birth", "birth date", "birthdate", "birth_date", "birthday", "born on", "born:", "dob", "d.o.b", "geburtsdatum", "geboren am", "date de naissance", "fecha de nacimiento", "data di nascita"}

// births finds dates close behind a word for a birth.
func births(dst []span, line string, at int) []span {
	low := strings.ToLower(line)
	if len(low) != len(line) {
		return dst
	}
	for _, w := range birthWords {
		for from := 0; ; {
			k := strings.Index(low[from:], w)
			if k < 0 {
				break
			}
			k += from
			from = k + len(w)
			if k > 0 && isLetter(low[k-1]) {
				continue
			}
			if a, b := dateIn(low[from:min(len(low), from+32)]); b > 0 {
				dst = append(dst, span{at + from + a, at + from + b, labelBirth})
				from += b
			}
		}
	}
	return dst
}

// dateIn finds a date with figures, a name of a month among them or not, in t.
func dateIn(t string) (a, b int) {
	a = strings.IndexAny(t, "0123456789")
	for _, m := range [...]string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"} {
		if k := strings.Index(t, m); k >= 0 && (a < 0 || k < a) {
			a = k
		}
	}
	if a < 0 || a > 16 || strings.ContainsAny(t[:a], "[;\n") {
		return 0, 0
	}
	digits := 0
	for k := a; k < len(t) && k < a+20; k++ {
		switch c := t[k]; {
		case isDigit(c):
			digits++
			b = k + 1
		case isLetter(c), c == '-', c == '/', c == '.', c == ',', c == ' ':
		default:
			k = len(t)
		}
		if digits == 8 {
			break
		}
	}
	if digits < 5 {
		return 0, 0
	}
	return a, b
}
