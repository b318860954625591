package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/andres20980/aurea-orchestrator/store"
)

// Options of [Open]. The zero value is usable.
type Options struct {
	// BusyTimeout is how long a write waits for another process's before it fails with
	// [store.ErrUnavailable]. Default 30 s.
	BusyTimeout time.Duration
	// Readers is how many reads may run at once. Default 4.
	Readers int
	// AnyFilesystem opens files on file systems whose locks are not trusted. Only for those who know that no other
	// machine ever touches the file.
	AnyFilesystem bool
	// Logger is told what was found and mended when the file was opened. Default: nobody is.
	Logger *slog.Logger
}

// Store is one SQLite file. It is safe for concurrent use.
type Store struct {
	path        string
	owners      string // folder of lock files and journals
	info        os.FileInfo
	busyTimeout time.Duration
	chunk       int // how many rows of a removed job are deleted at a time
	stretch     int // how many rows a page of the books looks at, at most

	read  *sql.DB
	write *sql.DB

	writer  chan struct{} // holds one token while a write runs; it guards what follows
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt
	scratch []byte                       // for checksums; the writer uses it
	nums    map[store.OwnerID]int64      // of owners, which never change
	known   map[store.CounterID]struct{} // counters that are there; none is ever deleted
	looked  atomic.Int64                 // when the file was last seen in place, in nanoseconds since 1970
	closed  atomic.Bool

	log      *slog.Logger
	mark     *mark
	last     tally        // of the last commit here; guarded by writer
	opened   *seal        // the seal that the file had and that held
	checked  atomic.Bool  // the whole file is known to be sound
	damage   atomic.Value // *store.DamageError
	endCheck func()       // stops a check that runs beside the work

	missing struct {
		sync.Mutex
		since map[store.OwnerID]time.Time
	}
	forget func()
}

var _ store.Store = (*Store)(nil)

