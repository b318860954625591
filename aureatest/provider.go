package aureatest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/andres20980/aurea-orchestrator/simulate"
)

// Step says how one request is answered: see [simulate.Step].
type Step = simulate.Step

// Options say how the provider behaves: see [simulate.Options].
type Options = simulate.Options

// baseURL names no host there is: the connections end in memory.
const baseURL = "http://provider.invalid"

// Provider is a fake of a model provider. It speaks the formats of OpenAI and Anthropic. It is safe for concurrent use.
type Provider struct {
	server *simulate.Server
	client *http.Client

	mu               sync.Mutex
	requests, counts []Request
}

// Request is one that has reached the provider.
type Request struct {
	// Path is such as /v1/chat/completions, Model the model it asks for.
	Path, Model string
	Header      http.Header
	Body        []byte
}

func newProvider(tb testing.TB) *Provider {
	p := &Provider{server: simulate.New(simulate.Options{})}
	wire := &wire{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: p} // #nosec G112 -- its clients are those of the test
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(wire)
	}()
	transport := &http.Transport{DialContext: wire.dial}
	p.client = &http.Client{Transport: transport}
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		<-served
	})
	return p
}

// Script says how the requests to come are answered; each takes the first step that is for it, and those beyond the script get ordinary answers. It panics if a step is
// not possible.
func (p *Provider) Script(steps ...Step) {
	if err := p.server.Script(steps...); err != nil {
		panic("aureatest: " + err.Error())
	}
}

// Configure sets how the provider behaves from now on: limits, latencies, failures by chance. It panics if that is not possible.
func (p *Provider) Configure(o Options) {
	if err := p.server.SetOptions(o); err != nil {
		panic("aureatest: " + err.Error())
	}
}

// Client returns a client whose requests end at this provider, to whatever address they go: the paths are those of OpenAI and Anthropic, such as
// /v1/chat/completions and /v1/messages.
func (p *Provider) Client() *http.Client { return p.client }

// Requests returns the calls that have reached the provider, in the order of their arrival. Counts of tokens, which cost nothing, are not among them.
func (p *Provider) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// Counts returns the requests to count tokens that have reached the provider: see budget.bound in the configuration.
func (p *Provider) Counts() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.counts)
}

// Stats returns what the provider has served and, by its own count and prices, charged.
func (p *Provider) Stats() simulate.Stats { return p.server.Stats() }

// ServeHTTP notes the request and answers it.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var named struct{ Model string }
	_ = json.Unmarshal(body, &named) // what is no JSON names no model
	list := &p.requests
	if strings.HasSuffix(r.URL.Path, "_tokens") {
		list = &p.counts
	}
	p.mu.Lock()
	*list = append(*list, Request{Path: r.URL.Path, Model: named.Model, Header: r.Header.Clone(), Body: body})
	p.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(body))
	p.server.ServeHTTP(w, r)
}

// wire is a listener whose connections are pipes in memory.
type wire struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

var errWireClosed = errors.New("aureatest: the provider is closed")

func (w *wire) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case w.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-w.closed:
		return nil, errWireClosed
	}
}

// Accept, Close and Addr make it a [net.Listener].
func (w *wire) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

func (w *wire) Addr() net.Addr { return wireAddr{} }

type wireAddr struct{}

func (wireAddr) Network() string { return "pipe" }
func (wireAddr) String() string  { return "provider.invalid" }
