package usage

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// field reads one field of the body itself.
func (r *requestReader) field(name string) error {
	if r.req.API == Gemini {
		return r.geminiField(name)
	}
	switch name {
	case "model":
		return r.text(name, &r.req.Model)
	case "stream":
		return r.flag(name, &r.req.Stream)
	case "service_tier":
		return r.text(name, &r.req.Tier)
	case "messages":
		return r.list(r.message)
	case "tools", "functions":
		return r.list(r.tool)
	case "cache_control":
		return r.cacheControl()
	case "prompt_cache_options":
		return r.cacheOptions()
	case "models":
		return r.fallbacks(name)
	}
	if done, err := r.capField(name); done {
		return err
	}
	if done, err := r.asked(name); done {
		return err
	}
	switch r.req.API {
	case Completions:
		return r.completionsField(name)
	case Responses:
		return r.responsesField(name)
	case Embeddings:
		if name == "input" {
			return r.prompt(func() { r.req.Messages++ })
		}
		return r.skip()
	case Messages:
		return r.messagesField(name)
	default:
		return r.chatField(name)
	}
}

// capField reads the fields that bound the output. Which of them an API knows is its own matter; of those it knows, the largest counts.
func (r *requestReader) capField(name string) (done bool, err error) {
	var known bool
	switch r.req.API {
	case Chat:
		known = name == "max_tokens" || name == "max_completion_tokens"
	case Completions, Messages:
		known = name == "max_tokens"
	case Responses:
		known = name == "max_output_tokens"
	}
	if known {
		n, ok, err := r.whole(name, 0)
		if ok {
			r.caps = append(r.caps, n)
		}
		return true, err
	}
	if r.req.API != Chat && r.req.API != Completions {
		return false, nil
	}
	switch name {
	case "n":
		r.n, _, err = r.whole(name, 1)
		return true, err
	case "best_of":
		r.bestOf, _, err = r.whole(name, 1)
		return true, err
	}
	return false, nil
}

// asked reads fields by which requests ask for thinking, in any API's or provider's spelling.
func (r *requestReader) asked(name string) (done bool, err error) {
	switch name {
	case "reasoning_effort":
		var effort string
		if r.dec.PeekKind() != '"' {
			return true, r.skip()
		}
		err = r.text(name, &effort)
		r.req.Reasoning = r.req.Reasoning || effort != "" && effort != "none"
		return true, err
	case "reasoning":
		there, err := r.present()
		r.req.Reasoning = r.req.Reasoning || there
		return true, err
	case "thinking":
		return true, r.object(func(inner string) error {
			switch inner {
			case "type":
				var kind string
				err := r.text("thinking.type", &kind)
				r.req.Reasoning = r.req.Reasoning || kind != "disabled"
				return err
			case "budget_tokens":
				n, _, err := r.whole("thinking.budget_tokens", 0)
				r.req.ThinkingBudget = n
				return err
			}
			return r.skip()
		})
	}
	return false, nil
}

func (r *requestReader) chatField(name string) error {
	switch name {
	case "stream_options":
		return r.object(func(string) error { return r.skip() })
	case "prediction":
		start := r.dec.InputOffset()
		err := r.skip()
		r.req.PredictedBytes = r.dec.InputOffset() - start
		return err
	case "modalities":
		return r.list(func() error {
			var kind string
			if r.dec.PeekKind() != '"' {
				return r.skip()
			}
			err := r.text(name, &kind)
			r.req.AudioOut = r.req.AudioOut || kind == "audio"
			return err
		})
	case "audio":
		there, err := r.present()
		r.req.AudioOut = r.req.AudioOut || there
		return err
	case "web_search_options", "search_parameters", "plugins", "web_search":
		there, err := r.present()
		if there {
			r.server(name, -1)
			r.req.WebSearches++
		}
		return err
	}
	return r.skip()
}

func (r *requestReader) completionsField(name string) error {
	if name == "prompt" {
		return r.prompt(func() { r.prompts++; r.req.Messages++ })
	}
	return r.skip()
}

// prompt counts the inputs in a field that holds one text, a list of texts, a list of token ids, or a list of such lists.
func (r *requestReader) prompt(count func()) error {
	if r.dec.PeekKind() != '[' {
		count()
		return r.skip()
	}
	if numbersFirst(r.dec.UnreadBuffer()) { // most likely there is nothing else, and to read them as one takes a third of the time
		if tooDeep(r.dec.UnreadBuffer()) {
			return errTooDeep
		}
		all, err := r.dec.ReadValue()
		if err != nil {
			return err
		}
		if !bytes.ContainsAny(all[1:], `"[{`) {
			count()
			return nil
		}
		outer := r.dec
		defer func() { r.dec = outer }()
		r.dec = loose(all)
	}
	ids := false
	err := r.list(func() error {
		switch r.dec.PeekKind() {
		case '0':
			ids = true // together they are one input
			return r.skip()
		case '{':
			count()
			return r.part()
		}
		count()
		return r.skip()
	})
	if ids {
		count()
	}
	return err
}

// numbersFirst reports whether the next value is a list that begins with a number.
func numbersFirst(unread []byte) bool {
	_, rest, _ := bytes.Cut(unread, []byte("["))
	rest = bytes.TrimLeft(rest, " \t\r\n")
	return len(rest) > 0 && (rest[0] == '-' || rest[0] >= '0' && rest[0] <= '9')
}

