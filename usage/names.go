package usage

import (
	"maps"
	"strconv"
)

// What the fields of a usage object are called, by API. Each list gives the names of the provider that made the API and those of
// the others that speak it; docs/usage.md names the sources.
var (
	chatNames = object(inOut("prompt", "completion"), map[string]entry{
		"prompt_cache_hit_tokens": number(cachedHits), "cached_tokens": number(cachedAlso), "num_cached_tokens": number(cachedAlso),
		"cache_creation_input_tokens": number(writtenAlso), "prompt_audio_seconds": number(seconds),
		"prompt_token_details": within(inDetails), // Mistral writes both
	})
	responsesNames  = object(inOut("input", "output"))
	embeddingsNames = object(inOut("prompt", "completion"), map[string]entry{"input_tokens": number(inTokensAlso)})
	iterationNames  = object(inOut("input", "output"), map[string]entry{
		"cache_read_input_tokens": number(cached), "cache_creation_input_tokens": number(written), "cache_creation": within(lifetimes),
		"type": aText(typeWord),
	})
	messagesNames = object(inOut("input", "output"), map[string]entry{
		"cache_read_input_tokens": number(cached), "cache_creation_input_tokens": number(written), "cache_creation": within(lifetimes),
		"inference_geo": aText(placeWord), "speed": aText(speedWord), "iterations": {kind: theIterations},
		"fallback_credit": within(object(map[string]entry{"status": within(object(map[string]entry{"type": aText(creditWord)}))})),
	})
	geminiNames = object(map[string]entry{
		"promptTokenCount": number(inTokens), "toolUsePromptTokenCount": number(toolResults), "cachedContentTokenCount": number(cached),
		"candidatesTokenCount": number(outTokens), "responseTokenCount": number(outTokens), "thoughtsTokenCount": number(thinking),
		"totalTokenCount":     number(allTokens),
		"promptTokensDetails": byKind(soundIn, pictureIn), "cacheTokensDetails": byKind(cachedSound, cachedPictures),
		"candidatesTokensDetails": byKind(soundOut, pictureOut), "responseTokensDetails": byKind(soundOut, pictureOut),
		"toolUsePromptTokensDetails": byKind(soundOfTools, picturesOfTools),
		"trafficType":                aText(tierWord), "serviceTier": aText(tierAlso),
	})
)

// lifetimes tell cache writes apart by how long they last: Anthropic's five minutes and an hour, OpenAI's thirty minutes and twelve hours.
var lifetimes = object(map[string]entry{
	"ephemeral_5m_input_tokens": number(writtenShort), "ephemeral_1h_input_tokens": number(writtenLong),
	"ttl_30m_tokens": number(writtenShort), "ttl_12h_tokens": number(writtenLong),
})

var inDetails = object(map[string]entry{
	"cached_tokens": number(cached), "audio_tokens": number(soundIn), "image_tokens": number(pictureIn),
	"cached_tokens_details": within(object(map[string]entry{"audio_tokens": number(cachedSound), "image_tokens": number(cachedPictures)})),
	"cache_write_tokens":    number(written), "cache_write_tokens_details": within(lifetimes),
	"cache_creation_tokens": number(writtenAlso), "cache_creation_input_tokens": number(writtenAlso), "cache_creation": within(lifetimes),
})

var outDetails = object(map[string]entry{
	"reasoning_tokens": number(thinking), "thinking_tokens": number(thinking), "audio_tokens": number(soundOut), "image_tokens": number(pictureOut),
})

// inOut are the fields that all APIs but Gemini's have, with the two words that differ.
func inOut(in, out string) map[string]entry {
	return map[string]entry{
		in + "_tokens": number(inTokens), out + "_tokens": number(outTokens), "total_tokens": number(allTokens),
		in + "_tokens_details": within(inDetails), out + "_tokens_details": within(outDetails),
		"service_tier":    aText(tierWord),
		"server_tool_use": within(object(map[string]entry{"web_search_requests": number(searches)})),
		"cost":            {kind: aWord, word: costWord, group: object(map[string]entry{"total_cost": aText(totalWord)})},
		"cost_details":    within(object(map[string]entry{"upstream_inference_cost": aText(upstreamWord)})),
		"is_byok":         aText(ownKeyWord), "cost_in_usd_ticks": aText(ticksWord), "num_sources_used": number(sources),
		"server_side_tool_usage_details": within(object(map[string]entry{
			"web_search_calls": number(searchesWeb), "x_search_calls": number(searchesX), "code_interpreter_calls": number(codeCalls),
			"file_search_calls": number(fileCalls), "document_search_calls": number(documentCalls), "image_generation_calls": number(pictureCalls),
		})),
	}
}

func number(f field) entry { return entry{field: f} }

func aText(w word) entry { return entry{kind: aWord, word: w} }

func within(g *group) entry { return entry{kind: aGroup, group: g} }

func byKind(sound, picture field) entry { return entry{kind: aList, field: sound, picture: picture} }

// object makes a group of the entries of all lists.
func object(lists ...map[string]entry) *group {
	g := &group{entries: make(map[string]entry)}
	for _, list := range lists {
		quoted := make(map[string]entry, len(list))
		for name, e := range list {
			quoted[strconv.Quote(name)] = e
			g.fields |= e.fields()
		}
		maps.Copy(g.entries, quoted)
	}
	return g
}

// namesOf returns the names of an API's usage object.
func namesOf(api API) *group {
	switch api {
	case Messages:
		return messagesNames
	case Responses:
		return responsesNames
	case Embeddings:
		return embeddingsNames
	case Gemini:
		return geminiNames
	default:
		return chatNames
	}
}
