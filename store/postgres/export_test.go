package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// Lock runs f in a transaction that has locked rows of counters in the order of ids.
func (s *Store) Lock(ctx context.Context, ids []int64, between func(i int)) error {
	return s.update(ctx, lockAlive, func(t *tx) error {
		for i, id := range ids {
			if err := t.each(func(pgx.Rows) error { return nil }, `SELECT 1 FROM counter WHERE id = $1 FOR UPDATE`, id); err != nil {
				return err
			}
			between(i)
		}
		return nil
	})
}

// Plain and Text are how texts are written and read.
func Plain(s string) string { return plain(s) }

func Text(code string) (s string, err error) {
	err = into[string]{&s}.ScanText(textOf(code))
	return s, err
}

func textOf(code string) pgtype.Text { return pgtype.Text{String: code, Valid: true} }
