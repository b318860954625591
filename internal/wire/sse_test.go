package wire_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/internal/wire"
)

type event struct{ Name, Data string }

// split cuts a stream that comes in pieces that end at the given places.
func split(limit int, stream string, cuts ...int) (events []event, dropped int) {
	s := wire.Splitter{Max: limit, Each: func(e wire.Event) { events = append(events, event{string(e.Name), string(e.Data)}) }}
	last := 0
	for _, cut := range cuts {
		writeOnce(&s, stream[last:cut])
		last = cut
	}
	writeOnce(&s, stream[last:])
	_ = s.Close()
	return events, s.Dropped()
}

// writeOnce hands bytes over and then overwrites them: a splitter must not keep them.
func writeOnce(s *wire.Splitter, text string) {
	p := []byte(text)
	_, _ = s.Write(p)
	for i := range p {
		p[i] = '!'
	}
}

func everywhere(stream string) (cuts []int) {
	for i := range len(stream) {
		cuts = append(cuts, i)
	}
	return cuts
}

// oracle follows the words of the standard over the whole stream at once.
func oracle(stream string) (events []event) {
	stream = strings.TrimPrefix(stream, "\ufeff")
	stream = strings.ReplaceAll(strings.ReplaceAll(stream, "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(stream, "\n")
	lines = append(lines, "") // what our Close adds
	var name, data string
	for _, line := range lines {
		if line == "" {
			if data != "" {
				events = append(events, event{name, strings.TrimSuffix(data, "\n")})
			}
			name, data = "", ""
			continue
		}
		if line[0] == ':' {
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			data += value + "\n"
		}
	}
	return events
}

func TestSplitter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, stream string
		want         []event
	}{
		{"nothing", "", nil},
		{"one", "data: a\n\n", []event{{"", "a"}}},
		{"a name", "event: ping\ndata: {}\n\n", []event{{"ping", "{}"}}},
		{"CRLF", "event: ping\r\ndata: {}\r\n\r\ndata: b\r\n\r\n", []event{{"ping", "{}"}, {"", "b"}}},
		{"CR", "data: a\r\rdata: b\r\r", []event{{"", "a"}, {"", "b"}}},
		{"all at once", "data: a\r\n\ndata: b\n\rdata: c\r\r\n", []event{{"", "a"}, {"", "b"}, {"", "c"}}},
		{"several lines of data", "data: a\ndata: b\ndata\ndata:\ndata: c\n\n", []event{{"", "a\nb\n\n\nc"}}},
		{"one space belongs to the colon", "data:a\n\ndata:  a\n\n", []event{{"", "a"}, {"", " a"}}},
		{"comments", ": hello\n:\n:data: x\n\ndata: a\n: within\n\n", []event{{"", "a"}}},
		{"a name without data is none", "event: ping\n\ndata: a\n\n", []event{{"", "a"}}},
		{"empty data is data", "data\n\ndata:\n\n", []event{{"", ""}, {"", ""}}},
		{"a name does not outlive its event", "event: a\ndata: 1\n\ndata: 2\n\n", []event{{"a", "1"}, {"", "2"}}},
		{"the last name counts", "event: a\nevent: b\ndata: 1\n\n", []event{{"b", "1"}}},
		{"other fields", "id: 7\nretry: 10\ndatax: 1\n data: 2\nDATA: 3\ndata: 4\n\n", []event{{"", "4"}}},
		{"a byte order mark", "\ufeffdata: a\n\n\ufeffdata: b\n\n", []event{{"", "a"}}},
		{"half a byte order mark", "\xef\xbbdata: a\n\ndata: b\n\n", []event{{"", "b"}}},
		{"a byte order mark, twice", "\ufeff\ufeffdata: a\n\ndata: b\n\n", []event{{"", "b"}}},
		{"no blank line at the end", "data: a\n\nevent: x\ndata: b\n", []event{{"", "a"}, {"x", "b"}}},
		{"no line end at the end", "data: a\n\ndata: b", []event{{"", "a"}, {"", "b"}}},
		{"a colon in the value", "data: a: b\n\n", []event{{"", "a: b"}}},
		{"a NUL and what is no UTF-8", "data: \x00\xff\n\n", []event{{"", "\x00\xff"}}},
	} {
		for _, cuts := range [][]int{nil, everywhere(c.stream)} {
			got, dropped := split(0, c.stream, cuts...)
			if diff := cmp.Diff(c.want, got); diff != "" || dropped != 0 {
				t.Errorf("%s, in %d pieces: %d dropped, %s", c.name, len(cuts)+1, dropped, diff)
			}
		}
		if c.name != "the last name counts" {
			if diff := cmp.Diff(c.want, oracle(c.stream)); diff != "" {
				t.Errorf("%s: the test's own reading differs: %s", c.name, diff)
			}
		}
	}
}

