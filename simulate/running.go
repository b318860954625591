package simulate

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Running is a server that listens.
type Running struct {
	*Server
	listener net.Listener
	server   *http.Server
	done     chan error
	handlers sync.WaitGroup
	once     sync.Once
	err      error
}

// Start listens on an address, such as 127.0.0.1:0, and serves plain HTTP/1.1 until Close.
func Start(addr string, o Options) (*Running, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr) //nolint:noctx // listening does not wait
	if err != nil {
		return nil, fmt.Errorf("the simulated provider cannot listen: %w", err)
	}
	r := &Running{Server: New(o), listener: l, done: make(chan error, 1)}
	r.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.handlers.Add(1)
		defer r.handlers.Done()
		r.ServeHTTP(w, req)
	})}
	go func() { r.done <- r.server.Serve(l) }()
	return r, nil
}

// URL is the address with scheme and without a path: the base URL for Anthropic's format, and with /v1 that for OpenAI's.
func (r *Running) URL() string { return "http://" + r.listener.Addr().String() }

// Close stops listening, breaks off what is under way and waits for it to end. It may be called again.
func (r *Running) Close() error {
	r.once.Do(func() {
		r.err = r.server.Close()
		if err := <-r.done; !errors.Is(err, http.ErrServerClosed) {
			r.err = errors.Join(r.err, err)
		}
		r.handlers.Wait()
	})
	return r.err
}
