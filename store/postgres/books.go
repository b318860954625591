package postgres

import (
	"context"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/internal/protocol"
)

var _ store.Books = (*Store)(nil)

// rowsLookedAt bounds the rows that one page looks at where most may not be meant.
const rowsLookedAt = 20_000

// below is a place in an index that a page begins under.
func below(after int64) int64 {
	if after == 0 {
		return math.MaxInt64
	}
	return after
}

// ListJobs implements [store.Books].
func (s *Store) ListJobs(ctx context.Context, f store.JobFilter, after int64, limit int) (jobs []store.Job, next int64, err error) {
	states := []string{}
	for _, state := range f.States {
		states = append(states, plain(state))
	}
	const least = `coalesce((SELECT num FROM job WHERE num < $1 ORDER BY num DESC OFFSET $2 LIMIT 1), 0)`
	var nums []int64
	var last int64
	err = s.view(ctx,
		do(`SELECT `+least, below(after), rowsLookedAt-1).into(&last),
		do(qJobRows+` WHERE j.num < $1 AND j.num >= `+least+` AND (cardinality($3::text[]) = 0 OR j.state = ANY($3)) AND ($4 = '' OR j.parent = $4)
	ORDER BY j.num DESC LIMIT $5`, below(after), rowsLookedAt-1, states, plain(f.Parent), limit+1).rows(func(rows pgx.Rows) error {
			j, err := scanJob(rows)
			jobs, nums = append(jobs, j.Job), append(nums, j.num)
			return err
		}))
	if err != nil {
		return nil, 0, err
	}
	if len(jobs) > limit {
		return jobs[:limit], nums[limit-1], nil
	}
	return jobs, last, nil // 0 where the rows that were looked at reach the first job
}

// where collects conditions and their parameters.
type where struct {
	text strings.Builder
	args []any
}

func (w *where) and(condition string, arg any) {
	w.args = append(w.args, arg)
	w.text.WriteString(" AND " + strings.ReplaceAll(condition, "?", "$"+strconv.Itoa(len(w.args))))
}

// meant are the conditions of a filter.
func (w *where) meant(f store.CallFilter) {
	for column, v := range map[string]string{"provider": f.Provider, "model": f.Model, "outcome": f.Outcome} {
		if v != "" {
			w.and(column+" = ?", plain(v))
		}
	}
	if f.Status != 0 {
		w.and("status = ?", f.Status)
	}
	if !f.From.IsZero() {
		w.and("started >= ?", nanos(f.From))
	}
	if !f.To.IsZero() {
		w.and("started < ?", nanos(f.To))
	}
	if f.Job != "" {
		w.and("job = ?", plain(f.Job))
	}
}

// ListCalls implements [store.Books]. A page is a stretch of an index, looked through backwards: of all rows by time, or of one job's by number.
func (s *Store) ListCalls(ctx context.Context, f store.CallFilter, after store.CallMark, limit int) (calls []store.Call, next store.CallMark, err error) {
	order := ` ORDER BY started DESC, id DESC`
	var stretch where
	if f.Job != "" {
		order = ` ORDER BY id DESC`
		stretch.and("job = ?", plain(f.Job))
		stretch.and("id < ?", below(after.Row))
	} else {
		started := int64(math.MaxInt64)
		if after.Row != 0 {
			started = nanos(after.Started)
		}
		stretch.and("(started, id) < (?::bigint, "+strconv.FormatInt(below(after.Row), 10)+")", started)
		if !f.From.IsZero() {
			stretch.and("started >= ?", nanos(f.From))
		}
		if !f.To.IsZero() {
			stretch.and("started < ?", nanos(f.To))
		}
	}
	var low store.CallMark
	err = s.view(ctx, do(`SELECT started, id FROM call WHERE true`+stretch.text.String()+order+` OFFSET `+strconv.Itoa(rowsLookedAt-1)+` LIMIT 1`, stretch.args...).
		into(instant{&low.Started}, &low.Row))
	if err != nil {
		return nil, next, err
	}
	stretch.meant(f)
	if low.Row != 0 {
		next = low
		if f.Job != "" {
			stretch.and("id >= ?", low.Row)
		} else {
			stretch.and("(started, id) >= (?::bigint, "+strconv.FormatInt(low.Row, 10)+")", nanos(low.Started))
		}
	}
	var last store.CallMark
	err = s.view(ctx, do(`SELECT id, `+callColumns+` FROM call WHERE true`+stretch.text.String()+order+` LIMIT `+strconv.Itoa(limit+1), stretch.args...).rows(
		func(rows pgx.Rows) error {
			id, c, err := scanCall(rows)
			if len(calls) == limit {
				next = last
				return err
			}
			calls, last = append(calls, c), store.CallMark{Started: c.Started, Row: id}
			return err
		}))
	if err != nil {
		return nil, store.CallMark{}, err
	}
	return calls, next, nil
}

