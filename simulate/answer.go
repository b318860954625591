package simulate

import (
	"fmt"
	"net/http"
	"strconv"
)

// answer appends the whole answer in the endpoint's format. created is a Unix time.
func (r *request) answer(b []byte, created int64, withUsage bool) []byte {
	id := strconv.FormatUint(r.hash, 36)
	each := r.output / r.n
	switch r.endpoint {
	case "messages":
		reason := "end_turn"
		if r.cut {
			reason = "max_tokens"
		}
		b = fmt.Appendf(b, `{"id":"msg_%s","type":"message","role":"assistant","model":%q,"content":[{"type":"text","text":"%s"}],"stop_reason":%q,"stop_sequence":null`,
			id, r.model, r.text(each), reason)
		if withUsage {
			b = fmt.Appendf(b, `,"usage":{"input_tokens":%d,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":%d,"service_tier":"standard"}`, r.input, r.output)
		}
		return append(b, '}')
	case "messages/count_tokens":
		return fmt.Appendf(b, `{"input_tokens":%d}`, r.input)
	case "embeddings":
		b = fmt.Appendf(b, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.%d,-0.%d,0.%d]}],"model":%q`, r.hash%1e6, r.hash>>8%1e6, r.hash>>16%1e6, r.model)
		if withUsage {
			b = fmt.Appendf(b, `,"usage":{"prompt_tokens":%d,"total_tokens":%d}`, r.input, r.input)
		}
		return append(b, '}')
	case "responses":
		status, details := "completed", "null"
		if r.cut {
			status, details = "incomplete", `{"reason":"max_output_tokens"}`
		}
		b = fmt.Appendf(b, `{"id":"resp_%s","object":"response","created_at":%d,"status":%q,"error":null,"incomplete_details":%s,"model":%q,"output":[{"type":"message","id":"msg_%s","status":%q,"role":"assistant","content":[{"type":"output_text","text":"%s","annotations":[]}]}]`,
			id, created, status, details, r.model, id, status, r.text(each))
		if withUsage {
			b = fmt.Appendf(b, `,"usage":{"input_tokens":%d,"input_tokens_details":{"cached_tokens":0},"output_tokens":%d,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":%d}`, r.input, r.output, r.input+r.output)
		}
		return append(b, '}')
	}
	object, prefix := "chat.completion", "chatcmpl-"
	if r.endpoint == "completions" {
		object, prefix = "text_completion", "cmpl-"
	}
	b = fmt.Appendf(b, `{"id":"%s%s","object":%q,"created":%d,"model":%q,"choices":[`, prefix, id, object, created, r.model)
	reason := "stop"
	if r.cut {
		reason = "length"
	}
	for i := range r.n {
		if i > 0 {
			b = append(b, ',')
		}
		if r.endpoint == "completions" {
			b = fmt.Appendf(b, `{"text":"%s","index":%d,"logprobs":null,"finish_reason":%q}`, r.text(each), i, reason)
		} else {
			b = fmt.Appendf(b, `{"index":%d,"message":{"role":"assistant","content":"%s","refusal":null},"logprobs":null,"finish_reason":%q}`, i, r.text(each), reason)
		}
	}
	b = append(b, ']')
	if withUsage {
		b = append(append(b, `,"usage":`...), r.usage()...)
	}
	return append(b, `,"service_tier":"default","system_fingerprint":"fp_simulated"}`...)
}

func (r *request) usage() []byte {
	return fmt.Appendf(nil, `{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`,
		r.input, r.output, r.input+r.output)
}

// problem writes an error in the endpoint's format.
func problem(w http.ResponseWriter, anthropic bool, status int, kind, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if anthropic {
		_, _ = fmt.Fprintf(w, `{"type":"error","error":{"type":%q,"message":%q},"request_id":"req_simulated"}`, kind, message)
		return
	}
	_, _ = fmt.Fprintf(w, `{"error":{"message":%q,"type":%q,"param":null,"code":%q}}`, message, kind, code)
}

// kinds are the error types of a status: OpenAI's type and code, and Anthropic's type.
func kinds(status int, anthropic bool) (kind, code string) {
	names := map[int][3]string{
		400: {"invalid_request_error", "invalid_request", "invalid_request_error"}, 401: {"invalid_request_error", "invalid_api_key", "authentication_error"},
		403: {"invalid_request_error", "forbidden", "permission_error"}, 404: {"invalid_request_error", "model_not_found", "not_found_error"},
		413: {"invalid_request_error", "request_too_large", "request_too_large"}, 429: {"requests", "rate_limit_exceeded", "rate_limit_error"},
		503: {"server_error", "service_unavailable", "overloaded_error"}, 529: {"server_error", "overloaded", "overloaded_error"},
	}
	n, ok := names[status]
	if !ok {
		n = [3]string{"server_error", "server_error", "api_error"}
		if status < 500 {
			n = names[400]
		}
	}
	if anthropic {
		return n[2], ""
	}
	return n[0], n[1]
}
