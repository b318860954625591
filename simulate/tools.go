package simulate

import "bytes"

// A request with tools is answered with a call of the first one if it must be, and else by half. The arguments are {"answer": text}: the
// simulator does not read schemas.

// pickTool decides on the call. It comes after write, which decides on the length: an answer that is cut stays text.
func (r *request) pickTool(f *fields) {
	if len(f.tools) == 0 || f.tools[0] != '[' || r.cut || r.n != 1 || r.words == 0 || len(contentField[r.endpoint]) == 0 || r.endpoint == completions {
		return
	}
	has := func(words ...string) bool {
		for _, w := range words {
			if bytes.Contains(f.toolChoice, []byte(w)) {
				return true
			}
		}
		return false
	}
	forced := has(`"required"`, `"any"`, `"tool"`, `"function"`)
	if has(`"none"`) || !forced && r.hash>>12%2 == 0 {
		return
	}
	elements(f.tools, 0, 0, func(tool []byte) {
		if name := toolName(tool); r.tool == "" && name != "" {
			r.tool, r.json = name, true
		}
	})
}

// toolName is the name of a tool that the client would run; empty for those that run at the provider.
func toolName(tool []byte) (name string) {
	if tool[0] != '{' {
		return ""
	}
	ours := true
	members(tool, 0, 0, func(member, value []byte) {
		switch string(member) {
		case "type":
			ours = string(value) == `"function"` || string(value) == `"custom"`
		case "name":
			name, _ = text(value)
		case "function":
			if inner := toolName(value); inner != "" {
				name = inner
			}
		}
	})
	if !ours {
		return ""
	}
	return name
}

// chatCall appends the call as a chat completion has it; in a stream with its index and without the arguments.
func (r *reply) chatCall(b []byte, streamed bool) []byte {
	b = append(b, `"tool_calls":[{`...)
	if streamed {
		b = append(b, `"index":0,`...)
	}
	b = append(r.id(append(b, `"id":"`...), "call_"), `","type":"function","function":{"name":`...)
	b = append(str(b, r.tool), `,"arguments":"`...)
	if !streamed {
		b = r.content(b, 0)
	}
	return append(b, `"}}]`...)
}

// toolUse appends the call as a message has it; in a stream without the input.
func (r *reply) toolUse(b []byte, streamed bool) []byte {
	b = append(r.id(append(b, `{"type":"tool_use","id":"`...), "toolu_01"), `","name":`...)
	b = append(str(b, r.tool), `,"input":{`...)
	if !streamed {
		b = append(prose.append(append(b, `"answer":"`...), r.from, r.words), '"')
	}
	return append(b, `}}`...)
}

// functionCall appends the call as a response has it.
func (r *reply) functionCall(b []byte, status string) []byte {
	b = append(r.id(append(b, `{"id":"`...), "fc_"), `","type":"function_call","status":"`...)
	b = append(append(b, status...), `","call_id":"`...)
	b = append(r.id(b, "call_"), `","name":`...)
	b = append(str(b, r.tool), `,"arguments":"`...)
	if status != "in_progress" {
		b = r.content(b, 0)
	}
	return append(b, `"}`...)
}
