package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/internal/protocol"
)

var _ store.Books = (*Store)(nil)

// rowsLookedAt bounds the rows that one page looks at where most may not be meant: so a snapshot is short, whatever is asked for.
const rowsLookedAt = 20_000

// Statements of [store.Books]. A page is a stretch of an index, looked through backwards.
var (
	qJobsStretch = `SELECT num FROM job WHERE num < ? ORDER BY num DESC LIMIT 1 OFFSET ?`
	qJobsPage    = `SELECT ` + jobColumns + ` FROM job WHERE num < ?1 AND num >= ?2
	AND (?3 = '[]' OR +state IN (SELECT value FROM json_each(?3))) AND (?4 = '' OR +parent = ?4) ORDER BY num DESC LIMIT ?5`

	qCallsStretch      = `SELECT started, id FROM call INDEXED BY call_started WHERE started <= ?1 AND (started, id) < (?1, ?2) ORDER BY started DESC, id DESC LIMIT 1 OFFSET ?3`
	qCallsOfJobStretch = `SELECT 0, id FROM call INDEXED BY call_job WHERE job = ?1 AND id < ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3`

	callsMeant = ` AND (?5 = '' OR +provider = ?5) AND (?6 = '' OR +model = ?6) AND (?7 = 0 OR +status = ?7) AND (?8 = '' OR +outcome = ?8)`
	inTime     = ` FROM call INDEXED BY call_started WHERE started <= ?1 AND started >= ?3 AND (started, id) < (?1, ?2) AND (started, id) >= (?3, ?4)` + callsMeant
	inJob      = ` FROM call INDEXED BY call_job WHERE job = ?1 AND id < ?2 AND id >= ?4 AND ?3 = 0` + callsMeant + ` AND +started >= ?9 AND +started < ?10`

	qCallsPage      = `SELECT ` + callColumns + inTime + ` ORDER BY started DESC, id DESC LIMIT ?9`
	qCallsOfJobPage = `SELECT ` + callColumns + inJob + ` ORDER BY id DESC LIMIT ?11`

	spendSums = `SELECT iif(%DAY%, iif(started > 0, started, ended) / 86400000000000, 0) AS day, iif(%JOB%, job, '') AS of, iif(%MODEL%, model, '') AS name,
	sum(attempt >= 0), sum(input_tokens), sum(cache_read), sum(cache_write), sum(output_tokens), sum(cost / 1000000000000), sum(cost % 1000000000000), min` + sound("call")
	spendGroups     = ` GROUP BY day, of, name`
	qSpendSums      = spendSums + inTime + spendGroups
	qSpendSumsOfJob = spendSums + inJob + spendGroups

	trailColumns = sound("trail") + `, id, ` + strings.Join(summed["trail"], ", ")
	qTrailInsert = insertRow("trail", "")
	qTrailEnd    = change("trail", "id = ?3", "after_value", "?1", "outcome", "?2")
	qTrail       = `SELECT ` + trailColumns + ` FROM trail WHERE id < ? ORDER BY id DESC LIMIT ?`
	qLastInsert  = `SELECT last_insert_rowid()`
)

// below is a place in an index that a page begins under.
func below(after int64) int64 {
	if after == 0 {
		return math.MaxInt64
	}
	return after
}

