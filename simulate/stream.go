package simulate

// streamed is an answer as server-sent events: the text, and where each event ends.
type streamed struct {
	b    []byte
	ends []int
	seq  int64 // responses
}

// event adds one; data is appended by write.
func (s *streamed) event(name string, write func([]byte) []byte) {
	if name != "" {
		s.b = append(append(append(s.b, "event: "...), name...), '\n')
	}
	s.b = append(write(append(s.b, "data: "...)), "\n\n"...)
	s.ends = append(s.ends, len(s.b))
}

// wordsPerEvent is how much text an event brings.
const wordsPerEvent = 3

// pieces calls yield with the text of answer number i bit by bit, as it stands within a JSON string.
func (r *reply) pieces(i int64, yield func(piece []byte)) {
	all := r.content(nil, i)
	for len(all) > 0 {
		end, words := 0, 0
		for ; end < len(all) && words < wordsPerEvent; end++ {
			if all[end] == ' ' {
				words++
			}
		}
		yield(all[:end])
		all = all[end:]
	}
}

// stream returns the answer as events, framed as each endpoint does.
func (r *reply) stream(s *streamed) {
	switch r.endpoint {
	case messages:
		r.streamMessage(s)
	case responses:
		r.streamResponse(s)
	default:
		r.streamChoices(s)
	}
}

func (r *reply) streamChoices(s *streamed) {
	object, prefix := "chat.completion.chunk", "chatcmpl-"
	if r.endpoint == completions {
		object, prefix = "text_completion", "cmpl-"
	}
	chunk := func(choices, usage func([]byte) []byte) {
		s.event("", func(b []byte) []byte {
			b = append(r.id(append(b, `{"id":"`...), prefix), `","object":"`...)
			b = num(append(b, object...), `","created":`, r.created)
			b = str(append(b, `,"model":`...), answers(r.model))
			b = r.fingerprint(append(b, `,"service_tier":"default"`...))
			b = append(choices(append(b, `,"choices":[`...)), ']')
			if r.wantUsage && !r.noUsage {
				b = usage(append(b, `,"usage":`...))
			}
			return append(b, '}')
		})
	}
	null := func(b []byte) []byte { return append(b, "null"...) }
	choice := func(i int64, delta func([]byte) []byte, finish string) {
		chunk(func(b []byte) []byte {
			b = append(delta(append(num(b, `{"index":`, i), ',')), `,"logprobs":null,"finish_reason":`...)
			if finish == "" {
				return append(b, `null}`...)
			}
			return append(append(append(b, '"'), finish...), `"}`...)
		}, null)
	}
	plain := r.endpoint == completions
	for i := range r.n * r.prompts {
		if !plain {
			choice(i, func(b []byte) []byte {
				b = append(b, `"delta":{"role":"assistant","content":`...)
				if r.tool != "" {
					return append(r.chatCall(append(b, "null,"...), true), '}')
				}
				return append(b, `"","refusal":null}`...)
			}, "")
		}
		r.pieces(i, func(piece []byte) {
			choice(i, func(b []byte) []byte {
				switch {
				case plain:
					return append(append(append(b, `"text":"`...), piece...), '"')
				case r.tool != "":
					return append(append(append(b, `"delta":{"tool_calls":[{"index":0,"function":{"arguments":"`...), piece...), `"}}]}`...)
				}
				return append(append(append(b, `"delta":{"content":"`...), piece...), `"}`...)
			}, "")
		})
		choice(i, func(b []byte) []byte {
			if plain {
				return append(b, `"text":""`...)
			}
			return append(b, `"delta":{}`...)
		}, r.finish())
	}
	if r.wantUsage && !r.noUsage {
		chunk(func(b []byte) []byte { return b }, r.usage)
	}
	s.event("", func(b []byte) []byte { return append(b, "[DONE]"...) })
}

