package redact

import (
	"errors"
	"io"
	"strings"
)

// maxHeld is how much of a stream is held back at most, in bytes: what is looked ahead, and what may
// lie before it and belong to the same finding.
const maxHeld = 256

// history is how much is kept of what was written already: the words before a number, the name before
// a value.
const history = 192

// Writer redacts a stream of text. However the text is cut into writes, what comes out is what
// [Redactor.Redact] makes of the whole. Held back is only what more text could still change, at most
// 256 bytes: the last word, a number, a value behind a sensitive name. Close writes the rest.
//
// A Writer is not safe for concurrent use.
type Writer struct {
	w      io.Writer
	s      scanner
	buf    []byte
	line   []byte // of a line the operator's patterns have not seen to its end
	at     int    // what is scanned next
	err    error
	closed bool
}

// NewWriter returns a writer that passes what is written to it redacted on to w.
func (r *Redactor) NewWriter(w io.Writer) *Writer {
	s := r.scanner("", "")
	s.open = true
	return &Writer{w: w, s: s}
}

// errClosed is what a Writer answers after Close.
var errClosed = errors.New("redact: write after Close of the writer")

// Write takes all of p and writes what is decided by it. The error is that of the underlying writer;
// after one nothing more is written.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.closed {
		return 0, errClosed
	}
	for n := 0; n < len(p); {
		// In pieces: a scan of the buffer is never long, however much is written at once.
		piece := p[n:min(len(p), n+64<<10)]
		if w.s.r.own.seeks() {
			w.takeLines(piece)
		} else {
			w.buf = append(w.buf, piece...)
		}
		if w.advance(); w.err != nil {
			return n, w.err
		}
		n += len(piece)
	}
	return len(p), nil
}

// takeLines takes over whole lines, in which the operator's patterns have been looked for.
func (w *Writer) takeLines(piece []byte) {
	w.line = append(w.line, piece...)
	for from := 0; ; {
		end := ownLineEnd(view(w.line), from)
		if end == from || end-from < maxOwnLine && w.line[end-1] != '\n' {
			w.line = append(w.line[:0], w.line[from:]...)
			return
		}
		w.takeLine(w.line[from:end])
		from = end
	}
}

func (w *Writer) takeLine(line []byte) {
	w.s.own = w.s.r.own.line(w.s.own, view(line), len(w.buf))
	w.buf = append(w.buf, line...)
}

// WriteString is [Writer.Write] for a string.
func (w *Writer) WriteString(p string) (int, error) { return w.Write([]byte(p)) }

// Close writes what is held back. The underlying writer stays open.
func (w *Writer) Close() error {
	if w.closed {
		return w.err
	}
	w.closed = true
	if w.err == nil {
		if len(w.line) > 0 {
			w.takeLine(w.line)
			w.line = nil
		}
		w.s.open = false
		w.advance()
	}
	return w.err
}

// Held returns how many bytes are held back. It is there for those who must know whether an answer is
// complete.
func (w *Writer) Held() int { return len(w.buf) - w.s.copied + len(w.line) }

// advance scans what can be decided, writes it and forgets what is no longer needed.
func (w *Writer) advance() {
	s := &w.s
	s.src = view(w.buf)
	w.at = s.run(w.at)
	free := len(w.buf)
	if s.open {
		free = s.free(w.at)
	}
	out := s.out
	if free > s.copied {
		out = append(out, w.buf[s.copied:free]...)
		s.copied = free
	}
	s.out = s.out[:0]
	if drop := min(w.at, s.copied) - history; drop >= 4*history || drop > 0 && len(w.buf) > 8<<10 {
		s.forget(drop)
		w.at -= drop
		w.buf = append(w.buf[:0], w.buf[drop:]...)
		s.src = ""
	}
	if len(out) > 0 {
		if n, err := w.w.Write(out); err != nil {
			w.err = err
		} else if n < len(out) {
			w.err = io.ErrShortWrite
		}
	}
	if s.out = out[:0]; cap(out) > 128<<10 {
		s.out = nil
	}
}

// forget moves all places back by n bytes, which are dropped from the text.
func (s *scanner) forget(n int) {
	s.quotes.advance(s.src, n)
	s.quotes.at -= n
	for _, p := range [...]*int{&s.copied, &s.floor, &s.context, &s.v6Until, &s.tokenUntil, &s.numberEnd} {
		*p = max(0, *p-n)
	}
	for k := range s.own {
		s.own[k].start -= n
		s.own[k].end -= n
	}
	s.urlAt -= n
	s.urlColon -= n
}

