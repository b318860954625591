package sqlite

import (
	"database/sql"
	"strconv"
	"strings"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/internal/protocol"
)

// nanos is how a time is written.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// instant scans what nanos wrote.
type instant struct{ t *time.Time }

func (i instant) Scan(v any) error {
	n, _ := v.(int64)
	if n == 0 {
		*i.t = time.Time{}
	} else {
		*i.t = time.Unix(0, n).UTC()
	}
	return nil
}

func scanCounter(rows *sql.Rows, more ...any) (c protocol.Counter, err error) {
	err = rows.Scan(append([]any{
		intact("counter"),
		&c.ID, &c.Account,
		instant{&c.Window},
		&c.Limit.Dollars, &c.Limit.Pico, &c.Closed,
		&c.Committed.Dollars, &c.Committed.Pico, &c.Spent.Dollars, &c.Spent.Pico, &c.Doubt.Dollars, &c.Doubt.Pico,
		instant{&c.WantedUntil},
	}, more...)...)
	return c, err
}

// shown reads counters with the spending of their leases, from rows of a counter and one of its leases each.
func shown(q querier, text string, args ...any) ([]store.Counter, error) {
	var all []store.Counter
	err := each(q, text, args, func(rows *sql.Rows) error {
		var spent sql.NullInt64
		c, err := scanCounter(rows, &spent, intact("lease"))
		if err != nil {
			return err
		}
		if n := len(all); n == 0 || all[n-1].ID != c.ID {
			all = append(all, c.Shown(money.Sum{}))
		}
		last := &all[len(all)-1]
		last.Spent = last.Spent.Add(money.USD(spent.Int64))
		return nil
	})
	return all, err
}

func scanOwner(rows *sql.Rows) (o store.Owner, err error) {
	err = rows.Scan(intact("owner"), &o.ID, &o.Epoch, &o.State, &o.PID, &o.Host, &o.BootID, instant{&o.Joined}, instant{&o.Died})
	return o, err
}

func scanOwners(q querier, text string, args ...any) (all []store.Owner, err error) {
	err = each(q, text, args, func(rows *sql.Rows) error {
		o, err := scanOwner(rows)
		all = append(all, o)
		return err
	})
	return all, err
}

func scanDoubts(q querier, text string, args ...any) (all []store.Doubt, err error) {
	err = each(q, text, args, func(rows *sql.Rows) error {
		var d store.Doubt
		err := rows.Scan(intact("doubt"), &d.ID, &d.Owner, &d.Counter, &d.Call, &d.Attempt, &d.Amount, instant{&d.Since}, &d.Job, &d.Provider, &d.Model,
			&d.Upstream, instant{&d.Started})
		all = append(all, d)
		return err
	})
	return all, err
}

func callArgs(c *store.Call) []any {
	return append(make([]any, 0, 28), // room for the checksum
		c.ID, int64(c.Attempt), c.Job, joinPath(c.Path), c.Item, c.Provider, c.Model, c.Upstream, c.API, int64(c.Status), c.Outcome, c.Error,
		c.InputTokens, c.CacheReadTokens, c.CacheWriteTokens, c.OutputTokens, c.ReasoningTokens, int64(c.Cost), int64(c.Doubt),
		int64(c.Bound), c.BoundKind, c.PriceHash, c.PriceFrom, c.RequestID, nanos(c.Started), nanos(c.Ended), int64(c.Own))
}

func scanCall(rows *sql.Rows) (id int64, c store.Call, err error) {
	var path string
	err = rows.Scan(intact("call"), &id, &c.ID, &c.Attempt, &c.Job, &path, &c.Item, &c.Provider, &c.Model, &c.Upstream, &c.API, &c.Status,
		&c.Outcome, &c.Error, &c.InputTokens, &c.CacheReadTokens, &c.CacheWriteTokens, &c.OutputTokens, &c.ReasoningTokens,
		&c.Cost, &c.Doubt, &c.Bound, &c.BoundKind, &c.PriceHash, &c.PriceFrom, &c.RequestID, instant{&c.Started}, instant{&c.Ended}, &c.Own)
	c.Path = splitPath(path)
	return id, c, err
}

// joinPath writes counters as "3,1".
func joinPath(path []store.CounterID) string {
	var b strings.Builder
	for i, id := range path {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(int64(id), 10))
	}
	return b.String()
}

func splitPath(text string) (path []store.CounterID) {
	for part := range strings.SplitSeq(text, ",") {
		if id, err := strconv.ParseInt(part, 10, 64); err == nil {
			path = append(path, store.CounterID(id))
		}
	}
	return path
}

// row is a job with what only the database knows of it.
type row struct {
	store.Job
	num    int64
	counts store.ItemCounts
}

func scanJobs(q querier, text string, args ...any) (all []row, err error) {
	err = each(q, text, args, func(rows *sql.Rows) error {
		var j row
		err := rows.Scan(intact("job"), &j.num, &j.ID, &j.Parent, &j.State, &j.Reason, &j.Batch, &j.Simulated, &j.Source, &j.Fingerprint,
			&j.Runner, instant{&j.Created}, instant{&j.Updated}, &j.PII, &j.Detached, &j.counts.Pending, &j.counts.Running, &j.counts.Done, &j.counts.Failed)
		all = append(all, j)
		return err
	})
	return all, err
}