// ListJobs implements [store.Books].
func (s *Store) ListJobs(ctx context.Context, f store.JobFilter, after int64, limit int) (jobs []store.Job, next int64, err error) {
	states := f.States
	if states == nil {
		states = []store.JobState{}
	}
	text, err := json.Marshal(states)
	if err != nil {
		return nil, 0, err
	}
	err = s.view(ctx, func(r snapshot) error {
		var last int64
		err := one(r, qJobsStretch, []any{below(after), s.stretch - 1}, &last)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		next = last // 0 where the stretch reaches the first job
		rows, err := scanJobs(r, qJobsPage, below(after), last, string(text), f.Parent, limit+1)
		for i, j := range rows {
			if i == limit {
				next = rows[i-1].num
				break
			}
			jobs = append(jobs, j.Job)
		}
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	return jobs, next, nil
}

// stretch is a part of an index of calls: of all by time, or of one job's by row.
type stretch struct {
	job               string
	from, to          int64 // the filter's times
	upStarted, up     int64 // everything is below
	downStarted, down int64 // or is this
	last              bool  // nothing is below
	filter            store.CallFilter
}

func newStretch(f store.CallFilter, after store.CallMark) stretch {
	st := stretch{job: f.Job, from: math.MinInt64, to: math.MaxInt64, filter: f}
	if !f.From.IsZero() {
		st.from = nanos(f.From)
	}
	if !f.To.IsZero() {
		st.to = nanos(f.To)
	}
	if st.up = after.Row; after.Row == 0 {
		st.up, st.upStarted = math.MaxInt64, math.MaxInt64
	} else {
		st.upStarted = nanos(after.Started)
	}
	if st.to < st.upStarted || st.to == st.upStarted && !f.To.IsZero() {
		st.upStarted = st.to
		if st.job == "" {
			st.up = math.MinInt64 // what began at that moment is not meant
		}
	}
	return st
}

// find sets the lower end, so many rows down.
func (st *stretch) find(r snapshot, rows int) error {
	var err error
	if st.job != "" {
		err = one(r, qCallsOfJobStretch, []any{st.job, st.up, rows - 1}, &st.downStarted, &st.down)
	} else {
		err = one(r, qCallsStretch, []any{st.upStarted, st.up, rows - 1}, &st.downStarted, &st.down)
	}
	st.last = errors.Is(err, sql.ErrNoRows)
	if st.last {
		err = nil
		st.downStarted, st.down = st.from, math.MinInt64
		if st.job != "" {
			st.downStarted = 0
		}
	} else if st.job == "" && st.downStarted < st.from {
		st.last, st.downStarted, st.down = true, st.from, math.MinInt64
	}
	return err
}

// args are those of inTime, or of inJob.
func (st *stretch) args() []any {
	f := st.filter
	if st.job != "" {
		return []any{st.job, st.up, st.downStarted, st.down, f.Provider, f.Model, f.Status, f.Outcome, st.from, st.to}
	}
	return []any{st.upStarted, st.up, st.downStarted, st.down, f.Provider, f.Model, f.Status, f.Outcome}
}

// advance goes to what lies below.
func (st *stretch) advance() { st.upStarted, st.up = st.downStarted, st.down }

func (st *stretch) mark() store.CallMark { return markAt(st.downStarted, st.down) }

func markAt(started, row int64) store.CallMark {
	m := store.CallMark{Row: row}
	_ = instant{&m.Started}.Scan(started)
	return m
}

// ListCalls implements [store.Books].
func (s *Store) ListCalls(ctx context.Context, f store.CallFilter, after store.CallMark, limit int) (calls []store.Call, next store.CallMark, err error) {
	st, q := newStretch(f, after), qCallsPage
	if st.job != "" {
		q = qCallsOfJobPage
	}
	err = s.view(ctx, func(r snapshot) error {
		if err := st.find(r, s.stretch); err != nil {
			return err
		}
		if !st.last {
			next = st.mark()
		}
		var last store.CallMark
		return each(r, q, append(st.args(), limit+1), func(rows *sql.Rows) error {
			id, c, err := scanCall(rows)
			if len(calls) == limit {
				next = last
				return err
			}
			calls, last = append(calls, c), store.CallMark{Started: c.Started, Row: id}
			return err
		})
	})
	if err != nil {
		return nil, store.CallMark{}, err
	}
	return calls, next, nil
}

// SpendSums implements [store.Books]. Each stretch is a snapshot of its own, because a long one would keep the log from being reused: rows that are written meanwhile
// may count or not.
func (s *Store) SpendSums(ctx context.Context, f store.CallFilter, by store.SpendBy, most int) ([]store.SpendSum, error) {
	st, q := newStretch(f, store.CallMark{}), qSpendSums
	if st.job != "" {
		q = qSpendSumsOfJob
	}
	word := map[bool]string{false: "0", true: "1"}
	q = strings.NewReplacer("%DAY%", word[by.Day], "%JOB%", word[by.Job], "%MODEL%", word[by.Model]).Replace(q)
	sums := protocol.NewSpending(most)
	for !st.last {
		err := s.view(ctx, func(r snapshot) error {
			if err := st.find(r, s.stretch); err != nil {
				return err
			}
			return each(r, q, st.args(), func(rows *sql.Rows) error {
				var day, dollars, pico int64
				var one store.SpendSum
				if err := rows.Scan(&day, &one.Job, &one.Model, &one.Attempts, &one.InputTokens, &one.CacheReadTokens, &one.CacheWriteTokens, &one.OutputTokens,
					&dollars, &pico, intact("call")); err != nil {
					return err
				}
				if by.Day {
					one.Day = time.Unix(day*86400, 0).UTC()
				}
				one.Cost = money.Sum{Dollars: dollars}.Add(money.USD(pico))
				return sums.Add(one)
			})
		})
		if err != nil {
			return nil, err
		}
		st.advance()
	}
	return sums.Sorted(), nil
}

// PutChange implements [store.Books].
func (s *Store) PutChange(ctx context.Context, c store.Change) (id int64, err error) {
	err = s.update(ctx, func(t *tx) error {
		if c.ID != 0 {
			n, err := t.exec(qTrailEnd, c.After, c.Outcome, c.ID)
			if err == nil && n == 0 {
				err = store.ErrNotFound
			}
			id = c.ID
			return err
		}
		if _, err := t.exec(qTrailInsert, nanos(c.At), c.Actor, c.Remote, c.Action, c.Subject, c.Before, c.After, c.Outcome); err != nil {
			return err
		}
		return one(t, qLastInsert, nil, &id)
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

// Changes implements [store.Books].
func (s *Store) Changes(ctx context.Context, after int64, limit int) (all []store.Change, next int64, err error) {
	err = s.view(ctx, func(r snapshot) error {
		return each(r, qTrail, []any{below(after), limit + 1}, func(rows *sql.Rows) error {
			if len(all) == limit {
				next = all[limit-1].ID
				return nil
			}
			var c store.Change
			err := rows.Scan(intact("trail"), &c.ID, instant{&c.At}, &c.Actor, &c.Remote, &c.Action, &c.Subject, &c.Before, &c.After, &c.Outcome)
			all = append(all, c)
			return err
		})
	})
	if err != nil {
		return nil, 0, err
	}
	return all, next, nil
}
