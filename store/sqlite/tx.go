package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/andres20980/aurea-orchestrator/store"
)

// querier is what reads and writes have in common.
type querier interface {
	query(q string, args ...any) (*sql.Rows, error)
}

// each calls scan for every row. It returns the first error, of the query or of scan.
func each(q querier, text string, args []any, scan func(rows *sql.Rows) error) error {
	rows, err := q.query(text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// one scans the only row of a query, or returns [sql.ErrNoRows].
func one(q querier, text string, args []any, dest ...any) error {
	found := false
	err := each(q, text, args, func(rows *sql.Rows) error {
		found = true
		return rows.Scan(dest...)
	})
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	return err
}

// snapshot reads. All its queries see the same state.
type snapshot struct {
	ctx context.Context
	tx  *sql.Tx
}

func (r snapshot) query(q string, args ...any) (*sql.Rows, error) {
	return r.tx.QueryContext(r.ctx, q, args...)
}

// view runs f on one snapshot. It does not wait for writers, and it is short: an open snapshot keeps the log from
// being reused.
func (s *Store) view(ctx context.Context, f func(r snapshot) error) error {
	if err := s.usable(); err != nil {
		return err
	}
	tx, err := s.read.BeginTx(ctx, nil)
	if err != nil {
		return s.told(wrap(ctx, err))
	}
	err = f(snapshot{ctx, tx})
	_ = tx.Rollback() // nothing was written
	return s.told(wrap(ctx, err))
}

// tx is a write transaction on the store's one writing connection.
type tx struct {
	s *Store
	// ctx never ends: a transaction that has begun is written or taken back as a whole, and not left to a race
	// between its caller's patience and the disk.
	ctx    context.Context
	counts map[int64]*[4]int64 // changes of the items of a job, by state
	wrote  bool                // a row was changed
}

func (t *tx) stmt(q string) (*sql.Stmt, error) {
	if st, ok := t.s.stmts[q]; ok {
		return st, nil
	}
	st, err := t.s.conn.PrepareContext(t.ctx, q)
	if err != nil {
		return nil, err
	}
	t.s.stmts[q] = st
	return st, nil
}

func (t *tx) query(q string, args ...any) (*sql.Rows, error) {
	st, err := t.stmt(q) //nolint:sqlclosecheck // kept for the next transaction; Store.Close closes it
	if err != nil {
		return nil, err
	}
	t.wrote = t.wrote || strings.HasPrefix(q, "UPDATE") // with RETURNING
	return st.QueryContext(t.ctx, args...)
}

// exec runs a statement and returns how many rows it changed.
func (t *tx) exec(q string, args ...any) (int64, error) {
	st, err := t.stmt(q) //nolint:sqlclosecheck // kept for the next transaction; Store.Close closes it
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	t.wrote = t.wrote || n > 0
	return n, err
}

// update runs f in a write transaction. It returns nil exactly if all of it is on disk. A context that ends
// before f has run takes everything back; after that the commit runs to its end.
func (s *Store) update(ctx context.Context, f func(t *tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.writer <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.writer }()
	if err := s.usable(); err != nil {
		return err
	}
	t := &tx{s: s, ctx: context.WithoutCancel(ctx)}
	if err := t.begin(ctx); err != nil {
		return s.told(wrap(ctx, err))
	}
	done := false
	defer func() {
		if !done { // an error, or a panic on its way up
			_, _ = t.exec("ROLLBACK")
		}
	}()
	err := f(t)
	if err == nil {
		err = t.writeCounts()
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return s.told(wrap(ctx, err))
	}
	now := s.last
	if t.wrote {
		if err := one(t, qTallyAdd, nil, intact("tally"), &now.name, &now.commits); err != nil {
			return s.told(wrap(t.ctx, err)) //nolint:contextcheck // as above
		}
	}
	if _, err := t.exec("COMMIT"); err != nil {
		return s.told(wrap(t.ctx, err)) //nolint:contextcheck // the caller's context has no say in a commit
	}
	done = true
	if t.wrote {
		s.last = now
		if err := s.mark.note(now); err != nil {
			s.log.Warn("a commit could not be written down beside the database; if it is lost, nobody will notice", "error", err)
		}
	}
	return nil
}

// begin takes the write lock. SQLite's own waiting sleeps up to a tenth of a second at a time, too coarse for processes that
// commit every few milliseconds, and does not look at ctx; so the connection does not wait, and this does.
func (t *tx) begin(ctx context.Context) error {
	const longest, patient = 4 * time.Millisecond, 20 * time.Millisecond // many that wait must leave the machine to who writes
	pause := 100 * time.Microsecond
	start := time.Now()
	for {
		_, err := t.exec("BEGIN IMMEDIATE")
		if err == nil {
			return nil
		}
		if !busy(err) {
			_, _ = t.exec("ROLLBACK") // of a transaction that an earlier error left open, if there is one
			return err
		}
		if time.Since(start) > t.s.busyTimeout {
			return fmt.Errorf("another process has been writing for %s: %w", t.s.busyTimeout, err)
		}
		timer := time.NewTimer(pause/2 + rand.N(pause)) // #nosec G404 -- spreads processes, protects nothing
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		if pause = min(2*pause, longest); time.Since(start) > 100*time.Millisecond {
			pause = patient
		}
	}
}

// usable refuses a store that was closed, and checks now and then that the file is still where it was opened: two processes, one
// on a file that was moved away and one on its successor, would each grant the whole budget.
func (s *Store) usable() error {
	if s.closed.Load() {
		return fmt.Errorf("%w: it was closed", store.ErrUnavailable)
	}
	if d, ok := s.damage.Load().(*store.DamageError); ok {
		return d
	}
	now := time.Now().UnixNano()
	if since := now - s.looked.Load(); since >= 0 && since < int64(time.Second) {
		return nil
	}
	info, err := os.Stat(s.path)
	if err != nil || !os.SameFile(info, s.info) {
		return fmt.Errorf("%w: %s was moved, deleted or replaced while in use; put it back, or restart", store.ErrUnavailable, s.path)
	}
	s.looked.Store(now)
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

func (t *tx) writeCounts() error {
	for job, c := range t.counts {
		if _, err := t.exec(qJobCounts, c[0], c[1], c[2], c[3], job); err != nil {
			return err
		}
	}
	return nil
}
