package cli

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
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

// What the operator adds in the configuration is masked, and what he allows stays.
func TestRedactOwn(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "aurea.yaml")
	text := "logging:\n  redact_literals: [\"Project Falcon\"]\n  redact_patterns: ['EMP-\\d+']\n  redact_allow: [\"@example.com\"]\n  redact_birth_dates: true\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(stdin string) (int, string, string) {
		var out, errs strings.Builder
		code := Run([]string{"redact", "--config", file}, strings.NewReader(stdin), &out, &errs)
		return code, out.String(), errs.String()
	}
	code, out, errs := run("EMP-77 of Project Falcon, DOB 1.2.1980, bob@example.com, bob@example.org")
	if want := "[REDACTED] of [REDACTED], DOB [DOB_REDACTED], bob@example.com, [EMAIL_REDACTED]"; code != 0 || out != want {
		t.Errorf("%d %q %q", code, out, errs)
	}
	if err := os.WriteFile(file, []byte("logging: {redact_patterns: ['(']}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := run("x"); code != 2 || !strings.Contains(errs, "is not a regular expression") {
		t.Errorf("%d %q", code, errs)
	}
}
