package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestExpand(t *testing.T) {
	t.Parallel()
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"A": "one", "B": "${A}", "_x9": "two"}[name]
		return v, ok
	}
	for text, want := range map[string]string{
		"": "", "plain $A $": "plain $A $", "${A}": "one", "x${A}y${_x9}z": "xoneytwoz",
		"${B}":               "${A}", // what a variable contains is taken as it is
		"${C:-three}":        "three",
		"${C:-}":             "",
		"${A:-x}":            "one",
		"${C:-${A}/${D:-y}}": "one/y",
		"$${A}":              "${A}",
		"$${A}${A}":          "${A}one",
		"${C:-a:-b}":         "a:-b",
	} {
		if got, err := expand(text, env); got != want || err != nil {
			t.Errorf("%q = %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"${", "${A", "${}", "${A-x}", "${1}", "${A B}", "${A:?x}", "${A\n}", "${C:-${}}"} {
		if got, err := expand(text, env); err == nil {
			t.Errorf("%q = %q", text, got)
		}
	}
	var missing *undefined
	if _, err := expand("${A}${C}", env); !errors.As(err, &missing) || missing.name != "C" {
		t.Errorf("got %v", err)
	}
}

// Wrapping variables up changes neither the lines of a file nor, once undone, any text.
func FuzzWrap(f *testing.F) {
	for _, seed := range []string{"a: {k: ${X}}", "$${A} ${B:-${C}} ${", "\n${A\n}${B}", wrapOpen + "0" + wrapClose + "${A}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var w wrapping
		got := string(w.wrap([]byte(text)))
		if strings.Count(got, "\n") != strings.Count(text, "\n") {
			t.Fatalf("%q has other lines than %q", got, text)
		}
		if back := w.unwrap(got); back != text {
			t.Fatalf("%q comes back as %q", text, back)
		}
		env := func(string) (string, bool) { return "v", true }
		if out, err := expand(text, env); err == nil && !strings.Contains(text, "${") && out != text {
			t.Fatalf("%q becomes %q", text, out)
		}
	})
}

func TestDurationsReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Min(0).Draw(t, "d"))
		if got, err := parseDuration(span(d)); got != d || err != nil {
			t.Fatalf("%v is written %q and read %v, %v", d, span(d), got, err)
		}
		ms := rapid.Int64Range(0, 1e9).Draw(t, "ms")
		if got, err := parseSeconds(fmt.Sprintf("%d.%03d", ms/1000, ms%1000)); got != time.Duration(ms)*time.Millisecond || err != nil {
			t.Fatalf("%d ms as plain seconds: %v, %v", ms, got, err)
		}
	})
}

func TestValues(t *testing.T) {
	t.Parallel()
	good := func(got, want any, err error) {
		t.Helper()
		if got != want || err != nil {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	}
	for text, want := range map[string]int64{
		"1": 1, "50MB": 50_000_000, "64KiB": 65536, "2 gb": 2_000_000_000, "7b": 7, "1mib": 1 << 20, "3kB": 3000,
	} {
		got, err := parseSize(text)
		good(got, want, err)
	}
	for _, text := range []string{"", "0", "MB", "1.5MB", "-1", "1TB", "999999999999999999GB", "9223372036854775807", "1 0", "٣"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("size %q = %d", text, got)
		}
	}
	for _, text := range []string{"127.0.0.1:8080", ":8080", "localhost:0", "[::1]:1", "0.0.0.0:65535", "my-host.example:80", "[fe80::1%eth0]:80"} {
		got, err := parseListen(text)
		good(got, text, err)
	}
	for _, text := range []string{"", "8080", "localhost", "::1:80", "a b:80", "x:http", "x:65536", "x:-1", "http://x:80", "[x]:80:", "-x:80"} {
		if _, err := parseListen(text); err == nil {
			t.Errorf("listen %q is accepted", text)
		}
	}
	for text, want := range map[string]string{
		"https://api.openai.com/v1": "https://api.openai.com/v1", "http://127.0.0.1:1/": "http://127.0.0.1:1", "http://[::1]:8/v1//": "http://[::1]:8/v1",
	} {
		got, err := parseBaseURL(text)
		good(got, want, err)
	}
	for _, text := range []string{"", "api.openai.com/v1", "//host/v1", "file:///x", "http://", "http://h:0", "http://h:", "http://u@h", "http://h/?a", "http://h?", "http://h#x", "http://h /v1", "http://h/\n", "http://%zz"} {
		if got, err := parseBaseURL(text); err == nil {
			t.Errorf("base_url %q = %q", text, got)
		}
	}
	for _, text := range []string{"+1s", "-1s", "1", "1.5", "", "s", "1 s", "1e3s", "300000h1000000000h", "NaN", "∞"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("duration %q = %v", text, got)
		}
	}
	for _, text := range []string{"", "-1", "1e3", "1.", ".5", "+1", "NaN", "Inf", "99999999999999", "1,5", " 1"} {
		if got, err := parseSeconds(text); err == nil {
			t.Errorf("seconds %q = %v", text, got)
		}
	}
	for _, text := range []string{"none", "1", "1000000000000000"} {
		got, err := parseLimit(text)
		good(got.String(), text, err)
	}
	for _, text := range []string{"", "0", "-1", "+1", "None", "1e3", "0x10", "1_000", "1.0", "1000000000000001", "unlimited"} {
		if got, err := parseLimit(text); err == nil {
			t.Errorf("limit %q = %v", text, got)
		}
	}
	for _, text := range []string{"-0", "1.1", "1e-1", "NaN", "", ".5", "0x1p-2", "+0.5", "50%"} {
		if got, err := parseRatio(text); err == nil {
			t.Errorf("ratio %q = %v", text, got)
		}
	}
}

func TestLooksSecret(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"gpt-4o-mini-2024-07-18", "claude-3-5-sonnet-20241022", "meta-llama/Llama-3.1-405B-Instruct", "ft:gpt-4o-mini:org::AbC123xY",
		"us.anthropic.claude-3-7-sonnet-20250219-v1:0", "sqlite:/var/lib/aurea/aurea.db", "reasoning_default", "qwen2.5-coder:32b-instruct-q4_K_M",
		"text-embedding-3-large", "accounts/fireworks/models/deepseek-v3p1", "https://llm.example.com/v1", "mixtral-8x22b-instruct-v0.1",
	} {
		if looksSecret(name) {
			t.Errorf("%q is taken for a key", name)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`(sk-|sk-ant-api03-|gsk_|AIza|hf_)[A-Za-z0-9_-]{20,40}`).Draw(t, "key")
		if !looksSecret(key) || !looksSecret(" "+key) {
			t.Fatalf("%q is not taken for a key", key)
		}
	})
}

func TestNearest(t *testing.T) {
	t.Parallel()
	words := []string{"rpm", "tpm", "provider", "base_url", "max_output", "input_tpm"}
	for word, want := range map[string]string{
		"rmp": "rpm", "rpms": "rpm", "Provider": "provider", "providers": "provider", "baseurl": "base_url", "base-url": "base_url",
		"max_outputs": "max_output", "imput_tpm": "input_tpm", "x": "", "temperature": "", strings.Repeat("x", 10_000): "",
	} {
		if got := nearest(word, words); got != want {
			t.Errorf("%q is near %q, want %q", word, got, want)
		}
	}
}
