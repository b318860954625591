package usage

import (
	"strings"

	"github.com/andres20980/aurea-orchestrator/money"
)

// container is what a tool says of where its code runs.
type container struct {
	named  bool // by its id: how large it is was said when it was made
	local  bool // at the caller's
	memory string
}

// containerFees are dollars for a session of OpenAI's containers by their memory (https://platform.openai.com/docs/pricing#built-in-tools).
var containerFees = map[string]money.USD{"": 3 * money.Cent, "1g": 3 * money.Cent, "4g": 12 * money.Cent, "16g": 48 * money.Cent, "64g": 192 * money.Cent}

// codeFee is more than Anthropic takes for an hour in which code runs (https://docs.claude.com/en/docs/agents-and-tools/tool-use/code-execution-tool).
const codeFee = 5 * money.Cent

// fee returns the most that a session costs, if a tool of that kind runs in one. Answers do not say what it cost; a bound holds it.
func (c *container) fee(kind string) money.USD {
	switch {
	case strings.HasPrefix(kind, "code_execution"):
		return codeFee
	case c.local || kind != "code_interpreter" && kind != "shell":
		return 0
	}
	if fee, ok := containerFees[c.memory]; ok && !c.named {
		return fee
	}
	return containerFees["64g"]
}

// container reads a tool's container or environment: an id, or what it is to be.
func (r *requestReader) container(c *container) error {
	if r.dec.PeekKind() == '"' {
		c.named = true
		return r.skip()
	}
	return r.object(func(name string) error {
		switch name {
		case "type":
			var kind string
			err := r.text("tools.container.type", &kind)
			c.local, c.named = kind == "local", c.named || kind == "container_reference"
			return err
		case "memory_limit":
			return r.text("tools.container.memory_limit", &c.memory)
		}
		return r.skip()
	})
}
