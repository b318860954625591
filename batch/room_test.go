package batch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/aureatest"
	"github.com/andres20980/aurea-orchestrator/batch"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/memory"
)

// fillingStore is a store whose disk can be full: it is read as ever, and takes nothing.
type fillingStore struct {
	store.Store
	full atomic.Bool
}

func (s *fillingStore) room() error {
	if s.full.Load() {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, store.ErrFull)
	}
	return nil
}

func (s *fillingStore) Apply(ctx context.Context, r store.Round) (store.RoundResult, error) {
	if err := s.room(); err != nil {
		return store.RoundResult{}, err
	}
	return s.Store.Apply(ctx, r)
}

func (s *fillingStore) Claim(ctx context.Context, job, lane string, owner store.OwnerID, limit int, now time.Time) ([]store.Item, error) {
	if err := s.room(); err != nil {
		return nil, err
	}
	return s.Store.Claim(ctx, job, lane, owner, limit, now)
}

func (s *fillingStore) SetJobState(ctx context.Context, id string, state store.JobState, reason string, now time.Time) error {
	if err := s.room(); err != nil {
		return err
	}
	return s.Store.SetJobState(ctx, id, state, reason, now)
}

func (s *fillingStore) ReleaseRunner(ctx context.Context, job string, owner store.OwnerID, now time.Time) error {
	if err := s.room(); err != nil {
		return err
	}
	return s.Store.ReleaseRunner(ctx, job, owner, now)
}

// rig is a batch of items over a store that can fill up.
type rig struct {
	st     *fillingStore
	orch   *aureatest.Orchestrator
	log    bytes.Buffer
	runner *batch.Runner
}

func newRig(t *testing.T, items int) *rig {
	t.Helper()
	r := &rig{st: &fillingStore{Store: memory.New(memory.Options{})}}
	tracker, err := budget.Open(t.Context(), r.st, budget.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, r.st.Close()) })
	t.Cleanup(func() { must(t, tracker.Close(context.Background())) })
	r.orch = aureatest.New(t, func(c *aurea.Config) { c.Store, c.Tracker = r.st, tracker })
	r.orch.Provider.Configure(aureatest.Options{Latency: 100 * time.Millisecond})
	limit := money.SumOf(aurea.Dollar)
	job, err := r.orch.OpenJob(t.Context(), aurea.JobSpec{Name: "b", Limit: &limit, Batch: true})
	if err != nil {
		t.Fatal(err)
	}
	row, err := r.st.Job(t.Context(), job.ID)
	if err != nil {
		t.Fatal(err)
	}
	in := strings.ReplaceAll(lines(1, items), `"m"`, `"`+aureatest.Model+`"`)
	if _, err := batch.Load(t.Context(), r.st, row, strings.NewReader(in), batch.LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	r.runner = batch.NewRunner(batch.Config{
		Orchestrator: r.orch.Orchestrator, Store: r.st, Owner: tracker.Owner, Concurrency: 4,
		Logger: slog.New(slog.NewTextHandler(&r.log, nil)),
	}, job)
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// While the disk is full a run sends nothing new and says so once; then it goes on, and every item has been sent once.
func TestRunWaitsForRoom(t *testing.T) {
	const items = 600
	for after := range 5 { // full at different points of a call
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, items)
			time.AfterFunc(2*time.Second+time.Duration(after)*23*time.Millisecond, func() { r.st.full.Store(true) })
			var sent int
			time.AfterFunc(time.Minute, func() { sent = len(r.orch.Provider.Requests()) })
			time.AfterFunc(time.Hour, func() {
				if n := len(r.orch.Provider.Requests()); n != sent || n < 8 || n > items/2 {
					t.Errorf("%d requests an hour later, %d before", n, sent)
				}
				r.st.full.Store(false)
			})
			out, err := r.runner.Run(t.Context(), nil)
			if err != nil || out.Ended != batch.Finished || out.Counts.Done != items {
				t.Errorf("%+v, %v", out, err)
			}
			aureatest.RequireRequests(t, r.orch.Provider, items)
			if n := strings.Count(r.log.String(), "level=WARN"); n > 2 {
				t.Errorf("%d warnings:\n%s", n, r.log.String())
			}
		})
	}
}

// Told to stop while the disk is full, a run waits for what is under way to be written; cut off, it ends.
func TestStopOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1000)
		ctx, cutOff := context.WithCancel(t.Context())
		stop := make(chan struct{})
		time.AfterFunc(2*time.Second, func() { r.st.full.Store(true) })
		time.AfterFunc(time.Minute, func() { close(stop) })
		time.AfterFunc(2*time.Minute, cutOff)
		began := time.Now()
		_, err := r.runner.Run(ctx, stop)
		if took := time.Since(began); took < 2*time.Minute || took > 3*time.Minute {
			t.Errorf("ended after %v", took)
		}
		if !errors.Is(err, store.ErrFull) {
			t.Error(err)
		}
		r.st.full.Store(false)
	})
}
