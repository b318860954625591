package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Actions of the trail.
const (
	ActionRaise     = "job.raise"
	ActionCancel    = "job.cancel"
	ActionReconcile = "job.reconcile"
	ActionRemove    = "job.remove"
	ActionBreaker   = "breaker.reset"
)

// Steward changes things by hand in the name of somebody, and notes it. It is a plain value.
type Steward struct {
	Store store.Store
	// Actor says who, never with a secret; Remote from where.
	Actor, Remote string
	// MaxCall is the longest time-out of a call.
	MaxCall time.Duration
	Logger  *slog.Logger
}

// Note makes a change: it is in the trail before it begins, and how it ended after. A change that cannot be noted is not made. Stores without a trail note nothing.
func (s Steward) Note(ctx context.Context, action, subject string, before, wanted any, do func() (after any, err error)) error {
	books, ok := s.Store.(store.Books)
	if !ok {
		_, err := do()
		return err
	}
	c := store.Change{
		At: time.Now(), Actor: s.Actor, Remote: s.Remote, Action: action, Subject: subject, Before: text(before), After: text(wanted), Outcome: store.ChangeBegun,
	}
	id, err := books.PutChange(ctx, c)
	if err != nil {
		return fmt.Errorf("note the change, which is not made: %w", err)
	}
	after, err := do()
	c.ID, c.Outcome = id, store.ChangeDone
	switch {
	case err != nil:
		c.Outcome = string(aurea.ErrorCode(err))
	case after != nil:
		c.After = text(after)
	}
	// The change is made: whoever asked for it may have left, and is told how it ended all the same.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if _, e := books.PutChange(ending, c); e != nil && s.Logger != nil {
		s.Logger.Error("how a change ended could not be noted; its row says begun", "action", action, "subject", subject, "outcome", c.Outcome, "error", e)
	}
	return err
}

