package usage

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// openAI reads the counts of chat completions, completions and responses, OpenAI's own and of the many that follow them.
//
//   - Cached, cache-written and sound tokens are inside the prompt's count, thought, predictions and sound inside the completion's
//     (https://platform.openai.com/docs/api-reference/chat/object).
//   - xAI and Gemini's compatible endpoint count thought outside the completion's count but inside the total; the larger figure is what they bill
//     (https://github.com/Wei-Shaw/sub2api/issues/5771 has an answer with its price). Without a total, more thought than completion shows the same.
//   - DeepSeek calls cached tokens prompt_cache_hit_tokens, Moonshot plain cached_tokens.
func (c *counts) openAI() (u Usage, err error) {
	if err := c.check(inTokens, outTokens, allTokens, cached, cachedHits, cachedAlso, cachedSound, cachedPictures, written, writtenAlso, writtenShort, writtenLong,
		soundIn, pictureIn, thinking, soundOut, pictureOut, searches, searchesWeb, searchesX, codeCalls, fileCalls, documentCalls, pictureCalls, sources); err != nil {
		return u, err
	}
	prompt, completion, total := c.n[inTokens], c.get(outTokens), c.get(allTokens)
	if !c.has(inTokens) || !c.has(outTokens) && !c.has(allTokens) {
		return u, fmt.Errorf("%w: the count of input or of output tokens is missing", ErrMissing)
	}
	if !c.has(outTokens) && total < prompt {
		return u, fmt.Errorf("%w: the total is less than its input", ErrInvalid)
	}
	u.Reasoning = c.get(thinking)
	switch settled := total >= prompt+completion; {
	case settled:
		completion = total - prompt
		if u.Reasoning > completion {
			return u, fmt.Errorf("%w: more reasoning tokens than output", ErrInvalid)
		}
	case u.Reasoning > completion:
		completion += u.Reasoning
	}
	if err := c.input(&u, prompt); err != nil {
		return u, err
	}
	if err := c.output(&u, completion); err != nil {
		return u, err
	}
	u.Tier = c.text[tierWord]
	c.hostedTools(&u)
	return u, nil
}

// input splits a prompt that holds cached, written, sound and picture tokens. Pictures that are cached as well are only cached.
func (c *counts) input(u *Usage, prompt int64) error {
	u.CacheRead = c.get(cached, cachedHits, cachedAlso)
	c.writes(u, c.get(written, writtenAlso))
	sound := c.get(cachedSound)
	u.AudioIn = c.get(soundIn)
	if sound > u.CacheRead || sound > u.AudioIn {
		return fmt.Errorf("%w: more cached audio tokens than cached or audio tokens", ErrInvalid)
	}
	u.AudioIn -= sound
	u.CacheReadAudio = sound
	rest := prompt - u.CacheRead - u.CacheWrite - u.CacheWrite1h - u.AudioIn
	if rest < 0 {
		return fmt.Errorf("%w: the parts of the input are more than its tokens", ErrInvalid)
	}
	u.ImageIn = min(max(c.get(pictureIn)-c.get(cachedPictures), 0), rest)
	u.Input = rest - u.ImageIn
	return nil
}

// writes splits cache writes by how long they last. Without a split they are short; a split that is larger than its sum stands.
func (c *counts) writes(u *Usage, total int64) {
	u.CacheWrite, u.CacheWrite1h = c.get(writtenShort), c.get(writtenLong)
	u.CacheWrite += max(0, total-u.CacheWrite-u.CacheWrite1h)
}

// output splits what was written; u.Reasoning is known.
func (c *counts) output(u *Usage, completion int64) error {
	u.AudioOut, u.ImageOut = c.get(soundOut), c.get(pictureOut)
	u.Output = completion - u.AudioOut - u.ImageOut
	if u.Output < 0 {
		return fmt.Errorf("%w: the parts of the output are more than its tokens", ErrInvalid)
	}
	u.Reasoning = min(u.Reasoning, u.Output)
	return nil
}

// hostedTools counts the uses of tools that the usage itself tells: OpenRouter's server_tool_use
// (https://openrouter.ai/docs/guides/features/server-tools) and xAI's server_side_tool_usage_details (https://docs.x.ai/docs/guides/tools/overview).
func (c *counts) hostedTools(u *Usage) {
	u.WebSearches = c.get(searches) + c.get(searchesWeb) + c.get(searchesX)
	u.FileSearches = c.get(fileCalls)
	switch {
	case c.get(codeCalls)+c.get(documentCalls)+c.get(pictureCalls) > 0:
		u.Unpriced = "calls of the provider's tools"
	case c.get(sources) > 0:
		u.Unpriced = "sources of a live search"
	case c.has(seconds) && (c.n[seconds] > 0 || c.check(seconds) != nil):
		u.Unpriced = "sound by the second" // Mistral (https://docs.mistral.ai/capabilities/audio)
	}
}

