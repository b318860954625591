// Package admin is the admin API of the gateway, an [http.Handler] for /admin/v1: it shows jobs, calls, spending, limits, circuits and the configuration, and changes
// limits and states. The document at /admin/v1/openapi.json says what it answers.
//
// Whoever has the admin key, or without one whoever calls from the machine itself, may do everything. Nothing here is for browsers: requests that a page of another
// origin could have sent are refused.
package admin

import (
	"context"
	_ "embed"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/internal/jobs"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Prefix is where the API lies. It is part of the contract.
const Prefix = "/admin/v1"

// Config is what a [Handler] works with.
type Config struct {
	// Orchestrator makes the calls.
	Orchestrator *aurea.Orchestrator
	// Store has the books. One that is not a [store.Books] as well answers 503 where they are needed.
	Store store.Store
	// Key returns the admin key that is in force; empty for none, and then only callers on the machine itself are answered.
	Key func() string
	// Settings returns the configuration in force, to be written as JSON, its secrets masked.
	Settings func() any
	// Flush writes down what has ended, before books are closed. Default: nothing.
	Flush func(context.Context) error
	// MaxCall is the longest time-out of a call. Default: 10 minutes.
	MaxCall time.Duration
	// Logger is told of changes, and of errors of Aurea's own. Default: nobody is.
	Logger *slog.Logger
}

// Handler is the admin API. It is safe for concurrent use.
type Handler struct {
	cfg     Config
	guesses guesses
	readers chan struct{} // holds a token for each that reads much
}

// readersAtOnce is how many requests read much of the books at one time.
const readersAtOnce = 2

// New returns the admin API.
func New(cfg Config) *Handler {
	if cfg.Flush == nil {
		cfg.Flush = func(context.Context) error { return nil }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{cfg: cfg, readers: make(chan struct{}, readersAtOnce)}
}

// Serves reports whether a path is one of the admin API's.
func Serves(path string) bool { return path == Prefix || strings.HasPrefix(path, Prefix+"/") }

//go:embed openapi.json
var document []byte

// action is what one method does at one path.
type action func(h *Handler, w http.ResponseWriter, r *request) error

// routes are all paths below the prefix, with parameters in braces as in the document.
var routes = map[string]map[string]action{
	"/openapi.json":         {http.MethodGet: (*Handler).openapi},
	"/jobs":                 {http.MethodGet: (*Handler).jobs},
	"/jobs/{job}":           {http.MethodGet: (*Handler).job},
	"/jobs/{job}/cancel":    {http.MethodPost: (*Handler).cancel},
	"/jobs/{job}/raise":     {http.MethodPost: (*Handler).raise},
	"/jobs/{job}/reconcile": {http.MethodPost: (*Handler).reconcile},
	"/calls":                {http.MethodGet: (*Handler).calls},
	"/calls.csv":            {http.MethodGet: (*Handler).callsCSV},
	"/spend":                {http.MethodGet: (*Handler).spend},
	"/limits":               {http.MethodGet: (*Handler).limits},
	"/breakers":             {http.MethodGet: (*Handler).breakers},
	"/breakers/reset":       {http.MethodPost: (*Handler).reset},
	"/config":               {http.MethodGet: (*Handler).config},
	"/audit":                {http.MethodGet: (*Handler).audit},
}

// request is a request that has been let in.
type request struct {
	*http.Request
	job   string // the parameter of the path
	query url.Values
	who   jobs.Steward
}

// ServeHTTP answers a request whose path begins with [Prefix].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	// What is set for this answer must not cut off the next one on the connection.
	control := http.NewResponseController(w)
	defer func() {
		_ = control.SetReadDeadline(time.Time{}) // not every server has deadlines
		_ = control.SetWriteDeadline(time.Time{})
	}()
	actor, err := h.admit(r)
	if err != nil {
		header.Set("WWW-Authenticate", "Bearer")
		h.refuse(w, r, err)
		return
	}
	do, job, allowed := find(r)
	switch {
	case allowed == "":
		err = &aurea.Error{Code: aurea.CodeNotFound, Message: "there is no such path", Hint: "see " + Prefix + "/openapi.json"}
	case do == nil:
		header.Set("Allow", allowed)
		err = &statusError{http.StatusMethodNotAllowed, "the method is not allowed here", "use " + allowed}
	default:
		in := &request{Request: r, job: job, who: jobs.Steward{Store: h.cfg.Store, Actor: actor, Remote: peer(r), MaxCall: h.cfg.MaxCall, Logger: h.cfg.Logger}}
		if in.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
			err = invalid("the query %q is not one", clip(r.URL.RawQuery))
			break
		}
		err = do(h, w, in)
	}
	if err != nil {
		h.refuse(w, r, err)
	}
}

// find returns what a request asks for. A job's name is one segment of the path; a slash within it is written %2F.
func find(r *http.Request) (do action, job, allowed string) {
	rest, _ := strings.CutPrefix(r.URL.EscapedPath(), Prefix)
	parts := strings.Split(rest, "/") // the first is empty
	if len(parts) >= 3 && parts[1] == "jobs" && parts[2] != "" {
		name, err := url.PathUnescape(parts[2])
		if err != nil {
			return nil, "", ""
		}
		job, parts[2] = name, "{job}"
	}
	methods := routes[strings.Join(parts, "/")]
	for method := range methods {
		allowed = method // each path has one
	}
	asked := r.Method
	if allowed == http.MethodGet {
		allowed = "GET, HEAD"
		if asked == http.MethodHead { // the server leaves the body out
			asked = http.MethodGet
		}
	}
	return methods[asked], job, allowed
}

func (h *Handler) openapi(w http.ResponseWriter, r *request) error {
	if err := r.only(); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(document)
	return left(err)
}

func (h *Handler) config(w http.ResponseWriter, r *request) error {
	if err := r.only(); err != nil {
		return err
	}
	return answer(w, h.cfg.Settings())
}

// books returns the store's books.
func (h *Handler) books() (store.Books, error) {
	if b, ok := h.cfg.Store.(store.Books); ok {
		return b, nil
	}
	return nil, &aurea.Error{Code: aurea.CodeUnavailable, Message: "this database cannot answer the admin API", Hint: "use a store that is a store.Books"}
}
