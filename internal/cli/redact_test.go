package cli

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
)

func pem(mark string) string { return "-----" + mark + " PRIVATE KEY-----\n" }

// A text comes back line by line with what is personal or secret masked, a private key as one.
func TestRedactText(t *testing.T) {
	t.Parallel()
	key := pem("BEGIN") + strings.Repeat(rand.Text()+rand.Text()+"\n", 4) + pem("END")
	code, out, errs := runs(t, "mail bob@example.com\n"+key+"sum 12\nlast line", "redact")
	if code != 0 || errs != "" || !strings.HasPrefix(out, "mail [EMAIL_REDACTED]\n") || !strings.HasSuffix(out, "sum 12\nlast line") || strings.Contains(out, key[40:60]) {
		t.Errorf("%d %q %q", code, out, errs)
	}
	if again, second, _ := runs(t, out, "redact"); again != 0 || second != out {
		t.Errorf("redacted twice: %q", second)
	}
}

// Of each {"text":…} comes one, in order; of a line that is anything else its number, and nothing after it.
func TestRedactObjects(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("words ", 50_000)
	code, out, errs := runs(t, `{"text":"bob@example.com <b>&"}`+"\r\n"+`  {"text":"a\nb\u0000é"}`+"\n"+fmt.Sprintf(`{"text":%q}`, long)+"\n"+`{"text":""}`, "redact", "--jsonl")
	if want := `{"text":"[EMAIL_REDACTED] <b>&"}` + "\n" + `{"text":"a\nb\u0000é"}` + "\n" + `{"text":"` + long + `"}` + "\n" + `{"text":""}` + "\n"; code != 0 || errs != "" || out != want {
		t.Errorf("%d %.200q %q", code, out, errs)
	}
	for _, bad := range []string{
		"", "text", "[]", "null", `"text"`, `{}`, `{"text":1}`, `{"text":null}`, `{"Text":"x"}`, `{"text":"a","id":1}`, `{"text":"a","text":"b"}`, `{"text":"a"} {"text":"b"}`, "{\"text\":\"\xff\"}", `{"text":"a"`,
	} {
		code, out, errs := runs(t, `{"text":"first"}`+"\n"+bad+"\n"+`{"text":"third"}`+"\n", "redact", "--jsonl")
		if code != 1 || out != `{"text":"first"}`+"\n" || !strings.Contains(errs, "line 2") {
			t.Errorf("%q: %d %q %q", bad, code, out, errs)
		}
	}
}
