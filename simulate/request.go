package simulate

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
)

// endpoint is one of the calls that are simulated.
type endpoint int

const (
	chat endpoint = iota
	completions
	responses
	embeddings
	messages
	countTokens
)

var endpoints = map[string]endpoint{
	"/v1/chat/completions": chat, "/v1/completions": completions, "/v1/responses": responses, "/v1/embeddings": embeddings,
	"/v1/messages": messages, "/v1/messages/count_tokens": countTokens,
}

func (e endpoint) anthropic() bool { return e == messages || e == countTokens }

// tokens are a usage, without overlap.
type tokens struct{ input, cacheRead, cacheWrite, output int64 }

// in is all input.
func (t tokens) in() int64 { return t.input + t.cacheRead + t.cacheWrite }

// request is what of a request the answer depends on.
type request struct {
	endpoint  endpoint
	model     string
	stream    bool
	wantUsage bool  // stream_options.include_usage
	prompts   int64 // prompts, or texts to embed
	n         int64 // answers to each prompt
	cap       int64 // on the output of all answers together; 0 for none
	use       tokens
	words     int64  // of each answer
	from      int    // first word of the first answer
	reasoning int64  // tokens of each answer that are not shown
	cut       bool   // the cap ended the answer
	json      bool   // the answer is to be JSON
	tool      string // the answer is a call of this tool
	base64    bool   // embeddings as bytes
	size      int64  // of an embedding
	hash      uint64
	key       string
}

const (
	// longest is the longest answer without a cap.
	longest     = 16_384
	maxAnswers  = 128
	maxTexts    = 2048
	maxVector   = 4096
	minCached   = 1024 // shorter inputs are not cached
	cacheGrain  = 128
	maxNameSize = 256
)

// fields are the members of a body that matter.
type fields struct {
	model, content, system, tools, instructions []byte
	toolChoice                                  []byte
	n, bestOf, size                             []byte
	capName                                     string
	cap                                         []byte
	stream, options, format, encoding           []byte
}

// capFields are the names of the output cap, the one that counts first.
var capFields = [...][]string{
	chat: {"max_completion_tokens", "max_tokens"}, completions: {"max_tokens"}, responses: {"max_output_tokens"}, messages: {"max_tokens"},
	embeddings: nil, countTokens: nil,
}

var contentField = [...]string{
	chat: "messages", messages: "messages", countTokens: "messages", completions: "prompt", responses: "input", embeddings: "input",
}

func (f *fields) take(e endpoint, name, value []byte) {
	if string(value) == "null" {
		return
	}
	switch string(name) {
	case "model":
		f.model = value
	case contentField[e]:
		f.content = value
	case "system":
		f.system = value
	case "instructions":
		f.instructions = value
	case "tools":
		f.tools = value
	case "tool_choice":
		f.toolChoice = value
	case "n":
		f.n = value
	case "best_of":
		f.bestOf = value
	case "dimensions":
		f.size = value
	case "stream":
		f.stream = value
	case "stream_options":
		f.options = value
	case "response_format", "text", "output_config", "output_format":
		f.format = value
	case "encoding_format":
		f.encoding = value
	case "max_tokens", "max_completion_tokens", "max_output_tokens":
		for _, known := range capFields[e] {
			if known == string(name) && (f.capName != capFields[e][0] || f.capName == known) {
				f.capName, f.cap = known, value
			}
		}
	}
}

// parse reads a request, or says what a provider would object to.
func parse(e endpoint, body []byte, o *Options) (*request, *problem) {
	var f fields
	if !object(body, func(name, value []byte) { f.take(e, name, value) }) {
		return nil, invalid("", "We could not parse the JSON body of your request. The API expects a JSON object.")
	}
	r := &request{endpoint: e, n: 1, prompts: 1}
	name, ok := text(f.model)
	if !ok || name == "" || len(name) > maxNameSize {
		return nil, invalid("model", "you must provide a model parameter")
	}
	r.model = name
	if o.Models != nil && !oneOf(name, o.Models...) {
		return nil, noModel(name)
	}
	if p := r.readContent(&f); p != nil {
		return nil, p
	}
	each, p := r.readShape(&f)
	if p != nil {
		return nil, p
	}
	r.hash = digest(body, o.Seed)
	r.countInput(&f, body, o)
	if e != embeddings && e != countTokens {
		r.write(each, o)
		r.pickTool(&f)
	}
	return r, nil
}

func (r *request) readContent(f *fields) *problem {
	name := contentField[r.endpoint]
	if len(f.content) == 0 {
		return invalid(name, "Missing required parameter: '%s'.", name)
	}
	if name == "messages" {
		if f.content[0] != '[' || bytes.IndexByte(f.content, '{') < 0 {
			return invalid(name, "Invalid '%s': expected an array of messages, and at least one.", name)
		}
		return nil
	}
	switch f.content[0] {
	case '"':
		return nil
	case '[':
	default:
		return invalid(name, "Invalid type for '%s': expected a string or an array.", name)
	}
	if r.endpoint == responses {
		return nil
	}
	texts, numbers := int64(0), false
	elements(f.content, 0, 0, func(v []byte) {
		texts++
		numbers = numbers || v[0] >= '0' && v[0] <= '9'
	})
	if numbers {
		texts = 1 // one text, given as tokens
	}
	most := int64(maxTexts)
	if r.endpoint == completions {
		most = maxAnswers
	}
	if texts < 1 || texts > most {
		return invalid(name, "Invalid '%s': an array of 1 to %d texts is possible.", name, most)
	}
	r.prompts = texts
	return nil
}

