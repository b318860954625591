package batch

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/store"
)

// WorkerConfig is what a [Worker] works with.
type WorkerConfig struct {
	Orchestrator *aurea.Orchestrator
	Store        store.Store
	// Owner names this process in the store; see budget.Tracker.Owner.
	Owner func() store.OwnerID
	// Concurrency is how many calls are under way at once, of all jobs together. Default: 32.
	Concurrency int
	// Simulated says that the providers are simulated: only rehearsals are worked on then, and otherwise never one.
	Simulated bool
	// Ended is told of each run of a job here that ends; it must not block. Default: nobody is.
	Ended func(job string, end Outcome)
	// Logger. Default: none.
	Logger *slog.Logger
}

// Worker works on detached jobs, on all that there are at once: each has a run of its own, and they take turns for the places that calls have, so that a small job is not behind a large
// one. Any number of Workers, in any number of processes, may share a store. An item is with one of them at a time; what a process that died had is taken up by the others.
type Worker struct {
	cfg   WorkerConfig
	slots *semaphore.Weighted

	mu     sync.Mutex
	active map[string]bool
	next   map[string]time.Time // when a job is looked at again
}

// How often a worker looks for jobs; how soon again at one whose items are all with others, and at one with which something does not work or that waits for
// a limit that is not its own.
const (
	lookEvery   = 500 * time.Millisecond
	leftPause   = time.Second
	brokenPause = 10 * time.Second
)

// NewWorker returns a worker.
func NewWorker(cfg WorkerConfig) *Worker {
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = 32
	}
	if cfg.Ended == nil {
		cfg.Ended = func(string, Outcome) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Worker{cfg: cfg, slots: semaphore.NewWeighted(int64(cfg.Concurrency)), active: make(map[string]bool), next: make(map[string]time.Time)}
}

// Run works until stop is closed, and waits for the calls on the wire then; when ctx ends they are cut off. What is not done stays for others, and for later.
func (w *Worker) Run(ctx context.Context, stop <-chan struct{}) {
	var runs sync.WaitGroup
	defer runs.Wait()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		for _, j := range w.due(ctx) {
			runs.Go(func() { w.work(ctx, stop, j) })
		}
		select {
		case <-ctx.Done():
			return
		case <-stop:
			return
		case <-tick.C:
		}
	}
}

// Active returns how many jobs are worked on here.
func (w *Worker) Active() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.active)
}

// due returns the jobs that are to be worked on and are not yet.
func (w *Worker) due(ctx context.Context) (due []store.Job) {
	all, err := w.cfg.Store.Detached(ctx)
	if err != nil {
		if ctx.Err() == nil {
			w.cfg.Logger.Warn("the store did not say what there is to do; it is asked again", "error", err)
		}
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now, there := time.Now(), make(map[string]bool, len(all))
	for _, j := range all {
		there[j.ID] = true
		if j.Simulated == w.cfg.Simulated && !w.active[j.ID] && !now.Before(w.next[j.ID]) {
			w.active[j.ID] = true
			due = append(due, j)
		}
	}
	for id := range w.next {
		if !there[id] {
			delete(w.next, id)
		}
	}
	return due
}

// work runs a job as long as there is something to do here.
func (w *Worker) work(ctx context.Context, stop <-chan struct{}, j store.Job) {
	end, err := w.run(ctx, stop, j)
	pause := time.Duration(0)
	switch {
	case err != nil || end.Ended == Broken:
		pause = brokenPause
		if ctx.Err() == nil {
			w.cfg.Logger.Error("a job cannot be worked on; it is tried again", "job", j.ID, "error", errors.Join(err, end.Refused))
		}
	case end.Ended == Waiting:
		pause = brokenPause
	case end.Ended == Left:
		pause = leftPause
	}
	w.mu.Lock()
	delete(w.active, j.ID)
	w.next[j.ID] = time.Now().Add(pause)
	w.mu.Unlock()
	if err == nil {
		w.cfg.Ended(j.ID, end)
	}
}

func (w *Worker) run(ctx context.Context, stop <-chan struct{}, j store.Job) (Outcome, error) {
	key, name, _ := strings.Cut(j.ID, "/")
	job, err := w.cfg.Orchestrator.OpenJob(ctx, aurea.JobSpec{Key: key, Name: name, Batch: true, Detached: true, Simulated: j.Simulated})
	if err != nil {
		return Outcome{}, err
	}
	return NewRunner(Config{
		Orchestrator: w.cfg.Orchestrator, Store: w.cfg.Store, Owner: w.cfg.Owner, Concurrency: w.cfg.Concurrency, Slots: w.slots, Logger: w.cfg.Logger,
		OnFailed: func(customID, code, message string) {
			w.cfg.Logger.Warn("item failed", "job", j.ID, "custom_id", customID, "code", code, "message", message)
		},
	}, job).Run(ctx, stop)
}
