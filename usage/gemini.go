package usage

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// gemini reads the usageMetadata of Gemini's own API (https://ai.google.dev/api/generate-content#UsageMetadata): what is read again from tools is outside
// promptTokenCount, what is cached inside it, thought outside candidatesTokenCount; the total is the sum of all. A count of zero is left out. Should the
// total be more than its parts, the difference is taken for output.
func (c *counts) gemini() (u Usage, err error) {
	if err := c.check(inTokens, outTokens, allTokens, cached, cachedSound, cachedPictures, soundIn, pictureIn, toolResults, soundOfTools, picturesOfTools,
		thinking, soundOut, pictureOut); err != nil {
		return u, err
	}
	if !c.has(inTokens) && !c.has(allTokens) {
		return u, fmt.Errorf("%w: promptTokenCount is missing", ErrMissing)
	}
	if err := c.input(&u, c.get(inTokens)); err != nil {
		return u, err
	}
	sound, pictures := c.get(soundOfTools), c.get(picturesOfTools)
	if sound+pictures > c.get(toolResults) {
		return u, fmt.Errorf("%w: the parts of toolUsePromptTokenCount are more than it", ErrInvalid)
	}
	u.AudioIn += sound
	u.ImageIn += pictures
	u.Input += c.get(toolResults) - sound - pictures
	u.Reasoning = c.get(thinking)
	written := c.get(outTokens) + u.Reasoning
	written = max(written, c.get(allTokens)-c.get(inTokens)-c.get(toolResults))
	if err := c.output(&u, written); err != nil {
		return u, err
	}
	u.Tier = c.text[tierWord]
	if u.Tier == "" {
		u.Tier = c.text[tierAlso]
	}
	return u, nil
}

// geminiPart reads a field of a piece of an answer. An answer that is not streamed is one piece.
func (ev *event) geminiPart(name string) error {
	switch name {
	case "candidates":
		return eachElement(ev.dec, ev.candidate)
	case "usageMetadata":
		return ev.readUsage()
	case "modelVersion":
		return readText(ev.dec, &ev.model)
	case "error":
		return ev.readProblem()
	case "promptFeedback": // a prompt that was blocked has no candidates
		return eachName(ev.dec, func(inner string) error {
			var reason string
			if inner != "blockReason" {
				return skip(ev.dec)
			}
			err := readText(ev.dec, &reason)
			if reason != "" {
				ev.addChoice(choice{index: noCandidate, finished: true})
			}
			return err
		})
	case "embedding", "embeddings": // the whole answer
		ev.addChoice(choice{index: noCandidate, finished: true})
	}
	return skip(ev.dec)
}

// noCandidate stands for an answer that ends without one.
const noCandidate = -1

func (ev *event) candidate() error {
	var c choice
	if passed, err := passEmpty(ev.dec); passed {
		ev.addChoice(c)
		return err
	}
	err := eachName(ev.dec, func(name string) error {
		switch name {
		case "index":
			return c.readIndex(ev.dec)
		case "finishReason":
			var reason string
			err := readText(ev.dec, &reason)
			c.finished = c.finished || reason != "" && reason != "FINISH_REASON_UNSPECIFIED"
			ev.truncated = ev.truncated || reason == "MAX_TOKENS"
			return err
		case "content":
			return eachName(ev.dec, func(inner string) error {
				if inner == "parts" {
					return eachElement(ev.dec, ev.contentPart)
				}
				return skip(ev.dec)
			})
		case "groundingMetadata":
			return ev.tools.readGrounding(ev.dec)
		}
		return skip(ev.dec)
	})
	ev.addChoice(c)
	return err
}

// contentPart reads a part of what a candidate says. Of thought there is only a summary, and what code prints is input again.
func (ev *event) contentPart() error {
	visible, summary, before := false, false, ev.text
	err := eachName(ev.dec, func(name string) error {
		switch name {
		case "text":
			return ev.nonEmpty(&visible)
		case "thought":
			summary = ev.dec.PeekKind() == 't'
		case "functionCall", "executableCode", "inlineData":
			visible = true
			v, err := ev.dec.ReadValue()
			ev.text += int64(len(v))
			return err
		case "codeExecutionResult":
			ev.hidden = true
		}
		return skip(ev.dec)
	})
	switch {
	case summary:
		ev.hidden, ev.more, ev.text = true, true, before
	case visible:
		ev.pieces++
	}
	return err
}

// readGrounding counts the searches that an answer rests on. Up to Gemini 2.5 a prompt with searches has one fee, whatever their number; from Gemini 3 on each
// different search has one, and empty ones have none (https://ai.google.dev/gemini-api/docs/google-search#pricing).
func (t *tools) readGrounding(dec *jsontext.Decoder) error {
	return eachName(dec, func(name string) error {
		if name != "webSearchQueries" && name != "imageSearchQueries" {
			return skip(dec)
		}
		return eachElement(dec, func() error {
			var query string
			err := readText(dec, &query)
			if query = strings.TrimSpace(query); query != "" && len(t.queries) < mostQueries {
				if t.queries == nil {
					t.queries = make(map[string]bool)
				}
				t.queries[name+query] = true
			}
			return err
		})
	})
}

// mostQueries is how many searches are told apart.
const mostQueries = 1024

// oneFee reports whether all searches of an answer have one fee together.
func oneFee(model string) bool {
	series, ok := strings.CutPrefix(strings.TrimPrefix(model, "models/"), "gemini-")
	return ok && (strings.HasPrefix(series, "1") || strings.HasPrefix(series, "2"))
}
