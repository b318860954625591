package logging

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/andres20980/aurea-orchestrator/redact"
)

// secret returns a credential that is made up when the test runs.
func secret() string {
	b := []byte("sk-")
	for range 40 {
		b = append(b, "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"[rand.IntN(47)])
	}
	return string(append(b, "4711"...))
}

const mail = "user@example.com"

// lines logs through a JSON logger and returns the objects it wrote.
func lines(t *testing.T, do func(*slog.Logger)) []map[string]any {
	t.Helper()
	var buf bytes.Buffer
	do(New(&buf, Options{Level: slog.LevelDebug}))
	return parse(t, buf.Bytes())
}

func parse(t *testing.T, out []byte) (all []map[string]any) {
	t.Helper()
	for line := range bytes.Lines(out) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("no JSON: %v: %s", err, line)
		}
		all = append(all, m)
	}
	return all
}

func TestHandlerKeepsTheContract(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		buf.Reset()
		return NewHandler(slog.NewJSONHandler(&buf, nil), nil)
	}, func(t *testing.T) map[string]any {
		all := parse(t, buf.Bytes())
		if len(all) != 1 {
			t.Fatalf("%d lines", len(all))
		}
		return all[0]
	})
}

type valuer struct{ v slog.Value }

func (v valuer) LogValue() slog.Value { return v.v }

type pointerValuer struct{ name string }

func (p *pointerValuer) LogValue() slog.Value { return slog.StringValue(p.name) }

type pointerError struct{ name string }

func (p *pointerError) Error() string { return p.name }

type stringer struct{ s string }

func (s stringer) String() string { return s.s }

type loud struct{}

func (loud) String() string { panic("for " + mail) }

type account struct {
	Mail     string `json:"mail"`
	Password string `json:"password"`
	Tokens   int    `json:"max_tokens"`
}

type text string

