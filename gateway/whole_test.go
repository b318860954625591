package gateway

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// However a stream is cut into pieces, the same bytes come out, at any moment nothing but whole events and nothing whole is kept.
func TestWholeEvents(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		blank := rapid.SampledFrom([]string{"\n\n", "\r\n\r\n", "\r\r"}).Draw(t, "blank")
		var stream string
		var ends []int
		for _, data := range rapid.SliceOf(rapid.StringMatching(`(data: [a-z]{0,9}(\\n)?){1,3}`)).Draw(t, "events") {
			stream += data + blank
			ends = append(ends, len(stream))
		}
		rest := rapid.SampledFrom([]string{"", "data: {", "event: x\ndata"}).Draw(t, "rest")
		var e whole
		var got []byte
		for left := stream + rest; left != ""; {
			n := rapid.IntRange(1, len(left)).Draw(t, "piece")
			piece := []byte(left[:n])
			got = append(got, e.take(piece)...)
			clear(piece) // the caller's buffer is used again
			left = left[n:]
			fed, whole := len(stream)+len(rest)-len(left), 0
			for _, end := range ends {
				if end <= fed {
					whole = end
				}
			}
			if len(got) != whole {
				t.Fatalf("%d bytes came out of %d, want %d", len(got), fed, whole)
			}
		}
		if string(got) != stream {
			t.Fatalf("%q, want %q", got, stream)
		}
		if again := e; string(again.rest()) != rest {
			t.Fatalf("the rest is not %q", rest)
		}
		if e.drop(); len(e.rest()) > 0 {
			t.Fatal("what was dropped comes out")
		}
	})
}

// An event that is too long to be held goes on in pieces, and the next one is held again.
func TestLongEvent(t *testing.T) {
	t.Parallel()
	var e whole
	var got bytes.Buffer
	piece := strings.Repeat("x", 64<<10)
	for range 20 {
		got.Write(e.take([]byte(piece)))
	}
	if got.Len() != 20*len(piece) {
		t.Fatalf("%d bytes of %d", got.Len(), 20*len(piece))
	}
	got.Reset()
	got.Write(e.take([]byte("end\n\ndata: a")))
	if got.String() != "end\n\n" || string(e.rest()) != "data: a" {
		t.Errorf("%q", got.String())
	}
}
