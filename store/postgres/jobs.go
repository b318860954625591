package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }

// job reads a job and locks its row.
func (t *tx) job(id, lock string) (j row, err error) {
	there := false
	err = t.ask(askJob(&j, &there, id, lock))
	if err == nil && !there {
		err = fmt.Errorf("job %q: %w", id, store.ErrNotFound)
	}
	return j, err
}

func askJob(j *row, there *bool, id, lock string) ask {
	q := qJobRows + ` WHERE j.id = $1`
	if lock != "" {
		q += lock + ` OF j`
	}
	return do(q, plain(id)).rows(func(rows pgx.Rows) (err error) {
		*there = true
		*j, err = scanJob(rows)
		return err
	})
}

func (t *tx) putJob(j row) error {
	t.put(`UPDATE job SET state = $1, reason = $2, fingerprint = $3, runner = $4, updated = $5 WHERE num = $6`,
		plain(j.State), plain(j.Reason), plain(j.Fingerprint), plain(j.Runner), nanos(j.Updated), j.num)
	return nil
}

func (t *tx) insertJob(j store.Job) (inserted bool, err error) {
	n, err := t.exec(`INSERT INTO job (id, parent, state, reason, batch, simulated, source, fingerprint, runner, created, updated, pii, detached)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (id) DO NOTHING`,
		plain(j.ID), plain(j.Parent), plain(j.State), plain(j.Reason), j.Batch, j.Simulated, plain(j.Source), plain(j.Fingerprint),
		plain(j.Runner), nanos(j.Created), nanos(j.Updated), plain(j.PII), j.Detached)
	return n == 1, err
}

