package usage

import (
	"strings"

	"github.com/andres20980/aurea-orchestrator/internal/wire"
)

// Meter reads the usage from a streamed answer while its bytes pass: an [io.Writer] that takes any splitting, never fails and keeps nothing but
// counts. Of a value that comes again the last one that is not null counts, nothing is ever added twice, and events that
// are not JSON are passed over. [Meter.Close] says that no more bytes come; the other methods may be asked at any time.
//
// An event may be as long as [wire.MaxEvent]; what is longer is not read. A Meter is not safe for concurrent use.
type Meter struct {
	api   API
	split wire.Splitter
	event event  // the one being read, kept for its memory
	all   answer // what all events together say
	final bool   // the counts in all are not older than the last piece of the answer
	items tools  // the uses of tools among the items of a response, one by one
	array *wire.Array
	told  bool // whether the stream is a JSON array is known

	choices   map[int64]bool // by index; whether it has ended
	done      bool           // the stream's own last event has come
	closing   bool           // what is read now lacks its blank line
	echo      bool           // text may be the prompt
	begun     bool
	truncated bool
	hidden    bool
	pieces    int64
	text      int64
	failed    *StreamError
}

// NewMeter returns a meter for a streamed answer of the API. Embeddings do not stream: their meter finds nothing.
func NewMeter(api API) *Meter {
	m := &Meter{api: api}
	m.split.Each = m.read
	return m
}

// Asked tells the meter of the request whose answer it reads, before the first byte: completions that repeat their prompt ("echo") show text that is not output.
func (m *Meter) Asked(body []byte) {
	if m.api != Completions {
		return
	}
	dec := lenient(body)
	_ = eachName(dec, func(name string) error {
		if name == "echo" {
			m.echo = dec.PeekKind() == 't'
		}
		return skip(dec)
	})
}

// Write takes the next bytes. It never fails.
func (m *Meter) Write(p []byte) (int, error) {
	if m.api == Gemini && !m.told {
		m.tell(p)
	}
	if m.array != nil {
		return m.array.Write(p)
	}
	return m.split.Write(p)
}

// tell finds out by its first byte whether a stream of Gemini's is a JSON array, which it is unless the request says alt=sse
// (https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent).
func (m *Meter) tell(p []byte) {
	for _, c := range p {
		switch c {
		case ' ', '\t', '\r', '\n', 0xef, 0xbb, 0xbf:
			continue
		case '[', '{':
			m.array = &wire.Array{Each: func(element []byte) { m.read(wire.Event{Data: element}) }}
		}
		m.told = true
		return
	}
}

// Close says that the stream has ended, whole or cut: an event that lacks its blank line is read now. It never fails.
func (m *Meter) Close() error {
	if m.array != nil {
		return m.array.Close()
	}
	m.closing = true
	err := m.split.Close()
	m.closing = false
	return err
}

// Begun reports whether the stream began with something else than an error event. Comments and pings are no beginning.
func (m *Meter) Begun() bool { return m.begun }

// Ended reports whether the stream has said its own end: message_stop for messages; response.completed, response.incomplete or response.failed for
// responses; for chat completions and completions [DONE], or a finish_reason for every choice together with usage that is not older than their text.
func (m *Meter) Ended() bool {
	if m.done || !m.api.choices() {
		return m.done
	}
	for _, finished := range m.choices {
		if !finished {
			return false
		}
	}
	return len(m.choices) > 0 && m.final
}

// Truncated reports whether the answer, or one of several, ended at its output cap.
func (m *Meter) Truncated() bool { return m.truncated }

// Failed returns the first error event of the stream, or nil.
func (m *Meter) Failed() *StreamError { return m.failed }

// Result returns the usage as [Parse] does for an answer that is not streamed, with errors that match [ErrMissing] or [ErrInvalid]. It is Complete if the stream
// has said its end and gave its usage with it; what is not Complete are counts from before the end, which are no bill.
func (m *Meter) Result() (Usage, error) {
	u, err := m.all.result(m.api)
	u.Complete = err == nil && m.final && m.Ended()
	return u, err
}

// Seen is what a stream has proven by now, a cut one too.
type Seen struct {
	// Usage holds the input as reported, if HasInput, and of the output as much as there certainly was, in tokens: what was reported, or the number of
	// pieces of visible text, each of which is a token at least. Its Complete is false.
	Usage    Usage
	HasInput bool
	// Hidden says that there can be more behind what was seen than the pieces of text that were still on their way: thought, of which only
	// a summary or nothing is shown, and the input and calls of the provider's own tools. In chat completions it is true unless the provider's
	// counts are as new as its text, because a model that thinks leaves no trace of it there.
	Hidden bool
}

// Seen returns what is proven by now: a lower bound of what a cut stream costs.
func (m *Meter) Seen() Seen {
	u, err := m.all.result(m.api)
	if err != nil { // the output's count, which comes last, may be what is missing
		with := m.all
		for _, c := range []*counts{&with.usage, &with.groq} {
			if !c.has(outTokens) {
				c.set(outTokens, 0, true)
			}
		}
		u, err = with.result(m.api)
	}
	s := Seen{Usage: u, HasInput: err == nil, Hidden: m.hidden || (m.api == Chat || m.api == Gemini) && !m.final}
	s.Usage.Model = m.all.model
	s.Usage.Output += max(0, m.pieces-s.Usage.OutputTokens())
	s.Usage.WebSearches = max(s.Usage.WebSearches, m.items.web)
	s.Usage.FileSearches = max(s.Usage.FileSearches, m.items.file)
	return s
}

