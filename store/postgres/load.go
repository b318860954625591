package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Dumper puts out every row of another database; store/sqlite has one.
type Dumper interface {
	Dump(ctx context.Context, put func(table string, columns []string, row []any) error) error
}

// ErrNotEmpty means that a ledger is moved into an empty database only.
var ErrNotEmpty = errors.New("store: the database is not empty; name one that nothing was written to")

// ErrMoved means that what was read back is not what was written, or the money does not add up; nothing was kept.
var ErrMoved = errors.New("store: what was moved does not agree with what was there")

// loadBytes is about how much is sent at a time.
const loadBytes = 4 << 20

// flags are the columns that are truth values here and numbers in SQLite.
var flags = []string{"closed", "batch", "simulated", "detached", "truncated"}

// identities are the tables whose rows get numbers from the server, and the column of the numbers.
var identities = map[string]string{"counter": "id", "owner": "num", "call": "id", "doubt": "id", "job": "num", "lane": "id", "trail": "id"}

// jobCounts are columns of SQLite's jobs that are a table here.
var jobCounts = []string{"pending", "running", "done", "failed"}

// Load moves a whole ledger here, which must be empty, in one transaction: rows are written, read back and compared, and then the money is added up from
// the rows. It returns how many rows each table got.
func (s *Store) Load(ctx context.Context, from Dumper) (rows map[string]int64, err error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	err = s.with(ctx, func(conn *pgx.Conn) error {
		tx, err := conn.Begin(ctx)
		if err != nil {
			return wrap(ctx, err)
		}
		l := &loader{ctx: ctx, tx: tx, tables: map[string]*loaded{}, sequences: map[string]int64{}}
		err = l.load(from)
		if err == nil {
			err = wrap(ctx, tx.Commit(ctx))
		}
		if err != nil {
			return errors.Join(err, tx.Rollback(context.WithoutCancel(ctx)))
		}
		rows = map[string]int64{}
		for name, t := range l.tables {
			rows[name] = t.sum.rows
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

type loader struct {
	ctx       context.Context //nolint:containedctx // of one call
	tx        pgx.Tx
	tables    map[string]*loaded
	sequences map[string]int64
}

// loaded is a table that is being filled.
type loaded struct {
	columns []string
	kept    [][]any
	size    int
	sum     checksum
}

// checksum is one of rows in any order.
type checksum struct {
	rows   int64
	hi, lo uint64
}

func (c *checksum) add(row []any) error {
	h := sha256.New()
	for _, v := range row {
		switch v := v.(type) {
		case int64:
			fmt.Fprintf(h, "i%d;", v)
		case bool:
			fmt.Fprintf(h, "?%t;", v)
		case string:
			fmt.Fprintf(h, "t%d;%s", len(v), v)
		case []byte:
			fmt.Fprintf(h, "b%d;%s", len(v), v)
		case [16]byte:
			fmt.Fprintf(h, "k%x;", v)
		default:
			return fmt.Errorf("a value of type %T", v)
		}
	}
	sum := h.Sum(nil)
	var carry uint64
	c.lo, carry = bits.Add64(c.lo, binary.LittleEndian.Uint64(sum), 0)
	c.hi, _ = bits.Add64(c.hi, binary.LittleEndian.Uint64(sum[8:]), carry)
	c.rows++
	return nil
}

func (l *loader) load(from Dumper) error {
	if _, err := l.tx.Exec(l.ctx, `SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0`); err != nil {
		return wrap(l.ctx, err)
	}
	for _, table := range []string{"owner", "counter", "call", "doubt", "job", "item", "trail", "trash"} {
		var there bool
		if err := l.tx.QueryRow(l.ctx, `SELECT EXISTS (SELECT 1 FROM `+table+`)`).Scan(&there); err != nil {
			return wrap(l.ctx, err)
		}
		if there {
			return fmt.Errorf("%w (there are rows in %s)", ErrNotEmpty, table)
		}
	}
	if err := from.Dump(l.ctx, l.put); err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(l.tables))
	for _, name := range names {
		if err := l.flush(name); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := l.compare(name); err != nil {
			return err
		}
	}
	if err := l.addUp(); err != nil {
		return err
	}
	return l.number()
}

// put takes a row in.
func (l *loader) put(table string, columns []string, row []any) error {
	switch table {
	case "sqlite_sequence":
		name, _ := row[0].(string)
		l.sequences[name], _ = row[1].(int64)
		return nil
	case "job": // its counts are the last columns
		n := len(columns) - len(jobCounts)
		if !slices.Equal(columns[n:], jobCounts) {
			return fmt.Errorf("columns %v of jobs", columns)
		}
		counts := append([]any{row[0], int64(0)}, row[n:]...)
		if err := l.keep("job_count", append([]string{"job", "slot"}, jobCounts...), counts); err != nil {
			return err
		}
		columns, row = columns[:n], row[:n]
	case "item":
		i := slices.Index(columns, "custom_id")
		id, _ := row[i].(string)
		return l.keep(table, append(slices.Clone(columns), "key"), append(slices.Clone(row), key(id)))
	}
	return l.keep(table, columns, row)
}

func (l *loader) keep(table string, columns []string, row []any) error {
	t := l.tables[table]
	if t == nil {
		t = &loaded{columns: slices.Clone(columns)}
		l.tables[table] = t
	}
	own := make([]any, len(row))
	for i, v := range row {
		switch v := v.(type) {
		case string:
			own[i] = plain(v)
			t.size += len(v)
		case []byte:
			own[i] = slices.Clone(blob(v))
			t.size += len(v)
		case int64:
			own[i] = v
			if slices.Contains(flags, columns[i]) {
				own[i] = v != 0
			}
		case nil: // an empty BLOB may be read as none
			own[i] = []byte{}
		default:
			own[i] = v
		}
	}
	t.size += 16 * len(row)
	if err := t.sum.add(own); err != nil {
		return fmt.Errorf("%s: %w", table, err)
	}
	if t.kept = append(t.kept, own); t.size < loadBytes {
		return nil
	}
	return l.flush(table)
}

func (l *loader) flush(table string) error {
	if table == "doubt" { // which refers to these
		for _, first := range []string{"owner", "counter"} {
			if err := l.flush(first); err != nil {
				return err
			}
		}
	}
	t := l.tables[table]
	if t == nil || len(t.kept) == 0 {
		return nil
	}
	_, err := l.tx.CopyFrom(l.ctx, pgx.Identifier{table}, t.columns, pgx.CopyFromRows(t.kept))
	t.kept, t.size = nil, 0
	if err != nil {
		return fmt.Errorf("%s: %w", table, wrap(l.ctx, err))
	}
	return nil
}

// compare reads a table back.
func (l *loader) compare(table string) error {
	t := l.tables[table]
	rows, err := l.tx.Query(l.ctx, `SELECT `+strings.Join(t.columns, ", ")+` FROM `+table)
	if err != nil {
		return wrap(l.ctx, err)
	}
	defer rows.Close()
	var sum checksum
	for rows.Next() {
		row, err := rows.Values()
		if err == nil {
			err = sum.add(row)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
	}
	if err := rows.Err(); err != nil {
		return wrap(l.ctx, err)
	}
	if sum != t.sum {
		return fmt.Errorf("%w: table %s", ErrMoved, table)
	}
	return nil
}

// addUp checks the invariants of a ledger at rest: what is committed is spent or in doubt, what is spent is the sum of the calls, what is in doubt that of the doubts.
func (l *loader) addUp() error {
	var bad int64
	err := l.tx.QueryRow(l.ctx, `WITH paid AS (SELECT p::bigint AS id, sum(c.cost::numeric) AS sum FROM call c, unnest(string_to_array(c.path, ',')) p GROUP BY 1),
	open AS (SELECT counter AS id, sum(amount::numeric) AS sum FROM doubt GROUP BY 1)
	SELECT count(*) FROM counter c LEFT JOIN paid p ON p.id = c.id LEFT JOIN open o ON o.id = c.id
	WHERE c.spent_dollars * 1000000000000.0 + c.spent_pico <> coalesce(p.sum, 0) OR c.doubt_dollars * 1000000000000.0 + c.doubt_pico <> coalesce(o.sum, 0)
	OR c.committed_dollars * 1000000000000.0 + c.committed_pico <> coalesce(p.sum, 0) + coalesce(o.sum, 0)`).Scan(&bad)
	if err != nil {
		return wrap(l.ctx, err)
	}
	if bad > 0 {
		return fmt.Errorf("%w: %d accounts are not the sum of their calls", ErrMoved, bad)
	}
	return nil
}

// number lets the server go on where the other database ended: no number is given twice.
func (l *loader) number() error {
	for table, column := range identities {
		_, err := l.tx.Exec(l.ctx, `SELECT setval(pg_get_serial_sequence($1, $2), greatest((SELECT coalesce(max(`+column+`), 0) FROM `+table+`), $3) + 1, false)`,
			table, column, l.sequences[table])
		if err != nil {
			return wrap(l.ctx, err)
		}
	}
	return nil
}
