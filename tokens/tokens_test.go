package tokens_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/tokens"
)

func TestFor(t *testing.T) {
	t.Parallel()
	const word = "antidisestablishmentarianism، كتاب" // the newer vocabulary has more of other scripts
	newer, _ := mustCount(t, "gpt-4o", word)
	older, _ := mustCount(t, "gpt-4", word)
	if newer >= older {
		t.Fatalf("%d tokens with the newer vocabulary, %d with the older", newer, older)
	}
	for model, want := range map[string]int64{
		"gpt-4o": newer, "gpt-4o-2024-08-06": newer, "gpt-4o-mini": newer, "gpt-4.1-nano": newer, "gpt-5": newer, "gpt-5.6-mini": newer, "o1-pro": newer, "o3": newer,
		"o4-mini": newer, "chatgpt-4o-latest": newer, "ft:gpt-4o-mini-2024-07-18:org:name:id": newer,
		"gpt-4": older, "gpt-4-turbo": older, "gpt-4-0613": older, "gpt-3.5-turbo-0125": older, "ft:gpt-3.5-turbo:org::id": older, "text-embedding-3-small": older,
	} {
		if got, ok := mustCount(t, model, word); !ok || got != want {
			t.Errorf("%s: %d, %v; want %d", model, got, ok, want)
		}
	}
	for _, model := range []string{"", "gpt", "gpt-40", "gpt-6", "gpt-4omni", "claude-sonnet-4-5", "gemini-2.5-pro", "o30", "o5", "davinci-002", "openai/gpt-4o", "gpt-oss-120b"} {
		if _, ok := tokens.For(model); ok {
			t.Errorf("%q has a counter", model)
		}
	}
}

func mustCount(t *testing.T, model, text string) (int64, bool) {
	t.Helper()
	counter, ok := tokens.For(model)
	if !ok {
		t.Errorf("%s has no counter", model)
		return 0, false
	}
	return counter(text)
}

// The worst text there is, in the pieces that bounds are counted in.
func TestPiecesOfTheWorstTextTakeTheirTime(t *testing.T) {
	t.Parallel()
	counter, _ := tokens.For("gpt-4o")
	counter("warm")
	for name, text := range map[string]string{
		"blanks and line ends": strings.Repeat(" \n", 1<<10), "one letter": strings.Repeat("a", 2<<10), "blanks": strings.Repeat(" ", 2<<10),
		"not UTF-8": strings.Repeat("\xff", 2<<10),
	} {
		start := time.Now()
		if n, ok := counter(text); !ok || n == 0 || n > int64(len(text)) {
			t.Errorf("%s: %d tokens, %v", name, n, ok)
		}
		if took := time.Since(start); took > 2*time.Second { // it is a few milliseconds, and minutes if it were not for the size
			t.Errorf("%s: %v", name, took)
		}
	}
}

func ExampleFor() {
	counter, ok := tokens.For("gpt-4o")
	if !ok {
		return
	}
	n, _ := counter("How long is a piece of string?")
	fmt.Println(n)
	// Output: 8
}

func BenchmarkCount(b *testing.B) {
	counter, _ := tokens.For("gpt-4o")
	for name, text := range map[string]string{
		"english": strings.Repeat("The quick brown fox jumps over the lazy dog near the river. ", 35)[:2<<10], "worst": strings.Repeat(" \n", 1<<10),
	} {
		counter(text)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				counter(text)
			}
		})
	}
}
