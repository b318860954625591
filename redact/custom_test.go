package redact

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func ExampleOptions() {
	r := New(Options{PII: true, Literals: []string{"Project Falcon"}, Patterns: []string{`EMP-\d{4}`}, Allow: []string{"@example.com"}})
	fmt.Println(r.Redact("EMP-1234 of Project Falcon: write to help@example.com, not to me@example.org"))
	// Output: [REDACTED] of [REDACTED]: write to help@example.com, not to [EMAIL_REDACTED]
}

func ownOptions() Options {
	return Options{PII: true, IBAN: true, BirthDates: true, Literals: []string{"Falcon", "4711", "a.b@c.de"}, Patterns: []string{`EMP-\d+`, `(?i)ticket #\d+`}, Allow: []string{"10.0.0.1", "@EXAMPLE.com"}}
}

func TestOwn(t *testing.T) {
	t.Parallel()
	iban := "DE89 3704 0044 0532 0130 00" // the example of the standard
	check(t, New(ownOptions()), []row{
		{"falcon Falcon EMP-12", "falcon [REDACTED] [REDACTED]"},
		{"see Ticket #99, 10.0.0.1 and 10.0.0.2", "see [REDACTED], 10.0.0.1 and [IP_REDACTED]"},
		{"mail a.b@c.de or x@example.com", "mail [REDACTED] or x@example.com"},
		{`{"n":4711,"s":"4711"}`, `{"n":"[REDACTED]","s":"[REDACTED]"}`},
		{"pay to " + iban + " today", "pay to [IBAN_REDACTED] today"},
		{"pay to " + strings.ReplaceAll(iban, " ", "") + ".", "pay to [IBAN_REDACTED]."},
		{"pay to DE88 3704 0044 0532 0130 00", "pay to DE88 3704 0044 0532 0130 00"},
		{"DOB: 1980-02-29, seen 2024-01-01", "DOB: [DOB_REDACTED], seen 2024-01-01"},
		{"born on 3 March 1971 in Bern", "born on [DOB_REDACTED] in Bern"},
		{"password=Falcon99", "password=[PASSWORD_REDACTED]"},
	})
	check(t, New(Options{PII: true}), []row{{"pay to " + iban[:9], "pay to " + iban[:9]}, {"DOB: 1980-02-29", "DOB: 1980-02-29"}})
}

func TestOwnPatternsAreChecked(t *testing.T) {
	t.Parallel()
	for pattern, says := range map[string]string{"(": "missing closing", "x*": "empty text"} {
		if err := (Options{Patterns: []string{pattern}}).Check(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", pattern, err)
		}
		if got := New(Options{Patterns: []string{pattern}}).Redact("plain"); got != "plain" {
			t.Errorf("%q makes %q", pattern, got)
		}
	}
	if err := ownOptions().Check(); err != nil {
		t.Error(err)
	}
}

func TestOwnStreams(t *testing.T) {
	t.Parallel()
	r := New(ownOptions())
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.OneOf(texts(), rapid.SampledFrom([]string{"Falcon", "EMP-7", "\n", " ", "4711", `{"a":`, "DOB 1.2.1980", "a.b@c.de"})), 0, 6).Draw(t, "parts")
		text := strings.Join(parts, "")
		whole := r.Redact(text)
		n := rapid.IntRange(1, 50).Draw(t, "size")
		if got, _ := streamed(r, text, func() int { return n }); got != whole {
			t.Errorf("pieces of %d:\n    text %q\nstreamed %q\n   whole %q", n, text, got, whole)
		}
	})
}
