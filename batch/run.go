package batch

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Config is what a [Runner] works with.
type Config struct {
	Orchestrator *aurea.Orchestrator
	Store        store.Store
	// Owner names this process in the store; see budget.Tracker.Owner.
	Owner func() store.OwnerID
	// Concurrency is how many calls are under way at once. Default: 32.
	Concurrency int
	// Slots, if not nil, are taken for calls in place of Concurrency, which bounds several runners together then.
	Slots *semaphore.Weighted
	// OnFailed is told of each item that failed for good; it must not block. Default: nobody is.
	OnFailed func(customID, code, message string)
	// Logger. Default: none.
	Logger *slog.Logger
}

// Ended says why a run ended.
type Ended string

// Ends of a run.
const (
	// Finished: every item is done or has failed.
	Finished Ended = "finished"
	// Exhausted: the budget does not cover the next item; see Outcome.Refused.
	Exhausted Ended = "exhausted"
	// Stopped: the caller asked to stop.
	Stopped Ended = "stopped"
	// Cancelled: the job was cancelled.
	Cancelled Ended = "cancelled"
	// Left: what is not done yet is with other processes, or somebody has paused the job. Only detached jobs end so.
	Left Ended = "left"
	// Waiting: the limit of another account, such as the parent's or a key's for the day, is used up; see Outcome.Refused. Only detached jobs end so, and are tried
	// again.
	Waiting Ended = "waiting"
	// Broken: something of our own does not work, such as a full disk; see Outcome.Refused.
	Broken Ended = "broken"
)

// Outcome is how a run ended.
type Outcome struct {
	Ended   Ended
	Refused error // what ended an Exhausted, Waiting or Broken run
	Counts  store.ItemCounts
}

// Runner works on one batch. Make a new one for each run.
type Runner struct {
	cfg   Config
	job   *aurea.Job
	slots *semaphore.Weighted
	stats stats

	shared  bool            // the job is detached: others may work on it too
	owner   store.OwnerID   // the job's runner, this process
	calls   context.Context // ends calls on the wire
	waits   context.Context // ends waiting; calls on the wire go on
	endWait context.CancelFunc

	paused atomic.Bool // waits for room on the disk

	mu      sync.Mutex
	ended   Ended
	refused error
}

// NewRunner returns a runner for an accepted job.
func NewRunner(cfg Config, job *aurea.Job) *Runner {
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = 32
	}
	if cfg.OnFailed == nil {
		cfg.OnFailed = func(string, string, string) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Slots == nil {
		cfg.Slots = semaphore.NewWeighted(int64(cfg.Concurrency))
	}
	return &Runner{cfg: cfg, job: job, slots: cfg.Slots}
}

// Run works until an [Ended] applies. When stop is closed, nothing new is sent and calls on the wire are waited for; when ctx ends, they are
// cut off as well. Either way, and after a crash, a later run goes on where this one ended. Another live runner of the job is a *[store.BusyError]; a detached job has none, and any
// number of processes may run it at once.
func (r *Runner) Run(ctx context.Context, stop <-chan struct{}) (Outcome, error) {
	st := r.cfg.Store
	row, err := st.Job(ctx, r.job.ID)
	if err != nil {
		return Outcome{}, err
	}
	r.owner = r.cfg.Owner()
	if r.shared = row.Detached; r.shared {
		err = r.release(ctx) // items that were claimed by a run here before, whose answer was lost
	} else {
		err = st.AcquireRunner(ctx, r.job.ID, r.owner, time.Now())
	}
	if err != nil {
		return Outcome{}, err
	}
	counts, err := st.CountItems(ctx, r.job.ID)
	if err != nil {
		return Outcome{}, errors.Join(err, r.release(context.WithoutCancel(ctx)))
	}
	r.stats.start(counts)
	if !r.shared || row.State != store.JobRunning {
		err = st.SetJobState(ctx, r.job.ID, store.JobRunning, "", time.Now())
	}
	if err == nil {
		err = r.work(ctx, stop)
	} else if errors.Is(err, store.ErrCancelled) {
		r.end(Cancelled, err)
		err = nil
	}
	return r.close(context.WithoutCancel(ctx), err)
}

