package wire

// Framer is an io.Writer that cuts a stream of server-sent events into whole events, each as it was written, the blank line that ends it included. The stream may be split
// anywhere. Where a [Splitter] gives out what an event says, a Framer gives out its bytes, so that they can go on unchanged.
//
// The zero value with Each set is ready to use. It is not safe for concurrent use.
type Framer struct {
	// Each is called with each event. Its bytes are valid during the call only. An error ends the Write.
	Each func(event []byte) error

	event []byte // what has come of the event
	line  int    // bytes of its last line
	cr    bool   // the last byte was a carriage return
}

// Write takes the next bytes of the stream. What grows longer than [MaxEvent] without an end is given out as it is. The error is that of Each.
func (f *Framer) Write(p []byte) (int, error) {
	from := 0
	for i, b := range p {
		after := f.cr // the second half of a line's end
		f.cr = b == '\r'
		switch {
		case b == '\n' && after:
			continue
		case b != '\n' && b != '\r':
			f.line++
			continue
		case f.line > 0:
			f.line = 0
			continue
		}
		end := i + 1
		if b == '\r' && end < len(p) && p[end] == '\n' {
			end++
		}
		if err := f.end(p[from:end]); err != nil {
			return from, err
		}
		from = end
	}
	if f.event = append(f.event, p[from:]...); len(f.event) > MaxEvent {
		if err := f.Flush(); err != nil {
			return from, err
		}
	}
	return len(p), nil
}

// end gives out an event, of which rest is the end.
func (f *Framer) end(rest []byte) error {
	if len(f.event) == 0 {
		return f.Each(rest)
	}
	f.event = append(f.event, rest...)
	err := f.Each(f.event)
	f.event = reuse(f.event)
	return err
}

// Flush gives out what has come of an event, for a stream that ended within it.
func (f *Framer) Flush() (err error) {
	if len(f.event) > 0 {
		err = f.Each(f.event)
		f.event = f.event[:0]
	}
	return err
}

// Reset forgets what has come.
func (f *Framer) Reset() { f.event, f.line, f.cr = f.event[:0], 0, false }
