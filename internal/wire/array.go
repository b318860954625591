package wire

// Array is an io.Writer that cuts a stream of JSON objects, in an array or one after the other, into its objects. The stream may be split anywhere.
// What is between the objects is passed over; that each is valid JSON is for its reader to find out.
//
// The zero value with Each set is ready to use. It is not safe for concurrent use.
type Array struct {
	// Each is called with each object. Its bytes are valid during the call only.
	Each func(object []byte)
	// Max is how long an object may be, in bytes; 0: [MaxEvent]. A longer one is left out.
	Max int

	depth  int // of objects and arrays within the object that has begun
	text   bool
	escape bool // the next byte of the text stands for itself
	long   bool // the object is too long
	object []byte
}

// Write takes the next bytes of the stream. It never fails.
func (a *Array) Write(p []byte) (int, error) {
	from := 0 // of the object in p
	for i, c := range p {
		switch {
		case a.escape:
			a.escape = false
		case a.text:
			a.escape = c == '\\'
			a.text = c != '"'
		case c == '"':
			a.text = true
		case c == '{' || c == '[' && a.depth > 0:
			if a.depth == 0 {
				from = i
			}
			a.depth++
		case (c == '}' || c == ']') && a.depth > 0:
			if a.depth--; a.depth == 0 {
				a.end(p[from : i+1])
			}
		}
	}
	if a.depth > 0 {
		a.hold(p[from:])
	}
	return len(p), nil
}

// Close says that the stream has ended. An object that is cut off is left out. A Write after Close begins a new stream.
func (a *Array) Close() error {
	*a = Array{Each: a.Each, Max: a.Max, object: reuse(a.object)}
	return nil
}

func (a *Array) end(rest []byte) {
	if len(a.object) == 0 && !a.long && len(rest) <= a.limit() {
		a.Each(rest)
		return
	}
	if a.hold(rest); !a.long {
		a.Each(a.object)
	}
	a.object, a.long = reuse(a.object), false
}

func (a *Array) hold(part []byte) {
	if a.long || len(a.object)+len(part) > a.limit() {
		a.object, a.long = reuse(a.object), true
		return
	}
	a.object = append(a.object, part...)
}

func (a *Array) limit() int {
	if a.Max > 0 {
		return a.Max
	}
	return MaxEvent
}