func (r *requestReader) responsesField(name string) error {
	switch name {
	case "input":
		r.req.Messages++ // for the instructions, or for the text
		return r.contents(func() { r.req.Messages++ })
	case "previous_response_id", "conversation", "prompt":
		there, err := r.present()
		if there {
			r.unbounded(name + " refers to text that is not in the request")
		}
		return err
	case "context_management":
		return r.compaction()
	case "max_tool_calls":
		n, ok, err := r.whole(name, 0)
		if ok {
			r.maxCalls = max(n, 1)
		}
		return err
	case "text":
		return r.structured()
	}
	return r.skip()
}

func (r *requestReader) messagesField(name string) error {
	switch name {
	case "system":
		r.req.Messages++
		return r.contents(nil)
	case "inference_geo":
		return r.text(name, &r.req.Geo)
	case "speed":
		var speed string
		err := r.text(name, &speed)
		r.req.Fast = speed != "" && !strings.EqualFold(speed, "standard")
		return err
	case "mcp_servers":
		there := false
		err := r.list(func() error { there = true; return r.skip() })
		if there {
			r.server("mcp_servers", -1)
		}
		return err
	case "context_management":
		return r.edits()
	case "compaction":
		return r.compaction()
	case "fallbacks":
		return r.fallbacks(name)
	case "output_config", "output_format":
		return r.structured()
	}
	return r.skip()
}

func (r *requestReader) structured() error {
	there, err := r.present()
	r.req.Structured = r.req.Structured || there
	return err
}

// compacted is the reason that bounds look for.
const compacted = "context_management lets the provider rewrite the conversation"

// compaction is a second reading of the context, and a second answer.
func (r *requestReader) compaction() error {
	there, err := r.present()
	if there {
		r.compacted()
	}
	return err
}

func (r *requestReader) compacted() {
	r.unbounded(compacted)
	r.compacts = true
}

// edits reads Anthropic's context editing (https://platform.claude.com/docs/en/build-with-claude/context-editing). Edits that clear take thinking away, which it is without them
// too, or put a placeholder in the place of a tool's result, which is shorter than the JSON around the result. Any other is a compaction.
func (r *requestReader) edits() error {
	if r.dec.PeekKind() != '{' {
		return r.compaction()
	}
	other := false
	err := r.object(func(name string) error {
		if name != "edits" || r.dec.PeekKind() != '[' {
			other = true
			return r.skip()
		}
		return r.list(func() error {
			if r.dec.PeekKind() != '{' {
				other = true
				return r.skip()
			}
			known := false
			err := r.object(func(name string) error {
				if name != "type" {
					return r.skip()
				}
				var kind string
				err := r.text("context_management", &kind)
				switch {
				case strings.HasPrefix(kind, "clear_thinking_"):
					known = true
				case strings.HasPrefix(kind, "clear_tool_uses_"):
					known, r.elsewhere = true, true // how much is left of earlier messages may be another time something else
				default:
					other = true
				}
				return err
			})
			other = other || !known
			return err
		})
	})
	if other {
		r.compacted()
	}
	return err
}

// fallbacks refuses a list of models for the provider to choose from: each has its own price, and its own place in allow and deny lists.
// Anthropic's may be the word "default" (https://platform.claude.com/docs/en/build-with-claude/refusals-and-fallback#server-side-fallback).
func (r *requestReader) fallbacks(field string) error {
	some := r.dec.PeekKind() == '"'
	err := r.list(func() error { some = true; return r.skip() })
	if err == nil && some {
		err = errors.New(field + ": a list of fallback models has no price; name one model, and give it a route in the configuration")
	}
	return err
}

// server notes a tool that the provider runs; uses is how often at most, −1 if the request does not say.
func (r *requestReader) server(name string, uses int64) {
	r.serverTools, r.elsewhere = true, true
	if len(r.req.Unbounded) < mostReasons { // else nobody hears the reason
		r.unbounded(name + " lets the provider add input of its own")
	}
	if uses < 0 || r.uses < 0 {
		r.uses = -1
		return
	}
	r.uses += uses
}

// tool reads one tool.
func (r *requestReader) tool() error {
	r.req.Tools++
	if passed, err := passEmpty(r.dec); passed {
		return err
	}
	kind, uses, box := "", int64(-1), container{}
	err := r.object(func(name string) error {
		switch name {
		case "type":
			return r.text("tools.type", &kind)
		case "max_uses":
			n, ok, err := r.whole("tools.max_uses", 0)
			if ok {
				uses = n
			}
			return err
		case "cache_control":
			return r.cacheControl()
		case "container", "environment":
			return r.container(&box)
		}
		return r.skip()
	})
	if err == nil {
		r.classify(kind, uses)
		if r.req.ContainerFee, err = r.req.ContainerFee.Add(box.fee(kind)); err != nil {
			err = fmt.Errorf("tools: %w", err)
		}
	}
	return err
}

// builtin are tools that the client runs and the provider describes.
var builtin = []string{"bash_", "text_editor_", "computer", "memory_", "tool_search_tool_", "local_shell", "apply_patch"}

func (r *requestReader) classify(kind string, uses int64) {
	switch kind {
	case "", "function", "custom", "namespace":
		return
	case "image_generation":
		r.req.Unpriced = "the image_generation tool is billed by the picture"
	}
	if strings.HasPrefix(kind, "advisor") { // https://docs.claude.com/en/docs/agents-and-tools/tool-use/advisor-tool
		r.req.Unpriced = "the " + clip(kind) + " tool is billed at the prices of another model"
	}
	for _, prefix := range builtin {
		if strings.HasPrefix(kind, prefix) {
			r.req.BuiltinTools++
			return
		}
	}
	name := kind
	if len(r.req.Unbounded) < mostReasons {
		name = "tool " + clip(kind)
	}
	r.server(name, uses)
	if strings.HasPrefix(kind, "web_search") {
		r.req.WebSearches++
	}
	if kind == "file_search" {
		r.req.FileSearches++
	}
}
