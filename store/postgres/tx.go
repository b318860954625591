package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/internal/protocol"
)

const (
	repeats       = 8                // of a transaction that the server took back
	updateTimeout = 30 * time.Second // of a transaction whose caller set no shorter time
	commitTimeout = 10 * time.Second // of a commit whose caller has left
)

// ask is a statement, and what is done with its answer.
type ask struct {
	q    string
	args []any
	each func(rows pgx.Rows) error // for every row; nil where there are none
	n    *int64                    // how many rows it changed or returned; may be nil
	tag  *pgconn.CommandTag        // may be nil
	none error                     // what it means that no row came; may be nil
}

func do(q string, args ...any) ask { return ask{q: q, args: args} }

func (a ask) count(n *int64) ask { a.n = n; return a }

func (a ask) rows(each func(rows pgx.Rows) error) ask { a.each = each; return a }

// into scans the only row into dest, which stays as it is if there is none.
func (a ask) into(dest ...any) ask {
	a.each = func(rows pgx.Rows) error { return rows.Scan(dest...) }
	return a
}

// must makes it an error that no row comes.
func (a ask) must(none error) ask { a.none = none; return a }

// send sends statements in one round trip and reads their answers in order. Errors of the database are wrapped, those of scanning and of each too.
func send(ctx context.Context, conn interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}, asks ...ask,
) (err error) {
	var b pgx.Batch
	for _, a := range asks {
		b.Queue(a.q, a.args...)
	}
	res := conn.SendBatch(ctx, &b)
	defer func() {
		if cerr := res.Close(); err == nil {
			err = wrap(ctx, cerr)
		}
	}()
	for _, a := range asks {
		rows, err := res.Query()
		if err != nil {
			return wrap(ctx, err)
		}
		for rows.Next() && err == nil {
			if a.each != nil {
				err = a.each(rows)
			}
		}
		rows.Close()
		if rows.Err() != nil {
			err = rows.Err()
		}
		if err != nil {
			return wrap(ctx, err)
		}
		if a.none != nil && rows.CommandTag().RowsAffected() == 0 {
			return a.none
		}
		if a.n != nil {
			*a.n = rows.CommandTag().RowsAffected()
		}
		if a.tag != nil {
			*a.tag = rows.CommandTag()
		}
	}
	return nil
}

// view asks on one snapshot, in one round trip. It is read only and does not wait for writers.
func (s *Store) view(ctx context.Context, asks ...ask) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	if len(asks) > 1 {
		asks = slices.Concat([]ask{do("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")}, asks, []ask{do("COMMIT")})
	}
	// Only what never left is repeated: what was read of a first answer has been told already.
	return s.again(ctx, pgconn.SafeToRetry, func() error {
		return s.with(ctx, func(conn *pgx.Conn) error { return send(ctx, conn, asks...) })
	})
}

// with runs f on a connection of the pool, which is closed if f leaves a transaction open on it.
func (s *Store) with(ctx context.Context, f func(conn *pgx.Conn) error) error {
	c, err := s.pool.Acquire(ctx)
	if err != nil {
		return wrap(ctx, err)
	}
	defer c.Release()
	return f(c.Conn())
}

// again repeats what was taken back by the server, or never reached it because the connection had died while it lay idle.
func (s *Store) again(ctx context.Context, repeatable func(error) bool, f func() error) error {
	pause := time.Millisecond
	for n := 0; ; n++ {
		err := f()
		if err == nil || n == repeats || !repeatable(err) {
			return err
		}
		timer := time.NewTimer(pause/2 + rand.N(pause)) // #nosec G404 -- spreads processes, protects nothing
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		pause = min(2*pause, 100*time.Millisecond)
	}
}

func repeatable(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "40001" || e.Code == "40P01" // serialization failure, deadlock
	}
	return pgconn.SafeToRetry(err)
}

// How the row of an owner is locked by a transaction that reads it.
const (
	// A claim: the owner must not die meanwhile; rounds go on.
	lockAlive = ` FOR KEY SHARE`
	// A round: one at a time for each owner. The same round may be on its way twice, after a time-out.
	lockRound = ` FOR NO KEY UPDATE`
	// A death, or what was left of one: nothing else of this owner meanwhile.
	lockAlone = ` FOR UPDATE`
)

// tx is a write transaction. What it changes of counters, leases and doubts it keeps, and sends with its COMMIT; reads see it.
type tx struct {
	s     *Store
	ctx   context.Context
	conn  *pgx.Conn
	lock  string // of owners
	self  store.OwnerID
	begun bool

	soon     []store.CounterID // counters that will be asked for, ascending: locked together with the first
	later    []ask             // statements that nothing depends on
	owners   map[store.OwnerID]store.Owner
	counters map[store.CounterID]*counter
	leases   map[leaseKey]protocol.Lease // of one owner each that was read or written
	counts   map[int64]*[4]int64         // changes of the items of a job, by state
}

