package app

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/gateway"
	"github.com/andres20980/aurea-orchestrator/internal/jobs"
	"github.com/andres20980/aurea-orchestrator/money"
)

// Child is a gateway for one command and what it starts: on loopback, at a port that is free, with a key of its own, and with a job that all of its calls draw on.
type Child struct {
	*Server
	// Key is what its callers say.
	Key string
	// Job is the job.
	Job *aurea.Job

	simulated bool
}

// NestedPath is where a gateway within this one opens its job and asks for it.
const NestedPath = "/aurea/job"

// ServeChild opens the job and listens. ended is told of each call.
func (a *App) ServeChild(ctx context.Context, spec aurea.JobSpec, ended func(gateway.Call)) (*Child, error) {
	job, err := a.Orchestrator.OpenJob(ctx, spec)
	if err != nil {
		return nil, err
	}
	c := &Child{Key: "aurea-" + rand.Text(), Job: job, simulated: spec.Simulated}
	c.Server = a.server(gateway.Config{Key: c.Key, Within: spec.Name, Simulated: spec.Simulated, Ended: ended})
	return c, c.listen(ctx, "127.0.0.1:0", http.HandlerFunc(c.serve), nil)
}

// serve adds to the gateway what clients need that write its paths otherwise, and what a gateway within this one asks for.
func (c *Child) serve(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/v1")
	switch {
	case r.URL.Path == NestedPath && gateway.Bears(r.Header, c.Key):
		c.nested(w, r)
		return
	case strings.HasPrefix(path, "/v1/"), path == r.URL.Path && gateway.Answers("/v1"+path): // a base URL with /v1 too much, or without it
		r.URL = &url.URL{Path: "/v1" + strings.TrimPrefix(path, "/v1"), RawQuery: r.URL.RawQuery}
	}
	c.gateway.ServeHTTP(w, r)
}

// Nested asks for a job below the child's.
type Nested struct {
	Name   string     `json:"name"`
	Parent string     `json:"parent,omitempty"`
	Limit  *money.Sum `json:"limit_usd,omitempty"`
}

// nested opens a job below the child's, at POST, and shows one.
func (c *Child) nested(w http.ResponseWriter, r *http.Request) {
	var asked Nested
	var view jobs.View
	err := json.UnmarshalRead(http.MaxBytesReader(w, r.Body, 1<<16), &asked)
	if err != nil {
		err = &aurea.Error{Code: aurea.CodeInvalidRequest, Message: "no job was asked for", Err: err}
	}
	if err == nil {
		view, err = c.open(r, asked)
	}
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		code := aurea.ErrorCode(err)
		w.WriteHeader(code.Status())
		said := map[string]string{"code": string(code), "message": err.Error()}
		if e, ok := errors.AsType[*aurea.Error](err); ok {
			said["message"], said["hint"] = e.Message, e.Hint
		}
		_ = json.MarshalWrite(w, said)
		return
	}
	_ = json.MarshalWrite(w, view)
}

func (c *Child) open(r *http.Request, asked Nested) (jobs.View, error) {
	_, within, _ := strings.Cut(c.Job.ID, "/")
	spec := aurea.JobSpec{Name: asked.Name, Parent: asked.Parent, Limit: asked.Limit, Simulated: c.simulated}
	if spec.Parent == "" && spec.Name != within {
		spec.Parent = within
	}
	job, err := c.app.Orchestrator.OpenJob(r.Context(), spec)
	switch {
	case err != nil:
		return jobs.View{}, err
	case !job.Within(within):
		return jobs.View{}, &aurea.Error{Code: aurea.CodeJobConflict, Message: "job " + spec.Name + " does not draw on job " + within, Hint: "choose another --job or --parent"}
	}
	if err := c.app.Tracker.Flush(r.Context()); err != nil {
		return jobs.View{}, err
	}
	return jobs.Show(r.Context(), c.app.Store, job.ID)
}
