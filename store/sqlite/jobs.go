package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }

func jobOf(q querier, id string) (row, error) {
	all, err := scanJobs(q, qJob, id)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("job %q: %w", id, store.ErrNotFound)
	}
	if err != nil {
		return row{}, err
	}
	return all[0], nil
}

// jobNum returns the number of a job, 0 if it is not there.
func (t *tx) jobNum(id string) (int64, error) {
	j, err := jobOf(t, id)
	if isNotFound(err) {
		return 0, nil
	}
	return j.num, err
}

func (t *tx) putJob(j row) error {
	_, err := t.exec(qJobPut, j.State, j.Reason, j.Fingerprint, j.Runner, nanos(j.Updated), j.num)
	return err
}

func (t *tx) insertJob(j store.Job) error {
	_, err := t.exec(qJobInsert, j.ID, j.Parent, j.State, j.Reason, j.Batch, j.Simulated, j.Source, j.Fingerprint, j.Runner,
		nanos(j.Created), nanos(j.Updated), j.PII, j.Detached)
	return err
}

// changeJob runs f on a job and writes it back.
func (s *Store) changeJob(ctx context.Context, id string, f func(t *tx, j *row) error) error {
	return s.update(ctx, func(t *tx) error {
		j, err := jobOf(t, id)
		if err != nil {
			return err
		}
		if err := f(t, &j); err != nil {
			return err
		}
		return t.putJob(j)
	})
}

// CreateJob implements [store.Queue].
func (s *Store) CreateJob(ctx context.Context, in store.Job, limit money.Sum) (job store.Job, created bool, err error) {
	if in.ID == "" {
		return store.Job{}, false, errors.New("store: a job needs an id")
	}
	in.State, in.Updated = cmp.Or(in.State, store.JobPending), in.Created
	err = s.update(ctx, func(t *tx) error {
		if in.Parent != "" {
			if n, err := t.jobNum(in.Parent); err != nil || n == 0 {
				return cmp.Or(err, fmt.Errorf("parent job %q: %w", in.Parent, store.ErrNotFound))
			}
		}
		j, err := jobOf(t, in.ID)
		if err == nil {
			job = j.Job
			return nil
		}
		if !isNotFound(err) {
			return err
		}
		created = true
		if err := t.insertJob(in); err != nil {
			return err
		}
		// The account of a job that was removed keeps what was spent, and gets the new job's limit.
		c, err := t.open(store.CounterSpec{Account: store.JobPrefix + in.ID, Limit: limit})
		if err != nil {
			return err
		}
		if _, err := t.exec(qCounterLimit, limit.Dollars, limit.Pico, c.ID); err != nil {
			return err
		}
		if _, err := t.exec(qCounterClosed, false, c.ID); err != nil {
			return err
		}
		j, err = jobOf(t, in.ID)
		job = j.Job
		return err
	})
	if err != nil {
		return store.Job{}, false, err
	}
	return job, created, nil
}

// Job implements [store.Queue].
func (s *Store) Job(ctx context.Context, id string) (store.Job, error) {
	j, err := s.jobRow(ctx, id)
	return j.Job, err
}

func (s *Store) jobRow(ctx context.Context, id string) (j row, err error) {
	err = s.view(ctx, func(r snapshot) error {
		j, err = jobOf(r, id)
		return err
	})
	return j, err
}

// Jobs implements [store.Queue].
func (s *Store) Jobs(ctx context.Context, state store.JobState) (all []store.Job, err error) {
	err = s.view(ctx, func(r snapshot) error {
		rows, err := scanJobs(r, qJobs, state)
		for _, j := range rows {
			all = append(all, j.Job)
		}
		return err
	})
	return all, err
}

// Detached implements [store.Queue].
func (s *Store) Detached(ctx context.Context) (all []store.Job, err error) {
	err = s.view(ctx, func(r snapshot) error {
		rows, err := scanJobs(r, qJobsDetached)
		for _, j := range rows {
			all = append(all, j.Job)
		}
		return err
	})
	return all, err
}

// SetJobState implements [store.Queue].
func (s *Store) SetJobState(ctx context.Context, id string, state store.JobState, reason string, now time.Time) error {
	return s.changeJob(ctx, id, func(t *tx, j *row) error {
		if j.State == store.JobCancelled {
			if state == store.JobCancelled {
				return nil
			}
			return fmt.Errorf("job %q: %w", id, store.ErrCancelled)
		}
		j.State, j.Reason, j.Updated = state, reason, now
		if state == store.JobCancelled {
			_, err := t.exec(qCounterCloseAccount, store.JobPrefix+id)
			return err
		}
		return nil
	})
}

// live returns an owner if it is live.
func (t *tx) live(id store.OwnerID) (o store.Owner, live bool, err error) {
	if id == "" {
		return o, false, nil
	}
	o, err = t.Owner(id)
	if isNotFound(err) {
		return o, false, nil
	}
	return o, o.State == store.OwnerLive, err
}

