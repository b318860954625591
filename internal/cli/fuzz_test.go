package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var nameOfJob = regexp.MustCompile(`\A[A-Za-z0-9._:-]{1,128}\z`)

// Whatever a file is called, a job can be named after it, always the same, and two files do not meet.
func FuzzJobNameOf(f *testing.F) {
	for _, seed := range []string{"prompts.jsonl", "a/b.jsonl", "../x", "", ".", "/", "ñ é.jsonl", strings.Repeat("a", 300), "a\x00b", "-x", ".jsonl"} {
		f.Add(seed, seed+"2")
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		name := jobNameOf(one)
		if !nameOfJob.MatchString(name) || name != jobNameOf(one) {
			t.Fatalf("%q becomes %q", one, name)
		}
		a, errA := filepath.Abs(one)
		b, errB := filepath.Abs(other)
		if errA == nil && errB == nil && a != b && name == jobNameOf(other) {
			t.Fatalf("%q and %q are both %q", one, other, name)
		}
	})
}

// Values of the command line that make no sense, and a file that is not there, are told as usage errors, as one JSON object with words in it.
func FuzzRunValues(f *testing.F) {
	for _, seed := range []string{"", "5", "-1", "1e3", "2.50", "0", "NaN", "99999999999", "a b", "\x00", "--json", "=", "ñ"} {
		f.Add(seed, seed, seed)
	}
	missing := filepath.Join(f.TempDir(), "missing.jsonl")
	f.Fuzz(func(t *testing.T, cost, many, name string) {
		var out bytes.Buffer
		p := &program{stdin: strings.NewReader(""), stdout: &out, stderr: io.Discard, environ: func(string) (string, bool) { return "", false }, redact: func(s string) string { return s }}
		args := []string{"run", missing, "--json", "--max-cost=" + cost, "--concurrency=" + many, "--max-retries=" + many, "--job=" + name, "--simulate"}
		root := p.root()
		root.SetArgs(args)
		root.SetOut(&out)
		root.SetErr(io.Discard)
		if code := p.end(root.ExecuteContext(t.Context()), args); code != exitUsage {
			t.Fatalf("exit code %d with %q: %s", code, args, out.String())
		}
		var said struct {
			Error struct {
				Code, Message string
			}
		}
		if err := json.Unmarshal(out.Bytes(), &said); err != nil || said.Error.Message == "" {
			t.Fatalf("%q: %v: %s", args, err, out.String())
		}
	})
}

// What is shown on a terminal does not steer it, and plain text is shown as it is.
func FuzzVisible(f *testing.F) {
	for _, seed := range []string{"plain\n\ttext", "\x1b]0;title\x07", "\x1b[2J", "a\rb", "\u202egnp.exe", "\u009b31m", "\x9b31m", "é→\u00a0", "\x7f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := visible(text)
		for _, r := range got {
			if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
				t.Fatalf("%q shows %q", text, got)
			}
		}
		if again := visible(got); again != got {
			t.Fatalf("%q becomes %q and then %q", text, got, again)
		}
		if strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) < 0 && got != text {
			t.Fatalf("%q becomes %q", text, got)
		}
	})
}
