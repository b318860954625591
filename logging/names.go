package logging

import (
	"sync"
	"sync/atomic"

	"github.com/andres20980/aurea-orchestrator/redact"
)

// maxNames and maxName bound what is remembered of the names of attributes: a program has few, and those that come from outside must not pile up.
const (
	maxNames = 1024
	maxName  = 64
)

// names remembers what redaction makes of the names of attributes, which are the same in every line. It is safe for concurrent use.
type names struct {
	known sync.Map // of string to name
	count atomic.Int64
}

// name is what redaction makes of a name.
type name struct {
	clean     string
	sensitive bool // it promises a secret
}

func (n *names) look(r *redact.Redactor, text string) name {
	if text == "" {
		return name{}
	}
	if v, ok := n.known.Load(text); ok {
		known, _ := v.(name)
		return known
	}
	found := name{clean: r.Redact(text), sensitive: r.SensitiveName(text)}
	if len(text) <= maxName && n.count.Load() < maxNames {
		n.count.Add(1)
		n.known.Store(text, found)
	}
	return found
}