// embeddings reads an answer that has no output. Some providers give only the total.
func (c *counts) embeddings() (u Usage, err error) {
	if err := c.check(inTokens, inTokensAlso, allTokens); err != nil {
		return u, err
	}
	if !c.has(inTokens) && !c.has(inTokensAlso) && !c.has(allTokens) {
		return u, fmt.Errorf("%w: the count of input tokens is missing", ErrMissing)
	}
	u.Input = max(c.get(inTokens, inTokensAlso), c.get(allTokens))
	u.Tier = c.text[tierWord]
	return u, nil
}

// messages reads Anthropic's counts. What is read from the cache or written to it is outside input_tokens, thought inside
// output_tokens (https://docs.claude.com/en/api/messages). Without a split, writes are for five minutes.
func (c *counts) messages() (u Usage, err error) {
	if u, err = c.anthropic(); err != nil {
		return u, err
	}
	if err := c.iterations.err; err != nil {
		return Usage{}, err
	}
	more := &c.iterations.more
	u.Input += more.Input
	u.CacheRead += more.CacheRead
	u.CacheWrite += more.CacheWrite
	u.CacheWrite1h += more.CacheWrite1h
	u.Output += more.Output
	if u.InputTokens() > maxCount || u.Output > maxCount {
		return Usage{}, fmt.Errorf("%w: too much in its iterations", ErrInvalid)
	}
	u.Tier, u.Geo, u.Speed = c.text[tierWord], c.text[placeWord], c.text[speedWord]
	u.Unpriced = c.iterations.unpriced
	if c.text[creditWord] == "redeemed" {
		u.Unpriced = "a fallback credit, which lowers the price of cache writes" // https://docs.claude.com/en/docs/build-with-claude/fallback-credit
	}
	return u, nil
}

func (c *counts) anthropic() (u Usage, err error) {
	if err := c.check(inTokens, outTokens, cached, written, writtenShort, writtenLong, searches, thinking); err != nil {
		return u, err
	}
	if !c.has(inTokens) || !c.has(outTokens) {
		return u, fmt.Errorf("%w: input_tokens or output_tokens is missing", ErrMissing)
	}
	u.Input, u.Output, u.CacheRead, u.WebSearches = c.n[inTokens], c.n[outTokens], c.get(cached), c.get(searches)
	c.writes(&u, c.get(written))
	u.Reasoning = min(c.get(thinking), u.Output)
	return u, nil
}

// read sums up the list of iterations. Those of the model itself are in the counts above it. Compactions are not, and are added
// (https://docs.claude.com/en/docs/build-with-claude/compaction). What another model did, as an adviser or in place of one that refused, has the
// prices of that model (https://docs.claude.com/en/docs/agents-and-tools/tool-use/advisor-tool).
func (it *iterations) read(dec *jsontext.Decoder) error {
	*it = iterations{there: true}
	var one counts
	return eachElement(dec, func() error {
		if dec.PeekKind() != '{' {
			return skip(dec)
		}
		if passed, err := passEmpty(dec); passed {
			return err
		}
		one.known, one.wrong, one.text[typeWord] = 0, 0, ""
		if err := one.read(dec, iterationNames); err != nil {
			return err
		}
		switch kind := one.text[typeWord]; kind {
		case "compaction":
			it.add(&one)
		case "message", "":
		default:
			it.unpriced = "an iteration of type " + clip(kind) + ", with the prices of its own model"
		}
		return nil
	})
}

func (it *iterations) add(one *counts) {
	if it.err != nil {
		return
	}
	more, err := one.anthropic()
	if err != nil {
		it.err = err
		return
	}
	it.more.Input += more.Input
	it.more.CacheRead += more.CacheRead
	it.more.CacheWrite += more.CacheWrite
	it.more.CacheWrite1h += more.CacheWrite1h
	it.more.Output += more.Output
	if it.more.InputTokens() > maxCount || it.more.Output > maxCount {
		it.err = fmt.Errorf("%w: too much in its iterations", ErrInvalid)
		it.more = Usage{}
	}
}
