package provider_test

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/provider"
)

// A key is taken out of an answer however the answer is cut, and nothing else of it changes.
func TestKeysAreTakenOutHoweverAnAnswerIsCut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		letter := rapid.SampledFrom([]rune("ab"))
		keys := []string{"ab" + rapid.StringOfN(letter, 10, 20, -1).Draw(t, "one"), "ba" + rapid.StringOfN(letter, 10, 20, -1).Draw(t, "two")}
		var whole strings.Builder
		for range rapid.IntRange(0, 20).Draw(t, "parts") {
			whole.WriteString(rapid.OneOf(rapid.SampledFrom(append(keys, "\n", "data: ")), rapid.StringOfN(letter, 0, 9, -1)).Draw(t, "part"))
		}
		var pieces []io.Reader
		for rest := whole.String(); rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
			pieces = append(pieces, strings.NewReader(rest[:n]))
			rest = rest[n:]
		}
		from := provider.Veiled(keys, io.NopCloser(io.MultiReader(pieces...)))
		got, err := io.ReadAll(iotest.OneByteReader(from))
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			if strings.Contains(string(got), key) {
				t.Errorf("%q is in %q", key, got)
			}
		}
		if !strings.Contains(whole.String(), keys[0]) && !strings.Contains(whole.String(), keys[1]) && string(got) != whole.String() {
			t.Errorf("%q became %q", whole.String(), got)
		}
	})
}

// Nothing is held back at the end of an event: no key ends with the end of a line.
func TestEventsAreNotHeldBack(t *testing.T) {
	t.Parallel()
	keys := []string{"sk-of-the-provider"}
	for said, held := range map[string]int{"data: {}\n\n": 0, "data: {}\r\n\r\n": 0, "data: sk-of": 5, "data: s": 1, "data: sk-off": 0, "": 0} {
		if n := provider.Begun(keys, []byte(said)); n != held {
			t.Errorf("%q: %d bytes held back", said, n)
		}
	}
}
