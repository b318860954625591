// Package provider holds the HTTP exchange that all providers share. A provider is a folder below it: what it adds is how the address and the
// credentials are written, and how an error body is read.
//
// The exchange sends the body as it is, reads the whole answer, and says once what went wrong. It repeats nothing, and keeps
// net/http from repeating anything: retries belong to the call path, where each has its own hold.
package provider

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/retry"
)

// maxAnswer is the longest answer that is read. An image in base64 is tens of megabytes.
const maxAnswer = 256 << 20

// Config is what every provider is made of.
type Config struct {
	// Name is the provider's name in the configuration.
	Name string
	// BaseURL as the provider's API wants it, without a slash at the end. User names and passwords in it are refused.
	BaseURL string
	// Keys are the API keys. None means that the provider wants none.
	Keys []string
	// Headers are sent with every request.
	Headers map[string]string
	// Client overrides the HTTP client. Default: [NewClient].
	Client *http.Client
}

// Dialect is what one API adds to the exchange.
type Dialect struct {
	// Format is the wire format, [aurea.FormatOpenAI] or [aurea.FormatAnthropic].
	Format string
	// Path returns what follows BaseURL for a request.
	Path func(*aurea.Request) (string, error)
	// Header writes credentials and versions; key is empty when none is configured.
	Header func(h http.Header, key string, req *aurea.Request)
	// ReadError reads an error body into f's Code, Type and Message.
	ReadError func(body []byte, f *retry.Failure)
	// RequestID is the name of the header with the provider's own name for the exchange.
	RequestID string
}

// HTTP is a provider that speaks a [Dialect]. It is safe for concurrent use.
type HTTP struct {
	cfg     Config
	dialect Dialect
	ids     []string
	client  *http.Client
}

// New returns the provider.
func New(cfg Config, dialect Dialect) *HTTP {
	cfg.BaseURL = strings.TrimRight(cfg.BaseURL, "/")
	if len(cfg.Keys) == 0 {
		cfg.Keys = []string{""}
	}
	p := &HTTP{cfg: cfg, dialect: dialect, client: cfg.Client}
	for _, key := range cfg.Keys {
		p.ids = append(p.ids, keyID(key))
	}
	if p.client == nil {
		p.client = NewClient()
	}
	return p
}

// NewClient returns the HTTP client that providers use: a large pool, HTTP/2 where the provider speaks it, proxies
// from the environment, no redirects (they would carry the key elsewhere) and no time-out of its own.
func NewClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			ForceAttemptHTTP2:     true,
			MaxIdleConns:          4096,
			MaxIdleConnsPerHost:   1024,
			IdleConnTimeout:       90 * time.Second,
			TLSHandshakeTimeout:   10 * time.Second,
			ExpectContinueTimeout: time.Second,
			DisableCompression:    true, // bytes come through as they are
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// keyID names a key without giving it away: a digest is the same in every process and after every restart.
func keyID(key string) string {
	if key == "" {
		return "none"
	}
	sum := sha256.Sum256([]byte("aurea key " + key))
	return hex.EncodeToString(sum[:6])
}

// Name returns the provider's name.
func (p *HTTP) Name() string { return p.cfg.Name }

// Format returns the wire format.
func (p *HTTP) Format() string { return p.dialect.Format }

// Keys returns an identifier for each key.
func (p *HTTP) Keys() []string { return p.ids }

// Do performs one exchange.
func (p *HTTP) Do(ctx context.Context, req *aurea.Request) *aurea.Response {
	httpReq, sent, err := p.request(ctx, req)
	if err != nil {
		return &aurea.Response{Failure: retry.Failure{Err: err}}
	}
	resp, err := p.client.Do(httpReq)
	if err != nil {
		return &aurea.Response{Failure: retry.Failure{Err: p.clean(ctx, sent.cause(err)), Sent: sent.Load()}}
	}
	defer resp.Body.Close()
	out := &aurea.Response{Status: resp.StatusCode, Header: resp.Header, RequestID: resp.Header.Get(p.dialect.RequestID)}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	out.Body = body
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("the answer is longer than %d MB", maxAnswer>>20)
	}
	ok := resp.StatusCode >= 200 && resp.StatusCode < 300
	if err == nil && ok && !jsontext.Value(body).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
		err = errGarbage
	}
	switch {
	case err != nil:
		out.Failure = retry.Failure{Status: out.Status, Header: out.Header, Err: p.clean(ctx, err), Sent: true}
	case !ok:
		out.Failure = retry.Failure{Status: out.Status, Header: out.Header, Sent: true}
		p.dialect.ReadError(body, &out.Failure)
	}
	return out
}

