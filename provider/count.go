package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Counting is an endpoint that takes the part of a request that is input and answers {"input_tokens": n}.
type Counting struct {
	API  usage.API
	Path string // after BaseURL
	// Takes are the fields of a request that the endpoint takes, Idle those that change nothing about the input. A request with any other is not counted: it may
	// be more than the endpoint sees.
	Takes, Idle []string
}

// maxCountAnswer is the longest answer of a counting endpoint that is read.
const maxCountAnswer = 64 << 10

// CountInput asks the provider how many tokens the input of a request is. It repeats nothing. The error matches [aurea.ErrNotCounted] where the provider has no such
// endpoint, and [aurea.ErrNotCountable] where the request is not for it.
func (p *HTTP) CountInput(ctx context.Context, req *aurea.Request) (int64, error) {
	c := p.dialect.Count
	if c == nil || c.API != req.API {
		return 0, aurea.ErrNotCountable
	}
	body, err := c.input(req.Body)
	if err != nil {
		return 0, err
	}
	sized := *req
	sized.Body, sized.OnSend, sized.Sink = body, nil, nil
	httpReq, _, err := p.prepare(ctx, c.Path, &sized)
	if err != nil {
		return 0, err
	}
	httpReq.Header.Del("Idempotency-Key") // it names the request itself
	resp, err := p.send(httpReq)
	if err != nil {
		return 0, p.clean(ctx, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxCountAnswer))
	switch {
	case err != nil:
		return 0, p.clean(ctx, err)
	case resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusMethodNotAllowed, resp.StatusCode == http.StatusNotImplemented:
		return 0, fmt.Errorf("%w: status %d", aurea.ErrNotCounted, resp.StatusCode)
	case resp.StatusCode != http.StatusOK:
		return 0, fmt.Errorf("counting the input: status %d", resp.StatusCode)
	}
	return inputTokens(answer)
}

// input returns the fields of a body that the endpoint takes.
func (c *Counting) input(body []byte) ([]byte, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(body))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return nil, aurea.ErrNotCountable
	}
	out := []byte{'{'}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		field := name.String()
		value, err := dec.ReadValue()
		switch {
		case err != nil:
			return nil, err
		case slices.Contains(c.Takes, field):
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(strconv.AppendQuote(out, field), ':')
			out = append(out, value...)
		case !slices.Contains(c.Idle, field) && value.Kind() != 'n':
			return nil, aurea.ErrNotCountable
		}
	}
	return append(out, '}'), nil
}

var errNoCount = errors.New("counting the input: the answer has no count")

func inputTokens(answer []byte) (int64, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(answer))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return 0, errNoCount
	}
	n := int64(0)
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return 0, errNoCount
		}
		field := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return 0, errNoCount
		}
		if field == "input_tokens" {
			if n, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return 0, errNoCount
			}
		}
	}
	if _, err := dec.ReadToken(); err != nil || n <= 0 {
		return 0, errNoCount
	}
	return n, nil
}
