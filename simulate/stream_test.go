package simulate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

type event struct{ name, data string }

// events splits an event stream.
func events(t *testing.T, stream []byte) (list []event) {
	t.Helper()
	var e event
	lines := bufio.NewScanner(bytes.NewReader(stream))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		switch name, value, _ := strings.Cut(lines.Text(), ": "); {
		case name == "event":
			e.name = value
		case name == "data":
			e.data = value
		case lines.Text() == "":
			list = append(list, e)
			e = event{}
		default:
			t.Fatalf("line %q", lines.Text())
		}
	}
	return list
}

func stream(t *testing.T, path, body string) []event {
	t.Helper()
	w := post(t, New(Options{}), path, body)
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream") || !w.Flushed {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	list := events(t, w.Body.Bytes())
	for _, e := range list {
		if e.data != "[DONE]" && !json.Valid([]byte(e.data)) {
			t.Fatalf("not JSON: %s", e.data)
		}
		if e.name != "" && get(t, []byte(e.data), "type") != e.name {
			t.Errorf("event %s has another type: %s", e.name, e.data)
		}
	}
	return list
}

func TestStreamedChat(t *testing.T) {
	t.Parallel()
	body := `{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}],"n":2`
	whole := post(t, New(Options{}), "/v1/chat/completions", body+`}`).Body.Bytes()
	for _, withUsage := range []bool{false, true} {
		list := stream(t, "/v1/chat/completions", body+fmt.Sprintf(`,"stream":true,"stream_options":{"include_usage":%v}}`, withUsage))
		if list[len(list)-1].data != "[DONE]" {
			t.Fatalf("the last event is %v", list[len(list)-1])
		}
		list = list[:len(list)-1]
		usages := 0
		var texts [2]string
		var finished [2]int
		for _, e := range list {
			var chunk struct {
				Object  string
				Choices []struct {
					Index  int
					Delta  struct{ Content string }
					Finish *string `json:"finish_reason"`
				}
				Usage *struct {
					Completion int `json:"completion_tokens"`
				}
			}
			if err := json.Unmarshal([]byte(e.data), &chunk); err != nil || chunk.Object != "chat.completion.chunk" {
				t.Fatal(err, e.data)
			}
			if has := strings.Contains(e.data, `"usage"`); has != withUsage {
				t.Errorf("usage %v in %s", has, e.data)
			}
			if chunk.Usage != nil {
				usages++
				words := len(strings.Fields(texts[0])) + len(strings.Fields(texts[1]))
				if len(chunk.Choices) != 0 || chunk.Usage.Completion != words {
					t.Errorf("usage of %d words: %s", words, e.data)
				}
			}
			for _, c := range chunk.Choices {
				texts[c.Index] += c.Delta.Content
				if c.Finish != nil {
					finished[c.Index]++
				}
			}
		}
		if withUsage != (usages == 1) || finished != [2]int{1, 1} {
			t.Errorf("%d usages, finished %v", usages, finished)
		}
		// The text of a body does not hang on its being streamed, but the body is another: only the shape can be compared.
		if len(strings.Fields(texts[0])) < 12 || get(t, whole, "object") != "chat.completion" {
			t.Errorf("text %q", texts[0])
		}
	}
}

func TestStreamedCompletion(t *testing.T) {
	t.Parallel()
	list := stream(t, "/v1/completions", `{"model":"m","prompt":"x","stream":true}`)
	var text string
	for _, e := range list[:len(list)-1] {
		piece, _ := get(t, []byte(e.data), "choices.0.text").(string)
		text += piece
	}
	if len(strings.Fields(text)) != 16 {
		t.Errorf("text %q", text)
	}
}

func TestStreamedMessage(t *testing.T) {
	t.Parallel()
	list := stream(t, "/v1/messages", `{"model":"claude-haiku-4-5","max_tokens":20,"stream":true,"messages":[{}]}`)
	var kinds []string
	var text string
	for _, e := range list {
		if len(kinds) == 0 || kinds[len(kinds)-1] != e.name {
			kinds = append(kinds, e.name)
		}
		if e.name == "content_block_delta" {
			piece, _ := get(t, []byte(e.data), "delta.text").(string)
			text += piece
		}
	}
	want := "message_start content_block_start ping content_block_delta content_block_stop message_delta message_stop"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("events %s", got)
	}
	end := []byte(list[len(list)-2].data)
	if get(t, end, "usage.output_tokens") != 20 || get(t, end, "delta.stop_reason") != "max_tokens" || len(strings.Fields(text)) != 20 {
		t.Errorf("%q ends with %s", text, end)
	}
	if get(t, []byte(list[0].data), "message.usage.input_tokens") != 1 {
		t.Errorf("begins with %s", list[0].data)
	}
}

func TestStreamedResponse(t *testing.T) {
	t.Parallel()
	for body, last := range map[string]string{
		`{"model":"gpt-5-mini","input":"x","stream":true}`:                          "response.completed",
		`{"model":"gpt-4.1-mini","input":"x","stream":true,"max_output_tokens":20}`: "response.incomplete",
	} {
		list := stream(t, "/v1/responses", body)
		var text string
		for i, e := range list {
			if get(t, []byte(e.data), "sequence_number") != i {
				t.Errorf("event %d: %s", i, e.data)
			}
			if e.name == "response.output_text.delta" {
				piece, _ := get(t, []byte(e.data), "delta").(string)
				text += piece
			}
			if e.name == "response.output_text.done" && get(t, []byte(e.data), "text") != text {
				t.Errorf("the text was %q, now %s", text, e.data)
			}
		}
		end := list[len(list)-1]
		if end.name != last || get(t, []byte(end.data), "response.usage.output_tokens") == nil {
			t.Errorf("ends with %v", end)
		}
		if list[0].name != "response.created" || get(t, []byte(list[0].data), "response.usage") != nil {
			t.Errorf("begins with %v", list[0])
		}
	}
}

// Each event leaves at once: the first can be read while the rest is held back.
func TestEventsAreFlushed(t *testing.T) {
	t.Parallel()
	r, client := start(t, Options{})
	if err := r.Script(Step{Stall: time.Hour}); err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(request1(t, r.URL(), "/v1/messages", `{"model":"m","max_tokens":9,"stream":true,"messages":[{}]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil || line != "event: message_start\n" {
		t.Errorf("%q %v", line, err)
	}
}
