package config

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A file is read, or its line is named; what it says is not repeated, since it may be a key.
func FuzzDotEnv(f *testing.F) {
	for _, seed := range []string{"A=b", "export A='b c' # x\n\nB=\"${A}\\n\"", "A: b", "A", "=b", "A=\"open", "a b=c", "\uFEFFA=1\r\nB=2", "# only\n", "A='it'\nA=two"} {
		f.Add(seed, "value")
	}
	f.Fuzz(func(t *testing.T, source, value string) {
		dir := t.TempDir()
		read := func(text string) (map[string]string, *Error) {
			if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			vars, path, problem := readDotEnv(dir)
			if path == "" {
				t.Fatal("the file was not found")
			}
			return vars, problem
		}
		vars, problem := read(source)
		for name := range vars {
			if !envName.MatchString(name) {
				t.Fatalf("%q is taken for a name in %q", name, source)
			}
		}
		if problem != nil {
			if lines := 1 + strings.Count(source, "\n"); problem.Line < 0 || problem.Line > lines {
				t.Fatalf("line %d of %d in %q", problem.Line, lines, source)
			}
			if problem.Problem != "is not a line of the form NAME=value" {
				t.Fatalf("%q repeats the file: %q", problem.Problem, source)
			}
		}
		// Single quotes take a value as it is.
		if strings.ContainsAny(value, "'\n\r\\\x00") || strings.HasPrefix(value, "\uFEFF") {
			return
		}
		vars, problem = read("FIRST=1\nKEY='" + value + "'\nLAST=2\n")
		if problem != nil || vars["KEY"] != value || vars["FIRST"] != "1" || vars["LAST"] != "2" {
			t.Fatalf("%q is read as %q, %v", value, vars, problem)
		}
	})
}

// What a variable contains is taken as it is: a value cannot ask for another variable.
func FuzzExpand(f *testing.F) {
	for _, seed := range []string{"", "plain", "${B}", "$${B}", "${B:-${C}}", "}", "$", "a\nb", "${"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		env := func(name string) (string, bool) {
			if name == "A" {
				return value, true
			}
			return "", false
		}
		for _, form := range []string{"<${A}>", "<${A:-other}>", "<${B:-${A}}>"} {
			if got, err := expand(form, env); err != nil || got != "<"+value+">" {
				t.Fatalf("%s with %q is %q, %v", form, value, got, err)
			}
		}
		got, err := expand(text, env)
		if !strings.Contains(text, "${") && (err != nil || got != text) {
			t.Fatalf("%q becomes %q, %v", text, got, err)
		}
		if plain := strings.ReplaceAll(strings.ReplaceAll(text, "$", ""), "{", ""); err == nil {
			// Doubled, every ${ is a plain one.
			if got, err := expand(strings.ReplaceAll(plain, "}", "$${")+"}", env); err != nil || got != strings.ReplaceAll(plain, "}", "${")+"}" {
				t.Fatalf("%q escaped becomes %q, %v", plain, got, err)
			}
		}
	})
}

// Each kind of value is within what its users rely on, or refused with a hint.
func FuzzValues(f *testing.F) {
	for _, seed := range []string{
		"", "0", "1", "10.00", "-1", "1s", "1.5", "200ms", "1h2m", "9999999h", "none", "50MB", "64 KiB", "1e9", "127.0.0.1:8080", ":0", "[::1]:443", "https://h.example/v1/",
		"https://u:p@h", "https://h?key=1", "UTC", "Europe/Madrid", "../../etc/passwd", "true", "OFF", "warn", "gpt-4*, claude", "bearer\r\nX: y", "0x10", "1_000", "١", "٣s", "NaN", "Inf", "µs", "1µs",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		refused := func(what string, err error, right bool) {
			t.Helper()
			if err == nil && !right {
				t.Fatalf("%q passes for %s", text, what)
			}
			if err != nil && err.Error() == "" {
				t.Fatalf("%q is refused as %s without words", text, what)
			}
		}
		sum, err := parseMoney(text)
		refused("an amount", err, !sum.Negative())
		price, err := parsePrice(text)
		refused("a price", err, price != nil && *price >= 0)
		for _, parse := range []func(string) (time.Duration, error){parseDuration, parseSeconds} {
			d, err := parse(text)
			refused("a duration", err, d >= 0)
		}
		for _, parse := range []func(string) (time.Duration, error){parsePositive, parsePositiveSeconds} {
			d, err := parse(text)
			refused("some time", err, d > 0)
		}
		limit, err := parseLimit(text)
		n, set := limit.Value()
		refused("a limit", err, limit == None || set && n > 0 && n <= most)
		size, err := parseSize(text)
		refused("a size", err, size > 0 && size <= most)
		share, err := parseRatio(text)
		refused("a ratio", err, share >= 0 && share <= 1)
		attempts, err := retries(text)
		refused("a number of retries", err, attempts >= 0 && attempts <= 1000)
		base, err := parseBaseURL(text)
		u, broken := url.Parse(base)
		refused("an address", err, broken == nil && u.User == nil && u.RawQuery == "" && u.Fragment == "" && u.Host != "" && !strings.HasSuffix(base, "/"))
		key, err := parseKey(text)
		refused("a key", err, !strings.ContainsAny(key.Reveal(), " \t\r\n\x00"))
		header, err := parseHeaderValue(text)
		refused("the value of a header", err, !strings.ContainsAny(header.Reveal(), "\r\n\x00"))
		names, err := parseNames(text)
		refused("names", err, len(names) > 0)
		for _, name := range names {
			if name == "" || strings.TrimSpace(name) != name || strings.Contains(name, ",") {
				t.Fatalf("%q has the name %q", text, name)
			}
		}
		_, err = parseListen(text)
		refused("an address to listen on", err, strings.Contains(text, ":"))
		_, err = parseZone(text)
		refused("a zone", err, !strings.Contains(text, ".."))
	})
}