type counter struct {
	protocol.Counter
	others money.Sum // what the leases on it of owners but tx.self have spent
	dirty  bool
}

// ask sends statements in one round trip, after what was kept for later.
func (t *tx) ask(asks ...ask) error {
	var all []ask
	if !t.begun {
		all = append(all, do("BEGIN"))
	}
	all = append(append(all, t.later...), asks...)
	t.later = nil
	if err := send(t.ctx, t.conn, all...); err != nil {
		return err
	}
	t.begun = true
	return nil
}

// each calls scan for every row.
func (t *tx) each(scan func(rows pgx.Rows) error, q string, args ...any) error {
	return t.ask(do(q, args...).rows(scan))
}

// exec runs a statement and returns how many rows it changed.
func (t *tx) exec(q string, args ...any) (n int64, err error) {
	err = t.ask(do(q, args...).count(&n))
	return n, err
}

// put keeps a statement for the next round trip.
func (t *tx) put(q string, args ...any) { t.later = append(t.later, do(q, args...)) }

// update runs f in a write transaction. It returns nil exactly if all of it is written. f may be run more than once.
// A context that ends before f has run takes everything back; after that the commit runs to its end.
func (s *Store) update(ctx context.Context, lock string, f func(t *tx) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, updateTimeout)
	defer cancel()
	return s.again(ctx, repeatable, func() error {
		return s.with(ctx, func(conn *pgx.Conn) error {
			t := &tx{
				s: s, ctx: ctx, conn: conn, lock: lock, owners: map[store.OwnerID]store.Owner{},
				counters: map[store.CounterID]*counter{}, leases: map[leaseKey]protocol.Lease{},
			}
			err := f(t)
			if err == nil {
				err = ctx.Err()
			}
			if err == nil {
				err = t.commit()
			}
			if err != nil {
				t.back()
			}
			return err
		})
	})
}

// back takes everything back. If that cannot be said to the server, it learns it from the end of the connection.
func (t *tx) back() {
	if t.conn.IsClosed() || t.conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), time.Second)
	defer cancel()
	if _, err := t.conn.Exec(ctx, "ROLLBACK"); err != nil {
		_ = t.conn.Close(ctx)
	}
}

// commit sends what was kept, and COMMIT with it. Counters are written in ascending order, then the counts of jobs.
func (t *tx) commit() error {
	asks := t.later
	t.later = nil
	for _, id := range slices.Sorted(maps.Keys(t.counters)) {
		if c := t.counters[id]; c.dirty {
			asks = append(asks, do(`UPDATE counter SET committed_dollars = $1, committed_pico = $2, spent_dollars = $3, spent_pico = $4,
	doubt_dollars = $5, doubt_pico = $6, wanted_until = $7 WHERE id = $8`,
				c.Committed.Dollars, c.Committed.Pico, c.Spent.Dollars, c.Spent.Pico, c.Doubt.Dollars, c.Doubt.Pico, nanos(c.WantedUntil), int64(id)))
		}
	}
	for _, job := range slices.Sorted(maps.Keys(t.counts)) {
		c := t.counts[job]
		asks = append(asks, do(`INSERT INTO job_count AS n (job, slot, pending, running, done, failed) VALUES ($1, $2, $3, $4, $5, $6)
	ON CONFLICT (job, slot) DO UPDATE SET pending = n.pending + excluded.pending, running = n.running + excluded.running,
	done = n.done + excluded.done, failed = n.failed + excluded.failed`, job, t.s.slot, c[0], c[1], c[2], c[3]))
	}
	if !t.begun && len(asks) == 0 {
		return nil
	}
	if !t.begun {
		asks = slices.Insert(asks, 0, do("BEGIN"))
	}
	var tag pgconn.CommandTag
	end := do("COMMIT")
	end.tag = &tag
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), commitTimeout)
	defer cancel()
	if err := send(ctx, t.conn, append(asks, end)...); err != nil {
		return err
	}
	if tag.String() != "COMMIT" {
		return fmt.Errorf("%w: the transaction had failed before it was committed", store.ErrUnavailable)
	}
	return nil
}

// States of items as they are written.
const (
	statePending = iota
	stateRunning
	stateDone
	stateFailed
)

// moved notes that n items of a job go from one state to another; negative states are nowhere.
func (t *tx) moved(job int64, from, to int, n int64) {
	if n == 0 {
		return
	}
	if t.counts == nil {
		t.counts = map[int64]*[4]int64{}
	}
	c := t.counts[job]
	if c == nil {
		c = new([4]int64)
		t.counts[job] = c
	}
	if from >= 0 {
		c[from] -= n
	}
	if to >= 0 {
		c[to] += n
	}
}

// usable refuses a store that was closed, and callers that have left.
func (s *Store) usable(ctx context.Context) error {
	if s.closed.Load() {
		return fmt.Errorf("%w: it was closed", store.ErrUnavailable)
	}
	return ctx.Err()
}
