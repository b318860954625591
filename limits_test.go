package aurea_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/memory"
)

// Who waits for an allowance when the orchestrator is closed is refused, so that closing does not wait for tomorrow.
func TestCloseRefusesWhoWaits(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]ratelimit.Limits{"a minute": {RPM: 2}, "a day": {RPD: 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				orch := library(t, func(c *aurea.Config) {
					c.Limits = func(_, _, _ string) (ratelimit.Limits, ratelimit.Profile) { return limits, ratelimit.Profile{Burst: 2} }
				})
				job := newJob(t, orch, aurea.Dollar)
				errs := make(chan error, 5)
				waits := small
				waits.MaxWait = -1
				for range cap(errs) {
					go func() {
						_, err := aurea.Execute(t.Context(), job, waits, answers(1, 1))
						errs <- err
					}()
				}
				time.Sleep(5 * time.Second) // a share of a day grows once a second
				began := time.Now()
				if err := orch.Close(); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("closing took %s", took)
				}
				refused := 0
				for range cap(errs) {
					if errors.Is(<-errs, aurea.ErrUnavailable) {
						refused++
					}
				}
				if refused != 3 {
					t.Errorf("%d refused", refused)
				}
			})
		})
	}
}

// slowStore takes its time to say who uses one model.
type slowStore struct{ store.Store }

func (s slowStore) UseModel(ctx context.Context, use store.ModelUse) (store.ModelUsers, error) {
	if !strings.HasSuffix(use.Key, "|free") {
		return s.Store.UseModel(ctx, use)
	}
	select {
	case <-ctx.Done():
		return store.ModelUsers{}, context.Cause(ctx)
	case <-time.After(time.Hour):
		return store.ModelUsers{}, errors.New("late")
	}
}

// The first use of a model, for which the store is asked, holds up no other model, and itself no longer than a few seconds.
func TestFirstUseHoldsUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := slowStore{memory.New(memory.Options{})}
		orch := library(t, func(c *aurea.Config) { c.Store = st })
		job := newJob(t, orch, aurea.Dollar)
		go func() {
			free := small
			free.Model = "free"
			_, _ = aurea.Execute(t.Context(), job, free, answers(1, 1))
		}()
		time.Sleep(time.Second)
		began := time.Now()
		if _, err := aurea.Execute(t.Context(), job, small, answers(1, 1)); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// Names that somebody makes up leave nothing behind.
func TestMadeUpNames(t *testing.T) {
	t.Parallel()
	orch := library(t, nil)
	job := newJob(t, orch, aurea.Dollar)
	for i := range 500 {
		call := small
		call.Model = fmt.Sprint("made-up-", i)
		if _, err := aurea.Execute(t.Context(), job, call, answers(1, 1)); !errors.Is(err, aurea.ErrPriceUnknown) {
			t.Fatal(err)
		}
	}
	if s := orch.Status(); len(s.Breakers) > 0 || len(s.Limits) > 0 {
		t.Errorf("%d circuits, %d limits", len(s.Breakers), len(s.Limits))
	}
}