// Open opens the database at path, which may be written as sqlite:PATH, and makes it, with its folder, if it is not
// there. It brings the schema up to date; several processes may do so at once. A file that is no database of Aurea
// is left alone, and one of a newer Aurea is [store.ErrNewerSchema].
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	place, err := resolve(path)
	if err != nil {
		return nil, err
	}
	if o.BusyTimeout <= 0 {
		o.BusyTimeout = 30 * time.Second
	}
	if o.Readers <= 0 {
		o.Readers = 4
	}
	if !o.AnyFilesystem {
		if err := checkFilesystem(filepath.Dir(place)); err != nil {
			return nil, err
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		log:  o.Logger,
		path: place, owners: place + "-owners", busyTimeout: o.BusyTimeout, chunk: 5000, stretch: rowsLookedAt, writer: make(chan struct{}, 1),
		stmts: map[string]*sql.Stmt{}, nums: map[store.OwnerID]int64{}, known: map[store.CounterID]struct{}{},
	}
	s.missing.since = map[store.OwnerID]time.Time{}
	if err := s.open(ctx, o); err != nil {
		return nil, errors.Join(s.opening(wrap(ctx, err)), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, o Options) error {
	if err := s.checkForeign(); err != nil {
		return err
	}
	unlock, err := s.lockFolder(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	ev, err := s.gather()
	if err != nil {
		return err
	}
	for _, path := range ev.bad {
		s.log.Warn("a file beside the database is damaged; what it says is not used", "file", path)
	}
	blank, err := s.openFile(ctx, ev)
	if err != nil {
		return err
	}
	if blank {
		s.checked.Store(true)
	} else if err := s.examine(ctx, ev); err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	// The connection that writes does not wait for the lock: see tx.begin.
	if s.write, err = sql.Open("sqlite", s.dsn("_txlock=immediate")); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if s.conn, err = s.write.Conn(ctx); err != nil {
		return err
	}
	if _, err := s.conn.ExecContext(ctx, "PRAGMA busy_timeout = 0"); err != nil {
		return err
	}
	if s.read, err = sql.Open("sqlite", s.dsn("_pragma=query_only(1)")); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(o.Readers)
	s.read.SetMaxIdleConns(o.Readers)
	if err := s.witness(ctx, ev); err != nil {
		return err
	}
	return s.sweep(ctx)
}

// witness starts to write down elsewhere what is committed here.
func (s *Store) witness(ctx context.Context, ev *evidence) (err error) {
	if err := s.read.QueryRowContext(ctx, qTally).Scan(intact("tally"), &s.last.name, &s.last.commits); err != nil {
		return err
	}
	if s.mark, err = s.newMark(s.last); err != nil {
		return fmt.Errorf("the folder %s cannot be written: %w", s.owners, err)
	}
	if err := os.Remove(filepath.Join(s.owners, sealName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !s.checked.Load() {
		s.inspectLater(ev.dead)
		return nil
	}
	for _, base := range ev.dead {
		removeMark(base)
	}
	return nil
}

// dsn names the file and how its connections are set up. busy_timeout comes first, because the others may
// have to wait for another process; journal_mode(WAL) writes to the file when it is new.
func (s *Store) dsn(more string) string {
	return s.uri("rw") + "&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
		"&_pragma=foreign_keys(1)&_pragma=journal_size_limit(67108864)&_pragma=wal_autocheckpoint(4000)" +
		"&_pragma=cache_size(-16000)&_pragma=temp_store(MEMORY)&" + more
}

// uri names the file, which is there already: a connection that is opened later must not make another in its place.
func (s *Store) uri(mode string) string {
	name := filepath.ToSlash(s.path)
	if !strings.HasPrefix(name, "/") {
		name = "/" + name // C:/… on Windows
	}
	u := url.URL{Scheme: "file", Path: name}
	return u.String() + "?mode=" + mode
}

// Describe returns the database as the configuration would name it.
func (s *Store) Describe() string { return "sqlite:" + s.path }

// Close waits for a write that is under way and closes the file. It may be called twice.
func (s *Store) Close() error {
	s.writer <- struct{}{}
	defer func() { <-s.writer }()
	if s.closed.Swap(true) {
		return nil
	}
	if s.endCheck != nil {
		s.endCheck()
	}
	defer s.pin()()
	var errs []error
	for _, st := range s.stmts {
		errs = append(errs, st.Close())
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	if s.forget != nil {
		s.forget()
	}
	if s.mark != nil {
		if s.damage.Load() != nil {
			s.mark.drop() // the next one who opens the file is to look at it as closely
		} else {
			if err := s.sealUp(); err != nil { // the next one who opens the file looks at it more closely
				s.log.Warn("the database could not be sealed", "file", s.path, "error", err)
			}
		}
	}
	return errors.Join(errs...)
}

// resolve returns the absolute path of the database, links followed: the folder of locks must be the same for all.
func resolve(path string) (string, error) {
	name := path
	if rest, ok := strings.CutPrefix(name, "sqlite:"); ok {
		name = rest
		if after, ok := strings.CutPrefix(rest, "//"); ok {
			name = after
		}
	}
	switch {
	case name == "" || strings.ContainsRune(name, 0):
		return "", fmt.Errorf("database %q: want sqlite:PATH, such as sqlite:aurea.db", path)
	case strings.HasPrefix(name, ":memory:"):
		return "", fmt.Errorf("database %q: SQLite keeps nothing in memory between connections; name a file", path)
	}
	full, err := filepath.Abs(name)
	if err != nil {
		return "", fmt.Errorf("database %q: %w", path, err)
	}
	if strings.HasSuffix(name, "/") || strings.HasSuffix(name, string(filepath.Separator)) {
		return "", fmt.Errorf("database %q is a folder; name a file in it, such as %s", path, filepath.Join(name, "aurea.db"))
	}
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		return "", fmt.Errorf("database %q: its folder cannot be made: %w", path, err)
	}
	if _, err := os.Lstat(full); err == nil {
		target, err := filepath.EvalSymlinks(full)
		if err != nil {
			return "", fmt.Errorf("database %q: %w", path, err)
		}
		full = target
	} else {
		dir, err := filepath.EvalSymlinks(filepath.Dir(full))
		if err != nil {
			return "", fmt.Errorf("database %q: %w", path, err)
		}
		full = filepath.Join(dir, filepath.Base(full))
	}
	if info, err := os.Stat(full); err == nil && !info.Mode().IsRegular() {
		if info.IsDir() {
			return "", fmt.Errorf("database %q is a folder; name a file in it, such as %s", path, filepath.Join(name, "aurea.db"))
		}
		return "", fmt.Errorf("database %q is not a regular file", path)
	}
	return full, nil
}
