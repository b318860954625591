package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
)

// request is what of a body the answer depends on.
type request struct {
	endpoint  string // chat/completions, …
	anthropic bool
	model     string
	stream    bool
	wantUsage bool
	n         int64 // answers asked for
	cap       int64 // output cap over all answers, 0 for none
	input     int64 // tokens
	output    int64 // tokens, all answers
	cut       bool  // the cap ended the answer
	hash      uint64
}

type bodyFields struct {
	Model         string `json:"model"`
	Stream        bool   `json:"stream"`
	StreamOptions *struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	N                   *int64          `json:"n"`
	MaxTokens           *int64          `json:"max_tokens"`
	MaxCompletionTokens *int64          `json:"max_completion_tokens"`
	MaxOutputTokens     *int64          `json:"max_output_tokens"`
	Messages            json.RawMessage `json:"messages"`
	Prompt              json.RawMessage `json:"prompt"`
	Input               json.RawMessage `json:"input"`
}

// modelMost is the longest answer without a cap, in tokens.
const modelMost = 4096

func readRequest(endpoint string, body []byte, seed uint64) (*request, error) {
	var f bodyFields
	if err := json.Unmarshal(body, &f); err != nil {
		return nil, fmt.Errorf("could not parse the JSON body of the request: %w", err)
	}
	if f.Model == "" {
		return nil, errors.New("you must provide a model parameter")
	}
	r := &request{endpoint: endpoint, anthropic: strings.HasPrefix(endpoint, "messages"), model: f.Model, stream: f.Stream, n: 1}
	content := map[string]json.RawMessage{
		"chat/completions": f.Messages, "messages": f.Messages, "messages/count_tokens": f.Messages,
		"completions": f.Prompt, "responses": f.Input, "embeddings": f.Input,
	}[endpoint]
	if len(content) == 0 {
		return nil, errors.New("missing required parameter: the messages, prompt or input")
	}
	if f.N != nil {
		if r.n = *f.N; r.n < 1 || r.n > 128 {
			return nil, fmt.Errorf("%d is not a valid value of n", r.n)
		}
	}
	r.wantUsage = f.StreamOptions != nil && f.StreamOptions.IncludeUsage
	each := int64(0)
	for _, limit := range []*int64{f.MaxTokens, f.MaxCompletionTokens, f.MaxOutputTokens} {
		if limit != nil {
			if each = *limit; each < 1 {
				return nil, fmt.Errorf("the output cap %d is below 1", each)
			}
		}
	}
	if endpoint == "messages" && each == 0 {
		return nil, errors.New("max_tokens: field required")
	}
	h := fnv.New64a()
	_, _ = h.Write(body)
	r.hash = h.Sum64() ^ seed*0x9e3779b97f4a7c15
	r.input = int64(len(content)+3) / 4
	if endpoint != "embeddings" {
		r.write(each)
	}
	return r, nil
}

// write decides how long the answers are: some dozen tokens mostly, now and then a few hundred.
func (r *request) write(each int64) {
	length := int64(12 + r.hash%120)
	if r.hash>>20%8 == 0 {
		length += int64(r.hash >> 24 % 600)
	}
	limit := each
	if limit == 0 {
		limit = modelMost
		if r.endpoint == "completions" {
			limit = 16
		}
	}
	if r.cut = length > limit; r.cut {
		length = limit
	}
	r.output = length * r.n
	r.cap = each * r.n
}

// words are what answers are made of.
var words = strings.Fields("the order was sent on time and the label on the box is right so we thank you for your note about colour size price and stock")

// text returns an answer of that many tokens: one word is one token.
func (r *request) text(tokens int64) []byte {
	b := make([]byte, 0, tokens*5)
	for i := range tokens {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, words[(r.hash+uint64(i)*7)%uint64(len(words))]...)
	}
	return b
}
