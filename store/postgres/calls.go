package postgres

import (
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/andres20980/aurea-orchestrator/store"
)

// A round's rows go in one statement, as one array for each column.
const qCallsInsert = `INSERT INTO call (` + callColumns + `) SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[],
	$6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::bigint[],
	$16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[], $21::text[], $22::text[], $23::text[], $24::text[],
	$25::bigint[], $26::bigint[], $27::bigint[]) ON CONFLICT DO NOTHING RETURNING call, attempt`

// callArgs are the columns of calls in the order of callColumns.
func callArgs(entries []store.Entry) []any {
	texts := func(f func(c *store.Call) string) []string { return column(entries, f) }
	ints := func(f func(c *store.Call) int64) []int64 { return column(entries, f) }
	return []any{
		texts(func(c *store.Call) string { return plain(c.ID) }),
		ints(func(c *store.Call) int64 { return int64(c.Attempt) }),
		texts(func(c *store.Call) string { return plain(c.Job) }),
		texts(func(c *store.Call) string { return joinPath(c.Path) }),
		ints(func(c *store.Call) int64 { return c.Item }),
		texts(func(c *store.Call) string { return plain(c.Provider) }),
		texts(func(c *store.Call) string { return plain(c.Model) }),
		texts(func(c *store.Call) string { return plain(c.Upstream) }),
		texts(func(c *store.Call) string { return plain(c.API) }),
		ints(func(c *store.Call) int64 { return int64(c.Status) }),
		texts(func(c *store.Call) string { return plain(c.Outcome) }),
		texts(func(c *store.Call) string { return plain(c.Error) }),
		ints(func(c *store.Call) int64 { return c.InputTokens }),
		ints(func(c *store.Call) int64 { return c.CacheReadTokens }),
		ints(func(c *store.Call) int64 { return c.CacheWriteTokens }),
		ints(func(c *store.Call) int64 { return c.OutputTokens }),
		ints(func(c *store.Call) int64 { return c.ReasoningTokens }),
		ints(func(c *store.Call) int64 { return int64(c.Cost) }),
		ints(func(c *store.Call) int64 { return int64(c.Doubt) }),
		ints(func(c *store.Call) int64 { return int64(c.Bound) }),
		texts(func(c *store.Call) string { return plain(c.BoundKind) }),
		texts(func(c *store.Call) string { return plain(c.PriceHash) }),
		texts(func(c *store.Call) string { return plain(c.PriceFrom) }),
		texts(func(c *store.Call) string { return plain(c.RequestID) }),
		ints(func(c *store.Call) int64 { return nanos(c.Started) }),
		ints(func(c *store.Call) int64 { return nanos(c.Ended) }),
		ints(func(c *store.Call) int64 { return int64(c.Own) }),
	}
}

func column[T any](entries []store.Entry, f func(c *store.Call) T) []T {
	all := make([]T, len(entries))
	for i := range entries {
		all[i] = f(&entries[i].Call)
	}
	return all
}

type callName struct {
	id      string
	attempt int64
}

func (t *tx) InsertCalls(entries []store.Entry) ([]bool, error) {
	fresh := make([]bool, len(entries))
	if len(entries) == 0 {
		return fresh, nil
	}
	if err := t.checkCounters(entries); err != nil {
		return nil, err
	}
	added := map[callName]bool{}
	err := t.each(func(rows pgx.Rows) error {
		var n callName
		err := rows.Scan(text(&n.id), &n.attempt)
		added[n] = true
		return err
	}, qCallsInsert, callArgs(entries)...)
	if err != nil {
		return nil, fmt.Errorf("calls of a round, the first of them %s: %w", entries[0].Call.ID, err)
	}
	for i := range entries {
		n := callName{entries[i].Call.ID, int64(entries[i].Call.Attempt)}
		fresh[i] = added[n]
		delete(added, n) // the second of two in one round is not new
	}
	return fresh, nil
}

