package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Config is what a [Handler] works with.
type Config struct {
	// Orchestrator makes the calls. It is closed by whoever made it, after the Handler.
	Orchestrator *aurea.Orchestrator
	// MaxBody is the largest request body in bytes. Default: 50 MB.
	MaxBody int64
	// MaxWait bounds how long a call waits for money and for the provider's allowance, unless its own deadline is sooner; 0 refuses at once. Default: 2 minutes.
	MaxWait *time.Duration
	// SlowBody is the longest silence of a client that sends its body, and of one that reads its answer. Default: 30 seconds.
	SlowBody time.Duration
	// Models lists the names that GET /v1/models answers. Default: none.
	Models func() []string
	// Key, if not empty, must come with every request: as Authorization: Bearer, x-api-key or x-goog-api-key. Default: whoever reaches the gateway may call.
	Key string
	// Within, if not empty, names a job that all calls draw on: those that name none are its own, and the jobs that callers name are below it.
	Within string
	// Simulated says that the jobs are rehearsals, whose money is not real.
	Simulated bool
	// Ended is told of every call that reached an endpoint, after its answer; it must not block. Default: nobody is.
	Ended func(Call)
	// Logger gets one line per call. Default: none.
	Logger *slog.Logger
}

// Handler is the gateway. It is safe for concurrent use.
type Handler struct {
	cfg   Config
	rules atomic.Pointer[rules]
	jobs  *jobs
	live  *live
}

// rules are what [Handler.Reload] replaces.
type rules struct {
	maxBody int64
	maxWait time.Duration
}

// New returns a gateway; [Handler.Close] it.
func New(cfg Config) *Handler {
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = 50_000_000
	}
	if cfg.MaxWait == nil {
		wait := 2 * time.Minute
		cfg.MaxWait = &wait
	}
	if cfg.SlowBody <= 0 {
		cfg.SlowBody = 30 * time.Second
	}
	if cfg.Models == nil {
		cfg.Models = func() []string { return nil }
	}
	if cfg.Ended == nil {
		cfg.Ended = func(Call) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Handler{cfg: cfg, jobs: newJobs(cfg), live: newLive()}
	h.Reload(cfg.MaxBody, *cfg.MaxWait)
	return h
}

// Reload replaces [Config.MaxBody] and [Config.MaxWait] for the calls that begin from now on.
func (h *Handler) Reload(maxBody int64, maxWait time.Duration) {
	h.rules.Store(&rules{maxBody: maxBody, maxWait: maxWait})
}

// Cut ends the calls under way: those that wait are answered 503, and streams end with an error event. What may have been spent stays unconfirmed.
func (h *Handler) Cut() {
	h.live.cut(&aurea.Error{Code: aurea.CodeUnavailable, Message: "the gateway stops", Hint: "try again when it is back"})
}

// Close ends what the handler does in the background. Streams under way go on without being watched.
func (h *Handler) Close() { h.live.close() }

// endpoint is one of the paths that calls are made at.
type endpoint struct {
	path  string
	api   usage.API
	shape shape
	count bool // tokens are counted there, for nothing
}

var endpoints = byPath(
	endpoint{path: "/v1/chat/completions", api: usage.Chat},
	endpoint{path: "/v1/completions", api: usage.Completions},
	endpoint{path: "/v1/responses", api: usage.Responses},
	endpoint{path: "/v1/embeddings", api: usage.Embeddings},
	endpoint{path: "/v1/messages", api: usage.Messages, shape: anthropic},
	endpoint{path: "/v1/messages/count_tokens", api: usage.Messages, shape: anthropic, count: true},
)

// Answers reports whether a path is one that calls, or questions for models, go to.
func Answers(path string) bool { return endpoints[path].path != "" || path == "/v1/models" }

func byPath(list ...endpoint) map[string]endpoint {
	all := make(map[string]endpoint, len(list))
	for _, e := range list {
		all[e.path] = e
	}
	return all
}

