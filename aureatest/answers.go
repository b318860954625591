package aureatest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Says returns a step that answers one request of the API with a text and what it used: Input, CacheRead, CacheWrite, Output, Reasoning and Model of u are told in the
// provider's words, as far as it has words for them. It panics for embeddings, which say nothing.
func Says(api usage.API, text string, u aurea.Usage) Step {
	return step(whole(api, text, u), u)
}

// Streams returns a step that answers one request for a stream of the API, piece by piece. With an aurea.Usage{} the stream ends without usage.
func Streams(api usage.API, u aurea.Usage, pieces ...string) Step {
	var b strings.Builder
	for _, e := range events(api, u, pieces) {
		if api == usage.Responses || api == usage.Messages {
			fmt.Fprintf(&b, "event: %s\n", e["type"])
		}
		fmt.Fprintf(&b, "data: %s\n\n", encode(e))
	}
	if api == usage.Chat || api == usage.Completions {
		b.WriteString("data: [DONE]\n\n")
	}
	s := step(b.String(), u)
	s.Headers = map[string]string{"Content-Type": "text/event-stream"}
	return s
}

type object = map[string]any

func step(body any, u aurea.Usage) Step {
	in, out := u.InputTokens(), u.OutputTokens()
	return Step{Status: http.StatusOK, Body: encode(body), InputTokens: &in, OutputTokens: &out}
}

func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic("aureatest: " + err.Error()) // of maps, texts and numbers: not possible
	}
	return b
}

func model(u aurea.Usage) string { return cmp.Or(u.Model, Model) }

func whole(api usage.API, text string, u aurea.Usage) object {
	switch api {
	case usage.Chat:
		return object{
			"id": "chatcmpl-test", "object": "chat.completion", "created": 0, "model": model(u), "usage": counted(api, u),
			"choices": []object{{"index": 0, "finish_reason": "stop", "message": object{"role": "assistant", "content": text}}},
		}
	case usage.Completions:
		return object{
			"id": "cmpl-test", "object": "text_completion", "created": 0, "model": model(u), "usage": counted(api, u),
			"choices": []object{{"index": 0, "finish_reason": "stop", "text": text}},
		}
	case usage.Responses:
		return object{
			"id": "resp_test", "object": "response", "created_at": 0, "model": model(u), "status": "completed", "usage": counted(api, u),
			"output": []object{{
				"id": "msg_test", "type": "message", "role": "assistant", "status": "completed",
				"content": []object{{"type": "output_text", "text": text, "annotations": []object{}}},
			}},
		}
	case usage.Messages:
		return object{
			"id": "msg_test", "type": "message", "role": "assistant", "model": model(u), "stop_reason": "end_turn", "usage": counted(api, u),
			"content": []object{{"type": "text", "text": text}},
		}
	case usage.Embeddings:
	}
	panic(fmt.Sprintf("aureatest: an answer of API %q has no text; give a Step with a Body", api))
}

// counted is the usage in the provider's words.
func counted(api usage.API, u aurea.Usage) object {
	in, out := u.InputTokens(), u.OutputTokens()
	switch api {
	case usage.Messages:
		return object{
			"input_tokens": u.Input, "cache_read_input_tokens": u.CacheRead, "cache_creation_input_tokens": u.CacheWrite, "output_tokens": out,
		}
	case usage.Responses:
		return object{
			"input_tokens": in, "input_tokens_details": object{"cached_tokens": u.CacheRead},
			"output_tokens": out, "output_tokens_details": object{"reasoning_tokens": u.Reasoning}, "total_tokens": in + out,
		}
	default:
		return object{
			"prompt_tokens": in, "prompt_tokens_details": object{"cached_tokens": u.CacheRead},
			"completion_tokens": out, "completion_tokens_details": object{"reasoning_tokens": u.Reasoning}, "total_tokens": in + out,
		}
	}
}

func events(api usage.API, u aurea.Usage, pieces []string) []object {
	switch api {
	case usage.Messages:
		return messageEvents(u, pieces)
	case usage.Responses:
		return responseEvents(u, pieces)
	case usage.Chat, usage.Completions:
		return chunks(api, u, pieces)
	default:
		panic(fmt.Sprintf("aureatest: answers of API %q do not stream", api))
	}
}

func chunks(api usage.API, u aurea.Usage, pieces []string) (all []object) {
	chunk := func(choices ...object) object {
		if choices == nil {
			choices = []object{}
		}
		return object{"id": "chatcmpl-test", "object": "chat.completion.chunk", "created": 0, "model": model(u), "choices": choices}
	}
	choice := func(text string, finish any) object {
		if api == usage.Completions {
			return object{"index": 0, "text": text, "finish_reason": finish}
		}
		delta := object{"content": text}
		if finish != nil {
			delta = object{}
		}
		return object{"index": 0, "delta": delta, "finish_reason": finish}
	}
	for _, p := range pieces {
		all = append(all, chunk(choice(p, nil)))
	}
	all = append(all, chunk(choice("", "stop")))
	if u != (aurea.Usage{}) {
		last := chunk()
		last["usage"] = counted(api, u)
		all = append(all, last)
	}
	return all
}

func responseEvents(u aurea.Usage, pieces []string) []object {
	begun := whole(usage.Responses, "", u)
	begun["status"], begun["usage"], begun["output"] = "in_progress", nil, []object{}
	all := []object{{"type": "response.created", "response": begun}}
	for _, p := range pieces {
		all = append(all, object{"type": "response.output_text.delta", "item_id": "msg_test", "output_index": 0, "content_index": 0, "delta": p})
	}
	done := whole(usage.Responses, strings.Join(pieces, ""), u)
	if u == (aurea.Usage{}) {
		done["usage"] = nil
	}
	all = append(all, object{"type": "response.completed", "response": done})
	for i, e := range all {
		e["sequence_number"] = i
	}
	return all
}

func messageEvents(u aurea.Usage, pieces []string) []object {
	begun, told := whole(usage.Messages, "", u), u != (aurea.Usage{})
	begun["content"], begun["stop_reason"] = []object{}, nil
	delete(begun, "usage")
	end := object{"type": "message_delta", "delta": object{"stop_reason": "end_turn"}}
	if told {
		first := counted(usage.Messages, u)
		first["output_tokens"] = 0
		begun["usage"], end["usage"] = first, counted(usage.Messages, u)
	}
	all := []object{
		{"type": "message_start", "message": begun},
		{"type": "content_block_start", "index": 0, "content_block": object{"type": "text", "text": ""}},
	}
	for _, p := range pieces {
		all = append(all, object{"type": "content_block_delta", "index": 0, "delta": object{"type": "text_delta", "text": p}})
	}
	return append(all, object{"type": "content_block_stop", "index": 0}, end, object{"type": "message_stop"})
}
