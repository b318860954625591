package provider

import (
	"bytes"
	"context"
	"io"
	"net/http"

	aurea "github.com/andres20980/aurea-orchestrator"
)

// Pass sends a request of any method to another endpoint of the provider, and hands its answer over as it comes. It repeats nothing, and follows no redirect.
func (p *HTTP) Pass(ctx context.Context, req *aurea.FreeRequest) (*http.Response, error) {
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
		return nil, p.clean(ctx, err)
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
		return nil, p.clean(ctx, err)
	}
	if resp.StatusCode < 200 {
		_ = resp.Body.Close()
		return nil, errGarbage
	}
	p.secrets.maskHeader(resp.Header)
	if resp.Body = p.secrets.behind(resp.Body); len(p.secrets) > 0 && req.Method != http.MethodHead {
		resp.ContentLength = -1 // a secret may be longer than what stands for it
		resp.Header.Del("Content-Length")
	}
	return resp, nil
}
