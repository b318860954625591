package config

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
)

const hidden = "[hidden]"

// Secret is a text that must not be seen: an API key, a header. Every way of printing it, in any
// format and any verb, gives "[hidden]" ("" for an empty one); [Secret.Reveal] gives the text. Secrets
// compare with ==.
type Secret struct{ text string }

// NewSecret returns text as a secret.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the text itself. Whoever calls it keeps it out of logs and errors.
func (s Secret) Reveal() string { return s.text }

// IsSet reports whether there is a text.
func (s Secret) IsSet() bool { return s.text != "" }

// String returns "[hidden]", or "" for an empty secret.
func (s Secret) String() string {
	if s.text == "" {
		return ""
	}
	return hidden
}

// Format prints [Secret.String] for every verb. Without it %d or %#v would show the field.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'q' || f.Flag('#') {
		fmt.Fprintf(f, "%q", s.String())
		return
	}
	_, _ = io.WriteString(f, s.String())
}

// MarshalText returns [Secret.String], and so do JSON and slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue returns [Secret.String].
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Database says where the ledger is kept. It may contain a password, so it prints with that masked;
// [Database.Reveal] gives the whole.
type Database struct {
	driver string
	target Secret
}

// Drivers of a [Database].
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// Driver returns [SQLite] or [Postgres].
func (d Database) Driver() string { return d.driver }

// Path returns the absolute path of the SQLite file, and "" for PostgreSQL.
func (d Database) Path() string {
	if d.driver != SQLite {
		return ""
	}
	return d.target.text
}

// Reveal returns the database as the configuration writes it, the password included: "sqlite:" and an
// absolute path, or a postgres URL.
func (d Database) Reveal() string {
	if d.driver == SQLite {
		return "sqlite:" + d.target.text
	}
	return d.target.text
}

// String returns the database with user and password masked and without options.
func (d Database) String() string {
	if d.driver != Postgres {
		return d.Reveal()
	}
	u, err := url.Parse(d.target.text)
	if err != nil {
		return hidden
	}
	masked := "postgres://"
	if u.User != nil {
		masked += "[hidden]@"
	}
	return masked + u.Host + u.Path
}

// Format prints [Database.String] for every verb.
func (d Database) Format(f fmt.State, verb rune) {
	if verb == 'q' || f.Flag('#') {
		fmt.Fprintf(f, "%q", d.String())
		return
	}
	_, _ = io.WriteString(f, d.String())
}

// MarshalText returns [Database.String].
func (d Database) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// LogValue returns [Database.String].
func (d Database) LogValue() slog.Value { return slog.StringValue(d.String()) }

// passwords returns what must not be seen of the database.
func (d Database) passwords() []string {
	if d.driver != Postgres {
		return nil
	}
	u, err := url.Parse(d.target.text)
	if err != nil {
		return []string{d.target.text}
	}
	var out []string
	if plain, ok := u.User.Password(); ok {
		// As it is and as it stands in the URL: either may turn up in a driver's message.
		escaped := u.User.String()
		_, escaped, _ = strings.Cut(escaped, ":")
		out = append(out, plain, escaped)
	}
	for name, values := range u.Query() {
		if strings.Contains(strings.ToLower(name), "password") {
			out = append(out, values...)
		}
	}
	return out
}

// Secrets returns every text that must not reach a log: API keys, the admin key, the values of
// configured headers that carry credentials, the database's password. Each is listed once, longer
// ones first, so that replacing them in this order leaves no rest of one that contains another. A
// secret is as short as the operator made it.
func (c *Config) Secrets() []string {
	all := []string{c.AdminKey.text}
	for _, p := range c.Providers {
		for _, k := range p.Keys {
			all = append(all, k.text)
		}
		for name, value := range p.Headers {
			if credentialHeader(name) || looksSecret(value.text) {
				all = append(all, value.text)
				// "Bearer KEY" may be logged without its first word.
				if _, key, ok := strings.Cut(value.text, " "); ok {
					all = append(all, strings.TrimSpace(key))
				}
			}
		}
	}
	all = append(all, c.Database.passwords()...)
	slices.SortFunc(all, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	all = slices.Compact(all)
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// credentialHeader reports whether a header's name says that it carries a credential.
func credentialHeader(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"auth", "key", "token", "secret", "password", "cookie", "credential", "signature"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// keyPrefixes are how the keys of well-known services begin, in lower case.
var keyPrefixes = []string{
	"sk-", "sk_", "pk-", "pk_", "rk_", "bearer ", "basic ", "ghp_", "gho_", "github_pat_", "glpat-",
	"xoxb-", "xoxp-", "aiza", "akia", "hf_", "gsk_", "eyj", "-----begin",
}

func wordByte(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// looksSecret reports whether a text looks like a key somebody put in the wrong place: a well-known
// prefix, or a long unbroken run that mixes letters and digits as no name or number does.
func looksSecret(text string) bool {
	lower := strings.ToLower(text)
	for _, prefix := range keyPrefixes {
		for from := 0; ; {
			at := strings.Index(lower[from:], prefix)
			if at < 0 {
				break
			}
			from += at
			if from == 0 || !wordByte(lower[from-1]) {
				return true
			}
			from += len(prefix)
		}
	}
	letters, digits := 0, 0
	for _, c := range lower {
		switch {
		case c >= 'a' && c <= 'z':
			letters++
		case c >= '0' && c <= '9':
			digits++
		default:
			letters, digits = 0, 0
		}
		if letters >= 3 && digits >= 3 && letters+digits >= 14 {
			return true
		}
	}
	return false
}