// release gives the job up, and puts back the items that are still with this process.
func (r *Runner) release(ctx context.Context) error {
	if r.shared {
		r.owner = r.cfg.Owner() // which changes when it was declared dead by mistake
	}
	return r.cfg.Store.ReleaseRunner(ctx, r.job.ID, r.owner, time.Now())
}

// work runs all lanes to their end.
func (r *Runner) work(ctx context.Context, stop <-chan struct{}) error {
	r.calls = ctx
	r.waits, r.endWait = context.WithCancel(ctx)
	defer r.endWait()
	lanes, err := r.cfg.Store.Lanes(ctx, r.job.ID)
	if err != nil {
		return err
	}
	var watch, work sync.WaitGroup
	done := make(chan struct{})
	watch.Go(func() { r.watch(stop, done) })
	for _, name := range lanes {
		work.Go(func() { r.newLane(name).run() })
	}
	work.Wait()
	close(done)
	watch.Wait()
	return nil
}

// keepRunner takes the job again under the name that this process got after it was declared dead by mistake.
func (r *Runner) keepRunner() {
	owner := r.cfg.Owner()
	if owner == r.owner {
		return
	}
	switch err := r.cfg.Store.AcquireRunner(r.calls, r.job.ID, owner, time.Now()); {
	case err == nil:
		r.owner = owner
	case !r.noRoom(err): // or the next look tries again
		r.end(Broken, err)
	}
}

// Stopping reports whether the run was told to end and waits for calls on the wire.
func (r *Runner) Stopping() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended != ""
}

// watch ends the run when the caller asks for it or the job is cancelled from elsewhere.
func (r *Runner) watch(stop, done <-chan struct{}) {
	look := time.NewTicker(500 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-done:
			return
		case <-stop:
			r.end(Stopped, nil)
			stop = nil
		case <-r.calls.Done():
			r.end(Stopped, nil)
			return
		case <-look.C:
			r.look()
		}
	}
}

// look sees what others have done to the job.
func (r *Runner) look() {
	if !r.shared {
		r.keepRunner()
	}
	j, err := r.cfg.Store.Job(r.calls, r.job.ID)
	switch {
	case err != nil:
	case j.State == store.JobCancelled:
		r.end(Cancelled, store.ErrCancelled)
	case r.shared && j.State == store.JobPaused: // another one has found that the budget is used up
		r.end(Left, nil)
	}
}

// end stops claiming and waiting. The first reason counts.
func (r *Runner) end(why Ended, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended == "" {
		r.ended, r.refused = why, err
	}
	if r.endWait != nil {
		r.endWait()
	}
}

// close gives the job up and writes where it stands.
func (r *Runner) close(ctx context.Context, err error) (Outcome, error) {
	st := r.cfg.Store
	err = errors.Join(err, r.release(ctx))
	counts, countErr := st.CountItems(ctx, r.job.ID)
	if err = errors.Join(err, countErr); err != nil {
		return Outcome{Ended: Broken, Refused: err}, err
	}
	out := Outcome{Ended: r.ended, Refused: r.refused, Counts: counts}
	switch {
	case counts.Pending+counts.Running == 0:
		out.Ended, out.Refused = Finished, nil
	case out.Ended == "" && r.shared:
		out.Ended = Left
	case out.Ended == "":
		out.Ended, out.Refused = Broken, errors.New("items are left that no lane took; run the job again")
	}
	if r.shared && out.Ended != Finished && out.Ended != Exhausted && out.Ended != Waiting {
		return out, nil // how the job stands is not this process's to say
	}
	state, reason := out.state()
	if err := st.SetJobState(ctx, r.job.ID, state, reason, time.Now()); err != nil && !errors.Is(err, store.ErrCancelled) {
		return out, err
	}
	if r.shared && out.Ended == Finished {
		return out, r.goesOn(ctx)
	}
	return out, nil
}

