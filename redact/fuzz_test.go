package redact

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// fragments are pieces whose combinations come near to what the scanner looks for.
var fragments = []string{
	"user@example.com", "@", "a.b", ".com", "555-123-4567", "(555) ", "+", "123-45-6789", "1234-5678-9012-3456", cardWith("4", 16), "card ",
	"phone: ", "ssn ", "10.0.0.1", "/8", "2001:db8::1", ":", "::", "=", "==", "password", "api_key", "is ", "token", "sk-" + made(30),
	"AK" + "IA" + madeUpper(16), jwt(), "Bearer ", "Basic ", "Authorization: ", "https://", "user:pw1@", `"`, "'", `\"`, `\n`, `\`, "\n", " ", ", ",
	"{", "}", "[", "]", `{"`, `":`, `"a":"b"`, `\u0040`, "${X}", "-----BEGIN PRIVATE KEY-----\n", made(40), "-----END PRIVATE KEY-----",
	"--", "-", "<password>", "</password>", "[EMAIL_REDACTED]", "[REDACTED]", "[", "hunter" + "2", "7", "1723456789", "v1.2.3.4", "x", "_", "电话", "é",
	"Cookie: ", "a=b", "ext. 5", ";", "&", "(", ")", "%40", "and ", "\xff", "=>", ":=", "null", "true", "-1.5e3", "12", "git@h.com:x",
}

func texts() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(fragments), 0, 12).Draw(t, "parts"), "")
	})
}

func values() *rapid.Generator[any] {
	leaf := rapid.OneOf(
		rapid.Map(texts(), func(s string) any { return strings.ToValidUTF8(s, "?") }),
		rapid.Map(rapid.Int64Range(0, 1<<53), func(n int64) any { return n }),
		rapid.Just[any](nil), rapid.Just[any](true), rapid.Just[any](5551234567),
	)
	name := rapid.SampledFrom([]string{"a", "password", "phone", "card", "token", "name", "value", "type", "user@example.com", "credentials"})
	branch := rapid.OneOf(
		rapid.Map(rapid.MapOfN(name, leaf, 0, 4), func(m map[string]any) any { return m }),
		rapid.Map(rapid.SliceOfN(leaf, 0, 3), func(l []any) any { return l }),
		leaf,
	)
	return rapid.Map(rapid.MapOfN(name, branch, 0, 4), func(m map[string]any) any { return m })
}

func properties(t interface{ Errorf(string, ...any) }, r *Redactor, text string) {
	got := r.Redact(text)
	// With a password or key gone a URL is shorter, and what was too far behind it to belong to it no
	// longer is.
	if again := r.Redact(got); again != got && !strings.Contains(text, "://") {
		t.Errorf("not idempotent:\n  in %q\nonce %q\n two %q", text, got, again)
	}
	if utf8.ValidString(text) && !utf8.ValidString(got) {
		t.Errorf("broken UTF-8: %q -> %q", text, got)
	}
	if appended := string(r.AppendRedacted(nil, []byte(text))); appended != got {
		t.Errorf("AppendRedacted(%q) = %q, Redact %q", text, appended, got)
	}
	doc := r.JSON([]byte(text))
	if json.Valid([]byte(text)) {
		if !json.Valid(doc) {
			t.Errorf("broken JSON: %q -> %q", text, doc)
		}
		if again := r.JSON(doc); string(again) != string(doc) && !strings.Contains(text, "://") {
			t.Errorf("JSON not idempotent: %q -> %q -> %q", text, doc, again)
		}
		if c := strings.TrimLeft(text, " \t\r\n")[0]; (c == '{' || c == '[') && !json.Valid([]byte(got)) {
			t.Errorf("Redact breaks a document: %q -> %q", text, got)
		}
	}
}

func TestProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := texts().Draw(t, "text")
		properties(t, Default(), text)
		properties(t, New(Options{}), text)
	})
}

func TestPropertiesOfJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		doc, err := json.Marshal(values().Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		properties(t, Default(), string(doc))
		nested, err := json.Marshal(map[string]any{"args": string(doc)})
		if err != nil {
			t.Fatal(err)
		}
		properties(t, Default(), string(nested))
	})
}

func FuzzRedact(f *testing.F) {
	for _, s := range fragments {
		f.Add(s)
		f.Add(s + " " + s)
	}
	f.Fuzz(func(t *testing.T, text string) { properties(t, Default(), text) })
}

func FuzzJSON(f *testing.F) {
	f.Add(`{"email":"user@example.com","password":"secret123","n":[1,2.5,null]}`)
	f.Add(`{"args":"{\"phone\":5551234567}"}`)
	f.Fuzz(func(t *testing.T, text string) {
		if json.Valid([]byte(text)) {
			properties(t, Default(), text)
		}
	})
}