func TestEveryKindOfAttribute(t *testing.T) {
	t.Parallel()
	key := secret()
	link := &url.URL{Scheme: "https", Host: "h.example.com", User: url.UserPassword("bob", "hunter"+"2")}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, row := range map[string]struct {
		value any
		want  any
	}{
		"string":      {"a " + key, "a [KEY_REDACTED]"},
		"named":       {text(mail), "[EMAIL_REDACTED]"},
		"int":         {42, 42.0},
		"phone":       {5551234567, "[PHONE_REDACTED]"},
		"epoch":       {int64(1723456789), 1723456789.0},
		"card_number": {uint64(1234567890123456), "[CARD_REDACTED]"},
		"float":       {1.5, 1.5},
		"bool":        {true, true},
		"nil":         {nil, nil},
		"time2":       {at, "2026-01-02T03:04:05Z"},
		"took":        {time.Second, 1e9},
		"error":       {fmt.Errorf("for %s: %w", mail, errors.New(key)), "for [EMAIL_REDACTED]: [KEY_REDACTED]"},
		"errors":      {[]error{errors.New(mail), nil}, []any{"[EMAIL_REDACTED]", "<nil>"}},
		"nil error":   {(*pointerError)(nil), "!PANIC: runtime error: invalid memory address or nil pointer dereference"},
		"stringer":    {stringer{mail}, "[EMAIL_REDACTED]"},
		"loud":        {loud{}, "!PANIC: for [EMAIL_REDACTED]"},
		"url":         {link, "https://bob:[PASSWORD_REDACTED]@h.example.com"},
		"bytes":       {[]byte(mail), "[EMAIL_REDACTED]"},
		"raw":         {json.RawMessage(`{"password":"x","n":1}`), map[string]any{"password": "[REDACTED]", "n": 1.0}},
		"raw broken":  {json.RawMessage(`{"password":"xyz"`), `{"password":"[REDACTED]"`},
		"number":      {json.Number("12"), 12.0},
		"struct": {
			account{mail, key, 4096},
			map[string]any{"mail": "[EMAIL_REDACTED]", "password": "[REDACTED]", "max_tokens": 4096.0},
		},
		"pointer":    {&account{Mail: mail}, map[string]any{"mail": "[EMAIL_REDACTED]", "password": "", "max_tokens": 0.0}},
		"map":        {map[string]any{"token": key, "e": errors.New(mail)}, map[string]any{"token": "[REDACTED]", "e": "[EMAIL_REDACTED]"}},
		"headers":    {map[string][]string{"X-Api-Key": {key}}, map[string]any{"X-Api-Key": "[REDACTED]"}},
		"slice":      {[]string{mail, "x"}, []any{"[EMAIL_REDACTED]", "x"}},
		"any slice":  {[]any{mail, errors.New(key)}, []any{"[EMAIL_REDACTED]", "[KEY_REDACTED]"}},
		"valuer":     {valuer{slog.StringValue(mail)}, "[EMAIL_REDACTED]"},
		"valuers":    {valuer{slog.AnyValue(valuer{slog.AnyValue(errors.New(mail))})}, "[EMAIL_REDACTED]"},
		"group":      {valuer{slog.GroupValue(slog.String("api_key", key), slog.Any("e", errors.New(mail)))}, map[string]any{"api_key": "[REDACTED]", "e": "[EMAIL_REDACTED]"}},
		"nil valuer": {(*pointerValuer)(nil), "!PANIC: LogValue of *logging.pointerValuer"},
		"attr":       {slog.String("password", key), map[string]any{"password": "[REDACTED]"}},
		"attrs":      {[]slog.Attr{slog.String("password", key)}, map[string]any{"password": "[REDACTED]"}},
		"value":      {slog.StringValue(mail), "[EMAIL_REDACTED]"},
		"chan":       {make(chan int), "!UNREADABLE: chan int"},
		"password":   {key, "[REDACTED]"},
		"apiKey":     {account{}, "[REDACTED]"},
		"db-secret":  {valuer{slog.GroupValue(slog.String("a", key))}, "[REDACTED]"},
		"max_tokens": {4096, 4096.0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for path, do := range map[string]func(*slog.Logger){
				"record":  func(l *slog.Logger) { l.Info("m", name, row.value) },
				"with":    func(l *slog.Logger) { l.With(name, row.value).Info("m") },
				"group":   func(l *slog.Logger) { l.WithGroup("g").Info("m", name, row.value) },
				"groups":  func(l *slog.Logger) { l.With("a", 1).WithGroup("g").WithGroup("h").With(name, row.value).Info("m") },
				"in attr": func(l *slog.Logger) { l.Info("m", slog.Group("g", slog.Group("h", slog.Any(name, row.value)))) },
			} {
				got := any(lines(t, do)[0])
				for m, ok := got.(map[string]any); ok; m, ok = got.(map[string]any) {
					if v, found := m[name]; found {
						got = v
						break
					}
					if got = m["g"]; got == nil {
						got = m["h"]
					}
				}
				if diff := cmp.Diff(row.want, got); diff != "" {
					t.Errorf("%s: %s", path, diff)
				}
			}
		})
	}
}

