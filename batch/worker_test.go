package batch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/memory"
)

// A small job that comes while a large one is worked on ends in three times its time alone at most, whether places for calls or a limit of the provider are what both wait for.
func TestWorkerIsFair(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]ratelimit.Limits{"slots": {}, "limit": {RPM: 1200}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				alone, beside := smallJob(t, limits, 0), smallJob(t, limits, 3000)
				t.Logf("%s alone, %s beside 3,000 items", alone, beside)
				if beside > 3*alone {
					t.Errorf("%s alone, %s beside 3,000 items", alone, beside)
				}
			})
		})
	}
}

// smallJob returns how long a job of 100 items takes beside one of others.
func smallJob(t *testing.T, limits ratelimit.Limits, others int) time.Duration {
	t.Helper()
	st := memory.New(memory.Options{})
	tracker, err := budget.Open(t.Context(), st, budget.Options{})
	if err != nil {
		t.Fatal(err)
	}
	orch := aureatest.New(t, func(c *aurea.Config) {
		c.Store, c.Tracker = st, tracker
		c.Limits = func(_, _, _ string) (ratelimit.Limits, ratelimit.Profile) { return limits, ratelimit.Generic() }
	})
	orch.Provider.Configure(aureatest.Options{Latency: 200 * time.Millisecond})
	ended := make(chan string, 10)
	w := batch.NewWorker(batch.WorkerConfig{
		Orchestrator: orch.Orchestrator, Store: st, Owner: tracker.Owner, Concurrency: 8,
		Ended: func(job string, end batch.Outcome) {
			if end.Ended == batch.Finished {
				ended <- job
			}
		},
	})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		w.Run(t.Context(), stop)
		close(stopped)
	}()
	if others > 0 {
		submit(t, orch, "large", "", others)
	}
	time.Sleep(10 * time.Second)
	begun := time.Now()
	submit(t, orch, "small", "", 100)
	if first := <-ended; first != "local/small" {
		t.Errorf("%s ended first", first)
	}
	took := time.Since(begun)
	close(stop)
	<-stopped
	must(t, tracker.Close(context.Background()))
	must(t, st.Close())
	return took
}

// submit makes a detached job with a limit of a hundred dollars and items in it.
func submit(t *testing.T, orch *aureatest.Orchestrator, name, parent string, items int) *aurea.Job {
	t.Helper()
	limit := money.SumOf(100 * aurea.Dollar)
	job, err := orch.OpenJob(t.Context(), aurea.JobSpec{Name: name, Parent: parent, Limit: &limit, Batch: true, Detached: true})
	if err != nil {
		t.Fatal(err)
	}
	row, err := orch.Store.Job(t.Context(), job.ID)
	if err != nil {
		t.Fatal(err)
	}
	in := strings.ReplaceAll(lines(1, items), `"m"`, `"`+aureatest.Model+`"`)
	if _, err := batch.Load(t.Context(), orch.Store, row, strings.NewReader(in), batch.LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	return job
}

// A job that its parent's limit stops stays pending and says so, and goes on by itself when the parent is raised.
func TestWorkerWaitsForTheParent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memory.New(memory.Options{})
		tracker, err := budget.Open(t.Context(), st, budget.Options{})
		if err != nil {
			t.Fatal(err)
		}
		orch := aureatest.New(t, func(c *aurea.Config) { c.Store, c.Tracker = st, tracker })
		little := money.SumOf(aurea.Cent)
		if _, err := orch.OpenJob(t.Context(), aurea.JobSpec{Name: "parent", Limit: &little}); err != nil {
			t.Fatal(err)
		}
		job := submit(t, orch, "child", "parent", 100)
		ends, stop := make(chan batch.Ended, 100), make(chan struct{})
		time.AfterFunc(55*time.Second, func() { // between two tries
			if j, err := st.Job(t.Context(), job.ID); err != nil || j.State != store.JobPending || !strings.Contains(j.Reason, "waiting: budget of job:local/parent exceeded") {
				t.Errorf("%+v, %v", j, err)
			}
			c, err := st.FindCounter(t.Context(), "job:local/parent", time.Time{})
			if err == nil {
				_, err = st.SetLimit(t.Context(), c.ID, money.SumOf(50*aurea.Dollar))
			}
			must(t, err)
		})
		time.AfterFunc(2*time.Minute, func() { close(stop) })
		batch.NewWorker(batch.WorkerConfig{
			Orchestrator: orch.Orchestrator, Store: st, Owner: tracker.Owner, Concurrency: 8, Ended: func(_ string, end batch.Outcome) { ends <- end.Ended },
		}).Run(t.Context(), stop)
		close(ends)
		var all []batch.Ended
		for e := range ends {
			all = append(all, e)
		}
		if n := len(all); n < 4 || n > 8 || all[0] != batch.Waiting || all[n-1] != batch.Finished {
			t.Errorf("its runs ended %v", all)
		}
		aureatest.RequireRequests(t, orch.Provider, 100)
		must(t, tracker.Close(context.Background()))
		must(t, st.Close())
	})
}

