package jobs_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/internal/jobs"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/memory"
)

// forgetful is a store whose trail fails as the test says: at the beginning of a change, or at its end.
type forgetful struct {
	*memory.Store
	atBegin, atEnd error
}

func (f *forgetful) PutChange(ctx context.Context, c store.Change) (int64, error) {
	if err := f.atBegin; c.ID == 0 && err != nil {
		return 0, err
	}
	if err := f.atEnd; c.ID != 0 && err != nil {
		return 0, err
	}
	return f.Store.PutChange(ctx, c)
}

// A change that cannot be noted is not made; one whose end cannot be noted is made, and its row says begun.
func TestNoChangeWithoutARow(t *testing.T) {
	t.Parallel()
	full := errors.New("disk full")
	for name, c := range map[string]struct {
		st      *forgetful
		err     error
		limit   int64
		outcome []string
	}{
		"noted":               {&forgetful{}, nil, 2, []string{store.ChangeDone}},
		"beginning not noted": {&forgetful{atBegin: full}, full, 1, nil},
		"end not noted":       {&forgetful{atEnd: full}, nil, 2, []string{store.ChangeBegun}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.st.Store = memory.New(memory.Options{})
			j, _, err := c.st.CreateJob(t.Context(), store.Job{ID: "local/a", Created: time.Now()}, money.Sum{Dollars: 1})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := (jobs.Steward{Store: c.st, Actor: "test"}).Raise(t.Context(), j, money.Sum{Dollars: 2}, nil); !errors.Is(err, c.err) {
				t.Errorf("%v, want %v", err, c.err)
			}
			v, err := jobs.Show(t.Context(), c.st, "local/a")
			if err != nil || v.Limit != (money.Sum{Dollars: c.limit}) {
				t.Errorf("limit %s, %v, want %d", v.Limit, err, c.limit)
			}
			changes, _, err := c.st.Changes(t.Context(), 0, 10)
			if err != nil || len(changes) != len(c.outcome) || len(changes) == 1 && changes[0].Outcome != c.outcome[0] {
				t.Errorf("%+v, %v", changes, err)
			}
		})
	}
}

// A change that its caller does not wait for leaves a row that says how it ended.
func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	st := memory.New(memory.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	err := jobs.Steward{Store: st}.Note(ctx, jobs.ActionBreaker, "all", nil, nil, func() (any, error) {
		cancel()
		return nil, ctx.Err()
	})
	changes, _, e := st.Changes(t.Context(), 0, 10)
	if !errors.Is(err, context.Canceled) || e != nil || len(changes) != 1 || changes[0].Outcome != "internal" {
		t.Errorf("%v, %+v, %v", err, changes, e)
	}
}
