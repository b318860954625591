//go:build unix

package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
)

// parrot is a provider of OpenAI's chat completions that repeats the last message, and keeps what it got.
type parrot struct {
	*httptest.Server
	mu  sync.Mutex
	got strings.Builder
}

func startParrot(tb testing.TB) *parrot {
	tb.Helper()
	p := &parrot{}
	p.Server = httptest.NewServer(http.HandlerFunc(p.answer))
	tb.Cleanup(p.Close)
	return p
}

func (p *parrot) answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.got.Write(body)
	p.mu.Unlock()
	var asked struct {
		Stream   bool
		Messages []struct{ Content string }
	}
	if err := json.Unmarshal(body, &asked); err != nil || len(asked.Messages) == 0 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	last := asked.Messages[len(asked.Messages)-1].Content
	const usage = `"usage":{"prompt_tokens":10,"completion_tokens":10,"total_tokens":20}`
	if !asked.Stream {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":%s},"finish_reason":"stop"}],%s}`, quoted(last), usage)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for _, r := range last {
		fmt.Fprintf(w, "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":%s}}]}\n\n", quoted(string(r)))
	}
	fmt.Fprintf(w, "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"id\":\"c\",\"choices\":[],%s}\n\ndata: [DONE]\n\n", usage)
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func (p *parrot) received() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got.String()
}

// A batch with --pii mask: the provider sees placeholders only, the results and the input have the values, and the job stays so when it is gone on with without the flag.
func TestMaskedBatch(t *testing.T) {
	t.Parallel()
	p := startParrot(t)
	h := newHouse(t, behaviour{}, "")
	h.env = append(h.env, "OPENAI_BASE_URL="+p.URL+"/v1")
	const text = `Write to ann@example.com, 4111 1111 1111 1111, {"ip": "10.1.2.3", "phone": 5551234567} and [EMAIL_1].`
	line := `{"custom_id":"%d","method":"POST","url":"/v1/chat/completions","body":{"model":"` + models[0].name + `","max_tokens":50,"messages":[{"role":"user","content":` + quoted(text) + `}]}}` + "\n"
	file := h.write("in.jsonl", fmt.Sprintf(line, 1)+fmt.Sprintf(line, 2))
	h.runs(0, "run", file, "--job", "m", "--max-cost", "1", "--pii", "mask")
	h.write("in.jsonl", fmt.Sprintf(line, 1)+fmt.Sprintf(line, 2)+fmt.Sprintf(line, 3))
	h.runs(0, "run", file, "--job", "m", "--max-cost", "1")
	results, err := os.ReadFile(file + ".results.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(results), "\n"); n != 3 {
		t.Errorf("%d results", n)
	}
	for l := range strings.Lines(string(results)) {
		var r struct {
			Response struct {
				Body struct {
					Choices []struct{ Message struct{ Content string } }
				}
			}
		}
		if err := json.Unmarshal([]byte(l), &r); err != nil || len(r.Response.Body.Choices) != 1 || r.Response.Body.Choices[0].Message.Content != text {
			t.Errorf("%v: the result is %s", err, l)
		}
	}
	clean(t, p.received())
	p2 := h.runs(2, "run", file, "--pii", "some")
	if !strings.Contains(p2.stderr.String(), "off, mask or block") {
		t.Error(p2.stderr.String())
	}
}

// clean fails if a provider has got what it should not have.
func clean(t *testing.T, got string) {
	t.Helper()
	for _, private := range []string{"ann@", "4111", "10.1.2.3", "5551234567"} {
		if strings.Contains(got, private) {
			t.Errorf("the provider got %s: %s", private, got)
		}
	}
	if !strings.Contains(got, "[EMAIL_2]") {
		t.Errorf("the provider got %s", got)
	}
}

// exec --pii holds for all that the command calls, and so does the configuration of serve.
func TestMaskedCommand(t *testing.T) {
	t.Parallel()
	p := startParrot(t)
	h := newHouse(t, behaviour{}, "")
	h.env = append(h.env, "OPENAI_BASE_URL="+p.URL+"/v1")
	post := `post {"model":"` + models[0].name + `","max_tokens":50,%s"messages":[{"role":"user","content":"I am ann@example.com, not [EMAIL_1]"}]}`
	gets := func(stream string, flags ...string) string {
		t.Helper()
		done := h.startCmd(h.child(fmt.Sprintf(post, stream), append(flags, "--max-cost", "1")...)).wait()
		done.exits(0)
		return done.stdout.String()
	}
	if out := gets("", "--pii", "mask"); !strings.Contains(out, "I am ann@example.com, not [EMAIL_1]") {
		t.Errorf("the command got %s", out)
	}
	if out := gets(`"stream":true,`, "--pii", "mask"); !strings.Contains(out, "ann@example.com") {
		t.Errorf("the command got %s", out)
	}
	clean(t, p.received())
	before := len(p.received())
	if out := gets("", "--pii", "block"); !strings.Contains(out, "pii_blocked") || !strings.Contains(out, "1 EMAIL in messages[0]") || len(p.received()) != before {
		t.Errorf("the command got %s", out)
	}
	h.env = append(h.env, "AUREA_PII=block")
	if out := gets("", "--pii", "off"); !strings.Contains(out, "pii_blocked") {
		t.Errorf("the command got %s", out)
	}
}
