package aurea_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/memory"
)

// onStore is one process on a store, with limits for model m.
func onStore(t *testing.T, st store.Store, l ratelimit.Limits, p ratelimit.Profile) (orch *aurea.Orchestrator, job *aurea.Job) {
	t.Helper()
	orch = library(t, func(c *aurea.Config) {
		c.Store = st
		c.Limits = func(_, _, _ string) (ratelimit.Limits, ratelimit.Profile) { return l, p }
	})
	return orch, newJob(t, orch, 1000*aurea.Dollar)
}

// spend makes calls until one is refused, and returns how many went.
func spend(t *testing.T, job *aurea.Job, wait time.Duration) (n int) {
	t.Helper()
	call := small
	call.MaxWait = wait
	for {
		_, err := aurea.Execute(context.Background(), job, call, answers(50, 10))
		if errors.Is(err, aurea.ErrRateLimited) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
}

// A limit per day holds over processes beside one another and after one another, and the next day begins anew.
func TestLimitsPerDayOutliveTheProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memory.New(memory.Options{})
		limits := ratelimit.Limits{RPD: 1000}
		first, job := onStore(t, st, limits, ratelimit.Profile{})
		for range 300 {
			if _, err := aurea.Execute(t.Context(), job, small, answers(50, 10)); err != nil {
				t.Fatal(err)
			}
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var n atomic.Int64
		for range 3 {
			_, job := onStore(t, st, limits, ratelimit.Profile{})
			wg.Go(func() { n.Add(int64(spend(t, job, 5*time.Second))) })
		}
		wg.Wait()
		if got := n.Load(); got > 700 || got < 680 {
			t.Errorf("%d calls after the 300 of a limit of 1000", got)
		}
		time.Sleep(24 * time.Hour)
		_, job = onStore(t, st, limits, ratelimit.Profile{})
		if got := spend(t, job, 5*time.Second); got < 980 || got > 1000 {
			t.Errorf("%d calls on the next day", got)
		}
	})
}

// A process that is killed has taken ahead, never too little.
func TestLimitsPerDayAfterAKill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memory.New(memory.Options{})
		limits := ratelimit.Limits{RPD: 500, TPD: 1 << 40}
		total := 0
		for range 5 {
			_, job := onStore(t, st, limits, ratelimit.Profile{}) // and never closed before the next
			for range 60 {
				if _, err := aurea.Execute(t.Context(), job, small, answers(50, 10)); err != nil {
					t.Fatal(err)
				}
				total++
			}
		}
		_, job := onStore(t, st, limits, ratelimit.Profile{})
		if total += spend(t, job, 5*time.Second); total > 500 || total < 440 {
			t.Errorf("%d calls of a limit of 500", total)
		}
	})
}

// A new process does not add a burst to what the one before has let through in the last minute.
func TestColdStart(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*aurea.Orchestrator){"closed": func(o *aurea.Orchestrator) { _ = o.Close() }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := memory.New(memory.Options{})
				limits, profile := ratelimit.Limits{RPM: 60}, ratelimit.Profile{Burst: 60}
				var sent []time.Time
				use := func(job *aurea.Job, n int) {
					for range n {
						_, err := aurea.Execute(t.Context(), job, small, func(context.Context) (int, aurea.Usage, error) {
							sent = append(sent, time.Now())
							return 0, aurea.Usage{Input: 1, Output: 1}, nil
						})
						if err != nil {
							t.Fatal(err)
						}
					}
				}
				first, job := onStore(t, st, limits, profile)
				use(job, 60)
				end(first)
				time.Sleep(10 * time.Second)
				_, job = onStore(t, st, limits, profile)
				use(job, 120)
				for i := range sent {
					n := 0
					for _, at := range sent[i:] {
						if at.Sub(sent[i]) < time.Minute {
							n++
						}
					}
					if n > 60+50 { // a bucket of 60 that refills by one a second lets 50 through in the rest of the minute
						t.Errorf("%d calls in the minute after %v", n, sent[i])
						break
					}
				}
				if took := sent[len(sent)-1].Sub(sent[60]); took < 115*time.Second {
					t.Errorf("the second process let 120 calls through in %v", took)
				}
			})
		})
	}
}

// A process that comes to a model without limits has nobody to wait for.
func TestNewcomerWithoutLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memory.New(memory.Options{})
		for range 2 {
			_, job := onStore(t, st, ratelimit.Limits{}, ratelimit.Profile{})
			call := small
			call.MaxWait = time.Millisecond
			if _, err := aurea.Execute(context.Background(), job, call, answers(50, 10)); err != nil {
				t.Error(err)
			}
		}
	})
}