// SpendSums implements [store.Books]. The server adds up, in one snapshot.
func (s *Store) SpendSums(ctx context.Context, f store.CallFilter, by store.SpendBy, most int) ([]store.SpendSum, error) {
	var w where
	w.meant(f)
	day, job, model := `0::bigint`, `''::text`, `''::text`
	if by.Day {
		day = `(CASE WHEN started > 0 THEN started ELSE ended END) / 86400000000000`
	}
	if by.Job {
		job = `job`
	}
	if by.Model {
		model = `model`
	}
	sums := protocol.NewSpending(most)
	err := s.view(ctx, do(`SELECT `+day+` AS day, `+job+` AS of, `+model+` AS name, count(*) FILTER (WHERE attempt >= 0), sum(input_tokens)::bigint,
	sum(cache_read)::bigint, sum(cache_write)::bigint, sum(output_tokens)::bigint, sum(cost / 1000000000000)::bigint, sum(cost % 1000000000000)::bigint
	FROM call WHERE true`+w.text.String()+` GROUP BY 1, 2, 3 LIMIT `+strconv.Itoa(most+1), w.args...).rows(func(rows pgx.Rows) error {
		var day, dollars, pico int64
		var one store.SpendSum
		if err := rows.Scan(&day, text(&one.Job), text(&one.Model), &one.Attempts, &one.InputTokens, &one.CacheReadTokens, &one.CacheWriteTokens,
			&one.OutputTokens, &dollars, &pico); err != nil {
			return err
		}
		if by.Day {
			one.Day = time.Unix(day*86400, 0).UTC()
		}
		one.Cost = sumOf(dollars, pico)
		return sums.Add(one)
	}))
	if err != nil {
		return nil, err
	}
	return sums.Sorted(), nil
}

// PutChange implements [store.Books].
func (s *Store) PutChange(ctx context.Context, c store.Change) (id int64, err error) {
	err = s.update(ctx, lockAlive, func(t *tx) error {
		if c.ID != 0 {
			n, err := t.exec(`UPDATE trail SET after_value = $1, outcome = $2 WHERE id = $3`, plain(c.After), plain(c.Outcome), c.ID)
			if err == nil && n == 0 {
				err = store.ErrNotFound
			}
			id = c.ID
			return err
		}
		return t.ask(do(`INSERT INTO trail (at, actor, remote, action, subject, before_value, after_value, outcome) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
			nanos(c.At), plain(c.Actor), plain(c.Remote), plain(c.Action), plain(c.Subject), plain(c.Before), plain(c.After), plain(c.Outcome)).into(&id))
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

// Changes implements [store.Books].
func (s *Store) Changes(ctx context.Context, after int64, limit int) (all []store.Change, next int64, err error) {
	err = s.view(ctx, do(`SELECT id, at, actor, remote, action, subject, before_value, after_value, outcome FROM trail WHERE id < $1 ORDER BY id DESC LIMIT $2`,
		below(after), limit+1).rows(func(rows pgx.Rows) error {
		if len(all) == limit {
			next = all[limit-1].ID
			return nil
		}
		var c store.Change
		err := rows.Scan(&c.ID, instant{&c.At}, text(&c.Actor), text(&c.Remote), text(&c.Action), text(&c.Subject), text(&c.Before), text(&c.After), text(&c.Outcome))
		all = append(all, c)
		return err
	}))
	if err != nil {
		return nil, 0, err
	}
	return all, next, nil
}