// token holds the bytes that keys, addresses and names are made of.
var token = func() (t [256]bool) {
	for c := range t {
		t[c] = inWord(byte(c)) || strings.IndexByte(`_-.+/=~%'@:&#!$*\`, byte(c)) >= 0
	}
	return t
}()

// numeral holds the bytes around and in numbers that people group: digits, separators, the letters of
// "extension", and hexadecimal ones, which tell dumps.
var numeral = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 0x80 || isHex(byte(c)) || strings.IndexByte(" -./()+,#:extension.EXT", byte(c)) >= 0
	}
	return t
}()

// free is up to where text may be written while the scanner waits at i: not what a finding at i may
// include.
func (s *scanner) free(i int) int {
	if s.swallow.mode != swallowNothing {
		return s.copied
	}
	if len(s.own) > 0 {
		i = min(i, s.own[0].start)
	}
	low := max(s.copied, i-maxLocal-maxAgain)
	if i == len(s.src) && i > low && s.src[i-1] >= 0xC3 && s.src[i-1] <= 0xD3 {
		i-- // half a letter
	}
	for i > low {
		if token[s.src[i-1]] || s.src[i-1] == '(' {
			i--
		} else if i-2 >= low && accented(s.src[i-2], s.src[i-1]) {
			i -= 2
		} else {
			break
		}
	}
	return i
}

// settled reports that no further text can change what the scanner makes of the place i. It is asked
// only for places nearer than reach to the end of a stream.
func (s *scanner) settled(i int) bool {
	src := s.src
	switch class[src[i]] {
	case classWord:
		if !ends(src, i, &token, 1) {
			return false
		}
		switch src[i] | 0x20 {
		case 'b':
			if foldPrefix(src[i:], "bearer") || foldPrefix(src[i:], "basic") {
				return s.lineSettled(i)
			}
		case 'c':
			if foldPrefix(src[i:], "convertto-") {
				return s.lineSettled(i)
			}
		case 'i', 'e':
			if foldPrefix(src[i:], "identified") {
				return s.lineSettled(i)
			}
			if copula(src, i) > 0 && s.statedKind(i) != nameNone {
				return s.lineSettled(i)
			}
		case 'p', 'k':
			if passwordWord(src[i:]) > 0 || foldPrefix(src[i:], "pass ") {
				return s.lineSettled(i)
			}
		}
		return true
	case classDigit:
		return ends(src, i, &token, 1) && ends(src, i, &numeral, 5)
	case classColon, classEqual:
		if i == s.urlColon {
			return true
		}
		return s.assignmentSettled(i, i+1)
	case classAt, classPercent:
		return s.mailSettled(i)
	case classDash:
		j := i
		for j < len(src) && src[j] == '-' {
			j++
		}
		switch {
		case j == len(src):
			return false
		case j-i == 5:
			return s.lineSettled(i) || !strings.HasPrefix("BEGIN ", src[j:min(len(src), j+6)])
		case j-i == 1 && (src[j] == 'p' || src[j] == 'a' || src[j] == 'u') && !inWord(s.before(i)):
			line := src[max(0, i-2*window):i]
			for _, w := range [...]string{"mysql", "mariadb", "sshpass", " login ", "redis-cli", "curl"} {
				if strings.Contains(line, w) {
					return s.lineSettled(i)
				}
			}
		case j-i == 2 && isLetter(src[j]):
			q := j
			for q < len(src) && (inWord(src[q]) || src[q] == '-') {
				q++
			}
			return q < len(src) && (src[q] != ' ' && src[q] != '=' || classify(src[j:q]) == nameNone && !userOption(src[j:q])) || s.lineSettled(i)
		}
		return ends(src, i, &token, 1)
	case classGreater:
		return s.tagKind(i) == nameNone || s.lineSettled(i)
	case classEscape:
		return ends(src, i, &token, 1) && s.mailSettled(i) && s.assignmentSettled(i, i+6) && (s.tagKind(i) == nameNone || s.lineSettled(i))
	case classCall:
		return s.argumentSettled(i)
	case classWide:
		return len(src)-i >= len(wideColon) && (!strings.HasPrefix(src[i:], wideColon) || s.assignmentSettled(i, i+len(wideColon)))
	case classOpen:
		rest := src[i+1:]
		k := 0
		for k < len(rest) && k < 24 && (isUpper(rest[k]) || rest[k] == '_') {
			k++
		}
		return k < len(rest)
	}
	return true
}

// ends reports that the run of bytes of a set that begins at i ends n bytes before the end of the text.
func ends(src string, i int, set *[256]bool, n int) bool {
	for i < len(src) && set[src[i]] {
		i++
	}
	return len(src)-i >= n
}

// lineSettled reports that the line of i is complete.
func (s *scanner) lineSettled(i int) bool {
	k := strings.IndexByte(s.src[i:], '\n')
	return k >= 0
}

func (s *scanner) mailSettled(i int) bool {
	for i < len(s.src) && (token[s.src[i]] || s.src[i] >= 0x80) {
		i++
	}
	return len(s.src)-i >= 3
}

// assignmentSettled is settled for a ':' or '=' at i; what is assigned begins at p.
func (s *scanner) assignmentSettled(i, p int) bool {
	if !ends(s.src, i, &token, 1) {
		return false
	}
	if strings.HasPrefix(s.src[i:], "://") || strings.HasPrefix(s.src[i:], `:\/\/`) {
		for ; p < len(s.src); p++ {
			if c := s.src[p]; isSpace(c) || c == '"' || c == '<' || c == '>' || c == '`' {
				return true
			}
		}
		return false
	}
	if name, _ := s.nameBefore(i); name != "" && (classify(name) != nameNone || len(name) == 5 && foldPrefix(name, "value") || name == "default") {
		for p < len(s.src) && isBlank(s.src[p]) {
			p++
		}
		return s.lineSettled(i) && s.src[p] != '|' && s.src[p] != '>' // whose value is on the next line
	}
	return true
}