func text(v any) string {
	if v == nil {
		return ""
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// limitText is a limit in the trail.
type limitText struct {
	Limit money.Sum `json:"limit_usd"`
}

// stateText is a state in the trail.
type stateText struct {
	State string `json:"state"`
}

// Raised is what became of a limit.
type Raised struct {
	Limit money.Sum
	Note  string // when it is in force
}

// Raise sets a job's limit, higher or lower. Of a job that has a limit for each day, such as that of calls without a job, it is today's.
// If the limit that the caller saw is given and is another one by now, nothing is changed, and the error is job_conflict.
func (s Steward) Raise(ctx context.Context, j store.Job, limit money.Sum, seen *money.Sum) (r Raised, err error) {
	if j.State == store.JobCancelled {
		return r, &aurea.Error{Code: aurea.CodeJobCancelled, Message: fmt.Sprintf("job %q is cancelled; no limit makes it spend", aurea.ShortName(j.ID)), Hint: "open another job"}
	}
	c, err := s.Store.FindCounter(ctx, store.JobPrefix+j.ID, time.Time{})
	if err != nil {
		return r, err
	}
	daily := false
	if c.Limit.IsUnlimited() {
		today, err := s.Store.FindCounter(ctx, store.JobPrefix+j.ID, time.Now().UTC().Truncate(24*time.Hour))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return r, err
		}
		if daily = err == nil; daily {
			c = today
		}
	}
	if seen != nil && seen.Cmp(c.Limit) != 0 {
		return r, &aurea.Error{Code: aurea.CodeJobConflict, Message: fmt.Sprintf("job %q has a limit of %s USD by now", aurea.ShortName(j.ID), c.Limit), Hint: "look again"}
	}
	err = s.Note(ctx, ActionRaise, j.ID, limitText{c.Limit}, limitText{limit}, func() (any, error) {
		c, err = s.Store.SetLimit(ctx, c.ID, limit)
		return limitText{c.Limit}, err
	})
	if err == nil && j.Detached && j.State == store.JobPaused {
		err = s.Store.SetJobState(ctx, j.ID, store.JobPending, "", time.Now()) // workers try again
	}
	r = Raised{Limit: c.Limit, Note: "in force now"}
	if limit.Cmp(c.Committed) < 0 {
		r.Note = fmt.Sprintf("in force when calls under way ($%s held) have ended; nothing new is held", c.Leased())
	}
	if daily {
		r.Note += ", until midnight UTC: the limit of a day begins anew with budget.max_job_cost"
	}
	return r, err
}

// Cancel cancels a job for good. One that is cancelled stays so.
func (s Steward) Cancel(ctx context.Context, j store.Job, reason string) error {
	return s.Note(ctx, ActionCancel, j.ID, stateText{string(j.State)}, stateText{string(store.JobCancelled)}, func() (any, error) {
		if err := s.Store.SetJobState(ctx, j.ID, store.JobCancelled, reason, time.Now()); err != nil && !errors.Is(err, store.ErrCancelled) {
			return nil, err
		}
		c, err := s.Store.FindCounter(ctx, store.JobPrefix+j.ID, time.Time{})
		if err != nil {
			return nil, err
		}
		_, err = s.Store.SetClosed(ctx, c.ID, true)
		return nil, err
	})
}

// reconciled is the end of doubt in the trail.
type reconciled struct {
	Unconfirmed money.Sum  `json:"unconfirmed_usd"`
	Ended       *money.Sum `json:"reconciled_usd,omitempty"`
	Spent       *bool      `json:"spent,omitempty"`
}

// Reconcile ends what is unconfirmed on a job's account: as spent, or as never billed. It fails with code job_conflict while a process that may still be
// making the calls in question lives.
func (s Steward) Reconcile(ctx context.Context, j store.Job, spent bool) (ended money.Sum, err error) {
	path, err := Accounts(ctx, s.Store, j)
	if err != nil {
		return ended, err
	}
	c, err := s.Store.FindCounter(ctx, store.JobPrefix+j.ID, time.Time{})
	if err != nil {
		return ended, err
	}
	err = s.Note(ctx, ActionReconcile, j.ID, reconciled{Unconfirmed: c.Doubt}, reconciled{Spent: &spent}, func() (any, error) {
		ended, err = budget.Reconcile(ctx, s.Store, path, j.ID, spent, time.Now(), s.MaxCall)
		if errors.Is(err, budget.ErrOwnerMayLive) {
			err = &aurea.Error{Code: aurea.CodeJobConflict, Message: err.Error(), Hint: "wait until the process has surely ended", Err: err}
		}
		if err != nil {
			return nil, err
		}
		return reconciled{Unconfirmed: c.Doubt.Minus(ended), Ended: &ended, Spent: &spent}, nil
	})
	return ended, err
}

// Remove deletes a job's items and results.
func (s Steward) Remove(ctx context.Context, j store.Job) error {
	return s.Note(ctx, ActionRemove, j.ID, stateText{string(j.State)}, nil, func() (any, error) { return nil, s.Store.RemoveJob(ctx, j.ID) })
}

// Accounts returns the counters that a job's calls drew on, the job's own first.
func Accounts(ctx context.Context, st store.Store, j store.Job) ([]store.CounterID, error) {
	names := []string{store.JobPrefix + j.ID}
	for parent := j.Parent; parent != ""; {
		above, err := st.Job(ctx, parent)
		if err != nil {
			return nil, err
		}
		names = append(names, store.JobPrefix+above.ID)
		parent = above.Parent
	}
	names = append(names, aurea.SharedAccounts(j)...)
	var path []store.CounterID
	for _, name := range names {
		c, err := st.FindCounter(ctx, name, time.Time{})
		if errors.Is(err, store.ErrNotFound) {
			continue // nothing was ever held on it
		}
		if err != nil {
			return nil, err
		}
		path = append(path, c.ID)
	}
	return path, nil
}
