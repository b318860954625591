package simulate

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
)

// The answers are appended by hand: on a benchmark the simulator must cost less than what it is there to measure.

// reply is one answer to be written.
type reply struct {
	*request
	created int64 // Unix time
	noUsage bool
}

// id appends an identifier that follows from the body.
func (r *reply) id(b []byte, prefix string) []byte {
	b = append(b, prefix...)
	b = hex16(b, r.hash)
	return hex16(b, mix(r.hash))[:len(b)+8]
}

func hex16(b []byte, h uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, digits[h>>shift&15])
	}
	return b
}

func num(b []byte, before string, n int64) []byte {
	return strconv.AppendInt(append(b, before...), n, 10)
}

// str appends a JSON string.
func str(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) //nolint:errchkjson // a string always marshals
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// The text of an answer in JSON, as it stands within a JSON string. What a cap ends has no end.
const (
	jsonHead = `{\"answer\": \"`
	jsonTail = `\"}`
)

// content appends the text of answer number i, without quotes. It is plain ASCII without anything to escape.
func (r *reply) content(b []byte, i int64) []byte {
	if r.words == 0 {
		return b
	}
	if r.json {
		b = append(b, jsonHead...)
	}
	// Further answers begin at other sentences; their length is the same.
	b = prose.append(b, prose.begin[(r.startSentence()+i)%int64(len(prose.begin))], r.words)
	if r.json && !r.cut {
		b = append(b, jsonTail...)
	}
	return b
}

func (r *request) startSentence() int64 {
	for i, w := range prose.begin {
		if w == r.from {
			return int64(i)
		}
	}
	return 0
}

// append adds the whole answer, not streamed.
func (r *reply) append(b []byte) []byte {
	switch r.endpoint {
	case messages:
		return r.message(b)
	case countTokens:
		return append(num(b, `{"input_tokens":`, r.use.in()), '}')
	case embeddings:
		return r.embeddings(b)
	case responses:
		return r.response(b, r.status())
	case chat, completions:
	}
	object, prefix := "chat.completion", "chatcmpl-"
	if r.endpoint == completions {
		object, prefix = "text_completion", "cmpl-"
	}
	b = append(r.id(append(b, `{"id":"`...), prefix), `","object":"`...)
	b = append(b, object...)
	b = num(b, `","created":`, r.created)
	b = str(append(b, `,"model":`...), answers(r.model))
	b = append(b, `,"choices":[`...)
	for i := range r.n * r.prompts {
		if i > 0 {
			b = append(b, ',')
		}
		if r.endpoint == completions {
			b = r.content(append(b, `{"text":"`...), i)
			b = append(num(b, `","index":`, i), `,"logprobs":null,"finish_reason":"`...)
		} else {
			b = append(num(b, `{"index":`, i), `,"message":{"role":"assistant","content":`...)
			if r.tool != "" {
				b = r.chatCall(append(b, "null,"...), false)
			} else {
				b = append(r.content(append(b, '"'), i), '"')
			}
			b = append(b, `,"refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"`...)
		}
		b = append(append(b, r.finish()...), `"}`...)
	}
	b = append(b, ']')
	if !r.noUsage {
		b = r.usage(append(b, `,"usage":`...))
	}
	return append(r.fingerprint(append(b, `,"service_tier":"default"`...)), '}')
}

func (r *reply) fingerprint(b []byte) []byte {
	b = append(b, `,"system_fingerprint":"fp_`...)
	return append(hex16(b, digest([]byte(r.model), 0))[:len(b)+10], '"')
}

// finish is OpenAI's finish_reason.
func (r *reply) finish() string {
	switch {
	case r.cut:
		return "length"
	case r.tool != "":
		return "tool_calls"
	}
	return "stop"
}

// usage appends the usage of chat completions and completions.
func (r *reply) usage(b []byte) []byte {
	in := r.use.in()
	b = num(b, `{"prompt_tokens":`, in)
	b = num(b, `,"completion_tokens":`, r.use.output)
	b = num(b, `,"total_tokens":`, in+r.use.output)
	b = num(b, `,"prompt_tokens_details":{"cached_tokens":`, r.use.cacheRead)
	b = num(b, `,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":`, r.hidden())
	return append(b, `,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`...)
}

// hidden is the reasoning of all answers.
func (r *reply) hidden() int64 { return min(r.reasoning*r.n, r.use.output) }

// embeddings appends vectors.
func (r *reply) embeddings(b []byte) []byte {
	b = append(b, `{"object":"list","data":[`...)
	for i := range r.prompts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(num(b, `{"object":"embedding","index":`, i), `,"embedding":`...)
		b = append(r.vector(b, mix(r.hash+uint64(i))), '}')
	}
	b = str(append(b, `],"model":`...), answers(r.model))
	if !r.noUsage {
		b = num(b, `,"usage":{"prompt_tokens":`, r.use.in())
		b = append(num(b, `,"total_tokens":`, r.use.in()), '}')
	}
	return append(b, '}')
}

