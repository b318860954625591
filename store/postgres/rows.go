package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/internal/protocol"
)

// marked begins texts that PostgreSQL would not take as they are: those with a zero byte or that are no UTF-8
// (https://www.postgresql.org/docs/current/datatype-character.html), and those that begin with it anyway. The rest is hexadecimal.
const marked = "\ufffe"

// plain is how a text is written.
func plain[T ~string](s T) string {
	if utf8.ValidString(string(s)) && strings.IndexByte(string(s), 0) < 0 && !strings.HasPrefix(string(s), marked) {
		return string(s)
	}
	return marked + hex.EncodeToString([]byte(s))
}

// text scans what plain wrote.
func text[T ~string](p *T) pgtype.TextScanner { return into[T]{p} }

type into[T ~string] struct{ p *T }

func (i into[T]) ScanText(v pgtype.Text) error {
	*i.p = T(v.String)
	if code, ok := strings.CutPrefix(v.String, marked); ok {
		b, err := hex.DecodeString(code)
		if err != nil {
			return fmt.Errorf("a text begins with a mark and is not hexadecimal: %w", err)
		}
		*i.p = T(b)
	}
	return nil
}

// key is what stands for a custom id in an index.
func key(customID string) [16]byte {
	sum := sha256.Sum256([]byte(customID))
	return [16]byte(sum[:16])
}

// nanos is how a time is written.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// instant scans what nanos wrote.
type instant struct{ t *time.Time }

func (i instant) ScanInt64(v pgtype.Int8) error {
	if v.Int64 == 0 {
		*i.t = time.Time{}
	} else {
		*i.t = time.Unix(0, v.Int64).UTC()
	}
	return nil
}

const counterColumns = `c.id, c.account, c.window_start, c.limit_dollars, c.limit_pico, c.closed,
	c.committed_dollars, c.committed_pico, c.spent_dollars, c.spent_pico, c.doubt_dollars, c.doubt_pico, c.wanted_until`

func scanCounter(rows pgx.Rows, more ...any) (c protocol.Counter, err error) {
	err = rows.Scan(append([]any{
		&c.ID, text(&c.Account),
		instant{&c.Window},
		&c.Limit.Dollars, &c.Limit.Pico, &c.Closed,
		&c.Committed.Dollars, &c.Committed.Pico, &c.Spent.Dollars, &c.Spent.Pico, &c.Doubt.Dollars, &c.Doubt.Pico,
		instant{&c.WantedUntil},
	}, more...)...)
	return c, err
}

// Two halves, because a sum of many amounts may pass a bigint of pico-dollars.
const (
	qCountersShown = `SELECT ` + counterColumns + `, l.dollars, l.pico FROM counter c CROSS JOIN LATERAL (
		SELECT coalesce(sum(spent / 1000000000000), 0)::bigint AS dollars, coalesce(sum(spent % 1000000000000), 0)::bigint AS pico
		FROM lease WHERE counter = c.id) l`
)

// scanShown reads a row of qCountersShown.
func scanShown(rows pgx.Rows) (store.Counter, error) {
	var dollars, pico int64
	c, err := scanCounter(rows, &dollars, &pico)
	return c.Shown(sumOf(dollars, pico)), err
}

func sumOf(dollars, pico int64) money.Sum { return money.Sum{Dollars: dollars}.Add(money.USD(pico)) }

const ownerColumns = `id, epoch, state, pid, host, boot_id, joined, died`

func scanOwner(rows pgx.Rows) (o store.Owner, err error) {
	err = rows.Scan(text(&o.ID), &o.Epoch, text(&o.State), &o.PID, text(&o.Host), text(&o.BootID), instant{&o.Joined}, instant{&o.Died})
	return o, err
}

const doubtColumns = `id, owner, counter, call, attempt, amount, since, job, provider, model, upstream, started`

func scanDoubt(rows pgx.Rows) (d store.Doubt, err error) {
	err = rows.Scan(&d.ID, text(&d.Owner), &d.Counter, text(&d.Call), &d.Attempt, &d.Amount, instant{&d.Since}, text(&d.Job), text(&d.Provider),
		text(&d.Model), text(&d.Upstream), instant{&d.Started})
	return d, err
}

const callColumns = `call, attempt, job, path, item, provider, model, upstream, api, status, outcome, error, input_tokens, cache_read, cache_write,
	output_tokens, reasoning, cost, doubt, bound, bound_kind, price_hash, price_from, request_id, started, ended, own`

func scanCall(rows pgx.Rows) (id int64, c store.Call, err error) {
	var path string
	err = rows.Scan(&id, text(&c.ID), &c.Attempt, text(&c.Job), &path, &c.Item, text(&c.Provider), text(&c.Model), text(&c.Upstream), text(&c.API),
		&c.Status, text(&c.Outcome), text(&c.Error), &c.InputTokens, &c.CacheReadTokens, &c.CacheWriteTokens, &c.OutputTokens, &c.ReasoningTokens,
		&c.Cost, &c.Doubt, &c.Bound, text(&c.BoundKind), text(&c.PriceHash), text(&c.PriceFrom), text(&c.RequestID),
		instant{&c.Started}, instant{&c.Ended}, &c.Own)
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

// numbers are counters as a parameter.
func numbers(ids []store.CounterID) []int64 {
	all := make([]int64, len(ids))
	for i, id := range ids {
		all[i] = int64(id)
	}
	return all
}

// row is a job with what only the database knows of it.
type row struct {
	store.Job
	num    int64
	counts store.ItemCounts
}

const qJobRows = `SELECT j.num, j.id, j.parent, j.state, j.reason, j.batch, j.simulated, j.source, j.fingerprint, j.runner, j.created, j.updated, j.pii, j.detached,
	n.pending, n.running, n.done, n.failed FROM job j CROSS JOIN LATERAL (
		SELECT coalesce(sum(pending), 0)::bigint AS pending, coalesce(sum(running), 0)::bigint AS running,
			coalesce(sum(done), 0)::bigint AS done, coalesce(sum(failed), 0)::bigint AS failed
		FROM job_count WHERE job = j.num) n`

func scanJob(rows pgx.Rows) (j row, err error) {
	err = rows.Scan(&j.num, text(&j.ID), text(&j.Parent), text(&j.State), text(&j.Reason), &j.Batch, &j.Simulated, text(&j.Source), text(&j.Fingerprint),
		text(&j.Runner), instant{&j.Created}, instant{&j.Updated}, text(&j.PII), &j.Detached, &j.counts.Pending, &j.counts.Running, &j.counts.Done, &j.counts.Failed)
	return j, err
}

// blob is a body as it is written: never NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
