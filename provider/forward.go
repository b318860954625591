package provider

import (
	"context"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/retry"
)

// Forward sends a request to another endpoint of the provider than those of calls, one that is free, and reads the whole answer. It repeats nothing.
func (p *HTTP) Forward(ctx context.Context, path string, req *aurea.Request) *aurea.Response {
	httpReq, _, err := p.prepare(ctx, path, req)
	if err != nil {
		return &aurea.Response{Failure: retry.Failure{Err: err}}
	}
	resp, err := p.send(httpReq)
	if err != nil {
		return &aurea.Response{Failure: retry.Failure{Err: p.clean(ctx, err)}}
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 {
		return &aurea.Response{Failure: retry.Failure{Err: errGarbage, Sent: true}}
	}
	out := &aurea.Response{Status: resp.StatusCode, Header: resp.Header, RequestID: resp.Header.Get(p.dialect.RequestID)}
	p.secrets.maskHeader(resp.Header)
	p.readWhole(ctx, nil, resp, out)
	return out
}
