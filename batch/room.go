package batch

import (
	"context"
	"errors"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/store"
)

// notWritten reports whether an attempt ended before it was sent because its mark could not be written, on a full disk as a rule.
func notWritten(a *aurea.Answer) bool {
	if a.Err == nil {
		return false
	}
	err := a.Err.Err
	return errors.Is(err, budget.ErrJournal) || errors.Is(err, store.ErrFull) || errors.Is(err, budget.ErrUnavailable)
}

// noRoom reports whether an error, or the reason behind it, is that the disk is full. A hold that became too old while nothing could
// be written does not say so itself; the store does when it is asked to write.
func (r *Runner) noRoom(err error) bool {
	switch {
	case r.Stopping() || errors.Is(err, store.ErrDamaged):
		return false
	case errors.Is(err, store.ErrFull) || errors.Is(err, budget.ErrJournal):
		return true
	}
	ctx, cancel := context.WithTimeout(r.waits, 10*time.Second)
	defer cancel()
	return errors.Is(r.cfg.Store.SetJobState(ctx, r.job.ID, store.JobRunning, "", time.Now()), store.ErrFull)
}

// pause says once that the run waits for room, and why.
func (r *Runner) pause(err error) {
	if r.paused.CompareAndSwap(false, true) {
		r.cfg.Logger.Warn("paused: there is no room to write; nothing new is sent, and the run goes on by itself when there is", "error", err)
	}
}

// goOn says that it goes on.
func (r *Runner) goOn() {
	if r.paused.CompareAndSwap(true, false) {
		r.cfg.Logger.Warn("there is room again; the run goes on")
	}
}
