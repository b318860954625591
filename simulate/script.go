package simulate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Step says how one request is answered, in place of the ordinary answer. Its fields are those of POST /sim/script; durations are text there, such as "2s".
// The first step of the script that matches a request is its own and is used up, after the limits let the request in.
//
// Without Status, Reset, Truncate, Garbage and so on the answer is the ordinary one, and never fails by Options.Fail.
type Step struct {
	// OK asks for the ordinary answer. It is the same as a step that is empty otherwise.
	OK bool `json:"ok,omitempty"`
	// Status is answered with an error in the provider's format, or with Body. Headers are set, or with an empty value taken away; they may be the only change.
	Status  int               `json:"status,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	// Body is sent as it is; if it is a JSON string, its text.
	Body json.RawMessage `json:"body,omitempty"`
	// Code, Type and Message replace those usual for Status.
	Code    string `json:"code,omitempty"`
	Type    string `json:"type,omitempty"`
	Message string `json:"message,omitempty"`
	// Delay is added to the latency.
	Delay time.Duration `json:"-"`
	// Stall is a pause in the middle: after the headers and half of the answer.
	Stall time.Duration `json:"-"`
	// Truncate ends the connection after so many bytes of the answer, in order. At least one byte of the answer is held back.
	Truncate int `json:"truncate,omitempty"`
	// Reset breaks the connection (RST) before the answer, or after Truncate bytes of it.
	Reset bool `json:"reset,omitempty"`
	// Garbage answers 200 with text that is not JSON.
	Garbage bool `json:"garbage,omitempty"`
	// NoUsage leaves the usage out of the answer. It is charged all the same.
	NoUsage bool `json:"no_usage,omitempty"`
	// InputTokens and OutputTokens replace what the answer reports and costs.
	InputTokens  *int64 `json:"input_tokens,omitempty"`
	OutputTokens *int64 `json:"output_tokens,omitempty"`
	// Billed overrides whether the request is charged. By default it is if the status is 2xx and the answer at least begins.
	Billed *bool `json:"billed,omitempty"`

	// Model, Endpoint (such as /v1/messages), Match (a text in the body) and Key (the credential) say which requests the step is for. A count of tokens is no call:
	// a step is for one only if Endpoint says so.
	Model    string `json:"model,omitempty"`
	Endpoint string `json:"endpoint,omitempty"`
	Match    string `json:"match,omitempty"`
	Key      string `json:"key,omitempty"`
	// Times is how many requests the step serves. Default: 1. Below 0: all that come.
	Times int `json:"times,omitempty"`
}

type stepFields Step

type stepJSON struct {
	*stepFields
	Delay duration `json:"delay,omitempty"`
	Stall duration `json:"stall,omitempty"`
}

// MarshalJSON writes the step as POST /sim/script takes it.
func (st Step) MarshalJSON() ([]byte, error) {
	f := stepFields(st)
	return json.Marshal(stepJSON{&f, duration(st.Delay), duration(st.Stall)})
}

// UnmarshalJSON reads a step and checks it.
func (st *Step) UnmarshalJSON(data []byte) error {
	var f stepFields
	w := stepJSON{stepFields: &f}
	if err := strict(data, &w); err != nil {
		return err
	}
	f.Delay, f.Stall = time.Duration(w.Delay), time.Duration(w.Stall)
	*st = Step(f)
	return st.validate()
}

func (st *Step) validate() error {
	negative := func(n *int64) bool { return n != nil && (*n < 0 || *n > 1<<50) }
	switch {
	case st.Status != 0 && (st.Status < 200 || st.Status > 599):
		return fmt.Errorf("status %d: want 200 to 599", st.Status)
	case st.Truncate < 0:
		return fmt.Errorf("truncate %d: want the number of bytes to send, at least 1", st.Truncate)
	case negative(st.InputTokens) || negative(st.OutputTokens):
		return errors.New("input_tokens and output_tokens: want 0 or more")
	case st.Status != 0 && st.Garbage:
		return errors.New("status and garbage do not go together; for a body of your own give status and body")
	case st.Body != nil && st.Status == 0:
		return errors.New("body: give a status with it")
	case st.Body != nil && !json.Valid(st.Body):
		return errors.New("body: want JSON; plain text as a JSON string")
	case st.Endpoint != "":
		if _, ok := endpoints[st.Endpoint]; !ok {
			return fmt.Errorf("endpoint %q: want such as /v1/chat/completions", st.Endpoint)
		}
	}
	return nil
}

func (st *Step) matches(r *request, body []byte) bool {
	return (st.Model == "" || st.Model == r.model) && (st.Key == "" || st.Key == r.key) &&
		(st.Endpoint == "" && r.endpoint != countTokens || st.Endpoint != "" && endpoints[st.Endpoint] == r.endpoint) &&
		(st.Match == "" || bytes.Contains(body, []byte(st.Match)))
}

// billed reports whether an answer with this status is charged.
func (st *Step) billed(status int) bool {
	if st.Billed != nil {
		return *st.Billed
	}
	return status >= 200 && status < 300
}

// text is the body as it is sent.
func (st *Step) text() []byte {
	if s, ok := text(st.Body); ok {
		return []byte(s)
	}
	return st.Body
}

// Script adds steps for the requests to come.
func (s *Server) Script(steps ...Step) error {
	for i := range steps {
		if err := steps[i].validate(); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, steps...)
	return nil
}

// next takes the first step for a request off the script. s.mu is held.
func (s *Server) next(r *request, body []byte) (Step, bool) {
	for i := range s.script {
		st := &s.script[i]
		if !st.matches(r, body) {
			continue
		}
		found := *st
		if st.Times > 1 {
			st.Times--
		} else if st.Times >= 0 {
			s.script = append(s.script[:i], s.script[i+1:]...)
		}
		return found, true
	}
	return Step{}, false
}

// failure is what request number n gets instead of an answer, if it is one of those that fail.
func (o *Options) failure(n int64) (Step, bool) {
	x := mix(uint64(o.Seed)*0x9e3779b97f4a7c15 ^ uint64(n)) // #nosec G115 -- any bits will do
	if o.Fail <= 0 || unit(x) >= o.Fail {
		return Step{}, false
	}
	x = mix(x)
	switch x % 8 {
	case 0, 1, 2:
		return Step{Status: http.StatusTooManyRequests, Headers: map[string]string{
			"Retry-After": "1", "Retry-After-Ms": strconv.FormatUint(200+x>>8%700, 10),
		}}, true
	case 3, 4, 5:
		return Step{Status: http.StatusServiceUnavailable}, true
	case 6:
		return Step{Reset: true}, true
	default:
		return Step{Reset: true, Truncate: 1 + int(x>>8%400)}, true
	}
}
