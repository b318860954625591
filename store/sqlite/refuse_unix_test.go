//go:build unix

package sqlite_test

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/sqlite"
)

// asNobody runs the test again in a process of a user whom permission bits bind, and reports whether this one is done.
func asNobody(t *testing.T) (done bool) {
	t.Helper()
	if os.Getuid() != 0 {
		return false
	}
	const nobody = 65534
	dir, err := os.MkdirTemp("", "nobody")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(me)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "test")
	if err := os.WriteFile(program, b, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(program, 0o755), os.Chmod(dir, 0o755), os.Chown(dir, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	cmd := osexec.CommandContext(t.Context(), program, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+dir, "HOME="+dir, "GOCOVERDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("as another user: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("as another user, it did not run:\n%s", out)
	}
	return true
}

// What may not be written is refused with its name and the reason, is left as it is, and works again once it may.
func TestOpenReadOnly(t *testing.T) {
	t.Parallel()
	if asNobody(t) {
		return
	}
	clean, killed := images(t)
	for name, from := range map[string]image{"clean": clean, "killed": killed} {
		for what, modes := range map[string]map[string]os.FileMode{
			"folder":                {".": 0o500},
			"folder and file":       {".": 0o500, "aurea.db": 0o400},
			"file":                  {"aurea.db": 0o400},
			"unreadable file":       {"aurea.db": 0},
			"folder of owners":      {"aurea.db-owners": 0o500},
			"hidden folder":         {".": 0},
			"all":                   {".": 0o500, "aurea.db": 0o400, "aurea.db-owners": 0o500},
			"log":                   {"aurea.db-wal": 0o400},
			"lock of the folder":    {"aurea.db-owners/open.lock": 0},
			"index":                 {"aurea.db-shm": 0o400},
			"log and index":         {"aurea.db-wal": 0o400, "aurea.db-shm": 0o400},
			"hidden log":            {"aurea.db-wal": 0},
			"index and unreadable":  {"aurea.db-shm": 0, "aurea.db": 0},
			"write-only, to be odd": {"aurea.db": 0o200},
		} {
			t.Run(name+" "+what, func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "x")
				copyAll(t, from.dir, dir)
				modeOf := map[string]os.FileMode{}
				for file := range modes {
					info, err := os.Stat(filepath.Join(dir, file))
					if errors.Is(err, fs.ErrNotExist) {
						return // the log of a database that was closed
					}
					if err != nil {
						t.Fatal(err)
					}
					modeOf[file] = info.Mode()
				}
				for file, mode := range modes {
					if file != "." {
						if err := os.Chmod(filepath.Join(dir, file), mode); err != nil {
							t.Fatal(err)
						}
					}
				}
				if mode, ok := modes["."]; ok {
					if err := os.Chmod(dir, mode); err != nil {
						t.Fatal(err)
					}
				}
				path := filepath.Join(dir, "aurea.db")
				st, err := sqlite.Open(t.Context(), path, sqlite.Options{})
				if err == nil { // then it can be used
					if got, err := read(t.Context(), st); err != nil || !cmp.Equal(got, from.want) {
						t.Errorf("it was opened, and cannot be used: %v", err)
					}
					if err := st.Close(); err != nil {
						t.Errorf("it was opened, and closed with %v", err)
					}
				} else if text := err.Error(); !strings.Contains(text, path) || errors.Is(err, store.ErrDamaged) ||
					!strings.Contains(text, "cannot be") && !strings.Contains(text, "permission denied") {
					t.Errorf("refused with: %v", err)
				}
				for _, file := range []string{".", "aurea.db", "aurea.db-owners"} {
					if mode, ok := modeOf[file]; ok {
						if err := os.Chmod(filepath.Join(dir, file), mode); err != nil {
							t.Fatal(err)
						}
					}
				}
				for file, mode := range modeOf {
					if err := os.Chmod(filepath.Join(dir, file), mode); err != nil {
						t.Fatal(err)
					}
				}
				got, told, err := look(t.Context(), path)
				if err != nil || told != "" {
					t.Fatalf("once it may be written: %v\n%s", err, told)
				}
				if diff := cmp.Diff(from.want, got); diff != "" {
					t.Errorf("something is different now:\n%s", diff)
				}
			})
		}
	}
	t.Run("new", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		fails(t, filepath.Join(dir, "aurea.db"), "cannot be written")
		fails(t, filepath.Join(dir, "new", "aurea.db"), "folder cannot be made")
	})
}

// The database of another program stays as it is, byte for byte, with all that lies beside it.
func TestOpenLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	for name, statements := range map[string][]string{
		"with tables":           {"CREATE TABLE job (id INTEGER PRIMARY KEY, body TEXT)", "INSERT INTO job (body) VALUES ('theirs')"},
		"with our table names":  {"CREATE TABLE schema_version (version_id, is_applied)", "INSERT INTO schema_version VALUES (3, 1)", "CREATE TABLE item (id)"},
		"with an id":            {"PRAGMA application_id = 1196444487", "CREATE TABLE layers (x)"},
		"with an id, empty":     {"PRAGMA application_id = 1196444487"},
		"with a log":            {"PRAGMA journal_mode = WAL", "CREATE TABLE theirs (x)", "INSERT INTO theirs VALUES (1)"},
		"with a user's version": {"PRAGMA user_version = 7", "CREATE VIEW v AS SELECT 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "theirs.db")
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			db.SetMaxOpenConns(1)
			for _, s := range statements {
				if _, err := db.ExecContext(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			if name != "with a log" { // which stays open
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
			}
			defer db.Close()
			before := contents(t, dir)
			fails(t, path, "another program")
			after := contents(t, dir)
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("the folder is different now:\n%s", diff)
			}
		})
	}
}

// contents are the names and contents of the files of a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || d.IsDir() {
			all[name] = "a folder"
			return err
		}
		b, err := os.ReadFile(path)
		all[name] = string(b)
		if strings.HasSuffix(path, "-shm") { // locks lie there
			all[name] = "index"
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