// AcquireRunner implements [store.Queue].
func (s *Store) AcquireRunner(ctx context.Context, id string, by store.OwnerID, now time.Time) error {
	return s.changeJob(ctx, id, func(t *tx, j *row) error {
		other, live, err := t.live(j.Runner)
		if err != nil {
			return err
		}
		if live && other.ID != by {
			return &store.BusyError{Runner: other}
		}
		if _, live, err := t.live(by); err != nil || !live {
			return cmp.Or(err, fmt.Errorf("owner %s: %w", by, store.ErrFenced))
		}
		if j.State == store.JobCancelled {
			return fmt.Errorf("job %q: %w", id, store.ErrCancelled)
		}
		j.Runner, j.Updated = by, now
		n, err := t.exec(qItemsBackOfDead, j.num)
		t.moved(j.num, stateRunning, statePending, n)
		return err
	})
}

// ReleaseRunner implements [store.Queue].
func (s *Store) ReleaseRunner(ctx context.Context, id string, by store.OwnerID, now time.Time) error {
	return s.changeJob(ctx, id, func(t *tx, j *row) error {
		if j.Runner == by {
			j.Runner, j.Updated = "", now
		}
		num, err := t.num(by)
		if err != nil || num == 0 {
			return err
		}
		n, err := t.exec(qItemsBackInJob, num, j.num)
		t.moved(j.num, stateRunning, statePending, n)
		return err
	})
}

// Accept implements [store.Queue].
func (s *Store) Accept(ctx context.Context, id, fingerprint string, now time.Time) error {
	return s.changeJob(ctx, id, func(_ *tx, j *row) error {
		if j.State == store.JobCancelled {
			return fmt.Errorf("job %q: %w", id, store.ErrCancelled)
		}
		if j.State == store.JobLoading {
			j.State = store.JobPending
		}
		j.Fingerprint, j.Updated = fingerprint, now
		return nil
	})
}

// RemoveJob implements [store.Queue]. The job is gone in one transaction; its rows follow in small ones, so
// that others can write in between. If the process dies meanwhile, the next removal goes on.
func (s *Store) RemoveJob(ctx context.Context, id string) error {
	err := s.update(ctx, func(t *tx) error {
		j, err := jobOf(t, id)
		if err != nil {
			return err
		}
		if o, live, err := t.live(j.Runner); err != nil || live {
			return cmp.Or[error](err, &store.BusyError{Runner: o})
		}
		var worker, child string
		if err := one(t, qJobWorker, []any{j.num}, &worker); err == nil && j.Detached {
			o, err := t.Owner(store.OwnerID(worker))
			return cmp.Or[error](err, &store.BusyError{Runner: o})
		} else if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err := one(t, qJobChild, []any{id}, &child); err == nil {
			return fmt.Errorf("store: job %q is the parent of %q; remove that first", id, child)
		} else if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		return t.discard(j)
	})
	if err != nil {
		return err
	}
	return s.emptyTrash(ctx)
}

// DropItems implements [store.Queue]. The job keeps its name and gets a new number, and so new room for items.
func (s *Store) DropItems(ctx context.Context, id string) error {
	err := s.update(ctx, func(t *tx) error {
		j, err := jobOf(t, id)
		if err != nil {
			return err
		}
		if j.State != store.JobLoading {
			return fmt.Errorf("store: job %q was accepted; its items stay", id)
		}
		if err := t.discard(j); err != nil {
			return err
		}
		return t.insertJob(j.Job)
	})
	if err != nil {
		return err
	}
	return s.emptyTrash(ctx)
}

func (t *tx) discard(j row) error {
	if _, err := t.exec(qTrashInsert, j.num, j.ID); err != nil {
		return err
	}
	_, err := t.exec(qJobDelete, j.num)
	return err
}

// emptyTrash deletes what removed jobs left, some thousand rows at a time.
func (s *Store) emptyTrash(ctx context.Context) error {
	var lastCall int64
	for {
		left := false
		err := s.update(ctx, func(t *tx) error {
			var num, limit int64
			var job string
			err := one(t, qTrash, nil, &num, &job, &limit)
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			if err != nil {
				return err
			}
			left = true
			from, to := itemID(num, 0), itemID(num+1, 0)
			for _, q := range []string{qTrashResults, qTrashBodies, qTrashItems} {
				if n, err := t.exec(q, from, to, s.chunk); err != nil || n > 0 {
					return err
				}
			}
			seen := false
			err = each(t, qTrashCalls, []any{job, lastCall, limit, s.chunk}, func(rows *sql.Rows) error {
				seen = true
				var id int64
				err := rows.Scan(&id)
				lastCall = max(lastCall, id)
				return err
			})
			if err != nil || seen {
				return err
			}
			lastCall = 0
			if _, err := t.exec(qTrashLanes, num); err != nil {
				return err
			}
			_, err = t.exec(qTrashDelete, num)
			return err
		})
		if err != nil || !left {
			return err
		}
	}
}