func TestMessagesNamesAndSensitiveGroups(t *testing.T) {
	t.Parallel()
	key := secret()
	got := lines(t, func(l *slog.Logger) {
		l.Info("for "+mail, mail, 1)
		l.WithGroup("credentials").With("user", "bob").Info("m", "n", 7, slog.Group("inner", "x", key))
		l.WithGroup(mail).Info("m", "a", 1)
	})
	for _, m := range got {
		delete(m, "time")
	}
	want := []map[string]any{
		{"level": "INFO", "msg": "for [EMAIL_REDACTED]", "[EMAIL_REDACTED]": 1.0},
		{"level": "INFO", "msg": "m", "credentials": map[string]any{"user": "[REDACTED]", "n": "[REDACTED]", "inner": map[string]any{"x": "[REDACTED]"}}},
		{"level": "INFO", "msg": "m", "[EMAIL_REDACTED]": map[string]any{"a": 1.0}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTextFormat(t *testing.T) {
	t.Parallel()
	key := secret()
	var buf bytes.Buffer
	l := New(&buf, Options{Format: "text"})
	l.Debug("unseen")
	l.Warn("m", "raw", json.RawMessage(`{"password":"`+key+`"}`), "b", []byte(mail), "s", account{Mail: mail}, "e", errors.New(key))
	out := buf.String()
	for _, leak := range []string{key, mail, "unseen"} {
		if strings.Contains(out, leak) {
			t.Errorf("%q is in the log: %s", leak, out)
		}
	}
	if !strings.Contains(out, `level=WARN msg=m raw="{\"password\":\"[REDACTED]\"}" b=[EMAIL_REDACTED] s="{\"mail\":\"[EMAIL_REDACTED]\"`) {
		t.Error(out)
	}
}

func TestPersonalDataOffKeepsCredentialsMasked(t *testing.T) {
	t.Parallel()
	key := secret()
	var buf bytes.Buffer
	l := New(&buf, Options{Redactor: redact.New(redact.Options{})})
	l.Info(mail, "k", key, "password", "x")
	if out := buf.String(); !strings.Contains(out, mail) || strings.Contains(out, key) || !strings.Contains(out, `"password":"[REDACTED]"`) {
		t.Error(out)
	}
}

func TestSourceAndTimeStay(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	h := NewHandler(slog.NewJSONHandler(&buf, &slog.HandlerOptions{AddSource: true}), nil)
	slog.New(h).InfoContext(context.Background(), "m")
	got := parse(t, buf.Bytes())[0]
	source, _ := got["source"].(map[string]any)
	if file, _ := source["file"].(string); !strings.HasSuffix(file, "logging_test.go") {
		t.Error(got)
	}
	if _, err := time.Parse(time.RFC3339Nano, fmt.Sprint(got["time"])); err != nil {
		t.Error(err)
	}
}

func TestParseLevel(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]slog.Level{
		"debug": slog.LevelDebug, "INFO": slog.LevelInfo, "Warn": slog.LevelWarn, "WARNING": slog.LevelWarn, "error": slog.LevelError,
	} {
		if got, err := ParseLevel(in); err != nil || got != want {
			t.Errorf("ParseLevel(%q) = %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "trace", "info+1", "0"} {
		if _, err := ParseLevel(in); err == nil || !strings.Contains(err.Error(), "use debug, info") {
			t.Errorf("ParseLevel(%q): %v", in, err)
		}
	}
}

func TestWriter(t *testing.T) {
	t.Parallel()
	key := secret()
	block := "-----BEGIN " + "PRIVATE KEY-----\n" + strings.Repeat(strings.Repeat("Ab3", 20)+"\n", 3) + "-----END " + "PRIVATE KEY-----\n"
	in := "plain\nto " + mail + " with " + key + "\n" + block + "last user" + "@example.org"
	want := "plain\nto [EMAIL_REDACTED] with [KEY_REDACTED]\n[KEY_REDACTED]\nlast [EMAIL_REDACTED]"
	for size := 1; size < len(in); size += 7 {
		var buf bytes.Buffer
		w := Writer(&buf, nil)
		for rest := in; rest != ""; {
			n := min(size, len(rest))
			if m, err := w.Write([]byte(rest[:n])); m != n || err != nil {
				t.Fatal(m, err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, buf.String()); diff != "" {
			t.Fatalf("pieces of %d: %s", size, diff)
		}
	}
}

func TestWriterHoldsBackLittle(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	w := Writer(&buf, nil)
	if _, err := w.Write([]byte(strings.Repeat("word ", 1<<16))); err != nil {
		t.Fatal(err)
	}
	if held := 5<<16 - buf.Len(); held > maxLine+1024 {
		t.Errorf("%d bytes held back", held)
	}
	if _, err := w.Write([]byte("-----BEGIN " + "PRIVATE KEY-----\n" + strings.Repeat("no key at all\n", 1<<14))); err != nil {
		t.Fatal(err)
	}
	if buf.Len() < 5<<16+100<<10 {
		t.Error("a block that never ends stops the log")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriterReportsErrors(t *testing.T) {
	t.Parallel()
	w := Writer(failing{}, nil)
	if n, err := w.Write([]byte("a\n")); n != 0 || err == nil {
		t.Error(n, err)
	}
}

func TestStandardLogThroughWriter(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	log.New(Writer(&buf, nil), "http: ", 0).Printf("panic serving %s", "10.1.2.3:4711")
	if got, want := buf.String(), "http: panic serving [IP_REDACTED]:4711\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
