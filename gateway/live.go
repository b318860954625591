package gateway

import (
	"context"
	"sync"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
)

// lookEvery is how often the jobs of calls under way are looked at.
const lookEvery = 250 * time.Millisecond

// live ends calls under way whose job was cancelled, or has spent more than its limit.
type live struct {
	stop chan struct{}
	once sync.Once

	mu    sync.Mutex
	calls map[*aurea.Job]map[*context.CancelCauseFunc]struct{}
}

func newLive() *live {
	l := &live{stop: make(chan struct{}), calls: make(map[*aurea.Job]map[*context.CancelCauseFunc]struct{})}
	go l.watch()
	return l
}

func (l *live) close() { l.once.Do(func() { close(l.stop) }) }

// add has a call ended with its job, until done is called.
func (l *live) add(job *aurea.Job, cancel context.CancelCauseFunc) (done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.calls[job]
	if of == nil {
		of = make(map[*context.CancelCauseFunc]struct{})
		l.calls[job] = of
	}
	of[&cancel] = struct{}{}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if delete(of, &cancel); len(of) == 0 && len(l.calls[job]) == 0 {
			delete(l.calls, job)
		}
	}
}

// cut ends all calls under way.
func (l *live) cut(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, of := range l.calls {
		for cancel := range of {
			(*cancel)(cause)
		}
	}
}

func (l *live) watch() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
			l.look()
		}
	}
}

func (l *live) look() {
	l.mu.Lock()
	jobs := make([]*aurea.Job, 0, len(l.calls))
	for job := range l.calls {
		jobs = append(jobs, job)
	}
	l.mu.Unlock()
	for _, job := range jobs {
		err := job.Standing().Err
		if err == nil {
			continue
		}
		l.mu.Lock()
		for cancel := range l.calls[job] {
			(*cancel)(err)
		}
		l.mu.Unlock()
	}
}
