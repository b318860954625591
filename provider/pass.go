package provider

import (
	"bytes"
	"context"
	"io"
	"net/http"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/retry"
)

// Pass sends a request of any method to another endpoint of the provider, and hands its answer over as it comes. It repeats nothing, and follows no redirect.
func (p *HTTP) Pass(ctx context.Context, req *aurea.FreeRequest) (*http.Response, retry.Failure) {
	address := p.cfg.BaseURL + req.Path
	if req.Query != "" {
		address += "?" + req.Query
	}
	var body io.Reader = http.NoBody
	if len(req.Body) > 0 {
		body = bytes.NewReader(req.Body)
	}
	to, err := http.NewRequestWithContext(ctx, req.Method, address, body)
	if err != nil {
		return nil, retry.Failure{Err: p.clean(ctx, err)}
	}
	to.GetBody = nil // with it net/http repeats what carries an Idempotency-Key
	copyHeader(to.Header, req.Header)
	if to.Header["User-Agent"] == nil {
		to.Header["User-Agent"] = userAgent
	}
	p.dialect.Header(to.Header, p.cfg.Keys[req.Key], &aurea.Request{Header: req.Header})
	for name, value := range p.cfg.Headers {
		to.Header.Set(name, value)
	}
	resp, err := p.send(to)
	if err != nil {
		return nil, retry.Failure{Err: p.clean(ctx, err), Sent: true}
	}
	if resp.StatusCode < 200 {
		_ = resp.Body.Close()
		return nil, retry.Failure{Err: errGarbage, Sent: true}
	}
	p.secrets.maskHeader(resp.Header)
	if resp.Body = p.secrets.behind(resp.Body); len(p.secrets) > 0 && req.Method != http.MethodHead {
		resp.ContentLength = -1 // a secret may be longer than what stands for it
		resp.Header.Del("Content-Length")
	}
	if resp.StatusCode < http.StatusBadRequest {
		return resp, retry.Failure{}
	}
	said, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
	if err != nil {
		_ = resp.Body.Close()
		return nil, retry.Failure{Err: p.clean(ctx, err), Sent: true}
	}
	failure := retry.Failure{Status: resp.StatusCode, Header: resp.Header, Sent: true}
	p.dialect.ReadError(said, &failure)
	resp.Body = &rest{io.MultiReader(bytes.NewReader(said), resp.Body), resp.Body}
	return resp, failure
}

// maxError is how much of an error is looked through before the rest of it is handed on.
const maxError = 1 << 20

type rest struct {
	io.Reader
	io.Closer
}
