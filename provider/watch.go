package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
)

// watch ends an exchange whose provider is silent for too long. A nil watch, and a bound of 0, end nothing. One goroutine uses it.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	first  *time.Timer // nil once a byte has come
	idle   *time.Timer // made when it is first needed
	bound  time.Duration
	ending bool      // bound is what all waits may take together
	since  time.Time // when the wait began, if ending
}

// newWatch begins the wait for the first byte. The context it returns ends with the watch.
func newWatch(ctx context.Context, firstByte, idle time.Duration) (context.Context, *watch) {
	w := &watch{bound: idle}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	if firstByte > 0 {
		w.first = time.AfterFunc(firstByte, func() { w.cancel(fmt.Errorf("%w: %s", aurea.ErrFirstByteTimeout, firstByte)) })
	}
	return w.ctx, w
}

// came says that bytes have come. Until the next wait nothing runs: the time that our side takes is not the provider's.
func (w *watch) came() {
	w.pause()
	if w.idle != nil {
		w.idle.Stop()
	}
	if w.ending {
		w.bound = max(w.bound-time.Since(w.since), 1)
	}
}

// wait begins the wait for the next bytes, unless the first have not come.
func (w *watch) wait() {
	if w.ending {
		w.since = time.Now()
	}
	switch {
	case w.first != nil || w.bound <= 0:
	case w.idle == nil:
		w.idle = time.AfterFunc(w.bound, func() { w.cancel(aurea.ErrIdleTimeout) })
	default:
		w.idle.Reset(w.bound)
	}
}

// pause ends the wait for the first byte.
func (w *watch) pause() {
	if w != nil && w.first != nil {
		w.first.Stop()
		w.first = nil
	}
}

// near says that the stream has said its end: from now on all waits together may take d.
func (w *watch) near(d time.Duration) {
	if w.ending {
		return
	}
	w.ending = true
	if w.bound <= 0 || d < w.bound {
		w.bound = d
	}
	w.since = time.Now()
}

// end stops the timers and ends the context.
func (w *watch) end() {
	w.came()
	w.cancel(nil)
}

// silent returns the time-out that ended the exchange, or nil.
func (w *watch) silent() error {
	if w == nil {
		return nil
	}
	if cause := context.Cause(w.ctx); errors.Is(cause, aurea.ErrFirstByteTimeout) || errors.Is(cause, aurea.ErrIdleTimeout) {
		return cause
	}
	return nil
}
