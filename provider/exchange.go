package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"

	"github.com/go-json-experiment/json/jsontext"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/provider/internal/h1"
	"github.com/andres20980/aurea-orchestrator/retry"
)

// maxAnswer is the longest answer that is read. An image in base64 is tens of megabytes.
const maxAnswer = 256 << 20

// Do performs one exchange.
func (p *HTTP) Do(ctx context.Context, req *aurea.Request) *aurea.Response {
	var silence *watch
	inner := ctx
	if req.Sink != nil {
		inner, silence = newWatch(ctx, req.FirstByte, req.IdleStream)
		defer silence.end()
	}
	httpReq, sent, err := p.request(inner, req)
	if err != nil {
		return &aurea.Response{Failure: retry.Failure{Err: err}}
	}
	resp, err := p.send(httpReq)
	if err != nil {
		if refused := sent.refused.Load(); refused != nil {
			return &aurea.Response{Failure: retry.Failure{Err: p.clean(ctx, *refused), Sent: sent.Load()}}
		}
		return &aurea.Response{Failure: retry.Failure{Err: p.ended(ctx, silence, err), Sent: sent.Load()}}
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 { // another protocol from here on, of which nobody asked for one: reading would not end
		return &aurea.Response{Failure: retry.Failure{Err: errGarbage, Sent: true}}
	}
	p.secrets.maskHeader(resp.Header)
	out := &aurea.Response{Status: resp.StatusCode, Header: resp.Header, RequestID: resp.Header.Get(p.dialect.RequestID)}
	if req.Sink != nil && out.Status >= 200 && out.Status < 300 && isEventStream(resp.Header) {
		p.stream(ctx, silence, req, resp.Body, out)
		return out
	}
	silence.pause()
	p.readWhole(ctx, silence, resp, out)
	return out
}

// readWhole reads an answer that is no stream.
func (p *HTTP) readWhole(ctx context.Context, silence *watch, from *http.Response, out *aurea.Response) {
	body, err := readAll(from.Body, from.ContentLength)
	body = p.secrets.mask(body)
	out.Body = body
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("the answer is longer than %d MB", maxAnswer>>20)
	}
	ok := out.Status >= 200 && out.Status < 300
	if err == nil && ok && !jsontext.Value(body).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
		err = errGarbage
	}
	switch {
	case err != nil:
		out.Failure = retry.Failure{Status: out.Status, Header: out.Header, Err: p.ended(ctx, silence, err), Sent: true}
	case !ok:
		out.Failure = retry.Failure{Status: out.Status, Header: out.Header, Sent: true}
		p.dialect.ReadError(body, &out.Failure)
	}
}

// readAll reads maxAnswer and a byte at most, with room for what was announced, if that is not much.
func readAll(from io.Reader, announced int64) ([]byte, error) {
	if announced < 0 || announced > trusted {
		return io.ReadAll(io.LimitReader(from, maxAnswer+1))
	}
	body := make([]byte, 0, announced+1) // with room to see the end
	for {
		n, err := from.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return body, err
		case len(body) == cap(body):
			return body, errLonger
		}
	}
}

// trusted is how much of an announced answer gets its memory before any of it has come.
const trusted = 1 << 20

var (
	errLonger  = errors.New("the answer is longer than its Content-Length") // net/http reads no further, but other transports may
	errGarbage = errors.New("the provider answered something that is not JSON")
)

// sending notes whether anything can have been written.
type sending struct {
	atomic.Bool
	refused atomic.Pointer[error] // OnSend's
}

func (p *HTTP) request(ctx context.Context, req *aurea.Request) (*http.Request, *sending, error) {
	path, err := p.dialect.Path(req)
	if err != nil {
		return nil, nil, err
	}
	return p.prepare(ctx, path, req)
}

// prepare writes a request with its headers.
func (p *HTTP) prepare(ctx context.Context, path string, req *aurea.Request) (*http.Request, *sending, error) {
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
	httpReq, err := p.post(ctx, path, req.Body, through(req.Header)+len(p.cfg.Headers)+3)
	if err != nil {
		return nil, nil, p.clean(ctx, err)
	}
	copyHeader(httpReq.Header, req.Header)
	httpReq.Header["Content-Type"] = contentType
	if httpReq.Header["User-Agent"] == nil {
		httpReq.Header["User-Agent"] = userAgent
	}
	p.dialect.Header(httpReq.Header, p.cfg.Keys[req.Key], req)
	for name, value := range p.cfg.Headers {
		httpReq.Header.Set(name, value)
	}
	return httpReq, s, nil
}

var contentType, userAgent = []string{"application/json"}, []string{"aurea"}

// post is a request with a body. It has no GetBody, with which net/http repeats a POST that carries an Idempotency-Key behind our back.
func (p *HTTP) post(ctx context.Context, path string, body []byte, headers int) (*http.Request, error) {
	if p.base == nil || p.base.Host == "" || p.base.RawQuery != "" || p.base.Fragment != "" || p.base.RawPath != "" {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.cfg.BaseURL+path, bytes.NewReader(body))
		if err == nil {
			r.GetBody = nil
		}
		return r, err
	}
	to := *p.base
	to.Path += path
	r := &http.Request{
		Method: http.MethodPost, URL: &to, Host: to.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: make(http.Header, headers),
		Body: h1.Body(body), ContentLength: int64(len(body)),
	}
	if len(body) == 0 {
		r.Body = http.NoBody
	}
	return r.WithContext(ctx), nil
}

// through counts the headers that pass.
func through(h http.Header) (n int) {
	for name := range h {
		if passes(name) {
			n++
		}
	}
	return n
}

// passes reports whether a caller's header goes through: credentials and what belongs to one connection do not.
func passes(canonical string) bool {
	switch canonical {
	case "Cookie", "Host", "Content-Length", "Connection", "Transfer-Encoding",
		"Te", "Trailer", "Upgrade", "Keep-Alive", "Proxy-Connection", "Accept-Encoding", "Content-Encoding", "Expect":
		return false
	}
	return !strings.HasPrefix(canonical, "X-Aurea-") && !credential(canonical)
}

// credential reports whether a header is one by which callers of providers and of other gateways show who they are.
func credential(canonical string) bool {
	for _, end := range credentials {
		if strings.HasSuffix(canonical, end) {
			return true
		}
	}
	return false
}

var credentials = []string{
	"Authorization", "-Auth", "Api-Key", "-Subscription-Key", "-Virtual-Key", "-Access-Key", "-Secret-Key", "-Auth-Token", "-Access-Token", "-Security-Token", "-Secret", "-Vk",
}
