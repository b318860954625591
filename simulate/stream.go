package simulate

import (
	"fmt"
	"net/http"
	"strings"
)

// streamed writes the answer as server-sent events, as each API frames them.
func (s *Server) streamed(w http.ResponseWriter, req *http.Request, r *request, p plan) {
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w).Flush
	send := func(event, data string) bool {
		if event != "" {
			event = "event: " + event + "\n"
		}
		_, err := fmt.Fprintf(w, "%sdata: %s\n\n", event, data)
		return err == nil && flush() == nil && req.Context().Err() == nil
	}
	for _, e := range r.events(p) {
		if !send(e[0], e[1]) {
			return
		}
	}
	s.note(func(c *counts) { c.Answered++ })
}

// events returns the event names and data of a streamed answer.
func (r *request) events(p plan) [][2]string {
	text := strings.SplitAfter(string(r.text(r.output/r.n)), " ")
	var out [][2]string
	switch r.endpoint {
	case "messages":
		reason := "end_turn"
		if r.cut {
			reason = "max_tokens"
		}
		out = append(out,
			[2]string{"message_start", fmt.Sprintf(`{"type":"message_start","message":{"id":"msg_%x","type":"message","role":"assistant","model":%q,"content":[],"stop_reason":null,"usage":{"input_tokens":%d,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}`, r.hash, r.model, r.input)},
			[2]string{"content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`})
		for _, word := range text {
			out = append(out, [2]string{"content_block_delta", fmt.Sprintf(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":%q}}`, word)})
		}
		return append(out,
			[2]string{"content_block_stop", `{"type":"content_block_stop","index":0}`},
			[2]string{"message_delta", fmt.Sprintf(`{"type":"message_delta","delta":{"stop_reason":%q,"stop_sequence":null},"usage":{"output_tokens":%d}}`, reason, r.output)},
			[2]string{"message_stop", `{"type":"message_stop"}`})
	case "responses":
		for _, word := range text {
			out = append(out, [2]string{"response.output_text.delta", fmt.Sprintf(`{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":%q}`, word)})
		}
		kind := "response.completed"
		if r.cut {
			kind = "response.incomplete"
		}
		return append(out, [2]string{kind, fmt.Sprintf(`{"type":%q,"response":%s}`, kind, r.answer(nil, p.created, !p.step.NoUsage))})
	}
	reason := "stop"
	if r.cut {
		reason = "length"
	}
	for i := range r.n {
		for _, word := range text {
			choice := fmt.Sprintf(`{"index":%d,"delta":{"content":%q},"finish_reason":null}`, i, word)
			if r.endpoint == "completions" {
				choice = fmt.Sprintf(`{"index":%d,"text":%q,"finish_reason":null}`, i, word)
			}
			out = append(out, [2]string{"", r.chunk(p, choice, "null")})
		}
		end := fmt.Sprintf(`{"index":%d,"delta":{},"finish_reason":%q}`, i, reason)
		if r.endpoint == "completions" {
			end = fmt.Sprintf(`{"index":%d,"text":"","finish_reason":%q}`, i, reason)
		}
		out = append(out, [2]string{"", r.chunk(p, end, "null")})
	}
	if r.wantUsage && !p.step.NoUsage {
		out = append(out, [2]string{"", r.chunk(p, "", string(r.usage()))})
	}
	return append(out, [2]string{"", "[DONE]"})
}

func (r *request) chunk(p plan, choice, usage string) string {
	return fmt.Sprintf(`{"id":"chatcmpl-%x","object":"chat.completion.chunk","created":%d,"model":%q,"choices":[%s],"usage":%s}`, r.hash, p.created, r.model, choice, usage)
}
