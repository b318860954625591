package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/andres20980/aurea-orchestrator/store"
)

// dumped are the tables that [Store.Dump] puts out and what of them: in an order in which they can be written. The checksums of rows are compared and
// stay behind, and so do tables that have something to say about this file only.
var dumped = []struct{ table, id string }{
	{"counter", "id"}, {"owner", "num"}, {"call", "id"}, {"doubt", "id"}, {"day_use", ""}, {"job", "num"}, {"item", ""}, {"item_body", ""}, {"result", ""}, {"trail", "id"},
}

// plainTables have no checksums.
var plainTables = map[string]string{
	"model_use": "model, owner, at, held", "lane": "id, job, name", "trash": "num, job, last_call", "sqlite_sequence": "name, seq",
}

// Dump puts out every row, table by table, for another database: int64, string and []byte. put must not keep a row. Nobody else writes meanwhile. A ledger that
// a process is using cannot be moved: that is store.ErrOwnerLive.
func (s *Store) Dump(ctx context.Context, put func(table string, columns []string, row []any) error) error {
	return s.update(ctx, func(t *tx) error {
		var live int64
		if err := one(t, `SELECT (SELECT count(*) FROM owner WHERE state = 'live') + (SELECT count(*) FROM lease)`, nil, &live); err != nil {
			return err
		}
		if live > 0 {
			return store.ErrOwnerLive
		}
		for _, d := range dumped {
			columns := summed[d.table]
			if d.id != "" {
				columns = append([]string{d.id}, columns...)
			}
			if err := t.dump(d.table, sound(d.table), columns, put); err != nil {
				return fmt.Errorf("%s: %w", d.table, err)
			}
		}
		for table, columns := range plainTables {
			if err := t.dump(table, "1", strings.Split(columns, ", "), put); err != nil {
				return fmt.Errorf("%s: %w", table, err)
			}
		}
		return nil
	})
}

func (t *tx) dump(table, sound string, columns []string, put func(string, []string, []any) error) error {
	row, into := make([]any, len(columns)), make([]any, len(columns)+1)
	into[0] = intact(table)
	for i := range row {
		into[i+1] = &row[i]
	}
	q := `SELECT ` + sound + `, ` + strings.Join(columns, ", ") + ` FROM ` + table // names of our own
	return each(t, q, nil, func(rows *sql.Rows) error {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		return put(table, columns, row)
	})
}

// Schema returns the version of the schema, and the one that this program knows.
func (s *Store) Schema(ctx context.Context) (have, newest int64, err error) {
	if have, err = version(ctx, s.read); err != nil {
		return 0, 0, wrap(ctx, err)
	}
	newest, err = newestSchema()
	return have, newest, err
}
