package redact

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	visa := cardWith("4", 16)
	for _, row := range []row{
		{`{"email":"user@example.com","password":"secret123"}`, `{"email":"[EMAIL_REDACTED]","password":"[REDACTED]"}`},
		{`{ "n" : 1723456789, "a":[1, 2.5e3] , "b":null}`, `{ "n" : 1723456789, "a":[1, 2.5e3] , "b":null}`},
		{`{"card":` + visa + `}`, `{"card":"[CARD_REDACTED]"}`},
		{`{"phone": 5551234567, "ssn":123456789}`, `{"phone": "[PHONE_REDACTED]", "ssn":"[SSN_REDACTED]"}`},
		{`[` + visa + `]`, `["[CARD_REDACTED]"]`},
		{visa, `"[CARD_REDACTED]"`},
		{`{"a":"x\n555-123-4567\ty"}`, `{"a":"x\n[PHONE_REDACTED]\ty"}`},
		{`{"a":"user\u0040example.com"}`, `{"a":"[EMAIL_REDACTED]"}`},
		{`{"a":"caf\u00e9 \"q\" \/"}`, `{"a":"caf\u00e9 \"q\" \/"}`},
		{`{"user@example.com":1}`, `{"[EMAIL_REDACTED]":1}`},
		{`{"args":"{\"password\":\"x y\"}"}`, `{"args":"{\"password\":\"[REDACTED]\"}"}`},
		{`{"credentials":{"user":"a","n":[1,2]}}`, `{"credentials":"[REDACTED]"}`},
		{`{"db_password":12345,"pass_rate":0.5}`, `{"db_password":"[REDACTED]","pass_rate":0.5}`},
		{`{"password":null,"secret":true,"token":""}`, `{"password":null,"secret":true,"token":""}`},
		{`{"token":"Hello","logprob":-0.3}`, `{"token":"Hello","logprob":-0.3}`},
		{`{"token":"Hello"}`, `{"token":"[REDACTED]"}`},
		{`{"password":{"type":"string","minLength":8}}`, `{"password":{"type":"string","minLength":8}}`},
		{`{"name":"Authorization","value":"x y"}`, `{"name":"Authorization","value":"[REDACTED]"}`},
		{`{"password":"${DB_PASSWORD}"}`, `{"password":"${DB_PASSWORD}"}`},
		{"{\"p\":\"a@b.co\"}\n{\"p\":\"x\"}\n", "{\"p\":\"[EMAIL_REDACTED]\"}\n{\"p\":\"x\"}\n"},
		{`{"max_tokens":4096,"usage":{"input_tokens":1234567890}}`, `{"max_tokens":4096,"usage":{"input_tokens":1234567890}}`},
		{`not json: user@example.com`, `not json: [EMAIL_REDACTED]`},
		{`{"a":"user@example.com"`, `{"a":"[EMAIL_REDACTED]"`},
	} {
		got := string(Default().JSON([]byte(row.in)))
		if got != row.want {
			t.Errorf("JSON(%s)\n got %s\nwant %s", row.in, got, row.want)
		}
		if again := string(Default().JSON([]byte(got))); again != got {
			t.Errorf("not idempotent: %s\nthen %s", got, again)
		}
	}
}

func TestJSONUnchangedIsTheSameSlice(t *testing.T) {
	t.Parallel()
	doc := []byte(`{"a" : "b\u0041", "n":1.0}`)
	if got := Default().JSON(doc); &got[0] != &doc[0] || len(got) != len(doc) {
		t.Errorf("an unchanged document was copied: %s", got)
	}
}

func TestJSONInText(t *testing.T) {
	t.Parallel()
	check(t, Default(), []row{
		{`data: {"phone":5551234567}` + "\n\n", `data: {"phone":"[PHONE_REDACTED]"}` + "\n\n"},
		{`body={"password":"x"} user@example.com`, `body={"password":"[REDACTED]"} [EMAIL_REDACTED]`},
		{`{"password":"x", broken user@example.com`, `{"password":"[REDACTED]", broken [EMAIL_REDACTED]`},
		{`map {"a": user@example.com}`, `map {"a": [EMAIL_REDACTED]}`},
	})
}

