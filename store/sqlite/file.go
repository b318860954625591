package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/andres20980/aurea-orchestrator/store"
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
func (s *Store) openFile(ctx context.Context, ev *evidence) (blank bool, err error) {
	opened.Lock()
	defer opened.Unlock()
	info, err := os.Stat(s.path)
	if err != nil && (len(ev.marks) > 0 || fileSize(s.path+"-wal") > 0) {
		return false, &store.DamageError{
			Found: "the file is gone, and its log or the files of processes that used it are there",
			Next:  "put it back or restore a backup; to start with an empty one, move " + s.path + "-wal and " + s.owners + " away",
		}
	}
	if err != nil && ev.seal != nil {
		s.log.Warn("the database is gone since it was last closed; a new one is made", "file", s.path, "transactions", ev.seal.commits)
	}
	if err == nil && fileSize(s.path+"-journal") > 0 {
		// A process ended while it made the file. Undone first, because what the file says may be what the journal takes back.
		if err := s.bare(ctx, "PRAGMA schema_version"); err != nil {
			return false, err
		}
	}
	if err != nil || !slices.ContainsFunc(opened.files, func(o os.FileInfo) bool { return os.SameFile(o, info) }) {
		f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return false, fmt.Errorf("the file cannot be written: %w", err)
		}
		existed := info != nil
		if err := errors.Join(writable(s.path+"-wal"), writable(s.path+"-shm")); err != nil {
			return false, errors.Join(err, f.Close())
		}
		blank, err = inspectFile(f, ev.used())
		if err := errors.Join(err, f.Close()); err != nil {
			return false, err
		}
		if blank && existed && (ev.used() || fileSize(s.path+"-wal") > 0) {
			return false, damaged("it was cut short: nothing is left of it")
		}
	}
	if blank {
		if err := s.bare(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
			return false, err
		}
	}
	if s.info, err = os.Stat(s.path); err != nil {
		return false, err
	}
	mine := s.info
	opened.files = append(opened.files, mine)
	s.forget = func() {
		opened.Lock()
		defer opened.Unlock()
		i := slices.Index(opened.files, mine)
		opened.files = slices.Delete(opened.files, i, i+1)
	}
	return blank, nil
}

// writable tries whether a file that is there can be written: SQLite opens a log that cannot be, and fails at the first write only.
func writable(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0) // #nosec G304 -- the log of the database
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("the log of the database cannot be used: %w", err)
	}
	return f.Close()
}

var errForeign = errors.New("the file is an SQLite database of another program; choose another name")

// checkForeign refuses the file of another program before anything is made beside it. Where there is a folder of owners, there
// was a database of ours, and openFile looks into the file.
func (s *Store) checkForeign() error {
	if _, err := os.Stat(s.owners); err == nil {
		return nil
	}
	opened.Lock()
	defer opened.Unlock()
	info, err := os.Stat(s.path)
	if err != nil || slices.ContainsFunc(opened.files, func(o os.FileInfo) bool { return os.SameFile(o, info) }) {
		return nil //nolint:nilerr // there is none; openFile says if it cannot be made
	}
	f, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("the file cannot be read: %w", err)
	}
	blank, err := inspectFile(f, false)
	if err == nil && blank && info.Size() > 0 && fileSize(s.path+"-wal")+fileSize(s.path+"-journal") > 0 {
		err = errForeign // what it is, is in its log
	}
	return errors.Join(err, f.Close())
}

// inspectFile reports whether a file has nothing in it yet, and refuses one that something else made; where there was a database of ours, another file is damage.
func inspectFile(f *os.File, ours bool) (blank bool, err error) {
	head := make([]byte, 100)
	n, err := io.ReadFull(f, head)
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return true, nil
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return false, fmt.Errorf("the file cannot be read: %w", err)
	case ours && (n < len(head) || string(head[:16]) != "SQLite format 3\x00"):
		return false, damaged("its first bytes are not those of a database")
	case n < len(head) || string(head[:16]) != "SQLite format 3\x00":
		return false, errors.New("the file is not an SQLite database; choose another name")
	}
	id, schema := binary.BigEndian.Uint32(head[68:]), binary.BigEndian.Uint32(head[40:])
	switch {
	case id == applicationID:
		return false, nil
	case ours:
		return false, damaged("its first bytes do not say that it is Aurea's")
	case id == 0 && schema == 0:
		return true, nil // made, and killed before it was marked
	default:
		return false, errForeign
	}
}

// bare runs a pragma on a connection that does not change the file's mode: the application id must be in the file itself and
// not only in its log. Whatever it reads, SQLite undoes what a process that ended has left half done.
func (s *Store) bare(ctx context.Context, pragma string) error {
	db, err := sql.Open("sqlite", s.uri("rw"))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, pragma) // nosemgrep: sql-text -- a constant, and a pragma takes no parameters
	return errors.Join(err, db.Close())
}