func TestSplitterBounds(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 20)
	for _, c := range []struct {
		name, stream string
		want         []event
		dropped      int
	}{
		{"a long line", "data: " + long + "\n\ndata: a\n\n", []event{{"", "a"}}, 1},
		{"a long event of short lines", "data: 123456\ndata: 123456\ndata: 1\n\ndata: a\n\n", []event{{"", "a"}}, 1},
		{"a long event goes with its name", "event: n\ndata: " + long + "\ndata: b\n\ndata: a\n\n", []event{{"", "a"}}, 1},
		{"a long comment harms nothing", ": " + long + "\ndata: a\n: " + long + "\n\n", []event{{"", "a"}}, 0},
		{"a long line that never ends", "data: a\n\ndata: " + long, []event{{"", "a"}}, 1},
		{"just fits", "data: 123456\n\n", []event{{"", "123456"}}, 0},
	} {
		for _, cuts := range [][]int{nil, everywhere(c.stream)} {
			got, dropped := split(12, c.stream, cuts...)
			if diff := cmp.Diff(c.want, got); diff != "" || dropped != c.dropped {
				t.Errorf("%s, in %d pieces: %d dropped, %s", c.name, len(cuts)+1, dropped, diff)
			}
		}
	}
	huge := strings.Repeat("y", 10<<20)
	got, _ := split(0, "data: "+huge+"\n\ndata: a\n\n", 1, 1<<20, 1<<20+1, 10<<20)
	if len(got) != 2 || got[0].Data != huge || got[1].Data != "a" {
		t.Errorf("a line of ten megabytes: %d events", len(got))
	}
}

// However a stream is split, its events are those of the standard.
func TestSplitterAnySplitting(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.SampledFrom([]string{
			"\r", "\n", "\r\n", "data", "data:", "data: ", "event:", "event: ping", "x", " ", ":", ": c", "\ufeff", "\xef", "\xbb", "{\"a\":1}", "id: 1", "\x00",
		})).Draw(t, "parts")
		stream := strings.Join(parts, "")
		var cuts []int
		for i := range len(stream) {
			if rapid.Bool().Draw(t, "cut") {
				cuts = append(cuts, i)
			}
		}
		got, _ := split(0, stream, cuts...)
		if diff := cmp.Diff(oracle(stream), got); diff != "" {
			t.Fatalf("%q at %v: %s", stream, cuts, diff)
		}
	})
}

func FuzzSplitter(f *testing.F) {
	f.Add("event: a\r\ndata: 1\r\n\r\ndata: 2\n\n", uint16(3), uint8(0))
	f.Add("\ufeff: c\rdata\r\rdata: x", uint16(1), uint8(5))
	f.Fuzz(func(t *testing.T, stream string, step uint16, limit uint8) {
		var cuts []int
		for i := int(step); step > 0 && i < len(stream); i += int(step) {
			cuts = append(cuts, i)
		}
		whole, dropped := split(int(limit), stream)
		got, dropped2 := split(int(limit), stream, cuts...)
		if diff := cmp.Diff(whole, got); diff != "" || dropped != dropped2 {
			t.Fatalf("split, it is something else: %s", diff)
		}
		if limit == 0 {
			if diff := cmp.Diff(oracle(stream), got); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func ExampleSplitter() {
	s := wire.Splitter{Each: func(e wire.Event) { fmt.Printf("%s %s\n", e.Name, e.Data) }}
	_, _ = io.WriteString(&s, "event: ping\ndata: {\"type\"")
	_, _ = io.WriteString(&s, ":\"ping\"}\r\n\r\ndata: [DONE]")
	_ = s.Close()
	// Output:
	// ping {"type":"ping"}
	//  [DONE]
}

func BenchmarkSplitter(b *testing.B) {
	stream := bytes.Repeat([]byte("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello there\"}}\n\n"), 100)
	for _, size := range []int{64, 32 << 10} {
		b.Run(fmt.Sprintf("pieces=%d", size), func(b *testing.B) {
			n := 0
			s := wire.Splitter{Each: func(wire.Event) { n++ }}
			b.ReportAllocs()
			b.SetBytes(int64(len(stream)))
			for b.Loop() {
				for rest := stream; len(rest) > 0; {
					k := min(size, len(rest))
					_, _ = s.Write(rest[:k])
					rest = rest[k:]
				}
			}
		})
	}
}