// checkCounters refuses paths over counters that are not there. None is ever deleted.
func (t *tx) checkCounters(entries []store.Entry) error {
	var unknown []int64
	for i := range entries {
		for _, id := range entries[i].Call.Path {
			if _, ok := t.s.known.Load(id); !ok && !slices.Contains(unknown, int64(id)) {
				unknown = append(unknown, int64(id))
			}
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	there := map[int64]bool{}
	err := t.each(func(rows pgx.Rows) error {
		var id int64
		err := rows.Scan(&id)
		there[id] = true
		return err
	}, `SELECT id FROM counter WHERE id = ANY($1)`, unknown)
	if err != nil {
		return err
	}
	for _, id := range unknown {
		if !there[id] {
			return fmt.Errorf("counter %d: %w", id, store.ErrNotFound)
		}
		t.s.known.Store(store.CounterID(id), struct{}{})
	}
	return nil
}

// What ends items writes their results in the same statement. An item that is no longer the owner's at that attempt is not among its rows.
const qComplete = `WITH v AS (
		SELECT (j.num << 32) | u.seq AS id, j.num, u.* FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
			$8::boolean[], $9::bigint[], $10::text[], $11::text[], $12::text[], $13::boolean[], $14::text[], $15::bigint[], $16::bytea[], $17::bigint[])
		AS u (job, seq, attempt, state, tried, not_before, has, status, request_id, error_code, error_text, truncated, call, finished, body, n)
		JOIN job j ON j.id = u.job
	), ended AS (
		UPDATE item i SET state = v.state, owner = 0, tries = i.tries + v.tried, not_before = v.not_before
		FROM v WHERE i.id = v.id AND i.state = 1 AND i.owner = $1 AND i.attempt = v.attempt
		RETURNING i.id, v.n, v.num, v.state
	), results AS (
		INSERT INTO result (id, status, request_id, error_code, error_text, truncated, call, finished, body)
		SELECT v.id, v.status, v.request_id, v.error_code, v.error_text, v.truncated, v.call, v.finished, v.body
		FROM v JOIN ended e ON e.n = v.n WHERE v.has
	)
	SELECT n, num, state FROM ended`

func (t *tx) Complete(owner store.OwnerID, entries []store.Entry) (rejected []int, err error) {
	var a completions
	type place struct {
		job     string
		seq     int64
		attempt int
	}
	seen := map[place]bool{}
	for i := range entries {
		c := entries[i].Completion
		if c == nil {
			continue
		}
		p := place{c.Job, c.Seq, c.Attempt}
		if !validSeq(c.Seq) || seen[p] { // what is there twice counts once, the first time
			rejected = append(rejected, i)
			continue
		}
		seen[p] = true
		a.add(i, c)
	}
	if len(a.index) == 0 {
		return rejected, nil
	}
	num, err := t.num(owner)
	if err != nil {
		return nil, err
	}
	done := map[int64]bool{}
	err = t.each(func(rows pgx.Rows) error {
		var n, job, state int64
		err := rows.Scan(&n, &job, &state)
		done[n] = true
		t.moved(job, stateRunning, int(state), 1)
		return err
	}, qComplete, num, a.job, a.seq, a.attempt, a.state, a.tried, a.notBefore, a.has, a.status, a.requestID, a.errorCode, a.errorText,
		a.truncated, a.call, a.finished, a.body, a.index)
	if err != nil {
		return nil, fmt.Errorf("items of a round, the first of them item %d of job %q: %w", a.seq[0], a.job[0], err)
	}
	for _, i := range a.index {
		if !done[i] {
			rejected = append(rejected, int(i))
		}
	}
	slices.Sort(rejected)
	return rejected, nil
}

// completions are the columns of qComplete.
type completions struct {
	index, seq, attempt, state, tried, notBefore, status, finished []int64
	job, requestID, errorCode, errorText, call                     []string
	has, truncated                                                 []bool
	body                                                           [][]byte
}

func (a *completions) add(i int, c *store.Completion) {
	to, tried, notBefore := int64(stateDone), int64(0), int64(0)
	switch c.State {
	case store.ItemFailed:
		to = stateFailed
	case store.ItemPending:
		to, notBefore = statePending, max(nanos(c.NotBefore), 0)
		if c.Tried {
			tried = 1
		}
	default: // done
	}
	a.index, a.job, a.seq, a.attempt = append(a.index, int64(i)), append(a.job, plain(c.Job)), append(a.seq, c.Seq), append(a.attempt, int64(c.Attempt))
	a.state, a.tried, a.notBefore = append(a.state, to), append(a.tried, tried), append(a.notBefore, notBefore)
	var r store.Result
	if c.Result != nil {
		r = *c.Result
	}
	a.has = append(a.has, c.Result != nil)
	a.status, a.requestID = append(a.status, int64(r.Status)), append(a.requestID, plain(r.RequestID))
	a.errorCode, a.errorText = append(a.errorCode, plain(r.ErrorCode)), append(a.errorText, plain(r.ErrorText))
	a.truncated, a.call = append(a.truncated, r.Truncated), append(a.call, plain(r.CallID))
	a.finished, a.body = append(a.finished, nanos(r.FinishedAt)), append(a.body, blob(r.Body))
}
