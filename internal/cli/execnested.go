package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/gateway"
	"github.com/andres20980/aurea-orchestrator/internal/app"
	"github.com/andres20980/aurea-orchestrator/internal/child"
	"github.com/andres20980/aurea-orchestrator/internal/jobs"
)

// nestedWay hands the calls of a command on to the gateway of the exec around this one, as calls of a job below its own. That gateway alone has keys and books.
type nestedWay struct {
	x        *execution
	outer    *url.URL
	key, own string // the outer gateway's key, and ours
	client   *http.Client
	server   *http.Server
	address  string
	before   jobs.View
}

// nested opens the job at the gateway around us, and listens.
func (x *execution) nested(cmd *cobra.Command, outer string) (way, error) {
	for _, flag := range []string{"allow", "deny", "rpm", "tpm", "simulate"} {
		if cmd.Flags().Changed(flag) {
			return nil, usageError("--%s cannot be used within aurea exec: the gateway is the outer one's; give it there", flag)
		}
	}
	w := &nestedWay{x: x, own: "aurea-" + rand.Text(), client: &http.Client{
		Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	w.key, _ = x.environ(child.KeyVariable)
	x.secrets = []string{w.key}
	var err error
	if w.outer, err = url.Parse(outer); err != nil {
		return nil, usageError("%s: %w", child.URLVariable, err)
	}
	if w.before, err = w.job(cmd.Context()); err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(cmd.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	w.address = l.Addr().String()
	proxy := &httputil.ReverseProxy{Rewrite: w.rewrite, ModifyResponse: w.count, FlushInterval: -1, Transport: w.client.Transport}
	w.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !gateway.Bears(r.Header, w.own) {
			r.Header.Del("Authorization") // the outer gateway says what is wrong
			r.Header.Del("X-Api-Key")
			r.Header.Del("X-Goog-Api-Key")
		} else {
			r.Header.Set("Authorization", "Bearer "+w.key)
		}
		proxy.ServeHTTP(rw, r)
	})}
	go func() { _ = w.server.Serve(l) }()
	return w, nil
}

func (w *nestedWay) gateway() child.Gateway {
	return child.Gateway{URL: "http://" + w.address, Key: w.own, Job: w.x.spec.Name}
}

// rewrite makes a call one of our job's, or of a job below it.
func (w *nestedWay) rewrite(r *httputil.ProxyRequest) {
	r.SetURL(w.outer)
	h := r.Out.Header
	h.Del("X-Api-Key")
	h.Del("X-Goog-Api-Key")
	h.Del("X-Aurea-Parent-Job")
	switch job := h.Get("X-Aurea-Job"); job {
	case "", w.x.spec.Name:
		h.Set("X-Aurea-Job", w.x.spec.Name)
	default:
		h.Set("X-Aurea-Parent-Job", w.x.spec.Name)
	}
	if pii := w.x.spec.PII; pii == aurea.PIIBlock || pii == aurea.PIIMask && h.Get("X-Aurea-Pii") != string(aurea.PIIBlock) {
		h.Set("X-Aurea-Pii", string(pii))
	}
}

// count notes what the outer gateway refused.
func (w *nestedWay) count(r *http.Response) error {
	t := &w.x.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = true
	code := r.Header.Get("X-Aurea-Error")
	t.refuse(code)
	if code == string(aurea.CodeBudgetExceeded) {
		w.x.stopOnce.Do(w.x.stop)
	}
	return nil
}

// job opens the job at the outer gateway, or asks what it stands at.
func (w *nestedWay) job(ctx context.Context) (view jobs.View, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	body, err := json.Marshal(app.Nested{Name: w.x.spec.Name, Parent: w.x.spec.Parent, Limit: w.x.spec.Limit})
	if err != nil {
		return view, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.outer.JoinPath(app.NestedPath).String(), bytes.NewReader(body))
	if err != nil {
		return view, err
	}
	req.GetBody = nil
	req.Header.Set("Authorization", "Bearer "+w.key)
	resp, err := w.client.Do(req)
	if err != nil {
		return view, &aurea.Error{
			Code: aurea.CodeUnavailable, Message: "the aurea exec around this command does not answer", Hint: "unset " + child.URLVariable + " to run with a gateway of its own", Err: err,
		}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return view, err
	}
	if resp.StatusCode == http.StatusOK {
		return view, json.Unmarshal(text, &view)
	}
	var refused struct{ Code, Message, Hint string }
	if json.Unmarshal(text, &refused) != nil || refused.Code == "" {
		refused.Code, refused.Message = string(aurea.CodeUnavailable), "the aurea exec around this command answered "+resp.Status
	}
	e := &aurea.Error{Code: aurea.Code(refused.Code), Message: refused.Message, Hint: refused.Hint}
	switch e.Code {
	case aurea.CodeJobConflict, aurea.CodeInvalidRequest, aurea.CodeNotFound:
		return view, &exit{code: exitUsage, err: e}
	}
	return view, e
}

// close waits a little for the calls under way. What the job has more than at the start is this run's, and that of others on the same job meanwhile.
func (w *nestedWay) close() (jobs.View, error) {
	ctx, cancel := context.WithTimeout(context.Background(), closeAfter)
	defer cancel()
	if w.server.Shutdown(ctx) != nil {
		_ = w.server.Close()
	}
	after, err := w.job(context.Background())
	if err != nil {
		return after, err
	}
	t := &w.x.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	t.models = make(map[string]jobs.Model)
	for name, m := range after.ByModel {
		b := w.before.ByModel[name]
		m.Calls, m.Attempts, m.InputTokens, m.OutputTokens = m.Calls-b.Calls, m.Attempts-b.Attempts, m.InputTokens-b.InputTokens, m.OutputTokens-b.OutputTokens
		m.Cost, m.Own = m.Cost.Minus(b.Cost), m.Own.Minus(b.Own)
		if m.Calls > 0 {
			t.models[name] = m
			t.calls += m.Calls
		}
	}
	t.unconfirmed = after.Unconfirmed.Minus(w.before.Unconfirmed)
	return after, nil
}
