package redact

import "unsafe"

// Field is what stands for the whole value of a field whose name is sensitive.
const Field = "[REDACTED]"

// Options choose what a [Redactor] looks for. The zero value masks credentials only.
type Options struct {
	// PII masks personal data: e-mail, phone, SSN, card and IP. Credentials are masked whether it is
	// set or not.
	PII bool
	// IBAN and BirthDates mask also account numbers with the right check digits, and dates close behind
	// a word for a birth. They are personal data: without PII they do nothing.
	IBAN, BirthDates bool
	// Literals are texts of your own that become "[REDACTED]" wherever they stand: the name of a
	// customer, a host.
	Literals []string
	// Patterns are regular expressions in the syntax of package regexp; what they match becomes
	// "[REDACTED]". They see a line at a time. One that is wrong matches nothing: see [Options.Check].
	// With literals or patterns, a stream is held back until the end of each line.
	Patterns []string
	// Allow names findings that stay: the text of one, whatever its case, or "@example.com" for all
	// mail addresses of a domain.
	Allow []string
}

// Redactor finds and replaces personal data and credentials. It holds no state between calls and is
// safe for concurrent use. The nil Redactor works like [Default]: forgetting to set one must not
// switch redaction off.
type Redactor struct {
	pii bool
	own *own // what the operator added, or nil
}

// New returns a redactor with the given options.
func New(opts Options) *Redactor { return &Redactor{pii: opts.PII, own: opts.own()} }

// Default returns a redactor that masks credentials and personal data.
func Default() *Redactor { return standard }

var standard = New(Options{PII: true})

func (r *Redactor) scanner(src, name string) scanner {
	if r == nil {
		r = standard
	}
	s := scanner{src: src, name: name, r: r, pii: r.pii, urlAt: -1, urlColon: -1}
	if r.own.seeks() {
		s.own = r.own.find(nil, src)
	}
	return s
}

// Redact returns text with every finding replaced by its placeholder. If there is none it returns the
// same string and allocates nothing.
func (r *Redactor) Redact(text string) string { return r.redactNamed("", text) }

// RedactText redacts the text of a field whose name is not a sensitive one: the name serves as context for numbers, such as "phone" and "card". Like
// [Redactor.Redact] it allocates nothing if there is no finding.
func (r *Redactor) RedactText(name, text string) string { return r.redactNamed(name, text) }

// redactNamed redacts the value of a field; the name serves as context for numbers ("phone", "card").
func (r *Redactor) redactNamed(name, text string) string {
	out, changed := r.scan(nil, text, name)
	if !changed {
		return text
	}
	return view(out)
}

// AppendRedacted appends the redacted form of src to dst and returns the extended slice. The two must
// not overlap.
func (r *Redactor) AppendRedacted(dst, src []byte) []byte {
	out, changed := r.scan(dst, view(src), "")
	if !changed {
		return append(dst, src...)
	}
	return out
}

// SensitiveName reports whether a field, header, flag or variable of this name holds a credential.
// Case and the ways of joining words do not matter: db_password, clientSecret and X-Api-Key are
// sensitive. Counts are not: max_tokens, input_tokens, token_count.
func (r *Redactor) SensitiveName(name string) bool { return classify(name) != nameNone }

// view reads b as a string without a copy. The callers neither keep the string past the life of b nor
// change b while it is in use.
func view(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(&b[0], len(b)) // #nosec G103 -- see above: no writes while the view lives
}

// scan appends the redacted src to dst. If nothing was found it returns dst as it was and false.
func (r *Redactor) scan(dst []byte, src, name string) ([]byte, bool) {
	s := r.scanner(src, name)
	s.out = dst
	s.run(0)
	if !s.changed {
		return dst, false
	}
	return append(s.out, src[s.copied:]...), true
}