// TextBytes returns how long the visible text is by now, as JSON writes it: never less than its tokens.
func (m *Meter) TextBytes() int64 { return m.text }

// StreamError is an error event within a stream that began with status 200.
type StreamError struct {
	// Type, Code and Message are the provider's, where it names them. A code may be the number of an HTTP status.
	Type, Code, Message string
}

// Error names what the provider named.
func (e *StreamError) Error() string {
	parts := []string{"the provider ended its stream with an error"}
	for _, part := range []string{e.Type, e.Code, e.Message} {
		if part != "" && !strings.Contains(parts[len(parts)-1], part) {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}

// read takes one event.
func (m *Meter) read(e wire.Event) {
	if len(e.Name) == 0 && string(e.Data) == "{}" { // says nothing, and streams may be made of it
		m.begun = m.begun || m.failed == nil
		return
	}
	ev := &m.event
	ev.reset(m.api, e)
	switch {
	case ev.stops():
		m.done, m.begun = true, m.begun || m.failed == nil
		return
	case tooDeep(e.Data) || !ev.whole():
		if string(e.Name) != "error" {
			m.begun = m.begun || m.failed == nil && !m.closing // half an event is no beginning
			return
		}
		ev.answer = answer{}
		ev.problem = &problem{message: string(e.Data)}
	}
	if ev.problem != nil && m.failed == nil {
		m.failed = ev.problem.streamError(m.api)
	}
	m.begun = m.begun || m.failed == nil && ev.kind != "ping"
	m.truncated = m.truncated || ev.truncated
	m.hidden = m.hidden || ev.hidden
	if m.echo {
		ev.pieces = 0
	}
	if ev.more || ev.pieces > 0 {
		m.pieces += ev.pieces
		m.text += ev.text
		m.final = false
	}
	for _, c := range ev.choices {
		m.note(c)
	}
	m.merge(ev)
}

// note keeps what is new of a choice. No provider gives more choices than are told apart; of more, none is ever taken for finished.
func (m *Meter) note(c choice) {
	finished, known := m.choices[c.index]
	if !known && len(m.choices) >= maxChoices {
		return
	}
	if m.choices == nil {
		m.choices = make(map[int64]bool)
	}
	m.choices[c.index] = finished || c.finished
}

// merge puts the counts of an event into those of the stream.
func (m *Meter) merge(ev *event) {
	if ev.model != "" {
		m.all.model = ev.model
	}
	if ev.tier != "" {
		m.all.tier = ev.tier
	}
	switch m.api {
	case Messages:
		m.mergeMessage(ev)
	case Responses:
		if ev.has {
			m.all.usage, m.all.has = ev.usage, true
		}
		switch ev.kind {
		case "response.output_item.done":
			m.items.add(ev.tools)
		case "response.completed", "response.incomplete", "response.failed", "response.done":
			m.done, m.final = true, ev.has
			m.all.tools = ev.tools
			m.all.tools.most(m.items)
		}
	default:
		if ev.has {
			m.final = m.all.usage.update(&ev.usage) || m.final
			m.all.has = m.all.has || m.all.usage.known != 0
		}
		if ev.hasGroq {
			m.final = m.all.groq.update(&ev.groq) || m.final
			m.all.hasGroq = m.all.hasGroq || m.all.groq.known != 0
		}
		m.all.tools.most(ev.tools)
	}
}

// update takes in a later object of counts: one that counts the prompt, or everything, stands for itself, one that does not adds to what was said. It reports
// false for one that counts nothing.
func (c *counts) update(next *counts) bool {
	if !next.has(inTokens) && !next.has(allTokens) {
		c.overwrite(next)
		return next.known != 0
	}
	for _, w := range []word{tierWord, tierAlso} {
		if next.text[w] == "" {
			next.text[w] = c.text[w]
		}
	}
	*c = *next
	return true
}

// mergeMessage follows Anthropic's streams: message_start sets the counts, each message_delta has cumulative ones and replaces those it names
// (https://docs.claude.com/en/docs/build-with-claude/streaming).
func (m *Meter) mergeMessage(ev *event) {
	if ev.kind == "message_stop" {
		m.done = true
	}
	if !ev.has {
		return
	}
	if ev.kind == "message_start" {
		m.all.usage = counts{}
	}
	m.all.has = true
	m.all.usage.replaceBy(&ev.usage)
	if ev.kind == "message_delta" && ev.usage.has(outTokens) {
		m.final = true
	}
}

// replaceBy replaces field by field. A total of cache writes without a split keeps the split it fits; one that is smaller leaves of the split as much as there is, the dearer writes first.
func (c *counts) replaceBy(next *counts) {
	c.overwrite(next)
	if !next.has(written) || next.wrong&(1<<written) != 0 || next.has(writtenShort) || next.has(writtenLong) {
		return
	}
	total, short, long := next.n[written], c.get(writtenShort), c.get(writtenLong)
	if c.check(writtenShort, writtenLong) != nil || total >= short+long {
		return
	}
	long = min(long, total)
	if c.has(writtenLong) {
		c.n[writtenLong] = long
	}
	if c.has(writtenShort) {
		c.n[writtenShort] = total - long
	}
}