// goesOn makes a job pending again to which somebody has added items while it was found to be finished.
func (r *Runner) goesOn(ctx context.Context) error {
	counts, err := r.cfg.Store.CountItems(ctx, r.job.ID)
	if err != nil || counts.Pending == 0 {
		return err
	}
	err = r.cfg.Store.SetJobState(ctx, r.job.ID, store.JobPending, "", time.Now())
	if errors.Is(err, store.ErrCancelled) {
		return nil
	}
	return err
}

// state is what the job's row says after the run.
func (o Outcome) state() (store.JobState, string) {
	switch o.Ended {
	case Finished:
		return store.JobDone, ""
	case Exhausted:
		return store.JobPaused, o.Refused.Error()
	case Waiting:
		return store.JobPending, "waiting: " + o.Refused.Error()
	case Cancelled:
		return store.JobCancelled, "cancelled"
	case Broken:
		return store.JobPaused, "error: " + o.Refused.Error()
	default:
		return store.JobPaused, "stopped; run it again to go on"
	}
}

// do runs one attempt of an item.
func (r *Runner) do(l *lane, item store.Item) {
	defer r.slots.Release(1)
	defer l.finished()
	api, _ := APIOf(item.URL)
	started := sync.OnceFunc(l.started)
	answer, err := r.cfg.Orchestrator.Do(r.calls, aurea.Call{
		Job: r.job, API: api, Body: item.Body, Class: ratelimit.Batch, MaxWait: -1, Waiting: r.waits, OnSend: func(aurea.Sending) { started() },
		Item: &aurea.Item{
			Seq: item.Seq, Attempt: item.Attempt, Tries: item.Tries,
			Complete: func(a *aurea.Answer, retryAt time.Time) *store.Completion { return r.complete(item, a, retryAt) },
		},
	})
	started()
	if err != nil {
		r.refusedItem(l, item, err)
		return
	}
	r.note(l, item, answer)
}

// note counts an ended attempt.
func (r *Runner) note(l *lane, item store.Item, a *aurea.Answer) {
	r.stats.attempt(a)
	switch {
	case notWritten(a):
		l.hold(a.Err)
	case !a.RetryAt.IsZero():
		l.wake()
	case a.OK():
		r.stats.done.Add(1)
	default:
		r.stats.failed.Add(1)
		code, message := failure(a)
		r.cfg.OnFailed(item.CustomID, code, message)
	}
}

// refusedItem handles an item that was not sent: it goes back, or fails for good if no waiting could help it.
func (r *Runner) refusedItem(l *lane, item store.Item, err error) {
	var e *aurea.Error
	if !errors.As(err, &e) {
		e = &aurea.Error{Code: "internal", Message: err.Error(), Err: err}
	}
	switch e.Code {
	case aurea.CodeBudgetExceeded:
		why := Exhausted
		if _, _, account, ok := aurea.Shortfall(err); r.shared && ok && account != store.JobPrefix+r.job.ID {
			why = Waiting
		}
		r.end(why, err)
	case aurea.CodeJobCancelled:
		r.end(Cancelled, err)
	case aurea.CodeCircuitOpen:
		l.rest(item, e.RetryAfter)
		return
	case aurea.CodeUnavailable:
		if r.noRoom(err) {
			l.keep(item)
			l.hold(err)
			return
		}
		r.end(Broken, err)
	case aurea.CodeDeadlineExceeded: // told to stop while it waited
	default:
		r.failItem(item, e)
		return
	}
	l.putBack(item)
}

// failItem records an item that Aurea itself refuses, with nothing spent.
func (r *Runner) failItem(item store.Item, e *aurea.Error) {
	c := r.failed(item, string(e.Code), e.Error())
	if err := r.cfg.Orchestrator.Record(context.WithoutCancel(r.calls), r.job, item.Lane, c); err != nil { // a full disk is waited for
		r.end(Broken, err)
		return
	}
	r.stats.failed.Add(1)
	r.cfg.OnFailed(item.CustomID, string(e.Code), e.Error())
}