func (r *reply) streamMessage(s *streamed) {
	s.event("message_start", func(b []byte) []byte {
		b = append(r.id(append(b, `{"type":"message_start","message":{"id":"`...), "msg_01"), `","type":"message","role":"assistant","model":`...)
		b = append(str(b, answers(r.model)), `,"content":[],"stop_reason":null,"stop_sequence":null`...)
		if !r.noUsage {
			b = r.messageUsage(append(b, `,"usage":`...), min(1, r.use.output))
		}
		return append(b, "}}"...)
	})
	fixed := func(name, data string) { s.event(name, func(b []byte) []byte { return append(b, data...) }) }
	s.event("content_block_start", func(b []byte) []byte {
		b = append(b, `{"type":"content_block_start","index":0,"content_block":`...)
		if r.tool != "" {
			return append(r.toolUse(b, true), '}')
		}
		return append(b, `{"type":"text","text":""}}`...)
	})
	fixed("ping", `{"type":"ping"}`)
	r.pieces(0, func(piece []byte) {
		s.event("content_block_delta", func(b []byte) []byte {
			delta := `"text_delta","text":"`
			if r.tool != "" {
				delta = `"input_json_delta","partial_json":"`
			}
			b = append(append(b, `{"type":"content_block_delta","index":0,"delta":{"type":`...), delta...)
			return append(append(b, piece...), `"}}`...)
		})
	})
	fixed("content_block_stop", `{"type":"content_block_stop","index":0}`)
	s.event("message_delta", func(b []byte) []byte {
		b = append(append(b, `{"type":"message_delta","delta":{"stop_reason":"`...), r.stopReason()...)
		b = append(b, `","stop_sequence":null}`...)
		if !r.noUsage { // cumulative: it replaces what message_start said
			b = num(b, `,"usage":{"input_tokens":`, r.use.input)
			b = num(b, `,"cache_creation_input_tokens":`, r.use.cacheWrite)
			b = num(b, `,"cache_read_input_tokens":`, r.use.cacheRead)
			b = append(num(b, `,"output_tokens":`, r.use.output), '}')
		}
		return append(b, '}')
	})
	fixed("message_stop", `{"type":"message_stop"}`)
}

func (r *reply) streamResponse(s *streamed) {
	event := func(name string, rest func([]byte) []byte) {
		s.event(name, func(b []byte) []byte {
			b = append(append(append(b, `{"type":"`...), name...), '"')
			b = num(b, `,"sequence_number":`, s.seq)
			s.seq++
			return append(rest(b), '}')
		})
	}
	whole := func(status string) func([]byte) []byte {
		return func(b []byte) []byte { return r.response(append(b, `,"response":`...), status) }
	}
	var index int64
	if r.reasoning > 0 {
		index = 1
	}
	place := func(part bool) []byte {
		b := num(nil, `,"output_index":`, index)
		if part {
			b = append(r.id(append(b, `,"content_index":0,"item_id":"`...), "msg_"), '"')
		}
		return b
	}
	event("response.created", whole("in_progress"))
	event("response.in_progress", whole("in_progress"))
	if r.reasoning > 0 {
		for _, name := range [...]string{"response.output_item.added", "response.output_item.done"} {
			event(name, func(b []byte) []byte {
				return append(r.id(append(b, `,"output_index":0,"item":{"id":"`...), "rs_"), `","type":"reasoning","summary":[]}`...)
			})
		}
	}
	event("response.output_item.added", func(b []byte) []byte {
		return r.outputItem(append(append(b, place(false)...), `,"item":`...), "in_progress")
	})
	if r.tool != "" {
		r.streamCall(event, place(false))
	} else {
		r.streamText(event, place(true))
	}
	event("response.output_item.done", func(b []byte) []byte {
		return r.outputItem(append(append(b, place(false)...), `,"item":`...), r.status())
	})
	event("response."+r.status(), whole(r.status()))
}

// streamText adds the events of a text; at says where in the output it is.
func (r *reply) streamText(event func(string, func([]byte) []byte), at []byte) {
	event("response.content_part.added", func(b []byte) []byte { return r.outputPart(append(append(b, at...), `,"part":`...), false) })
	r.pieces(0, func(piece []byte) {
		event("response.output_text.delta", func(b []byte) []byte {
			return append(append(append(append(b, at...), `,"logprobs":[],"delta":"`...), piece...), '"')
		})
	})
	event("response.output_text.done", func(b []byte) []byte {
		return append(r.content(append(append(b, at...), `,"logprobs":[],"text":"`...), 0), '"')
	})
	event("response.content_part.done", func(b []byte) []byte { return r.outputPart(append(append(b, at...), `,"part":`...), true) })
}

// streamCall adds the events of a call's arguments.
func (r *reply) streamCall(event func(string, func([]byte) []byte), at []byte) {
	at = append(r.id(append(at, `,"item_id":"`...), "fc_"), '"')
	r.pieces(0, func(piece []byte) {
		event("response.function_call_arguments.delta", func(b []byte) []byte {
			return append(append(append(append(b, at...), `,"delta":"`...), piece...), '"')
		})
	})
	event("response.function_call_arguments.done", func(b []byte) []byte {
		return append(r.content(append(append(b, at...), `,"arguments":"`...), 0), '"')
	})
}