// readShape reads what shapes the answer and returns the cap of each answer, 0 for none.
func (r *request) readShape(f *fields) (each int64, p *problem) {
	number := func(name string, raw []byte, most int64, to *int64) {
		if raw == nil || p != nil {
			return
		}
		n, ok := whole(raw)
		if !ok || n < 1 || n > most {
			p = invalid(name, "Invalid value for '%s': expected a whole number from 1 to %d, but got %.40s.", name, most, raw)
			return
		}
		*to = n
	}
	number(f.capName, f.cap, 1<<40, &each)
	if r.endpoint == messages && f.cap == nil {
		return 0, invalid("", "max_tokens: Field required")
	}
	if r.endpoint == completions && each == 0 {
		each = 16
	}
	answers := int64(1)
	if r.endpoint == chat || r.endpoint == completions {
		number("n", f.n, maxAnswers, &r.n)
		answers = r.n
	}
	if r.endpoint == completions {
		best := r.n
		number("best_of", f.bestOf, maxAnswers, &best)
		answers = max(answers, best)
		if p == nil && answers*r.prompts > maxAnswers {
			p = invalid("n", "Invalid 'n': %d prompts times %d answers are more than %d.", r.prompts, answers, int64(maxAnswers))
		}
	}
	if r.endpoint == embeddings {
		r.size = 1536
		if strings.HasSuffix(r.model, "-large") {
			r.size = 3072
		}
		number("dimensions", f.size, maxVector, &r.size)
		r.base64 = string(f.encoding) == `"base64"`
	}
	r.stream = string(f.stream) == "true" && r.endpoint != embeddings && r.endpoint != countTokens
	if f.options != nil && f.options[0] == '{' {
		members(f.options, 0, 0, func(name, value []byte) {
			if string(name) == "include_usage" {
				r.wantUsage = string(value) == "true"
			}
		})
	}
	r.json = (r.endpoint == chat || r.endpoint == responses || r.endpoint == messages) && bytes.Contains(f.format, []byte(`"json_`))
	if f.cap != nil || r.endpoint == completions {
		r.cap = each * answers * r.prompts
	}
	if r.endpoint != embeddings && r.endpoint != countTokens {
		r.use.output = answers * r.prompts // times the length, in write
	}
	return each, p
}

func (r *request) countInput(f *fields, body []byte, o *Options) {
	var in int64
	for _, part := range [...][]byte{f.content, f.system, f.instructions, f.tools} {
		in += inputTokens(part)
	}
	r.use.input = max(in, 1)
	if !o.Caching || in < minCached || r.endpoint == embeddings || r.endpoint == countTokens {
		return
	}
	cached := in * int64(r.hash>>8%4) / 4 / cacheGrain * cacheGrain
	if !r.endpoint.anthropic() {
		r.use.cacheRead = cached
	} else if bytes.Contains(body, []byte(`"cache_control"`)) {
		r.use.cacheRead = cached
		r.use.cacheWrite = (in - cached) / 2
	}
	r.use.input = in - r.use.cacheRead - r.use.cacheWrite
}

// pictureTokens is what a picture, a sound or a file counts: a picture of 1024 by 1024 at OpenAI.
const pictureTokens = 765

// inputTokens counts a token for four bytes. The bytes of media in line are not text.
func inputTokens(raw []byte) int64 {
	for _, sign := range [...]string{"image", "base64", "_data", "_audio"} {
		if bytes.Contains(raw, []byte(sign)) {
			size, media := weigh(raw)
			return (size+3)/4 + media*pictureTokens
		}
	}
	return int64(len(raw)+3) / 4
}

// weigh counts the bytes outside media, and the media: objects whose type says that they are.
func weigh(raw []byte) (size, media int64) {
	switch {
	case len(raw) == 0:
	case raw[0] == '{':
		members(raw, 0, 0, func(name, value []byte) {
			size += int64(len(name)) + 4
			switch string(name) {
			case "data", "file_data", "url", "image_url":
				if len(value) > 256 && value[0] == '"' {
					return
				}
			case "type":
				switch string(value) {
				case `"image"`, `"image_url"`, `"input_image"`, `"input_audio"`, `"document"`, `"file"`, `"input_file"`:
					media++
				}
			}
			s, m := weigh(value)
			size, media = size+s, media+m
		})
	case raw[0] == '[':
		elements(raw, 0, 0, func(value []byte) {
			s, m := weigh(value)
			size, media = size+s+1, media+m
		})
	default:
		size = int64(len(raw))
	}
	return size, media
}

// write decides on the length of the answers.
func (r *request) write(each int64, o *Options) {
	least := 12 + int64(r.hash>>16%120)
	if r.hash>>24%8 == 0 {
		least += int64(r.hash >> 32 % 500)
	}
	if o.Output > 0 {
		least = o.Output
	}
	var length int64
	r.from, length = prose.passage(r.hash>>40, least)
	if o.Output > 0 {
		length = o.Output
	}
	if reasons(r.model) {
		r.reasoning = length/2 + 64
		length += r.reasoning
	}
	limit := each
	if limit == 0 {
		limit = longest
	}
	if r.cut = length > limit; r.cut {
		length = limit
	}
	r.reasoning = min(r.reasoning, length)
	r.words = length - r.reasoning
	r.use.output *= length
}

// a problem is an answer that is an error.
type problem struct {
	status                     int
	kind, param, code, message string // kind is OpenAI's type or Anthropic's; empty for the usual one
}

func invalid(param, format string, args ...any) *problem {
	return &problem{status: http.StatusBadRequest, param: param, message: fmt.Sprintf(format, args...)}
}

func noModel(name string) *problem {
	return &problem{
		status: http.StatusNotFound, code: "model_not_found",
		message: fmt.Sprintf("The model `%s` does not exist or you do not have access to it.", name),
	}
}
