package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/andres20980/aurea-orchestrator/store"
)

// wrap gives an error of the driver the meaning that the store promises: rows that are not there, a database that cannot be used, a
// caller that left. Those of the store stay as they are. Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
func wrap(ctx context.Context, err error) error {
	switch {
	case err == nil, errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrUnbalanced),
		errors.Is(err, store.ErrTooMany):
		return err
	case errors.Is(err, pgx.ErrNoRows):
		return store.ErrNotFound
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	}
	var e *pgconn.PgError
	if !errors.As(err, &e) { // the connection, or a time-out here
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	switch e.Code {
	case "53100": // disk full
		return fmt.Errorf("%w: %w: the server has no room to grow; free some space on its disk: %w", store.ErrUnavailable, store.ErrFull, err)
	case "XX001", "XX002": // data corrupted, index corrupted
		return &store.DamageError{File: "the PostgreSQL database", Found: e.Message, Next: "restore a backup; see docs/postgres.md", Err: err}
	case "42501": // insufficient privilege
		return fmt.Errorf("%w: this role may not do it; docs/postgres.md has what it needs: %w", store.ErrUnavailable, err)
	case "25006": // read-only transaction
		return fmt.Errorf("%w: the server is read-only, a standby perhaps; add target_session_attrs=read-write to the URL: %w", store.ErrUnavailable, err)
	case "55P03": // lock not available
		return fmt.Errorf("%w: another process has held a row for too long: %w", store.ErrUnavailable, err)
	case "42P01", "42703": // undefined table, undefined column
		return fmt.Errorf("%w: the database has not the schema of this program: %w", store.ErrUnavailable, err)
	}
	for _, class := range []string{
		"08",    // connection
		"28",    // authorization
		"3D",    // no such database
		"40",    // taken back, again and again
		"53",    // out of connections, memory
		"57",    // shut down, cancelled, timed out
		"58",    // the server's disk
		"25P03", // idle in transaction for too long
		"XX",    // internal
	} {
		if strings.HasPrefix(e.Code, class) {
			return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
	}
	return err
}
