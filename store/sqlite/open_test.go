package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/sqlite"
	"github.com/andres20980/aurea-orchestrator/store/storetest"
)

// fails opens a path that must be refused with a text that says why, and must leave the file as it was.
func fails(t *testing.T, path, why string) error {
	t.Helper()
	before, _ := os.ReadFile(path)
	st, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err == nil {
		_ = st.Close()
		t.Fatalf("%s was opened", path)
	}
	if !strings.Contains(err.Error(), why) {
		t.Errorf("%s: %v; want %q", path, err, why)
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Errorf("%s was changed", path)
	}
	return err
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fails(t, "", "want sqlite:PATH")
	fails(t, "sqlite:", "want sqlite:PATH")
	fails(t, "sqlite::memory:", "name a file")
	fails(t, dir, "is a folder")
	fails(t, filepath.Join(dir, "new")+"/", "is a folder")
	fails(t, write("short", "hello"), "not an SQLite database")
	fails(t, write("long", strings.Repeat("hello ", 1000)), "not an SQLite database")
	fails(t, filepath.Join(write("file", "x"), "aurea.db"), "folder cannot be made")
	if err := os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "broken")); err == nil {
		fails(t, filepath.Join(dir, "broken"), "no such file")
	}

	foreign := filepath.Join(dir, "foreign.db")
	exec(t, foreign, "CREATE TABLE theirs (x)")
	fails(t, foreign, "another program")

	newer := filepath.Join(dir, "newer.db")
	open(t, newer)
	exec(t, newer, "INSERT INTO schema_version (version_id, is_applied) VALUES (9999, 1)")
	if _, err := sqlite.Open(t.Context(), newer, sqlite.Options{}); !errors.Is(err, store.ErrNewerSchema) {
		t.Errorf("a newer schema: %v", err)
	}
}

// exec runs a statement with another program's connection.
func exec(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestOpenMakesPrivateFiles(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits")
	}
	dir := filepath.Join(t.TempDir(), "state", "aurea")
	st := open(t, filepath.Join(dir, "aurea.db"))
	if err := st.Join(t.Context(), store.Owner{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	release, err := st.Announce(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	err = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Names that mean something in a URI are only names, and two names of one file are one database.
func TestOpenNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"with blank.db", "q?mode=ro.db", "h#h.db", "50%25.db", "ünï.db", "a&b=c.db"} {
		path := filepath.Join(dir, name)
		st := open(t, "sqlite:"+path)
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if st.Describe() != "sqlite:"+path {
			t.Errorf("%q is described as %q", name, st.Describe())
		}
	}
	link := filepath.Join(dir, "link.db")
	if err := os.Symlink(filepath.Join(dir, "h#h.db"), link); err != nil {
		t.Skip(err)
	}
	a, b := open(t, link), open(t, filepath.Join(dir, "h#h.db"))
	if a.JournalPath("x") != b.JournalPath("x") {
		t.Error("two names, two folders of owners")
	}
}

func TestOpenManyAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "aurea.db")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			st, err := sqlite.Open(context.Background(), path, sqlite.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := st.OpenCounter(context.Background(), store.CounterSpec{Account: "global"}); err != nil {
				t.Error(err)
			}
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	st := open(t, path)
	if c, err := st.FindCounter(t.Context(), "global", time.Time{}); err != nil || c.ID != 1 {
		t.Error(c, err)
	}
}

func TestReopen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "aurea.db")
	st, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.OpenCounter(t.Context(), store.CounterSpec{Account: "global", Limit: money.Unlimited}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := st.OpenCounter(t.Context(), store.CounterSpec{Account: "other"}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("after Close: %v", err)
	}
	c, err := open(t, path).FindCounter(t.Context(), "global", time.Time{})
	if err != nil || !c.Limit.IsUnlimited() {
		t.Error(c, err)
	}
}

// A write waits for another process's, but no longer than its caller or the store is willing to.
func TestBusy(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "aurea.db")
	st, err := sqlite.Open(t.Context(), path, sqlite.Options{BusyTimeout: 150 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	c, err := st.OpenCounter(t.Context(), store.CounterSpec{Account: "global"})
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	other, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	if _, err := st.SetClosed(t.Context(), c.ID, true); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("waited for ever: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := st.SetClosed(ctx, c.ID, true); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller left: %v", err)
	}
	if got, err := st.Counters(t.Context(), c.ID); err != nil || got[0].Closed {
		t.Error("a read waited, or a failed write was written: ", got, err)
	}
	if _, err := other.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if _, err := st.SetClosed(t.Context(), c.ID, true); err != nil {
		t.Error(err)
	}
}

// The log is reused while others read: it does not grow with what is written.
func TestLogStaysSmall(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "aurea.db")
	st := open(t, path)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, _ = st.Jobs(ctx, "")
			}
		})
	}
	job := store.Job{ID: benchJob, State: store.JobLoading}
	if _, _, err := st.CreateJob(ctx, job, money.Sum{}); err != nil {
		t.Fatal(err)
	}
	for i := range 50 { // 100 MB in all
		items := benchItems(1+i*50, 50)
		for n := range items {
			items[n].Body = make([]byte, 40<<10)
		}
		if _, err := st.AddItems(ctx, benchJob, items); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	wg.Wait()
	info, err := os.Stat(path + "-wal")
	if err != nil || info.Size() > 64<<20 {
		t.Errorf("the log has %d bytes, %v", info.Size(), err)
	}
}

func TestFileReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "aurea.db")
	st := open(t, path)
	if err := os.Rename(path, path+".old"); err != nil {
		t.Skip(err) // Windows
	}
	st.LookAgain()
	if _, err := st.OpenCounter(t.Context(), store.CounterSpec{Account: "global"}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("wrote to a file that was moved away: %v", err)
	}
	if err := os.Rename(path+".old", path); err != nil {
		t.Fatal(err)
	}
	if _, err := st.OpenCounter(t.Context(), store.CounterSpec{Account: "global"}); err != nil {
		t.Error(err)
	}
	if err := storetest.CheckInvariants(t.Context(), st); err != nil {
		t.Error(err)
	}
}
