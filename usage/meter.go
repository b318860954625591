package usage

import (
	"maps"
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
	items answer // the searches among the items of a response, one by one

	choices   []choice
	done      bool // the stream's own last event has come
	closing   bool // what is read now lacks its blank line
	echo      bool // text may be the prompt
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
		return dec.SkipValue()
	})
}

// Write takes the next bytes. It never fails.
func (m *Meter) Write(p []byte) (int, error) { return m.split.Write(p) }

// Close says that the stream has ended, whole or cut: an event that lacks its blank line is read now. It never fails.
func (m *Meter) Close() error {
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
	if m.done || !m.plain() {
		return m.done
	}
	for _, c := range m.choices {
		if !c.finished {
			return false
		}
	}
	return len(m.choices) > 0 && m.final
}

// plain says that the stream is one of choices.
func (m *Meter) plain() bool { return m.api == Chat || m.api == Completions }

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
		with.usage, with.groq = withOutput(m.all.usage), withOutput(m.all.groq)
		u, err = with.result(m.api)
	}
	s := Seen{Usage: u, HasInput: err == nil, Hidden: m.hidden || m.api == Chat && !m.final}
	s.Usage.Model = m.all.model
	s.Usage.Output += max(0, m.pieces-s.Usage.OutputTokens())
	s.Usage.WebSearches = max(s.Usage.WebSearches, m.items.webSearches)
	s.Usage.FileSearches = max(s.Usage.FileSearches, m.items.fileSearches)
	return s
}

// TextBytes returns how long the visible text is by now, as JSON writes it: never less than its tokens.
func (m *Meter) TextBytes() int64 { return m.text }

// withOutput returns counts in which none of output are missing.
func withOutput(f fields) fields {
	if f == nil {
		return nil
	}
	with := fields{"completion_tokens": "0", "output_tokens": "0"}
	maps.Copy(with, f)
	return with
}

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
	ev := &m.event
	ev.reset(m.api, e)
	switch {
	case ev.stops():
		m.done, m.begun = true, m.begun || m.failed == nil
		return
	case !ev.whole():
		if string(e.Name) != "error" {
			m.begun = m.begun || m.failed == nil && !m.closing // half an event is no beginning
			return
		}
		ev.answer = answer{}
		ev.problem = fields{"message": textMark + string(e.Data)}
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

// note keeps what is new of a choice.
func (m *Meter) note(c choice) {
	for i := range m.choices {
		if known := &m.choices[i]; known.index == c.index {
			known.finished = known.finished || c.finished
			return
		}
	}
	if len(m.choices) < maxChoices {
		m.choices = append(m.choices, c)
	}
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
			m.items.webSearches += ev.webSearches
			m.items.fileSearches += ev.fileSearches
		case "response.completed", "response.incomplete", "response.failed":
			m.done, m.final = true, ev.has
			m.all.webSearches = max(ev.webSearches, m.items.webSearches)
			m.all.fileSearches = max(ev.fileSearches, m.items.fileSearches)
		}
	default:
		if ev.has && m.all.usage.update(ev.usage) {
			m.all.usage, m.all.has, m.final = ev.usage, true, true
		}
		if ev.groq != nil && m.all.groq.update(ev.groq) {
			m.all.groq, m.final = ev.groq, true
		}
	}
}

// update completes next, a later object of counts, from f, the one before: one that counts the prompt stands for itself, one that does not adds to what was
// said. It reports false for one that counts nothing.
func (f fields) update(next fields) bool {
	counts := false
	for path, value := range next {
		if path == "prompt_tokens" {
			return true
		}
		counts = counts || !strings.HasPrefix(value, textMark)
	}
	for path, value := range f {
		if _, has := next[path]; !has {
			next[path] = value
		}
	}
	return counts
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
	if ev.kind == "message_start" || m.all.usage == nil {
		m.all.usage = fields{}
	}
	m.all.has = true
	m.all.usage.replaceBy(ev.usage)
	if ev.iterations != nil {
		m.all.iterations = ev.iterations
	}
	if _, has := ev.usage["output_tokens"]; ev.kind == "message_delta" && has {
		m.final = true
	}
}

const (
	cacheWritten = "cache_creation_input_tokens"
	cacheShort   = "cache_creation.ephemeral_5m_input_tokens"
	cacheLong    = "cache_creation.ephemeral_1h_input_tokens"
)

// replaceBy replaces field by field. A total of cache writes without a split keeps the split it fits; one that is smaller leaves of the split as much as there is, the dearer writes first.
func (f fields) replaceBy(next fields) {
	maps.Copy(f, next)
	_, short := next[cacheShort]
	_, long := next[cacheLong]
	total, has, err := next.count(cacheWritten)
	if !has || err != nil || short || long {
		return
	}
	was5m, had5m, err := f.count(cacheShort)
	if err != nil {
		return
	}
	was1h, had1h, err := f.count(cacheLong)
	if err != nil || total >= was5m+was1h {
		return
	}
	was1h = min(was1h, total)
	if had1h {
		f[cacheLong] = decimal(was1h)
	}
	if had5m {
		f[cacheShort] = decimal(total - was1h)
	}
}