// ServeHTTP answers the endpoints, and an error of OpenAI's shape everywhere else.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := sameOrigin(r); err != nil {
		refuse(w, shapeOf(r), errorOf(err))
		return
	}
	if err := h.admits(r.Header); err != nil {
		refuse(w, shapeOf(r), errorOf(err))
		return
	}
	path := r.URL.Path
	for _, prefix := range []string{"/openai", "/anthropic"} {
		if rest, ok := strings.CutPrefix(path, prefix+"/v1/"); ok {
			path = "/v1/" + rest
		}
	}
	if path == modelsPath || strings.HasPrefix(path, modelsPath+"/") {
		h.models(w, r, path)
		return
	}
	e, ok := endpoints[path]
	switch {
	case strings.HasPrefix(path, passPrefix):
		h.pass(w, r)
	case !ok:
		refuse(w, shapeOf(r), &aurea.Error{
			Code: aurea.CodeNotFound, Message: "there is no " + clip(r.URL.Path), Hint: "calls go to /v1/chat/completions, /v1/completions, /v1/responses, /v1/embeddings or /v1/messages",
		})
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		refuseStatus(w, e.shape, http.StatusMethodNotAllowed, &aurea.Error{Code: aurea.CodeInvalidRequest, Message: clip(r.Method) + " is not allowed here", Hint: "use POST"})
	default:
		h.call(w, r, e, "")
	}
}

// Call is what became of one request, for metrics.
type Call struct {
	Endpoint string // the path without a prefix
	// Status is what the client got; 0 if it left before.
	Status int
	// Refused is the code of Aurea's refusal, empty if there was none, and Err the refusal.
	Refused aurea.Code
	Err     error
	// Answer is the provider's, nil if none came.
	Answer *aurea.Answer
	Took   time.Duration
}

func (h *Handler) exchange(w http.ResponseWriter, r *http.Request, e endpoint) *exchange {
	return &exchange{h: h, w: w, r: r, e: e, began: time.Now(), id: aurea.NewCallID(), control: http.NewResponseController(w)}
}

// call answers one call. provider is the only one that it may go to, if not empty.
func (h *Handler) call(w http.ResponseWriter, r *http.Request, e endpoint, provider string) {
	x := h.exchange(w, r, e)
	x.provider = provider
	x.run()
	x.rest() // the connection's next answer may be somebody else's
	x.report()
}

// run takes a call from its headers to the end of its answer.
func (x *exchange) run() {
	x.say("X-Aurea-Call-Id", x.id)
	asked, err := readHeaders(x.r.Header)
	if err == nil {
		x.body, err = x.readBody()
	}
	if err == nil && x.e.count {
		x.count(asked)
		return
	}
	if err == nil {
		x.job, err = x.h.jobs.open(x.r.Context(), asked.job)
	}
	if err != nil {
		x.refuse(err)
		return
	}
	ctx, cancel := context.WithCancelCause(x.r.Context())
	defer cancel(nil)
	if asked.timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, asked.timeout)
		defer stop()
	}
	defer x.h.live.add(x.job, cancel)()
	x.ctx = ctx
	x.answer, x.err = x.h.cfg.Orchestrator.Do(ctx, aurea.Call{
		ID: x.id, Job: x.job, API: x.e.api, Provider: x.provider, Body: x.body, Header: x.r.Header, Class: asked.class, MaxWait: x.h.rules.Load().maxWait, PII: asked.job.pii, Sink: x, OnSend: x.sending,
		Logged: true,
	})
	x.finish()
}

// count answers a count of tokens, which belongs to no job.
func (x *exchange) count(asked asked) {
	within := x.h.cfg.Orchestrator.PassTimeout()
	if asked.timeout > 0 {
		within = min(within, asked.timeout)
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), within)
	defer cancel()
	a, err := x.h.cfg.Orchestrator.CountTokens(ctx, aurea.Call{ID: x.id, Provider: x.provider, Body: x.body, Header: x.r.Header, PII: asked.job.pii})
	if err != nil {
		x.refuse(err)
		return
	}
	x.headers(a.Header)
	x.write(a.Status)
	_, _ = x.deliver(a.Body, x.h.cfg.SlowBody)
}
