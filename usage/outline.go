package usage

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/andres20980/aurea-orchestrator/pricing"
)

// Outline is how a request's conversation is put together: what it takes to see that it continues one whose tokens the provider has counted. It is immutable
// and safe to share.
type Outline struct {
	marks []mark
	texts [][]byte // long texts around the messages, as values
	apart bool     // each message counts by itself
}

// PrefixID names a beginning of a conversation: all that the model reads up to the end of a message, and what is around the messages. Two requests that share one
// begin alike.
type PrefixID [16]byte

// mark is the end of a message. Its counts are of the messages up to there.
type mark struct {
	id                      PrefixID
	value                   []byte // the message, within the body
	text                    int64  // bytes outside media
	messages, images, audio int64
	documents               int64 // of unknown length
	thought                 int64 // bytes of thinking, which providers leave out of later turns
}

// ErrNoOutline says that a request's input cannot be told from its body, or that its API has no list of messages.
var ErrNoOutline = errors.New("the request is no conversation that can be bounded by its messages")

// ReadOutline reads a body that [ReadRequest] accepts. around names what else decides what the same body is counted as: the provider, and the model there. It
// returns [ErrNoOutline] for a request whose input is not all in its body, and for APIs without messages.
func ReadOutline(api API, around string, body []byte) (Outline, error) {
	list := ""
	switch api {
	case Chat, Messages:
		list = "messages"
	case Responses:
		list = "input"
	default:
		return Outline{}, ErrNoOutline
	}
	o := &outliner{api: api, reader: requestReader{req: Request{API: api, BodyBytes: int64(len(body)), Choices: 1, Rounds: 1}}}
	dec := jsontext.NewDecoder(bytes.NewBuffer(body))
	var conversation jsontext.Value
	err := eachName(dec, func(name string) error {
		v, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if name == list {
			end := dec.InputOffset()
			conversation = body[end-int64(len(v)) : end]
			return nil
		}
		if name == "truncation" && string(v) != `"disabled"` && v.Kind() != 'n' {
			o.reader.elsewhere = true // what is left out is the provider's to say
		}
		o.member(name, v)
		return o.read(v, func() error { return o.reader.field(name) })
	})
	if err != nil {
		return Outline{}, readable(err)
	}
	o.begin(around)
	if err := o.messages(conversation); err != nil {
		return Outline{}, readable(err) // or ErrNoOutline
	}
	o.reader.finish()
	if o.reader.elsewhere || len(o.marks) == 0 {
		return Outline{}, ErrNoOutline
	}
	return Outline{marks: o.marks, texts: o.texts, apart: !o.strange}, nil
}

// outliner reads an outline. The reader's decoder is set to one value after the other.
type outliner struct {
	api     API
	reader  requestReader
	members [][]byte // around the messages: names and values
	texts   [][]byte
	sum     hash.Hash
	marks   []mark
	bytes   int64
	thought int64
	strange bool
}

func (o *outliner) read(v []byte, f func() error) error {
	o.reader.dec = jsontext.NewDecoder(bytes.NewBuffer(v))
	return f()
}

// idle are fields that do not change how long the input is: those about the output, and about who asks.
var idle = map[string]bool{
	"max_tokens": true, "max_completion_tokens": true, "max_output_tokens": true, "stream": true, "stream_options": true, "temperature": true, "top_p": true, "top_k": true,
	"seed": true, "stop": true, "stop_sequences": true, "metadata": true, "user": true, "n": true, "service_tier": true, "speed": true, "inference_geo": true, "store": true,
	"presence_penalty": true, "frequency_penalty": true, "logprobs": true, "top_logprobs": true, "prompt_cache_key": true, "prompt_cache_options": true, "prompt_cache_retention": true, "safety_identifier": true, "cache_control": true,
	"truncation": true, "include": true, "background": true,
}

func (o *outliner) member(name string, v []byte) {
	if idle[name] {
		return
	}
	both := slices.Concat([]byte(name), []byte{0}, v) // a value has no zero byte in it
	o.members = append(o.members, both)
	if name == "instructions" {
		o.texts = append(o.texts, both[len(name)+1:])
	}
}

// begin starts the running name with all that is around the messages, in whatever order it stands.
func (o *outliner) begin(around string) {
	slices.SortFunc(o.members, bytes.Compare)
	o.sum = sha256.New()
	o.add([]byte(o.api))
	o.add([]byte(around))
	for _, m := range o.members {
		o.add(m)
	}
}

// add takes a part into the running name, with its length: no other parts make the same one.
func (o *outliner) add(part []byte) {
	var size [8]byte
	binary.LittleEndian.PutUint64(size[:], uint64(len(part)))
	_, _ = o.sum.Write(size[:])
	_, _ = o.sum.Write(part)
}

// mostMessages is more than a conversation has; what is longer is bounded by its bytes.
const mostMessages = 20_000

func (o *outliner) messages(list jsontext.Value) error {
	if o.api == Responses {
		o.reader.req.Messages++ // for the instructions, or for the text
		if list.Kind() == '"' {
			o.add(list)
			o.mark(list)
		}
	}
	if list.Kind() != '[' {
		return nil
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(list))
	return eachElement(dec, func() error {
		v, err := dec.ReadValue()
		if err != nil {
			return err
		}
		end := dec.InputOffset()
		v = list[end-int64(len(v)) : end]
		if len(o.marks) == mostMessages {
			return ErrNoOutline
		}
		if err := o.read(v, o.reader.message); err != nil {
			return err
		}
		if err := o.message(v); err != nil {
			return err
		}
		o.mark(v)
		return nil
	})
}

