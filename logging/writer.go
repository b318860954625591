package logging

import (
	"bytes"
	"io"
	"sync"

	"github.com/andres20980/aurea-orchestrator/redact"
)

// maxLine is how much of a line without an end is held back, in bytes.
const maxLine = 64 << 10

var (
	blockHead = []byte("-----BEGIN ")
	blockTail = []byte("-----END ")
	keyWord   = []byte("PRIVATE KEY")
)

// LineWriter redacts what is written through it, line by line. Close it, or call Flush, to write a last
// line without an end. Safe for concurrent use; lines of several writers are kept whole only if each
// Write holds whole lines.
type LineWriter struct {
	mu  sync.Mutex
	w   io.Writer
	r   *redact.Redactor
	buf []byte
}

// Writer returns a writer that redacts what third parties write, a line at a time, before it reaches
// w. With r nil it masks credentials and personal data. A line is held back until it ends, a private key
// until its last line; after 64 KB without an end the piece is written as it stands.
func Writer(w io.Writer, r *redact.Redactor) *LineWriter {
	if r == nil {
		r = redact.Default()
	}
	return &LineWriter{w: w, r: r}
}

// Write takes all of p. The error is that of the underlying writer for lines finished by p; they are
// not written again.
func (l *LineWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append(l.buf, p...)
	if err := l.drain(); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes what is held back.
func (l *LineWriter) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.write(len(l.buf))
}

// Close is Flush: the underlying writer stays open.
func (l *LineWriter) Close() error { return l.Flush() }

// drain writes all whole lines.
func (l *LineWriter) drain() error {
	end := bytes.LastIndexByte(l.buf, '\n') + 1
	if open := openBlock(l.buf[:end]); open >= 0 {
		end = open
	}
	if len(l.buf)-end > maxLine {
		end = len(l.buf)
		// Cut at a blank if there is one near: better than in the middle of a value.
		if k := bytes.LastIndexAny(l.buf[end-1024:], " \t\n"); k >= 0 {
			end += k + 1 - 1024
		}
	}
	return l.write(end)
}

// openBlock returns where a private key begins in b that does not end in it, or -1.
func openBlock(b []byte) int {
	k := bytes.LastIndex(b, blockHead)
	if k < 0 || bytes.Contains(b[k:], blockTail) {
		return -1
	}
	line, _, _ := bytes.Cut(b[k:], []byte("\n"))
	if !bytes.Contains(line, keyWord) {
		return -1
	}
	return bytes.LastIndexByte(b[:k], '\n') + 1
}

func (l *LineWriter) write(n int) error {
	if n == 0 {
		return nil
	}
	out := l.r.AppendRedacted(nil, l.buf[:n])
	l.buf = append(l.buf[:0], l.buf[n:]...)
	m, err := l.w.Write(out)
	if err == nil && m < len(out) {
		err = io.ErrShortWrite
	}
	return err
}
