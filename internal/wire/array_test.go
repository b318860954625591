package wire_test

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/andres20980/aurea-orchestrator/internal/wire"
)

// objects cuts a stream that comes in pieces of step bytes; 0 is all at once.
func objects(limit, step int, stream string) (all []string) {
	a := wire.Array{Max: limit, Each: func(object []byte) { all = append(all, string(object)) }}
	for rest := stream; rest != ""; {
		n := len(rest)
		if step > 0 {
			n = min(step, n)
		}
		_, _ = io.WriteString(&a, rest[:n])
		rest = rest[n:]
	}
	_ = a.Close()
	return all
}

func TestArray(t *testing.T) {
	t.Parallel()
	huge := `{"a":"` + strings.Repeat("x", 10<<20) + `"}`
	for _, c := range []struct {
		name, stream string
		want         []string
	}{
		{"nothing", "", nil},
		{"an empty array", "[]", nil},
		{"one object alone", ` {"a":1} `, []string{`{"a":1}`}},
		{"an array", "[{\"a\":1}\n,\r\n{\"b\":[{}]}]\n", []string{`{"a":1}`, `{"b":[{}]}`}},
		{"brackets in a text", `[{"a":"}]{\"\\"},{"b":"\\\""}]`, []string{`{"a":"}]{\"\\"}`, `{"b":"\\\""}`}},
		{"one after the other", `{"a":1}{"b":2}`, []string{`{"a":1}`, `{"b":2}`}},
		{"cut off", `[{"a":1},{"b":`, []string{`{"a":1}`}},
		{"cut off within a text", `[{"a":1},{"b":"}`, []string{`{"a":1}`}},
		{"never closed", `[{"a":1}`, []string{`{"a":1}`}},
		{"other values", `[1,"{}",null,{"a":1},[{"b":2}]]`, []string{`{"a":1}`, `{"b":2}`}},
		{"too many ends", `]}]{"a":1}]]`, []string{`{"a":1}`}},
		{"ten megabytes", "[" + huge + `,{"a":1}]`, []string{huge, `{"a":1}`}},
	} {
		for _, step := range []int{0, 1, 2, 3, 1000} {
			if len(c.stream) > 1000 && step > 0 && step < 1000 {
				continue
			}
			if diff := cmp.Diff(c.want, objects(0, step, c.stream)); diff != "" {
				t.Errorf("%s in pieces of %d: %s", c.name, step, diff)
			}
		}
	}
	for _, step := range []int{0, 1, 4} {
		want := []string{`{"a":1}`, `{"c":3}`}
		if diff := cmp.Diff(want, objects(8, step, `[{"a":1},{"b":"too long"},{"c":3}]`)); diff != "" {
			t.Errorf("an object that is too long, in pieces of %d: %s", step, diff)
		}
	}
}

// However an array is cut into pieces its objects are the same, and those of a valid one are its elements.
func FuzzArray(f *testing.F) {
	f.Add(`[{"a":"}"},{"b":[{}]}]`, uint8(1))
	f.Add(`{"a":1} {"b":"\\\""`, uint8(3))
	f.Fuzz(func(t *testing.T, stream string, step uint8) {
		whole := objects(0, 0, stream)
		if diff := cmp.Diff(whole, objects(0, int(step), stream)); diff != "" {
			t.Fatalf("in pieces it is something else: %s", diff)
		}
		var elements []json.RawMessage
		if json.Unmarshal([]byte(stream), &elements) != nil {
			return
		}
		var want []string
		for _, e := range elements {
			if !bytes.HasPrefix(e, []byte("{")) {
				return
			}
			want = append(want, string(e))
		}
		if diff := cmp.Diff(want, whole); diff != "" {
			t.Fatal(diff)
		}
	})
}