// mark notes the end of a message.
func (o *outliner) mark(value []byte) {
	r := &o.reader.req
	o.bytes += int64(len(value)) + 1
	m := mark{
		value: value, text: o.bytes - r.MediaBytes, messages: r.Messages, images: r.Images, audio: r.AudioBytes, documents: o.reader.documents, thought: o.thought,
	}
	copy(m.id[:], o.sum.Sum(nil))
	o.marks = append(o.marks, m)
}

// message takes a message into the running name, without the marks where the provider is to cache: those move from turn to turn and are not read by the model.
func (o *outliner) message(v []byte) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(v))
	kind, err := o.object(dec, func(name string) (bool, error) {
		if name == "content" && dec.PeekKind() == '[' {
			o.add([]byte(name))
			return true, o.blocks(dec)
		}
		return false, nil
	})
	if kind == `"reasoning"` {
		o.thought += int64(len(v))
	}
	return err
}

func (o *outliner) blocks(dec *jsontext.Decoder) error {
	o.add([]byte{'['})
	err := eachElement(dec, func() error {
		start := dec.InputOffset()
		kind, err := o.object(dec, nil)
		switch kind {
		case `"thinking"`, `"redacted_thinking"`, `"reasoning"`:
			o.thought += dec.InputOffset() - start
		}
		return err
	})
	o.add([]byte{']'})
	return err
}

// object takes an object into the running name, member by member; those that special reports as done it has taken itself. A value of another kind is taken whole. It
// returns the raw value of type.
func (o *outliner) object(dec *jsontext.Decoder, special func(name string) (done bool, err error)) (kind string, err error) {
	if dec.PeekKind() != '{' {
		v, err := dec.ReadValue()
		o.add(v)
		return "", err
	}
	o.add([]byte{'{'})
	err = eachName(dec, func(name string) error {
		if special != nil {
			if done, err := special(name); done || err != nil {
				return err
			}
		}
		value, err := dec.ReadValue()
		switch {
		case err != nil || name == "cache_control" || name == "prompt_cache_breakpoint":
			return err
		case name == "type":
			kind = string(value)
			o.strange = o.strange || !ordinaryParts[kind]
		case special != nil && thoughts[name]:
			o.thought += int64(len(value))
		}
		o.add([]byte(name))
		o.add(value)
		return nil
	})
	o.add([]byte{'}'})
	return kind, err
}

// ordinaryParts are the types of messages and blocks that add to what is read and change nothing before them. One that is none of these, such as a compaction, may take the
// place of the messages before it (https://docs.claude.com/en/docs/build-with-claude/compaction).
var ordinaryParts = func() map[string]bool {
	m := make(map[string]bool)
	for kind := range strings.FieldsSeq(`text image document tool_use tool_result thinking redacted_thinking search_result image_url input_audio file refusal function
		message input_text output_text input_image input_file computer_screenshot reasoning function_call function_call_output custom_tool_call custom_tool_call_output
		local_shell_call local_shell_call_output apply_patch_call apply_patch_call_output computer_call computer_call_output`) {
		m[strconv.Quote(kind)] = true
	}
	return m
}()

// thoughts are the members of a message in which providers of OpenAI's format give what the model thought.
var thoughts = map[string]bool{"reasoning_content": true, "reasoning": true, "reasoning_details": true, "thinking": true, "thinking_blocks": true}

// Ends returns the names of the conversation as a whole, which is the first, and of its beginnings that lack the last few messages, n in all at most. Where a message may
// change how those before it are read, there are no such beginnings.
func (o Outline) Ends(n int) []PrefixID {
	var ids []PrefixID
	if !o.apart {
		n = min(n, 1)
	}
	for i := len(o.marks) - 1; i >= 0 && len(ids) < n; i-- {
		ids = append(ids, o.marks[i].id)
	}
	return ids
}

// Known is what is known of a beginning of a conversation.
type Known struct {
	// Tokens is the provider's count of a request that began like this.
	Tokens int64
	// Whole says that the request was no longer than this.
	Whole bool
}

// Bound returns the most tokens that the input can be, given what is known of its beginnings: for the one that leaves the least, what was counted, and what the
// messages after it can be by their bytes. after is the number of messages in the beginning. ok is false where no beginning is known, or what comes after it
// cannot be bounded.
//
// A request's messages are counted one by one, between marks of their own, so that what follows adds to them and takes nothing away; but thinking of earlier
// turns is left out once a turn of the user follows. A beginning that is known only as a part of another conversation may have been counted without it, so there its bytes are
// added (https://docs.claude.com/en/docs/build-with-claude/extended-thinking, https://platform.openai.com/docs/guides/reasoning).
func (o Outline) Bound(p pricing.Price, known func(PrefixID) (Known, bool)) (tokens int64, after int, ok bool) {
	last := o.marks[len(o.marks)-1]
	for i, m := range o.marks {
		k, has := known(m.id)
		if !has || m.documents < last.documents {
			continue
		}
		rest := last.text - m.text + perRequest + perMessage*(last.messages-m.messages) + imageTokens(&p)*(last.images-m.images)
		if sound := last.audio - m.audio; sound > 0 {
			rest += sound/bytesPerSound + perMessage*(last.messages-m.messages)
		}
		if !k.Whole {
			rest += m.thought
		}
		if sum := k.Tokens + rest; k.Tokens <= maxCount && (!ok || sum <= tokens) {
			tokens, after, ok = sum, i+1, true
		}
	}
	return tokens, after, ok
}
