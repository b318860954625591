// Package examples_test checks what lies in this folder.
package examples_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/andres20980/aurea-orchestrator/simulate"
)

// line is one of the two forms a line of input may have.
type line struct {
	CustomID string `json:"custom_id"`
	URL      string `json:"url"`
	Body     json.RawMessage

	ID       string
	Model    string
	Prompt   string
	Messages json.RawMessage
}

// Every line of the rehearsal is a request that a provider takes; together they use several models and all formats.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	f, err := os.Open("rehearsal.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	provider := simulate.New(simulate.Options{})
	ids, urls := make(map[string]bool), make(map[string]int)
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		id, url, body := l.CustomID+l.ID, l.URL, l.Body
		if body == nil {
			url, body = "/v1/chat/completions", lines.Bytes()
			if l.Prompt != "" {
				body = []byte(strings.Replace(lines.Text(), "{", `{"messages":[{"role":"user","content":"…"}],`, 1))
			} else if l.Messages == nil {
				t.Errorf("line %d has neither prompt nor messages", n)
			}
			urls["shorthand"]++
		}
		if id == "" || ids[id] {
			t.Errorf("line %d: id %q is empty or was used before", n, id)
		}
		ids[id] = true
		urls[url]++
		req := httptest.NewRequest(http.MethodPost, url, strings.NewReader(string(body)))
		req.Header.Set("Authorization", "Bearer anything")
		req.Header.Set("Anthropic-Version", "2023-06-01")
		answer := httptest.NewRecorder()
		provider.ServeHTTP(answer, req)
		if answer.Code != http.StatusOK {
			t.Errorf("line %d: %d %s", n, answer.Code, answer.Body)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if models := len(provider.Stats().ByModel); len(ids) < 300 || models < 5 || len(urls) < 5 {
		t.Errorf("%d lines, %d models, forms %v", len(ids), models, urls)
	}
}
