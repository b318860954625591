package aurea

import (
	"net/http"

	"github.com/andres20980/aurea-orchestrator/internal/wire"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// hider passes a stream on without the chunk of usage that the caller did not ask for. It holds an event back until it is whole, and changes no byte of
// those that it passes on.
type hider struct {
	Sink
	frame wire.Framer
}

func newHider(to Sink) *hider {
	h := &hider{Sink: to}
	h.frame.Each = h.pass
	return h
}

func (h *hider) Start(status int, header http.Header) {
	h.frame.Reset()
	h.Sink.Start(status, header)
}

func (h *hider) Write(p []byte) (int, error) { return h.frame.Write(p) }

// pass hands on a whole event, unless it is the one to hide.
func (h *hider) pass(event []byte) error {
	hidden := false
	split := wire.Splitter{Each: func(e wire.Event) { hidden = usage.OnlyUsage(e.Data) }}
	_, _ = split.Write(event)
	_ = split.Close()
	if hidden {
		return nil
	}
	_, err := h.Sink.Write(event)
	return err
}

// flush hands on what has come of an event, for a stream that ended within it.
func (h *hider) flush() error { return h.frame.Flush() }
