package redact

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// clean is text with every trigger in it and nothing to redact.
func clean() string {
	var b strings.Builder
	for k := 0; b.Len() < 1<<20; k++ {
		fmt.Fprintf(&b, "%d: The model answered in %dms, as (expected); see pkg.Func(a, b) == c or https://example.com/a?b=c#d.\n", k, k%977)
		fmt.Fprintf(&b, "func (s *Server) handle%d(ctx context.Context, req *Request) error { return s.next.Do(ctx, req.Clone(%d)) }\n", k, k)
		fmt.Fprintf(&b, "## Heading %d\n\n- item one: version v1.%d.3, build 2024-01-%02d, is it not? std::vector<int> x = y[1:2];\n", k, k, k%28+1)
		b.WriteString("Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna.\n")
	}
	return b.String()
}

// logs is a log of JSON lines of which every fifth has something to redact.
func logs() string {
	var b strings.Builder
	for k := 0; b.Len() < 1<<20; k++ {
		fmt.Fprintf(&b, `{"time":"2026-01-02T03:04:05.%06dZ","level":"INFO","msg":"call finished","call":"%s","input_tokens":%d,"cost":"0.00%d"}`+"\n", k, madeHex(24), k*7, k)
		if k%5 == 0 {
			fmt.Fprintf(&b, `{"time":"2026-01-02T03:04:05Z","level":"WARN","msg":"mail to user%d@example.com bounced","peer":"10.0.%d.7"}`+"\n", k, k%250)
		}
	}
	return b.String()
}

func TestNoAllocationsWhenNothingIsFound(t *testing.T) {
	text := clean()[:64<<10]
	doc := []byte(`{"model":"m","max_tokens":4096,"messages":[{"role":"user","content":"Hello,\nhow are you: \"fine\" = good?"}]}`)
	r := Default()
	if n := testing.AllocsPerRun(20, func() { r.Redact(text) }); n != 0 {
		t.Errorf("Redact: %v allocations", n)
	}
	if n := testing.AllocsPerRun(20, func() { r.JSON(doc) }); n != 0 && !raceEnabled {
		t.Errorf("JSON: %v allocations", n)
	}
	if got := r.Redact(text); got != text {
		t.Error("the clean text is not clean")
	}
}

// TestHostileTextTakesLinearTime compares the time for a text with that for one eight times as long: a
// quadratic scanner needs 64 times as long for it, a linear one eight.
func TestHostileTextTakesLinearTime(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("measures time")
	}
	for _, unit := range hostile() {
		short, long := strings.Repeat(unit, 32<<10/len(unit)), strings.Repeat(unit, 256<<10/len(unit))
		best := func(text string) time.Duration {
			least := time.Hour
			for range 3 {
				start := time.Now()
				Default().JSON([]byte(text))
				least = min(least, time.Since(start))
			}
			return least
		}
		if a, b := best(short), best(long); b > 24*a+20*time.Millisecond {
			t.Errorf("%q: %v for 32 KB, %v for 256 KB", unit, a, b)
		}
	}
}

func hostile() []string {
	return []string{
		"@", ":", "=", "-", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----\n", "-----BEGIN PRIVATE KEY-----\na: b\n", "1", "1 ", "1.", "1-", "a.a.a.",
		"a@", "a@a.", "::", "a:", "1:", `\`, `"`, `{"`, `{"a":`, `["`, "[", "{", "password=", `password="`, `password='password="`, "is ", "password is ",
		"https://", "://", "://a:", "://a:b@", "eyJ", "eyJaaaaaaaa.", "Bearer ", "Authorization: Digest ", "Cookie: ", "+1 ", "(1)", "<password>",
		"--password ", "card 1 ", "card 4111", "[EMAIL_REDACTED]", "sk-", "sk-a", "é", "\xff", "%40", "phone 1234567 ", `\u0040`, `{"a":"`, `"a\"`,
		`{\"password\":`, "a ", "a-", "_", "key is ", "255.255.", "fe80::", " ", "\n", "x", "token: ", "@a.bb", "ssn 123 45 ",
	}
}

func BenchmarkRedact(b *testing.B) {
	for name, text := range map[string]string{"clean": clean(), "logs": logs()} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				Default().Redact(text)
			}
		})
		b.Run(name+"-lines", func(b *testing.B) {
			lines := strings.SplitAfter(text, "\n")
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				for _, line := range lines {
					Default().Redact(line)
				}
			}
		})
	}
	for _, unit := range hostile() {
		text := strings.Repeat(unit, 1<<20/len(unit))
		b.Run(fmt.Sprintf("hostile/%q", unit), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				Default().Redact(text)
			}
		})
	}
}

// BenchmarkFloor is one table look-up a byte, the yardstick for BenchmarkRedact in the same run.
func BenchmarkFloor(b *testing.B) {
	text := clean()
	b.SetBytes(int64(len(text)))
	n := 0
	for b.Loop() {
		for i := range len(text) {
			n += int(class[text[i]])
		}
	}
	if n == 0 {
		b.Fatal("no classes")
	}
}
