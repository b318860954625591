package logging

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/andres20980/aurea-orchestrator/redact"
)

// Whatever is logged beside it, a credential does not come out, and each record is one line of JSON.
func FuzzHandler(f *testing.F) {
	for _, seed := range []string{"", "plain", `{"a":"b"}`, "\n", "\x00\xff", "password=", "user@example.com", `{"open":"`, "Bearer ", "-----BEGIN "} {
		f.Add(seed, "key", seed)
		f.Add("m", seed, seed)
	}
	planted := secret()
	f.Fuzz(func(t *testing.T, message, key, value string) {
		var out bytes.Buffer
		log := New(&out, Options{Level: slog.LevelDebug})
		log.Info(message+" "+planted+" "+message, key, value+" "+planted+" "+value)
		log.With(key, planted).WithGroup(key).Warn(value, slog.Group(value, slog.Any(key, []string{value, planted})))
		log.Error(message, "api_key", value, "error", planted)
		if bytes.Contains(out.Bytes(), []byte(planted)) {
			t.Fatalf("it came out: %s", out.Bytes())
		}
		lines := 0
		for line := range bytes.Lines(out.Bytes()) {
			if lines++; !json.Valid(line) {
				t.Fatalf("no JSON: %q", line)
			}
		}
		if lines != 3 {
			t.Fatalf("3 records are %d lines: %q", lines, out.Bytes())
		}
	})
}

// However what is written is split, a credential does not come out, and what is no finding does.
func FuzzWriter(f *testing.F) {
	for _, seed := range []string{"", "before\n", "password: ", "-----BEGIN RSA ", "{\"a\":", "\x00", strings.Repeat("x", 3000)} {
		f.Add(seed, seed, uint16(7))
		f.Add(seed, "\nafter\n", uint16(1))
	}
	planted := secret()
	f.Fuzz(func(t *testing.T, before, after string, step uint16) {
		text := before + " " + planted + " " + after
		size := int(step)%len(text) + 1
		var out bytes.Buffer
		w := Writer(&out, nil)
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			if m, err := w.Write([]byte(rest[:n])); m != n || err != nil {
				t.Fatal(m, err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), planted) {
			t.Fatalf("split at %d it came out: %q", size, out.String())
		}
		if plain := before + after; redact.Default().Redact(text) == before+" [KEY_REDACTED] "+after && !strings.Contains(plain, "\n") && out.String() != before+" [KEY_REDACTED] "+after {
			t.Fatalf("split at %d %q became %q", size, text, out.String())
		}
	})
}
