package h1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	maxHead    = 1 << 20                // of an answer
	most1xx    = 5                      // answers before the answer
	late       = 500 * time.Millisecond // how long an answer is waited for whose request could not be written whole
	readBuffer = 2 << 10                // thousands of streams stand open for minutes
	together   = 16 << 10               // head and body up to this are copied together, which is cheaper than to write two parts
)

var (
	readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readBuffer) }}
	writers = sync.Pool{New: func() any { return new(bytes.Buffer) }}
)

// longAgo is a deadline that ends whatever is under way.
var longAgo = time.Unix(1, 0)

// Body is a request's body that is in memory. [Transport] takes no other.
func Body(b []byte) io.ReadCloser { return &memory{*bytes.NewReader(b), b} }

type memory struct {
	bytes.Reader
	all []byte
}

func (*memory) Close() error { return nil }

// payloadOf returns the body of a request if it is in memory and not too long.
func payloadOf(req *http.Request) ([]byte, bool) {
	if req.Body == nil || req.Body == http.NoBody {
		return nil, true
	}
	m, ok := req.Body.(*memory)
	if !ok || len(m.all) > maxBody || int64(len(m.all)) != req.ContentLength {
		return nil, false
	}
	return m.all, true
}

// conn is a connection. While it is idle it has no buffer.
type conn struct {
	net.Conn
	raw    syscall.RawConn // nil: nothing is known of the socket
	since  time.Time       // when it became idle
	reader *bufio.Reader
	left   int64 // that may be read
}

func newConn(made net.Conn) *conn {
	c := &conn{Conn: made}
	if s, ok := made.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn()
	}
	return c
}

var errLongHead = errors.New("the head of the answer is too long")

// Read is the connection's, within what may be read.
func (c *conn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errLongHead
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// exchange sends a request on a connection, and reads the head of the answer.
func (t *Transport) exchange(ctx context.Context, c *conn, h *host, req *http.Request, payload []byte) (*http.Response, error) {
	c.reader, _ = readers.Get().(*bufio.Reader)
	c.reader.Reset(c)
	b := &body{ctx: ctx, t: t, h: h, c: c, stop: context.AfterFunc(ctx, func() { _ = c.SetDeadline(longAgo) })}
	written := c.write(req, payload)
	if written != nil && ctx.Err() == nil {
		_ = c.SetReadDeadline(time.Now().Add(late)) // a server that wants no more of it may have said why
	}
	resp, err := c.head(req)
	if err != nil {
		b.end(false)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case written != nil:
			return nil, fmt.Errorf("write the request: %w", written)
		}
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	b.last = written != nil || resp.Close || req.Close
	if resp.Body == http.NoBody {
		b.end(true)
		return resp, nil
	}
	b.from, resp.Body = resp.Body, b
	return resp, nil
}

// write writes a request.
func (c *conn) write(req *http.Request, payload []byte) error {
	buf, _ := writers.Get().(*bytes.Buffer)
	buf.Reset()
	defer writers.Put(buf)
	to := req.Host
	if to == "" {
		to = req.URL.Host
	}
	buf.WriteString(req.Method)
	buf.WriteByte(' ')
	buf.WriteString(req.URL.RequestURI())
	buf.WriteString(" HTTP/1.1\r\nHost: ")
	buf.WriteString(to)
	if len(payload) > 0 || req.Method == http.MethodPost || req.Method == http.MethodPut || req.Method == http.MethodPatch {
		buf.WriteString("\r\nContent-Length: ")
		buf.Write(strconv.AppendInt(buf.AvailableBuffer(), int64(len(payload)), 10))
	}
	if req.Close {
		buf.WriteString("\r\nConnection: close")
	}
	buf.WriteString("\r\n")
	_ = req.Header.WriteSubset(buf, ours) // a buffer takes everything
	buf.WriteString("\r\n")
	if len(payload) <= together {
		buf.Write(payload)
		_, err := c.Write(buf.Bytes())
		return err
	}
	parts := net.Buffers{buf.Bytes(), payload}
	_, err := parts.WriteTo(c.Conn)
	return err
}

// ours are the headers that say how the request is framed.
var ours = map[string]bool{"Host": true, "Content-Length": true, "Transfer-Encoding": true, "Trailer": true, "Connection": true}

// head reads the head of the answer.
func (c *conn) head(req *http.Request) (*http.Response, error) {
	c.left = maxHead
	for range most1xx {
		resp, err := http.ReadResponse(c.reader, req)
		switch {
		case err != nil:
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = errClosed
			}
			return nil, err
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, errors.New("the server speaks another protocol from here on")
		case resp.StatusCode >= http.StatusOK:
			c.left = math.MaxInt64
			return resp, nil
		}
	}
	return nil, errors.New("the server says again and again that its answer will come")
}

var errClosed = fmt.Errorf("the server closed the connection without an answer: %w", io.ErrUnexpectedEOF)

// body is the body of an answer, with which its exchange ends.
type body struct {
	ctx  context.Context //nolint:containedctx // that of one exchange, as in http.Request
	t    *Transport
	h    *host
	c    *conn // nil once the exchange has ended
	from io.ReadCloser
	stop func() bool
	last bool // nothing follows on the connection
	err  error
}

// Read reads on, and ends the exchange with the end of the body.
func (b *body) Read(p []byte) (int, error) {
	if b.c == nil {
		return 0, b.err
	}
	n, err := b.from.Read(p)
	if err != nil {
		whole := errors.Is(err, io.EOF)
		if !whole && b.ctx.Err() != nil {
			err = context.Cause(b.ctx)
		}
		b.err = err
		b.end(whole)
	}
	return n, err
}

// Close ends the exchange. A connection whose answer was not read to its end is closed.
func (b *body) Close() error {
	if b.c != nil {
		b.err = http.ErrBodyReadAfterClose
		b.end(false)
	}
	return nil
}

// end gives the connection back if nothing of the exchange is left on it.
func (b *body) end(whole bool) {
	c := b.c
	b.c = nil
	clean := b.stop() && whole && !b.last && c.reader.Buffered() == 0
	c.reader.Reset(nil)
	readers.Put(c.reader)
	if c.reader = nil; clean {
		b.t.keep(b.h, c)
		return
	}
	_ = c.Close()
}