// coordinates are what vectors are made of: numbers from -0.05 to 0.05, and their text.
var coordinates = func() (all [1024]struct {
	value float32
	text  string
},
) {
	for i := range all {
		v := float32(unit(mix(uint64(i)))-0.5) / 10
		all[i].value, all[i].text = v, strconv.FormatFloat(float64(v), 'g', -1, 32)
	}
	return all
}()

func (r *reply) vector(b []byte, h uint64) []byte {
	at := func(i int64) uint64 { return (h + uint64(i)*(h>>20|1)) % uint64(len(coordinates)) } // #nosec G115 -- an index
	if r.base64 {
		raw := make([]byte, 0, 4*r.size)
		for i := range r.size {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(coordinates[at(i)].value))
		}
		return append(base64.StdEncoding.AppendEncode(append(b, '"'), raw), '"')
	}
	b = append(b, '[')
	for i := range r.size {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, coordinates[at(i)].text...)
	}
	return append(b, ']')
}

// message appends an answer of Anthropic's.
func (r *reply) message(b []byte) []byte {
	b = append(r.id(append(b, `{"id":"`...), "msg_01"), `","type":"message","role":"assistant","model":`...)
	b = append(str(b, answers(r.model)), `,"content":[`...)
	if r.tool != "" {
		b = r.toolUse(b, false)
	} else {
		b = append(r.content(append(b, `{"type":"text","text":"`...), 0), `"}`...)
	}
	b = append(b, `],"stop_reason":"`...)
	b = append(append(b, r.stopReason()...), `","stop_sequence":null`...)
	if !r.noUsage {
		b = r.messageUsage(append(b, `,"usage":`...), r.use.output)
	}
	return append(b, '}')
}

func (r *reply) stopReason() string {
	switch {
	case r.cut:
		return "max_tokens"
	case r.tool != "":
		return "tool_use"
	}
	return "end_turn"
}

func (r *reply) messageUsage(b []byte, output int64) []byte {
	b = num(b, `{"input_tokens":`, r.use.input)
	b = num(b, `,"cache_creation_input_tokens":`, r.use.cacheWrite)
	b = num(b, `,"cache_read_input_tokens":`, r.use.cacheRead)
	b = num(b, `,"cache_creation":{"ephemeral_5m_input_tokens":`, r.use.cacheWrite)
	b = num(b, `,"ephemeral_1h_input_tokens":0},"output_tokens":`, output)
	return append(b, `,"service_tier":"standard"}`...)
}

// status is that of a finished response.
func (r *reply) status() string {
	if r.cut {
		return "incomplete"
	}
	return "completed"
}

// response appends an answer of the responses endpoint; while it is in_progress it has no output and no usage.
func (r *reply) response(b []byte, status string) []byte {
	b = append(r.id(append(b, `{"id":"`...), "resp_"), `","object":"response"`...)
	b = num(b, `,"created_at":`, r.created)
	b = append(append(append(b, `,"status":"`...), status...), `","background":false,"error":null,"incomplete_details":`...)
	if status == "incomplete" {
		b = append(b, `{"reason":"max_output_tokens"}`...)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"instructions":null,"max_output_tokens":`...)
	if r.cap > 0 {
		b = strconv.AppendInt(b, r.cap, 10)
	} else {
		b = append(b, "null"...)
	}
	b = append(str(append(b, `,"model":`...), answers(r.model)), `,"output":[`...)
	if status != "in_progress" {
		if r.reasoning > 0 {
			b = append(r.id(append(b, `{"id":"`...), "rs_"), `","type":"reasoning","summary":[]},`...)
		}
		b = r.outputItem(b, status)
	}
	b = append(b, `],"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":null,"summary":null},"service_tier":"default","store":true,`+
		`"temperature":1.0,"text":{"format":{"type":"text"},"verbosity":"medium"},"tool_choice":"auto","tools":[],"top_p":1.0,"truncation":"disabled","usage":`...)
	if status == "in_progress" || r.noUsage {
		b = append(b, "null"...)
	} else {
		in := r.use.in()
		b = num(b, `{"input_tokens":`, in)
		b = num(b, `,"input_tokens_details":{"cached_tokens":`, r.use.cacheRead)
		b = num(b, `},"output_tokens":`, r.use.output)
		b = num(b, `,"output_tokens_details":{"reasoning_tokens":`, r.hidden())
		b = append(num(b, `},"total_tokens":`, in+r.use.output), '}')
	}
	return append(b, `,"user":null,"metadata":{}}`...)
}

// outputItem appends the message, or the call, within a response.
func (r *reply) outputItem(b []byte, status string) []byte {
	if r.tool != "" {
		return r.functionCall(b, status)
	}
	b = append(r.id(append(b, `{"id":"`...), "msg_"), `","type":"message","status":"`...)
	b = append(append(b, status...), `","role":"assistant","content":[`...)
	if status != "in_progress" {
		b = r.outputPart(b, true)
	}
	return append(b, `]}`...)
}

func (r *reply) outputPart(b []byte, full bool) []byte {
	b = append(b, `{"type":"output_text","annotations":[],"logprobs":[],"text":"`...)
	if full {
		b = r.content(b, 0)
	}
	return append(b, `"}`...)
}
