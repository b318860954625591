package usage

import "fmt"

// openAI reads the counts of chat completions, completions and responses, OpenAI's own and of the many that follow them.
//
//   - Cached, cache-written and sound tokens are inside the prompt's count, thought, predictions and sound inside the completion's
//     (https://platform.openai.com/docs/api-reference/chat/object).
//   - xAI and others count thought outside the completion's count but inside the total; the larger figure is what they bill.
//   - DeepSeek calls cached tokens prompt_cache_hit_tokens, Moonshot plain cached_tokens.
func (f fields) openAI(in, out string) (u Usage, err error) {
	prompt, hasPrompt, err := f.count(in)
	if err != nil {
		return u, err
	}
	completion, hasCompletion, err := f.count(out)
	if err != nil {
		return u, err
	}
	total, hasTotal, err := f.count("total_tokens")
	if err != nil {
		return u, err
	}
	if !hasPrompt || !hasCompletion && !hasTotal {
		return u, fmt.Errorf("%w: %s or %s is missing", ErrMissing, in, out)
	}
	if hasTotal {
		completion = max(completion, total-prompt)
	}
	details, outDetails := in+"_details.", out+"_details."
	if u.CacheRead, _, err = f.count(details+"cached_tokens", "prompt_cache_hit_tokens", "cached_tokens"); err != nil {
		return u, err
	}
	err = f.counts(map[*int64]string{
		&u.CacheWrite: details + "cache_write_tokens", &u.AudioIn: details + "audio_tokens",
		&u.Reasoning: outDetails + "reasoning_tokens", &u.AudioOut: outDetails + "audio_tokens", &u.ImageOut: outDetails + "image_tokens",
	})
	if err != nil {
		return u, err
	}
	u.Input = prompt - u.CacheRead - u.CacheWrite - u.AudioIn
	u.Output = completion - u.AudioOut - u.ImageOut
	if u.Input < 0 || u.Output < 0 {
		return u, fmt.Errorf("%w: its parts are more than %s or %s", ErrInvalid, in, out)
	}
	u.Reasoning = min(u.Reasoning, u.Output)
	u.Tier = f.text("service_tier")
	return u, f.reported(&u)
}

// embeddings reads an answer that has no output. Some providers give only the total.
func (f fields) embeddings() (u Usage, err error) {
	n, ok, err := f.count("prompt_tokens", "input_tokens", "total_tokens")
	if err != nil {
		return u, err
	}
	if !ok {
		return u, fmt.Errorf("%w: prompt_tokens is missing", ErrMissing)
	}
	u.Input = n
	return u, f.reported(&u)
}

// messages reads Anthropic's counts. What is read from the cache or written to it is outside input_tokens, thought inside
// output_tokens (https://docs.claude.com/en/api/messages). Without a split, writes are for five minutes. Entries of the list of iterations
// that are compactions are not in the counts above and are added
// (https://docs.claude.com/en/docs/build-with-claude/compaction).
func (f fields) messages(iterations []fields) (u Usage, err error) {
	if u, err = f.anthropic(); err != nil {
		return u, err
	}
	for _, one := range iterations {
		if one.text("type") != "compaction" {
			continue
		}
		more, err := one.anthropic()
		if err != nil {
			return u, err
		}
		u.Input += more.Input
		u.CacheRead += more.CacheRead
		u.CacheWrite += more.CacheWrite
		u.CacheWrite1h += more.CacheWrite1h
		u.Output += more.Output
		if u.InputTokens() > maxCount || u.Output > maxCount {
			return u, fmt.Errorf("%w: too much in its iterations", ErrInvalid)
		}
	}
	u.Tier, u.Geo, u.Speed = f.text("service_tier"), f.text("inference_geo"), f.text("speed")
	return u, f.reported(&u)
}

func (f fields) anthropic() (u Usage, err error) {
	var written int64
	for path, target := range map[string]*int64{"input_tokens": &u.Input, "output_tokens": &u.Output} {
		n, ok, err := f.count(path)
		if err != nil {
			return u, err
		}
		if !ok {
			return u, fmt.Errorf("%w: %s is missing", ErrMissing, path)
		}
		*target = n
	}
	err = f.counts(map[*int64]string{
		&u.CacheRead: "cache_read_input_tokens", &written: "cache_creation_input_tokens",
		&u.CacheWrite: "cache_creation.ephemeral_5m_input_tokens", &u.CacheWrite1h: "cache_creation.ephemeral_1h_input_tokens",
		&u.WebSearches: "server_tool_use.web_search_requests", &u.Reasoning: "output_tokens_details.thinking_tokens",
	})
	if rest := written - u.CacheWrite - u.CacheWrite1h; rest > 0 {
		u.CacheWrite += rest
	}
	u.Reasoning = min(u.Reasoning, u.Output)
	return u, err
}
