package redact

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func ExampleRedactor_Find() {
	text := []byte("Write to user@example.com or call 555-123-4567.")
	for _, f := range Default().Find(nil, text) {
		fmt.Printf("%s %d-%d\n", f.Type, f.Start, f.End)
	}
	// Output:
	// EMAIL 9-25
	// PHONE 34-46
}

func TestFind(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"", "nothing here", nil},
		{"", "a@example.com, 10.0.0.1", []string{"EMAIL a@example.com", "IP 10.0.0.1"}},
		{"", `{"password":"x y z","api_key":123456789}`, []string{"PASSWORD x y z", "KEY 123456789"}},
		{"", "Authorization: Bearer " + made(30), []string{"KEY Bearer " + made(30)}},
		{"phone", "5551234567", []string{"PHONE 5551234567"}},
		{"", "5551234567", nil},
	} {
		var got []string
		for _, f := range Default().FindNamed(nil, test.name, []byte(test.text)) {
			got = append(got, f.Type.String()+" "+test.text[f.Start:f.End])
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s %q: %s", test.name, test.text, diff)
		}
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	text, r := []byte(clean()[:64<<10]), Default()
	if n := testing.AllocsPerRun(20, func() { r.Find(nil, text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
