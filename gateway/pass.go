package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// passPrefix is where requests to one provider come in: /p/PROVIDER/REST goes to its base URL, a slash, and REST.
const passPrefix = "/p/"

// priced are the endpoints below /p/PROVIDER/ that are calls, by the provider's format.
var priced = map[string]map[string]endpoint{
	aurea.FormatOpenAI: {
		"chat/completions": endpoints["/v1/chat/completions"], "completions": endpoints["/v1/completions"],
		"responses": endpoints["/v1/responses"], "embeddings": endpoints["/v1/embeddings"],
	},
	aurea.FormatAnthropic: {
		"v1/messages": endpoints["/v1/messages"], "v1/messages/count_tokens": endpoints["/v1/messages/count_tokens"],
	},
}

var passMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// pass answers a request to one provider: calls take the path that all calls take, what costs nothing goes through, and anything else is refused.
func (h *Handler) pass(w http.ResponseWriter, r *http.Request) {
	provider, rest, err := passPath(r.URL)
	if err != nil {
		refuse(w, openAI, errorOf(err))
		return
	}
	format, ok := h.cfg.Orchestrator.Format(provider)
	if !ok {
		refuse(w, openAI, &aurea.Error{Code: aurea.CodeNotFound, Message: "there is no provider " + clip(provider), Hint: "name one of the configuration's providers"})
		return
	}
	e := endpoint{path: passPrefix + provider}
	if format == aurea.FormatAnthropic {
		e.shape, e.api = anthropic, usage.Messages
	}
	if call, ok := priced[format][rest]; ok && r.Method == http.MethodPost {
		h.call(w, r, call, provider)
		return
	}
	if !slices.Contains(passMethods, r.Method) {
		w.Header().Set("Allow", strings.Join(passMethods, ", "))
		refuseStatus(w, e.shape, http.StatusMethodNotAllowed, &aurea.Error{Code: aurea.CodeInvalidRequest, Message: clip(r.Method) + " is not passed through"})
		return
	}
	x := h.exchange(w, r, e)
	x.provider = provider
	defer x.report()
	x.pass("/" + rest)
}

// passPath cuts a path into the provider and what follows its base URL, as it is escaped. A path that could lead out of the base URL is refused, however it is
// written: providers and proxies do not agree on what they make of it.
func passPath(u *url.URL) (provider, rest string, err error) {
	provider, rest, ok := strings.Cut(strings.TrimPrefix(u.EscapedPath(), passPrefix), "/")
	if !ok || provider == "" || rest == "" {
		return "", "", &aurea.Error{Code: aurea.CodeNotFound, Message: "there is no " + clip(u.Path), Hint: "write /p/PROVIDER/PATH"}
	}
	for part := range strings.SplitSeq(rest, "/") {
		plain, err := url.PathUnescape(part)
		odd := func(r rune) bool { return r == '/' || r == '\\' || r == '%' || r < ' ' || r == 0x7f }
		if err != nil || plain == "" || plain == "." || plain == ".." || strings.ContainsFunc(plain, odd) {
			return "", "", invalid("write it as the provider documents it", "the path %s cannot be passed on", clip(u.Path))
		}
	}
	return provider, rest, nil
}

// withoutKeys takes credentials out of a query: they are the client's, and ours go in a header.
func withoutKeys(query string) string {
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		plain, err := url.QueryUnescape(name)
		switch strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(plain)) {
		case "key", "apikey", "accesstoken", "token", "authorization", "xapikey":
		default:
			if err == nil && part != "" {
				kept = append(kept, part)
			}
		}
	}
	return strings.Join(kept, "&")
}

// pass sends the request on and hands the answer over as it comes.
func (x *exchange) pass(path string) {
	x.say("X-Aurea-Call-Id", x.id)
	asked, err := readHeaders(x.r.Header)
	if err == nil {
		x.body, err = x.readBody()
	}
	if err == nil && asked.job.name != "" {
		if x.job, err = x.h.jobs.open(x.r.Context(), asked.job); err == nil {
			err = x.job.Standing().Err
		}
	}
	if err != nil {
		x.refuse(err)
		return
	}
	within := x.h.cfg.Orchestrator.PassTimeout()
	if asked.timeout > 0 {
		within = min(within, asked.timeout)
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), within)
	defer cancel()
	if x.job != nil {
		var stop context.CancelCauseFunc
		ctx, stop = context.WithCancelCause(ctx)
		defer stop(nil)
		defer x.h.live.add(x.job, stop)()
	}
	resp, err := x.h.cfg.Orchestrator.Pass(ctx, x.provider, aurea.FreeRequest{
		Method: x.r.Method, Path: path, Query: withoutKeys(x.r.URL.RawQuery), Body: x.body, Header: x.r.Header,
		Class: asked.class, MaxWait: x.h.rules.Load().maxWait, PII: asked.job.pii, OnSend: x.sending,
	})
	if err != nil {
		if cause, ok := errors.AsType[*aurea.Error](context.Cause(ctx)); ok {
			err = cause
		}
		if x.r.Context().Err() == nil {
			x.refuse(err)
		}
		return
	}
	defer resp.Body.Close()
	x.headers(resp.Header)
	x.attempts(x.sent.Attempt, x.sent.Queued, 0)
	x.write(resp.StatusCode)
	buf := make([]byte, 32<<10)
	for {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			if _, err := x.deliver(buf[:n], x.h.cfg.SlowBody); err != nil {
				return
			}
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler) // the answer's headers have gone: only the connection can say that it is not whole
		}
	}
}
