//go:build unix

package e2e_test

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// wire is a process's way to the database, which can be cut, slowed and held up.
type wire struct {
	net.Listener
	to string

	mu    sync.Mutex
	cut   bool          // new connections are refused, those that are there were reset
	hold  chan struct{} // not nil: nothing passes until it is closed
	delay time.Duration
	conns map[net.Conn]struct{}
}

func newWire(tb testing.TB, to string) *wire {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	w := &wire{Listener: l, to: to, conns: make(map[net.Conn]struct{})}
	go w.run()
	tb.Cleanup(func() {
		_ = l.Close()
		w.heal()
		w.sever()
	})
	return w
}

func (w *wire) run() {
	for {
		in, err := w.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", w.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		w.mu.Lock()
		refused := w.cut
		if !refused {
			w.conns[in], w.conns[out] = struct{}{}, struct{}{}
		}
		w.mu.Unlock()
		if refused {
			_ = in.Close()
			_ = out.Close()
			continue
		}
		go w.pass(in, out)
		go w.pass(out, in)
	}
}

// pass copies one direction.
func (w *wire) pass(from, to net.Conn) {
	defer func() {
		_ = from.Close()
		_ = to.Close()
		w.mu.Lock()
		delete(w.conns, from)
		w.mu.Unlock()
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		w.mu.Lock()
		hold, delay := w.hold, w.delay
		w.mu.Unlock()
		if hold != nil {
			<-hold
		}
		time.Sleep(delay)
		if _, e := to.Write(buf[:n]); e != nil || err != nil {
			if !errors.Is(err, io.EOF) {
				reset(from)
				reset(to)
			}
			return
		}
	}
}

func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

// sever resets all connections.
func (w *wire) sever() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		reset(c)
		_ = c.Close()
	}
}

// cutOff resets all connections and lets none in.
func (w *wire) cutOff() {
	w.mu.Lock()
	w.cut = true
	w.mu.Unlock()
	w.sever()
}

// stall lets nothing through, without saying so.
func (w *wire) stall() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hold == nil {
		w.hold = make(chan struct{})
	}
}

func (w *wire) slow(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay = d
}

// heal ends whatever is wrong with it.
func (w *wire) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut, w.delay = false, 0
	if w.hold != nil {
		close(w.hold)
		w.hold = nil
	}
}