func TestDeepJSONEnds(t *testing.T) {
	t.Parallel()
	doc := strings.Repeat("[", 100_000) + `"user@example.com"` + strings.Repeat("]", 100_000)
	if got := string(Default().JSON([]byte(doc))); strings.Contains(got, "user@") || !json.Valid([]byte(got)) && json.Valid([]byte(doc)) {
		t.Error("a deep document leaks or breaks")
	}
}

type opaque struct {
	Name     string
	Password string
	Mail     *string `json:"mail,omitempty"`
}

type touchy struct{}

func (*touchy) Error() string { panic("user@example.com") }

func TestRedactMap(t *testing.T) {
	t.Parallel()
	mail := "user@example.com"
	link, err := url.Parse("https://example.com/?q=1")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1, 0)
	in := map[string]any{
		"email": mail, "password": "secret123", "n": 42, "phone": 5551234567, "epoch": int64(1723456789), "f": 1.5,
		"nested":  map[string]any{"clientSecret": []any{"a"}, "list": []any{mail, 1, nil}},
		"strs":    []string{mail, "x"},
		"headers": map[string][]string{"X-Api-Key": {"a"}, "Accept": {mail}},
		"strmap":  map[string]string{"token": "a", "b": mail},
		"err":     fmt.Errorf("bad: %w", errors.New(mail)),
		"raw":     json.RawMessage(`{"password":"x"}`),
		"bytes":   []byte(mail),
		"at":      at,
		"took":    time.Second,
		"struct":  opaque{Name: mail, Password: "x", Mail: &mail},
		"ptr":     &opaque{Name: "n"},
		"nil":     nil,
	}
	in["chan"] = make(chan int)
	in["touchy"] = (*touchy)(nil)
	in["inf"] = math.Inf(1)
	in["url"] = link
	before := fmt.Sprint(in["nested"], in["strs"], in["strmap"])
	got := Default().RedactMap(in)
	want := map[string]any{
		"email": "[EMAIL_REDACTED]", "password": "[REDACTED]", "n": 42, "phone": "[PHONE_REDACTED]", "epoch": int64(1723456789), "f": 1.5,
		"nested":  map[string]any{"clientSecret": "[REDACTED]", "list": []any{"[EMAIL_REDACTED]", 1, nil}},
		"strs":    []string{"[EMAIL_REDACTED]", "x"},
		"headers": map[string]any{"X-Api-Key": "[REDACTED]", "Accept": []any{"[EMAIL_REDACTED]"}},
		"strmap":  map[string]string{"token": "[REDACTED]", "b": "[EMAIL_REDACTED]"},
		"err":     "bad: [EMAIL_REDACTED]",
		"raw":     json.RawMessage(`{"password":"[REDACTED]"}`),
		"bytes":   []byte("[EMAIL_REDACTED]"),
		"at":      at,
		"took":    time.Second,
		"struct":  map[string]any{"Name": "[EMAIL_REDACTED]", "Password": "[REDACTED]", "mail": "[EMAIL_REDACTED]"},
		"ptr":     map[string]any{"Name": "n", "Password": ""},
		"nil":     nil,
		"chan":    "!UNREADABLE: chan int",
		"touchy":  "!PANIC: [EMAIL_REDACTED]",
		"inf":     math.Inf(1),
		"url":     got["url"],
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if after := fmt.Sprint(in["nested"], in["strs"], in["strmap"]); after != before {
		t.Error("the argument was changed")
	}
}

func TestRedactMapOfItself(t *testing.T) {
	t.Parallel()
	m := map[string]any{"a": "user@example.com"}
	m["self"] = m
	if got := Default().RedactMap(m); got["a"] != "[EMAIL_REDACTED]" {
		t.Error(got["a"])
	}
}

func TestRedactMapNamesThatBecomeOne(t *testing.T) {
	t.Parallel()
	got := Default().RedactMap(map[string]any{"a@example.com": 1, "b@example.com": 2})
	want := map[string]any{"[EMAIL_REDACTED]": 1, "[EMAIL_REDACTED]#2": 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
