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
	resp, err := p.client.Do(httpReq)
	if err != nil {
		if refused := sent.refused.Load(); refused != nil {
			return &aurea.Response{Failure: retry.Failure{Err: p.clean(ctx, *refused), Sent: sent.Load()}}
		}
		return &aurea.Response{Failure: retry.Failure{Err: p.ended(ctx, silence, err), Sent: sent.Load()}}
	}
	defer resp.Body.Close()
	out := &aurea.Response{Status: resp.StatusCode, Header: resp.Header, RequestID: resp.Header.Get(p.dialect.RequestID)}
	if req.Sink != nil && out.Status >= 200 && out.Status < 300 && isEventStream(resp.Header) {
		p.stream(ctx, silence, req, resp.Body, out)
		return out
	}
	silence.pause()
	p.readWhole(ctx, silence, resp.Body, out)
	return out
}

// readWhole reads an answer that is no stream.
func (p *HTTP) readWhole(ctx context.Context, silence *watch, from io.Reader, out *aurea.Response) {
	body, err := io.ReadAll(io.LimitReader(from, maxAnswer+1))
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

var errGarbage = errors.New("the provider answered something that is not JSON")

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
