package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// applicationID marks a database as Aurea's, in bytes 68–71 of the file (https://www.sqlite.org/fileformat.html §1.3).
const applicationID = 0x41755265 // "AuRe"

// opened are the files that this process has open. Closing any descriptor of a file drops all the POSIX locks that the process
// has on it (https://www.sqlite.org/howtocorrupt.html §2.2), so a file is looked into only while no store has it open.
var opened struct {
	sync.Mutex
	files []os.FileInfo
}

// lockFolder makes the folder of owners and takes the lock under which databases are made and brought up to date.
func (s *Store) lockFolder(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(s.owners, 0o700); err != nil {
		return nil, fmt.Errorf("the folder cannot be written: %w", err)
	}
	l := flock.New(s.owners + "/open.lock")
	if _, err := l.TryLockContext(ctx, 5*time.Millisecond); err != nil {
		return nil, fmt.Errorf("lock %s: %w", l.Path(), err)
	}
	return func() { _ = l.Unlock() }, nil
}

// openFile makes the file or checks that it is one of ours, and notes that this process has it open.
func (s *Store) openFile(ctx context.Context) error {
	opened.Lock()
	defer opened.Unlock()
	blank := false
	info, err := os.Stat(s.path)
	if err != nil || !slices.ContainsFunc(opened.files, func(o os.FileInfo) bool { return os.SameFile(o, info) }) {
		f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return fmt.Errorf("the file cannot be written: %w", err)
		}
		blank, err = inspect(f)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	if blank {
		if err := s.mark(ctx); err != nil {
			return err
		}
	}
	if s.info, err = os.Stat(s.path); err != nil {
		return err
	}
	mine := s.info
	opened.files = append(opened.files, mine)
	s.forget = func() {
		opened.Lock()
		defer opened.Unlock()
		i := slices.Index(opened.files, mine)
		opened.files = slices.Delete(opened.files, i, i+1)
	}
	return nil
}

// inspect reports whether a file has nothing in it yet, and refuses one that something else made.
func inspect(f *os.File) (blank bool, err error) {
	head := make([]byte, 100)
	n, err := io.ReadFull(f, head)
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return true, nil
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return false, fmt.Errorf("the file cannot be read: %w", err)
	case n < len(head) || string(head[:16]) != "SQLite format 3\x00":
		return false, errors.New("the file is not an SQLite database; choose another name")
	}
	id, schema := binary.BigEndian.Uint32(head[68:]), binary.BigEndian.Uint32(head[40:])
	switch {
	case id == applicationID:
		return false, nil
	case id == 0 && schema == 0:
		return true, nil // made, and killed before it was marked
	default:
		return false, errors.New("the file is an SQLite database of another program; choose another name")
	}
}

// mark writes the application id while the file is still in rollback mode, so that the id is in the file itself and
// not only in its log.
func (s *Store) mark(ctx context.Context) error {
	db, err := sql.Open("sqlite", s.uri())
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID)) // nosemgrep: sql-text -- a constant, and a pragma takes no parameters
	return errors.Join(err, db.Close())
}