// changeJob runs f on a job and writes it back.
func (s *Store) changeJob(ctx context.Context, id string, f func(t *tx, j *row) error) error {
	return s.update(ctx, lockAlive, func(t *tx) error {
		j, err := t.job(id, lockAlone)
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
	err = s.update(ctx, lockAlive, func(t *tx) error {
		if in.Parent != "" {
			if _, err := t.job(in.Parent, lockAlive); err != nil {
				if isNotFound(err) {
					err = fmt.Errorf("parent job %q: %w", in.Parent, store.ErrNotFound)
				}
				return err
			}
		}
		if created, err = t.insertJob(in); err != nil {
			return err
		}
		if created {
			// The account of a job that was removed keeps what was spent, and gets the new job's limit.
			c, err := t.open(store.CounterSpec{Account: store.JobPrefix + in.ID, Limit: limit})
			if err != nil {
				return err
			}
			t.put(`UPDATE counter SET limit_dollars = $1, limit_pico = $2, closed = false WHERE id = $3`, limit.Dollars, limit.Pico, int64(c.ID))
		}
		j, err := t.job(in.ID, "")
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
	there := false
	err = s.view(ctx, askJob(&j, &there, id, ""))
	if err == nil && !there {
		err = fmt.Errorf("job %q: %w", id, store.ErrNotFound)
	}
	return j, err
}

// Jobs implements [store.Queue].
func (s *Store) Jobs(ctx context.Context, state store.JobState) (all []store.Job, err error) {
	err = s.view(ctx, do(qJobRows+` WHERE $1 = '' OR j.state = $1 ORDER BY j.created DESC, j.num DESC`, plain(state)).rows(func(rows pgx.Rows) error {
		j, err := scanJob(rows)
		all = append(all, j.Job)
		return err
	}))
	return all, err
}

// Detached implements [store.Queue].
func (s *Store) Detached(ctx context.Context) (all []store.Job, err error) {
	err = s.view(ctx, do(qJobRows+` WHERE j.detached AND j.state IN ('pending', 'running') ORDER BY j.num`).rows(func(rows pgx.Rows) error {
		j, err := scanJob(rows)
		all = append(all, j.Job)
		return err
	}))
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
			t.put(`UPDATE counter SET closed = true WHERE account = $1`, plain(store.JobPrefix+id))
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

// itemsBack puts running items back, those that where chooses, and counts them.
func (t *tx) itemsBack(where string, args ...any) (total int64, err error) {
	err = t.each(func(rows pgx.Rows) error {
		var job, n int64
		err := rows.Scan(&job, &n)
		t.moved(job, stateRunning, statePending, n)
		total += n
		return err
	}, `WITH back AS (UPDATE item SET state = 0, owner = 0 WHERE state = 1 AND `+where+` RETURNING job) SELECT job, count(*) FROM back GROUP BY job`, args...)
	return total, err
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
		_, err = t.itemsBack(`lane IN (SELECT id FROM lane WHERE job = $1) AND owner NOT IN (SELECT num FROM owner WHERE state = 'live' AND state <> 'gone')`,
			j.num)
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
		_, err = t.itemsBack(`owner = $1 AND lane IN (SELECT id FROM lane WHERE job = $2)`, num, j.num)
		return err
	})
}

// Accept implements [store.Queue].
func (s *Store) Accept(ctx context.Context, id, fingerprint string, now time.Time) error {
	err := s.changeJob(ctx, id, func(_ *tx, j *row) error {
		if j.State == store.JobCancelled {
			return fmt.Errorf("job %q: %w", id, store.ErrCancelled)
		}
		if j.State == store.JobLoading {
			j.State = store.JobPending
		}
		j.Fingerprint, j.Updated = fingerprint, now
		return nil
	})
	if err != nil {
		return err
	}
	// Without it the first claims of a large batch read the whole table. It is about speed only.
	if err := s.view(ctx, do(`SELECT aurea_analyze()`)); err != nil {
		s.log.Warn("the planner of the database could not be told of a new batch; it may be slow at first", "job", id, "error", err)
	}
	return nil
}

// RemoveJob implements [store.Queue]. The job is gone in one transaction; its rows follow in small ones, so
// that others can write in between. If the process dies meanwhile, the next removal goes on.
func (s *Store) RemoveJob(ctx context.Context, id string) error {
	err := s.update(ctx, lockAlive, func(t *tx) error {
		j, err := t.job(id, lockAlone)
		if err != nil {
			return err
		}
		if o, live, err := t.live(j.Runner); err != nil || live {
			return cmp.Or[error](err, &store.BusyError{Runner: o})
		}
		var worker, child string
		err = t.ask(do(`SELECT o.id FROM lane l JOIN item i ON i.lane = l.id AND i.state = 1 JOIN owner o ON o.num = i.owner WHERE l.job = $1 AND o.state = 'live' LIMIT 1`, j.num).into(text(&worker)))
		if err != nil {
			return err
		}
		if worker != "" && j.Detached {
			o, err := t.Owner(store.OwnerID(worker))
			return cmp.Or[error](err, &store.BusyError{Runner: o})
		}
		err = t.ask(do(`SELECT id FROM job WHERE parent = $1 AND parent <> '' LIMIT 1`, plain(id)).into(text(&child)))
		if err == nil && child != "" {
			err = fmt.Errorf("store: job %q is the parent of %q; remove that first", id, child)
		}
		if err != nil {
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
	err := s.update(ctx, lockAlive, func(t *tx) error {
		j, err := t.job(id, lockAlone)
		if err != nil {
			return err
		}
		if j.State != store.JobLoading {
			return fmt.Errorf("store: job %q was accepted; its items stay", id)
		}
		if err := t.discard(j); err != nil {
			return err
		}
		_, err = t.insertJob(j.Job)
		return err
	})
	if err != nil {
		return err
	}
	return s.emptyTrash(ctx)
}

func (t *tx) discard(j row) error {
	t.put(`INSERT INTO trash (num, job, last_call) VALUES ($1, $2, (SELECT coalesce(max(id), 0) FROM call))`, j.num, plain(j.ID))
	t.put(`DELETE FROM job WHERE num = $1`, j.num)
	return nil
}

// trashTables have rows of removed jobs by number.
var trashTables = []string{"result", "item_body", "item"}

// emptyTrash deletes what removed jobs left, some thousand rows at a time. What another process is deleting is left to it.
func (s *Store) emptyTrash(ctx context.Context) error {
	var lastCall int64
	for {
		left := false
		err := s.update(ctx, lockAlive, func(t *tx) error {
			var num, limit int64
			var job string
			left = false
			err := t.ask(do(`SELECT num, job, last_call FROM trash ORDER BY num LIMIT 1 FOR UPDATE SKIP LOCKED`).rows(func(rows pgx.Rows) error {
				left = true
				return rows.Scan(&num, &job, &limit)
			}))
			if err != nil || !left {
				return err
			}
			from, to := itemID(num, 0), itemID(num+1, 0)
			for _, table := range trashTables {
				n, err := t.exec(`DELETE FROM `+table+` WHERE id IN (SELECT id FROM `+table+` WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3)`,
					from, to, s.chunk)
				if err != nil || n > 0 {
					return err
				}
			}
			last, seen := lastCall, false
			err = t.each(func(rows pgx.Rows) error {
				var id int64
				err := rows.Scan(&id)
				seen, last = true, max(last, id)
				return err
			}, `UPDATE call SET item = 0 WHERE id IN (SELECT id FROM call WHERE job = $1 AND id > $2 AND id <= $3 ORDER BY id LIMIT $4) RETURNING id`,
				job, lastCall, limit, s.chunk)
			if err != nil {
				return err
			}
			if seen {
				lastCall = last
				return nil
			}
			lastCall = 0
			t.put(`DELETE FROM lane WHERE job = $1`, num)
			t.put(`DELETE FROM job_count WHERE job = $1`, num)
			t.put(`DELETE FROM trash WHERE num = $1`, num)
			return nil
		})
		if err != nil || !left {
			return err
		}
	}
}
