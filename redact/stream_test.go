package redact

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// streamed writes text in pieces of the sizes next returns. It reports how much was ever held back.
func streamed(r *Redactor, text string, next func() int) (out string, held int) {
	var b bytes.Buffer
	w := r.NewWriter(&b)
	for text != "" {
		n := min(max(1, next()), len(text))
		_, _ = w.WriteString(text[:n])
		text = text[n:]
		held = max(held, w.Held())
	}
	_ = w.Close()
	return b.String(), held
}

func checkStream(t interface{ Errorf(string, ...any) }, r *Redactor, text string, seed uint64) {
	whole := r.Redact(text)
	rng := rand.New(rand.NewPCG(seed, 1))
	for _, most := range []int{1, 3, 64, 300} {
		got, held := streamed(r, text, func() int { return 1 + rng.IntN(most) })
		if got != whole {
			t.Errorf("pieces of up to %d:\n    text %q\nstreamed %q\n   whole %q", most, text, got, whole)
			return
		}
		if held > maxHeld {
			t.Errorf("%d bytes held back of %q", held, text)
			return
		}
	}
}

func TestStreamEqualsWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := texts().Draw(t, "text")
		if rapid.Bool().Draw(t, "long") {
			text += strings.Repeat(rapid.SampledFrom(fragments).Draw(t, "again"), rapid.IntRange(1, 60).Draw(t, "times")) + texts().Draw(t, "tail")
		}
		checkStream(t, Default(), text, rapid.Uint64().Draw(t, "seed"))
	})
}

func FuzzStream(f *testing.F) {
	for _, s := range fragments {
		f.Add(s+" "+s, uint64(1))
	}
	for _, unit := range hostile() {
		f.Add(strings.Repeat(unit, 500/len(unit)+1), uint64(2))
	}
	f.Fuzz(func(t *testing.T, text string, seed uint64) { checkStream(t, Default(), text, seed) })
}

// Ordinary words are written as soon as they end.
func TestStreamIsPrompt(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := Default().NewWriter(&b)
	for _, word := range strings.SplitAfter("The answer is: forty two (42), as we know. It is well-known that 7 of 9 are here; {x: 1}. \n", " ") {
		if _, err := w.WriteString(word); err != nil {
			t.Fatal(err)
		}
		if w.Held() > 12 {
			t.Errorf("%d bytes held back after %q", w.Held(), word)
		}
	}
	b.Reset()
	if _, err := w.WriteString("Hello there "); err != nil || !strings.HasSuffix(b.String(), "Hello there ") {
		t.Errorf("%q is out, %v", b.String(), err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestStreamReportsErrors(t *testing.T) {
	t.Parallel()
	w := Default().NewWriter(brokenPipe{})
	if _, err := w.WriteString("some words here "); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	if err := w.Close(); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	w = Default().NewWriter(io.Discard)
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, err := w.WriteString("x"); err == nil {
		t.Error("a closed writer takes text")
	}
}