var errGarbage = errors.New("the provider answered something that is not JSON")

// sending notes whether anything can have been written.
type sending struct {
	atomic.Bool
	refused atomic.Pointer[error] // OnSend's
}

func (s *sending) cause(err error) error {
	if refused := s.refused.Load(); refused != nil {
		return *refused
	}
	return err
}

func (p *HTTP) request(ctx context.Context, req *aurea.Request) (*http.Request, *sending, error) {
	path, err := p.dialect.Path(req)
	if err != nil {
		return nil, nil, err
	}
	s := &sending{}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if req.OnSend != nil {
			if err := req.OnSend(); err != nil {
				s.refused.Store(&err)
				_ = info.Conn.Close() // so that nothing can be written to it
				return
			}
		}
		s.Store(true)
	}})
	httpReq, err := http.NewRequestWithContext(ctx, http.MethodPost, p.cfg.BaseURL+path, bytes.NewReader(req.Body))
	if err != nil {
		return nil, nil, p.clean(ctx, err)
	}
	// With GetBody, net/http repeats a POST that carries an Idempotency-Key behind our back.
	httpReq.GetBody = nil
	for name, values := range req.Header {
		if passes(name) {
			httpReq.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	httpReq.Header.Set("Content-Type", "application/json")
	if httpReq.Header.Get("User-Agent") == "" {
		httpReq.Header.Set("User-Agent", "aurea")
	}
	p.dialect.Header(httpReq.Header, p.cfg.Keys[req.Key], req)
	for name, value := range p.cfg.Headers {
		httpReq.Header.Set(name, value)
	}
	return httpReq, s, nil
}

// passes reports whether a caller's header goes through: credentials and what belongs to one connection do not.
func passes(name string) bool {
	switch strings.ToLower(name) {
	case "authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "host", "content-length", "connection", "transfer-encoding",
		"te", "trailer", "upgrade", "keep-alive", "proxy-authorization", "proxy-connection", "accept-encoding", "content-encoding", "expect":
		return false
	}
	return !strings.HasPrefix(strings.ToLower(name), "x-aurea-")
}

// clean takes out of a transport error what must not be seen, the address's user part and query, and puts in why the context ended.
func (p *HTTP) clean(ctx context.Context, err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

// ErrorObject reads the values of error.code, error.type and error.message, the shape that OpenAI's, Anthropic's and most compatible providers' error bodies
// share. Fields that are missing or no strings are empty; a number becomes its text.
func ErrorObject(body []byte) map[string]string {
	out := make(map[string]string)
	dec := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if !descend(dec, "error") {
		return out
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return out
		}
		key := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return out
		}
		switch value.Kind() {
		case '"':
			if b, err := jsontext.AppendUnquote(nil, value); err == nil {
				out[key] = string(b)
			}
		case '0':
			out[key] = string(value)
		case '{':
			for k, v := range ErrorObject(append(append([]byte(`{"error":`), value...), '}')) {
				out[key+"."+k] = v
			}
		}
	}
	return out
}

// descend moves dec into the object that is the value of name in the object that comes next.
func descend(dec *jsontext.Decoder, name string) bool {
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return false
	}
	for dec.PeekKind() == '"' {
		key, err := dec.ReadToken()
		if err != nil {
			return false
		}
		if key.String() != name {
			if dec.SkipValue() != nil {
				return false
			}
			continue
		}
		if dec.PeekKind() != '{' {
			return false
		}
		_, err = dec.ReadToken()
		return err == nil
	}
	return false
}
