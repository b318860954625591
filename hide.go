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
	event []byte // what has come of the event
	line  int    // bytes of its last line
	cr    bool   // the last byte was a carriage return
}

func (h *hider) Start(status int, header http.Header) {
	h.event, h.line, h.cr = h.event[:0], 0, false
	h.Sink.Start(status, header)
}

func (h *hider) Write(p []byte) (int, error) {
	from := 0
	for i, b := range p {
		after := h.cr // the second half of a line's end
		h.cr = b == '\r'
		switch {
		case b == '\n' && after:
			continue
		case b != '\n' && b != '\r':
			h.line++
			continue
		case h.line > 0:
			h.line = 0
			continue
		}
		end := i + 1
		if b == '\r' && end < len(p) && p[end] == '\n' {
			end++
		}
		if err := h.pass(p[from:end]); err != nil {
			return from, err
		}
		from = end
		h.event = h.event[:0]
	}
	if h.event = append(h.event, p[from:]...); len(h.event) > wire.MaxEvent { // no usage is that long
		if err := h.flush(); err != nil {
			return from, err
		}
	}
	return len(p), nil
}

// pass hands on a whole event, of which rest is the end, unless it is the one to hide.
func (h *hider) pass(rest []byte) error {
	event := rest
	if len(h.event) > 0 {
		h.event = append(h.event, rest...)
		event = h.event
	}
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
func (h *hider) flush() (err error) {
	if len(h.event) > 0 {
		_, err = h.Sink.Write(h.event)
		h.event = h.event[:0]
	}
	return err
}
