package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/sqlite"
)

// A copy that another program takes through SQLite while the database is in use says all that was said at that moment.
func TestBackupWhileRunning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	st := history(t, filepath.Join(dir, "live", "aurea.db"))
	defer st.Close()
	want, err := read(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(dir, "backup.db")
	exec(t, filepath.Join(dir, "live", "aurea.db"), "VACUUM INTO '"+strings.ReplaceAll(backup, "'", "''")+"'")
	if _, err := st.SetClosed(t.Context(), 1, true); err != nil {
		t.Fatal(err)
	}
	got, told, err := look(t.Context(), backup)
	if err != nil || told != "" {
		t.Fatalf("%v\n%s", err, told)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// An older copy in the place of the database: with a word where it was closed, not at all where processes left something unsettled, and
// without one where the folder was moved away as well.
func TestOlderCopy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "live", "aurea.db")
	st := history(t, path)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	older, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := look(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	st = open(t, path)
	if err := st.Join(t.Context(), store.Owner{ID: "later", Joined: time.Now()}); err != nil {
		t.Fatal(err)
	}
	copyAll(t, filepath.Join(dir, "live"), filepath.Join(dir, "killed"))
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	copyAll(t, filepath.Join(dir, "live"), filepath.Join(dir, "clean"))
	for _, c := range []struct {
		from          string
		bare, refused bool
		says          string
	}{
		{from: "clean", says: "older copy"},
		{from: "killed", refused: true, says: "transactions that were committed are missing"},
		{from: "clean", bare: true},
		{from: "killed", bare: true},
	} {
		path := filepath.Join(dir, c.from, "aurea.db")
		if err := errors.Join(os.RemoveAll(path+"-wal"), os.RemoveAll(path+"-shm"), os.WriteFile(path, older, 0o600)); err != nil {
			t.Fatal(err)
		}
		if c.bare {
			if err := os.RemoveAll(path + "-owners"); err != nil {
				t.Fatal(err)
			}
		}
		got, told, err := look(t.Context(), path)
		if c.refused {
			if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%+v: %v", c, err)
			}
			if after, rerr := os.ReadFile(path); rerr != nil || string(after) != string(older) {
				t.Errorf("%+v: it was changed: %v", c, rerr)
			}
			continue
		}
		if err != nil || c.says == "" && told != "" || !strings.Contains(told, c.says) {
			t.Errorf("%+v: %v\n%s", c, err, told)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%+v: %s", c, diff)
		}
	}
}

// A row that damage took out of an index only, or out of a table only, is missed.
func TestLostRows(t *testing.T) {
	t.Parallel()
	clean, _ := images(t)
	for _, statement := range []string{
		"DELETE FROM call WHERE id = 7",
		"DELETE FROM doubt WHERE id = 2",
		"DELETE FROM lease",
		"DELETE FROM item_body WHERE id = (SELECT max(id) FROM item_body)",
		"DELETE FROM result WHERE id = (SELECT min(id) FROM result)",
		"DELETE FROM item WHERE id = (SELECT max(id) FROM item)",
		"DELETE FROM lane",
		"DELETE FROM counter",
		"DELETE FROM tally",
		"UPDATE counter SET limit_dollars = 1000",
		"UPDATE lease SET granted = granted + 1",
		"UPDATE job SET state = 'done'",
		"UPDATE item SET state = 0 WHERE state = 2",
		"UPDATE result SET body = x'7b7d'",
		"UPDATE owner SET state = 'gone'",
		"UPDATE day_use SET requests = 0",
		"UPDATE call SET cost = 0, crc = 0",
		"DROP INDEX call_job",
		"DROP TABLE doubt",
	} {
		t.Run(statement, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "x")
			copyAll(t, clean.dir, dir)
			path := filepath.Join(dir, "aurea.db")
			exec(t, path, statement)
			got, told, err := look(t.Context(), path)
			switch {
			case err == nil && told != "" && cmp.Equal(got, clean.want): // an index can be missing
			case err == nil:
				t.Errorf("not missed; log: %s", told)
			case !errors.Is(err, store.ErrDamaged) || !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), path):
				t.Errorf("%v", err)
			default:
				if st, again := sqlite.Open(t.Context(), path, sqlite.Options{}); again == nil {
					_ = st.Close()
					t.Error("opened at the second try")
				}
			}
		})
	}
}