// Rehearsals and real jobs do not mix, and an undetached job is nobody's to take.
func TestWorkerTakesItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		orch := aureatest.New(t)
		for i, spec := range []aurea.JobSpec{{Batch: true}, {Batch: true, Simulated: true, Detached: true}, {}} {
			spec.Name = fmt.Sprint("job-", i)
			if _, err := orch.OpenJob(t.Context(), spec); err != nil {
				t.Fatal(err)
			}
		}
		stop := make(chan struct{})
		time.AfterFunc(time.Minute, func() { close(stop) })
		w := batch.NewWorker(batch.WorkerConfig{Orchestrator: orch.Orchestrator, Store: orch.Store, Ended: func(job string, _ batch.Outcome) { t.Errorf("it took %s", job) }})
		time.AfterFunc(30*time.Second, func() {
			if n := w.Active(); n != 0 {
				t.Errorf("%d jobs active", n)
			}
		})
		w.Run(t.Context(), stop)
		aureatest.RequireRequests(t, orch.Provider, 0)
	})
}

// deafStore claims, and does not tell: as when a connection breaks before the answer.
type deafStore struct {
	store.Store
	every int
	n     atomic.Int64
}

func (s *deafStore) Claim(ctx context.Context, job, lane string, owner store.OwnerID, limit int, now time.Time) ([]store.Item, error) {
	items, err := s.Store.Claim(ctx, job, lane, owner, limit, now)
	if err == nil && s.n.Add(1)%int64(s.every) == 0 {
		return nil, errors.New("the connection broke")
	}
	return items, err
}

// Items whose claim nobody was told of are worked on all the same, once each.
func TestWorkerLostClaim(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &deafStore{Store: memory.New(memory.Options{}), every: 3}
		tracker, err := budget.Open(t.Context(), st, budget.Options{})
		if err != nil {
			t.Fatal(err)
		}
		orch := aureatest.New(t, func(c *aurea.Config) { c.Store, c.Tracker = st, tracker })
		orch.Provider.Configure(aureatest.Options{Latency: 100 * time.Millisecond})
		job := submit(t, orch, "j", "", 200)
		stop := make(chan struct{})
		limitOfTest := time.AfterFunc(time.Hour, func() { close(stop) })
		batch.NewWorker(batch.WorkerConfig{
			Orchestrator: orch.Orchestrator, Store: st, Owner: tracker.Owner, Concurrency: 8,
			Ended: func(_ string, end batch.Outcome) {
				if end.Ended == batch.Finished && limitOfTest.Stop() {
					close(stop)
				}
			},
		}).Run(t.Context(), stop)
		counts, err := st.CountItems(t.Context(), job.ID)
		if err != nil || counts.Done != 200 {
			t.Errorf("%+v, %v", counts, err)
		}
		aureatest.RequireRequests(t, orch.Provider, 200)
		must(t, tracker.Close(context.Background()))
		must(t, st.Close())
	})
}

// What the provider says about an item that fails is data, and kept; the error that is told of it has no personal data.
func TestFailedItemsTellNoSecrets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memory.New(memory.Options{})
		tracker, err := budget.Open(t.Context(), st, budget.Options{})
		if err != nil {
			t.Fatal(err)
		}
		orch := aureatest.New(t, func(c *aurea.Config) { c.Store, c.Tracker = st, tracker })
		orch.Provider.Script(aureatest.Step{Status: 400, Body: json.RawMessage(`{"error":{"message":"no bob@example.com","type":"t","code":"bad"}}`)})
		job := submit(t, orch, "j", "", 1)
		stop := make(chan struct{})
		batch.NewWorker(batch.WorkerConfig{
			Orchestrator: orch.Orchestrator, Store: st, Owner: tracker.Owner, Ended: func(string, batch.Outcome) { close(stop) },
		}).Run(t.Context(), stop)
		var out strings.Builder
		if _, err := batch.WriteResults(t.Context(), st, job.ID, true, &out); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), "bob@"); n != 1 || !strings.Contains(out.String(), `"message":"no [EMAIL_REDACTED]"`) {
			t.Errorf("%s", &out)
		}
		must(t, tracker.Close(context.Background()))
		must(t, st.Close())
	})
}
