package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/andres20980/aurea-orchestrator/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	versionTable = "schema_version"
	oldest       = 140000
	// migrateLock is the advisory lock under which one process at a time changes a schema: "aurea" and the schema's name.
	migrateLock = `hashtextextended('aurea ' || current_schema(), 0)`
	// migrateTimeout is how long all that may take, with the waiting for others.
	migrateTimeout = 5 * time.Minute
)

// migrate brings the schema up to date. Migrations only go forward.
func (s *Store) migrate(ctx context.Context, cfg *pgxpool.Config) (err error) {
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	cc := cfg.ConnConfig.Copy()
	for _, name := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		cc.RuntimeParams[name] = "0"
	}
	db := stdlib.OpenDB(*cc)
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(2)
	newest, err := newestSchema()
	if err != nil {
		return err
	}
	have, err := look(ctx, db)
	if err != nil || have == newest {
		return err
	}
	lock, err := db.Conn(ctx)
	if err != nil {
		return wrap(ctx, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if _, err := lock.ExecContext(ctx, `SELECT pg_advisory_lock(`+migrateLock+`)`); err != nil {
		return wrap(ctx, err)
	}
	defer func() {
		_, uerr := lock.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock(`+migrateLock+`)`)
		err = errors.Join(err, uerr)
	}()
	if have, err = version(ctx, db); err != nil || have == newest { // another was first
		return err
	}
	if have > newest {
		return fmt.Errorf("%w (schema %d, this program knows %d)", store.ErrNewerSchema, have, newest)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithTableName(versionTable),
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema from %d to %d, which needs a role that may create tables: %w", have, newest, err)
	}
	return nil
}

// look checks that the server can be used, and returns the version of the schema.
func look(ctx context.Context, db *sql.DB) (int64, error) {
	var server int
	var encoding string
	var schema sql.NullString
	err := db.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), current_schema()`).
		Scan(&server, &encoding, &schema)
	switch {
	case err != nil:
		return 0, wrap(ctx, err)
	case server < oldest:
		return 0, fmt.Errorf("the server is PostgreSQL %d; 14 or later is needed", server/10000)
	case encoding != "UTF8":
		return 0, fmt.Errorf("the database is encoded in %s; make it with ENCODING 'UTF8'", encoding)
	case !schema.Valid:
		return 0, errors.New("none of the schemas in search_path exists; create the one that Aurea is to use")
	}
	have, err := version(ctx, db)
	if err != nil {
		return 0, err
	}
	newest, err := newestSchema()
	if err == nil && have > newest {
		err = fmt.Errorf("%w (schema %d, this program knows %d)", store.ErrNewerSchema, have, newest)
	}
	return have, err
}

// newestSchema is the version that this program knows.
func newestSchema() (int64, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, err
	}
	return goose.NumericComponent(names[len(names)-1])
}

// version returns the schema's version, 0 for a database without one.
func version(ctx context.Context, db *sql.DB) (v int64, err error) {
	var there bool
	err = db.QueryRowContext(ctx, `SELECT to_regclass(quote_ident(current_schema()) || '.`+versionTable+`') IS NOT NULL`).Scan(&there)
	if err != nil || !there {
		return 0, wrap(ctx, err)
	}
	err = db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM `+versionTable+` WHERE is_applied`).Scan(&v)
	return v, wrap(ctx, err)
}

// Schema returns the version of the schema, and the one that this program knows.
func (s *Store) Schema(ctx context.Context) (have, newest int64, err error) {
	err = s.view(ctx, do(`SELECT coalesce(max(version_id), 0) FROM `+versionTable+` WHERE is_applied`).into(&have))
	if err != nil {
		return 0, 0, err
	}
	newest, err = newestSchema()
	return have, newest, err
}
