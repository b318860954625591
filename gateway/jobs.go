package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/money"
)

// defaultJob is the job of calls that name none. Its limit holds for each UTC day.
const defaultJob = "default"

// keepFor is how long an open job is used without asking the store for it again.
const keepFor = 30 * time.Second

// maxJobs is how many open jobs are kept.
const maxJobs = 10_000

// jobs keeps open jobs, so that a call does not begin with a transaction.
type jobs struct {
	orch      *aurea.Orchestrator
	within    string // a job above all of them, empty: none
	simulated bool

	mu    sync.Mutex
	known map[jobAsked]*openJob
}

type openJob struct {
	ready chan struct{} // closed when job and err are there
	job   *aurea.Job
	err   error
	until time.Time
}

func newJobs(cfg Config) *jobs {
	return &jobs{orch: cfg.Orchestrator, within: cfg.Within, simulated: cfg.Simulated, known: make(map[jobAsked]*openJob)}
}

// open returns the job that a request names, making it if it is not there.
func (j *jobs) open(ctx context.Context, name jobAsked) (*aurea.Job, error) {
	now := time.Now()
	j.mu.Lock()
	o, ok := j.known[name]
	if !ok || now.After(o.until) {
		o = &openJob{ready: make(chan struct{}), until: now.Add(keepFor)}
		j.makeRoom(now)
		j.known[name] = o
		go func() { // of all who ask for it, and so not on the first one's context
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepFor)
			defer cancel()
			if o.job, o.err = j.fetch(ctx, name); o.err != nil {
				j.forget(name, o)
			}
			close(o.ready)
		}()
	}
	j.mu.Unlock()
	select {
	case <-o.ready:
		return o.job, o.err
	case <-ctx.Done():
		return nil, &aurea.Error{Code: aurea.CodeDeadlineExceeded, Message: "the call was given up while its job was opened", Err: context.Cause(ctx)}
	}
}

func (j *jobs) fetch(ctx context.Context, name jobAsked) (*aurea.Job, error) {
	spec := aurea.JobSpec{Name: name.name, Parent: name.parent, Simulated: j.simulated}
	switch {
	case name.name != "" && name.name != j.within && name.parent == "":
		spec.Parent = j.within
	case name.name == "" && j.within != "":
		spec.Name = j.within
	case name.name == "":
		spec.Name, spec.PerDay = defaultJob, true
	}
	if name.name != "" {
		spec.PII = name.pii
	}
	if name.limit != "" {
		limit, err := money.ParseSum(name.limit)
		if err != nil {
			return nil, err
		}
		spec.Limit = &limit
	}
	job, err := j.orch.OpenJob(ctx, spec)
	if err == nil && j.within != "" && !job.Within(j.within) {
		return nil, &aurea.Error{
			Code: aurea.CodeJobConflict, Message: fmt.Sprintf("job %q does not draw on job %q, as all calls here must", clip(spec.Name), j.within), Hint: "choose another X-Aurea-Job",
		}
	}
	return job, err
}

func (j *jobs) forget(name jobAsked, o *openJob) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.known[name] == o {
		delete(j.known, name)
	}
}

// makeRoom drops what is too old, and where that is not enough, anything. Under mu.
func (j *jobs) makeRoom(now time.Time) {
	if len(j.known) < maxJobs {
		return
	}
	for name, o := range j.known {
		if now.After(o.until) {
			delete(j.known, name)
		}
	}
	for name := range j.known {
		if len(j.known) < maxJobs {
			return
		}
		delete(j.known, name)
	}
}
