package logging_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/logging"
	"github.com/andres20980/aurea-orchestrator/redact"
)

// What the handler passes on without a look is what the redactor leaves alone.
func TestSmallNumbersTellNothing(t *testing.T) {
	t.Parallel()
	r := redact.Default()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"status", "phone", "telephone", "mobile", "card", "card_number", "ssn", "ip", "id", "fax", "iban", "email"}).Draw(t, "name")
		n := rapid.Int64Range(-999_999, 999_999).Draw(t, "n")
		if got := r.RedactValue(name, n); got != n {
			t.Fatalf("%s: %d becomes %v", name, n, got)
		}
	})
}

// Names that come from outside are redacted however many they are, before and after the handler stops remembering them.
func TestManyNames(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := logging.New(&out, logging.Options{})
	for range 2 {
		for n := range 3000 {
			out.Reset()
			log.Info("m", fmt.Sprintf("n%d", n), "fine", fmt.Sprintf("key_%d_password", n), "hunter2hunter2", fmt.Sprintf("u%d@example.com", n), 1)
			if line := out.String(); strings.Contains(line, "hunter2") || strings.Contains(line, "example.com") || !strings.Contains(line, fmt.Sprintf(`"n%d":"fine"`, n)) {
				t.Fatal(line)
			}
		}
	}
}

func BenchmarkLine(b *testing.B) {
	log := logging.New(discard{}, logging.Options{})
	b.ReportAllocs()
	for b.Loop() {
		log.LogAttrs(b.Context(), slog.LevelInfo, "call", slog.String("call_id", "call_0123456789abcdef0123456789abcdef"), slog.String("endpoint", "/v1/chat/completions"),
			slog.Int("status", 200), slog.Duration("took", 1234567), slog.Int("body_bytes", 1034), slog.String("job", "bench"), slog.String("provider", "openai"),
			slog.String("model", "gpt-4o-mini"), slog.Int("attempts", 1), slog.Duration("queued", 0), slog.String("cost_usd", "0.000129"), slog.String("unconfirmed_usd", "0"),
			slog.String("request_id", "req_0123456789abcdef"))
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
