package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/andres20980/aurea-orchestrator/store"
)

// wrap gives an error of the driver the meaning that the store promises: rows that are not there, a database that
// cannot be used, a caller that left. Other errors stay as they are.
func wrap(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, store.ErrDamaged) {
		return err
	}
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	if errors.Is(err, sql.ErrConnDone) || errors.Is(err, driver.ErrBadConn) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE { // the index of the log could not grow
		return fmt.Errorf("%w: %w: free some space on the disk of the database: %w", store.ErrUnavailable, store.ErrFull, err)
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_INTERRUPT:
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %w: the database has no room to grow; free some space on its disk: %w", store.ErrUnavailable, store.ErrFull, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return &store.DamageError{Found: e.Error(), Err: err}
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("%w: the file or its folder cannot be written: %w", store.ErrUnavailable, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOMEM:
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// told completes what is said of damage, and sees to it that nothing more is done with the file.
func (s *Store) told(err error) error {
	var d *store.DamageError
	if !errors.As(err, &d) {
		return err
	}
	if d.File == "" {
		d = &store.DamageError{File: s.path, Found: d.Found, Next: d.Next, Err: d.Err}
		err = d
	}
	if d.Next == "" {
		d.Next = "restore a backup: put it in the place of " + s.path + " and move " + s.path + "-wal, " + s.path + "-shm and " + s.owners +
			" away; see docs/damage.md"
	}
	s.damage.CompareAndSwap(nil, d)
	return err
}

// opening says that a file could not be opened.
func (s *Store) opening(err error) error {
	switch err = s.told(err); {
	case errors.Is(err, store.ErrDamaged):
		return err
	case errors.Is(err, syscall.ENOSPC) && !errors.Is(err, store.ErrFull):
		err = fmt.Errorf("%w: %w: %w", store.ErrUnavailable, store.ErrFull, err)
	}
	return fmt.Errorf("open %s: %w", s.path, err)
}

// pin keeps SQLite from writing to a damaged file while the connections to it are closed: only the last one brings the log into the
// file, and the last one will be one that cannot write.
func (s *Store) pin() (unpin func()) {
	if s.damage.Load() == nil {
		return func() {}
	}
	ctx := context.Background()
	db, err := sql.Open("sqlite", s.uri("ro"))
	if err != nil {
		return func() {}
	}
	conn, err := db.Conn(ctx)
	if err == nil {
		_, _ = conn.ExecContext(ctx, "SELECT count(*) FROM sqlite_schema") // opens the log
	}
	return func() {
		if conn != nil {
			_ = conn.Close()
		}
		_ = db.Close()
	}
}

// busy reports whether another process holds the write lock, or is recovering the log.
func busy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}
