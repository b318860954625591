package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/sqlite"
)

// Each file of a database in turn is deleted, emptied, or another thing in its place: nothing is wrong without a word, and a file that
// is only a lock or an index does not matter.
func TestEveryFileLost(t *testing.T) {
	t.Parallel()
	clean, killed := images(t)
	for from, img := range map[string]image{"clean": clean, "killed": killed} {
		files := map[string]bool{}
		for _, pattern := range []string{"aurea.db*", "aurea.db-owners/*"} {
			found, err := filepath.Glob(filepath.Join(img.dir, pattern))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				name, err := filepath.Rel(img.dir, f)
				if err != nil {
					t.Fatal(err)
				}
				files[name] = true
			}
		}
		if len(files) < 4 || from == "killed" && !files["aurea.db-wal"] {
			t.Fatalf("%s: files %v", from, files)
		}
		for file := range files {
			for how, do := range map[string]func(path string) error{
				"deleted":  os.RemoveAll,
				"emptied":  func(path string) error { return os.Truncate(path, 0) },
				"a folder": func(path string) error { return errors.Join(os.RemoveAll(path), os.Mkdir(path, 0o700)) },
				"a text": func(path string) error {
					return errors.Join(os.RemoveAll(path), os.WriteFile(path, []byte(strings.Repeat("a text ", 900)), 0o600))
				},
			} {
				if how == "emptied" && file == "aurea.db-owners" {
					continue
				}
				t.Run(from+" "+filepath.Ext(file)+" "+how, func(t *testing.T) {
					t.Parallel()
					dir := filepath.Join(t.TempDir(), "x")
					copyAll(t, img.dir, dir)
					if err := do(filepath.Join(dir, file)); err != nil {
						t.Fatal(err)
					}
					path := filepath.Join(dir, "aurea.db")
					got, told, err := look(t.Context(), path)
					fresh := strings.Contains(told, "a new one is made")
					switch {
					case err != nil && !fresh:
						if !strings.Contains(err.Error(), path) {
							t.Errorf("the error does not name the file: %v", err)
						}
						if how != "a folder" && file != "aurea.db" && file != "aurea.db-wal" && file != "aurea.db-owners" {
							t.Errorf("refused for the sake of %s: %v", file, err)
						}
					case fresh:
						if file != "aurea.db" || from != "clean" {
							t.Errorf("made anew: %s", told)
						}
					default:
						if diff := cmp.Diff(img.want, got); diff != "" {
							t.Errorf("silently wrong (-want +got):\n%s\nlog: %s", diff, told)
						}
					}
					t.Log(err, told)
				})
			}
		}
	}
}

// A lock is what the kernel knows, whatever is written in the file.
func TestLocksWithGarbageLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "aurea.db")
	a, b := open(t, path), open(t, path)
	garbage := []byte("\x00\xff garbage\n\n\x00")
	spoil := func() {
		t.Helper()
		files, err := filepath.Glob(path + "-owners/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if ext := filepath.Ext(f); ext != ".lock" && ext != ".using" {
				continue
			}
			if err := os.WriteFile(f, garbage, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	spoil()
	release, err := a.Announce(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Join(t.Context(), store.Owner{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	spoil()
	if _, dead, err := b.ClaimDead(t.Context(), "a"); err != nil || dead {
		t.Error("taken for dead: ", dead, err)
	}
	if _, err := b.Announce(t.Context(), "a"); err == nil {
		t.Error("announced twice")
	}
	spoil()
	c, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	spoil()
	give, dead, err := b.ClaimDead(t.Context(), "a")
	if err != nil || !dead || give() != nil {
		t.Error("not taken for dead: ", dead, err)
	}
}
