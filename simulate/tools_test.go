package simulate

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Every format, whole and streamed: a forced tool is called by its name, with arguments that are JSON.
func TestToolCalls(t *testing.T) {
	t.Parallel()
	for path, c := range map[string]struct {
		body                       string
		name, arguments, end, stop string
		piece                      string // event and path of the pieces in a stream
	}{
		"/v1/chat/completions": {
			`{"model":"gpt-4o","messages":[{}],"tools":[{"type":"function","function":{"name":"find","parameters":{}}}],"tool_choice":"required"`,
			"choices.0.message.tool_calls.0.function.name", "choices.0.message.tool_calls.0.function.arguments", "choices.0.finish_reason", "tool_calls",
			"choices.0.delta.tool_calls.0.function.arguments",
		},
		"/v1/responses": {
			`{"model":"gpt-4o","input":"x","tools":[{"type":"web_search"},{"type":"function","name":"find"}],"tool_choice":{"type":"function","name":"find"}`,
			"output.0.name", "output.0.arguments", "status", "completed", "delta",
		},
		"/v1/messages": {
			`{"model":"m","max_tokens":900,"messages":[{}],"tools":[{"name":"find","input_schema":{}}],"tool_choice":{"type":"any"}`,
			"content.0.name", "content.0.input", "stop_reason", "tool_use", "delta.partial_json",
		},
	} {
		b := post(t, New(Options{}), path, c.body+`}`).Body.Bytes()
		if get(t, b, c.name) != "find" || get(t, b, c.end) != c.stop {
			t.Errorf("%s: %s", path, b)
		}
		arguments := get(t, b, c.arguments)
		if s, ok := arguments.(string); ok && !json.Valid([]byte(s)) {
			t.Errorf("%s: arguments %s", path, s)
		}
		var all string
		for _, e := range stream(t, path, c.body+`,"stream":true}`) {
			key := c.piece[strings.LastIndexByte(c.piece, '.')+1:]
			if strings.Contains(e.data, `"`+key+`":"`) && !strings.Contains(e.name, "done") && !strings.Contains(e.name, "added") && !strings.Contains(e.name, "response.completed") {
				piece, _ := get(t, []byte(e.data), c.piece).(string)
				all += piece
			}
		}
		if answer, _ := get(t, []byte(all), "answer").(string); len(answer) < 20 {
			t.Errorf("%s: streamed arguments %q", path, all)
		}
	}
}

func TestToolsAreNotAlwaysCalled(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	ends := make(map[any]int)
	for i := range 40 {
		body := fmt.Sprintf(`{"model":"m","messages":[{"content":"%d"}],"tools":[{"type":"function","function":{"name":"f"}}]}`, i)
		ends[get(t, post(t, s, "/v1/chat/completions", body).Body.Bytes(), "choices.0.finish_reason")]++
		none := strings.Replace(body, `"tools"`, `"tool_choice":"none","tools"`, 1)
		if end := get(t, post(t, s, "/v1/chat/completions", none).Body.Bytes(), "choices.0.finish_reason"); end != "stop" {
			t.Errorf("a tool was called all the same: %v", end)
		}
	}
	if ends["stop"] < 10 || ends["tool_calls"] < 10 {
		t.Errorf("ends %v", ends)
	}
}
