package providertest

import (
	"strings"

	"github.com/andres20980/aurea-orchestrator/usage"
)

// sample is a stream of one API.
type sample struct {
	api usage.API
	// events are framed; the last is the stream's own end. usable is how many of them must have come before nothing can be lost any more.
	events []string
	want   usage.Usage
	// problem is an event that says that the provider is overloaded, as kind.
	problem, kind string
	ping          string
}

func (s sample) whole() string { return strings.Join(s.events, "") }

func data(text string) string { return "data: " + text + "\n\n" }

func event(name, text string) string { return "event: " + name + "\ndata: " + text + "\n\n" }

// samples are streams as the providers' documentation shows them.
func samples() map[usage.API]sample {
	return map[usage.API]sample{
		usage.Chat: {
			events: []string{
				data(`{"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}`),
				data(`{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"Grüße"},"finish_reason":null}],"usage":null}`),
				data(`{"id":"c","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}`),
				data(`{"id":"c","model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}`),
				data(`[DONE]`),
			},
			want:    usage.Usage{Input: 9, Output: 4, Model: "m", Complete: true},
			problem: data(`{"error":{"message":"busy","type":"overloaded_error","code":"overloaded_error"}}`), kind: "overloaded_error",
			ping: ": PROCESSING\n\n",
		},
		usage.Completions: {
			events: []string{
				data(`{"id":"c","model":"m","choices":[{"index":0,"text":"One","finish_reason":null}],"usage":null}`),
				data(`{"id":"c","model":"m","choices":[{"index":0,"text":"","finish_reason":"length"}],"usage":null}`),
				data(`{"id":"c","model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}`),
				data(`[DONE]`),
			},
			want:    usage.Usage{Input: 9, Output: 4, Model: "m", Complete: true},
			problem: data(`{"error":{"message":"busy","type":"overloaded_error","code":503}}`), kind: "overloaded_error",
			ping: ": PROCESSING\n\n",
		},
		usage.Responses: {
			events: []string{
				event("response.created", `{"type":"response.created","response":{"model":"m","usage":null}}`),
				event("response.output_text.delta", `{"type":"response.output_text.delta","delta":"Grüße"}`),
				event("response.completed", `{"type":"response.completed","response":{"model":"m","output":[],"usage":{"input_tokens":9,"output_tokens":4,"total_tokens":13}}}`),
			},
			want:    usage.Usage{Input: 9, Output: 4, Model: "m", Complete: true},
			problem: event("error", `{"type":"error","code":"server_overloaded","message":"busy","param":null}`), kind: "",
			ping: ": waiting\n\n",
		},
		usage.Messages: {
			events: []string{
				event("message_start", `{"type":"message_start","message":{"model":"m","usage":{"input_tokens":9,"output_tokens":1}}}`),
				event("content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`),
				event("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Grüße"}}`),
				event("content_block_stop", `{"type":"content_block_stop","index":0}`),
				event("message_delta", `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4}}`),
				event("message_stop", `{"type":"message_stop"}`),
			},
			want:    usage.Usage{Input: 9, Output: 4, Model: "m", Complete: true},
			problem: event("error", `{"type":"error","error":{"type":"overloaded_error","message":"busy"}}`), kind: "overloaded_error",
			ping: event("ping", `{"type":"ping"}`),
		},
	}
}
