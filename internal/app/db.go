package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/postgres"
	"github.com/andres20980/aurea-orchestrator/store/sqlite"
)

// Schema returns the version of an open database's schema, and the one that this program knows.
func Schema(ctx context.Context, st store.Store) (have, newest int64, err error) {
	s, ok := st.(interface {
		Schema(ctx context.Context) (have, newest int64, err error)
	})
	if !ok {
		return 0, 0, errors.New("this store has no schema")
	}
	return s.Schema(ctx)
}

// CopyDatabase moves a whole ledger from a SQLite file into an empty PostgreSQL database, and returns how many rows each table got.
func CopyDatabase(ctx context.Context, from, to *config.Config, log *slog.Logger) (rows map[string]int64, err error) {
	if from.Database.Driver() != config.SQLite || to.Database.Driver() != config.Postgres {
		return nil, &ConfigError{errors.New("a ledger is copied from sqlite:FILE to postgres://USER@HOST/NAME; between servers use pg_dump and pg_restore")}
	}
	source, err := sqlite.Open(ctx, from.Database.Path(), sqlite.Options{Logger: log})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	if _, err := budget.Recover(ctx, source, time.Now()); err != nil {
		return nil, fmt.Errorf("settle what dead processes left: %w", err)
	}
	target, err := OpenStore(ctx, to, log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	t, ok := target.(*postgres.Store)
	if !ok {
		return nil, errors.New("the target is not PostgreSQL")
	}
	return t.Load(ctx, source)
}
