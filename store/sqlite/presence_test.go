package sqlite_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/sqlite"
)

// Two stores on one file are two processes: each sees the other's owners live and die.
func TestPresenceAcrossStores(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "aurea.db")
	a, b := open(t, path), open(t, path)
	release, err := a.Announce(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Announce(t.Context(), "a"); err == nil {
		t.Error("one owner, announced twice")
	}
	if _, dead, err := b.ClaimDead(t.Context(), "a"); err != nil || dead {
		t.Error("while it lives: ", dead, err)
	}
	if err := a.Join(t.Context(), store.Owner{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if give, dead, err := b.ClaimDead(t.Context(), "a"); err != nil || !dead || give() != nil {
		t.Error("it ended without a word: ", dead, err)
	}
	for _, id := range []store.OwnerID{"", "../x", "a/b", ".hidden", `a\b`} {
		if _, err := a.Announce(t.Context(), id); err == nil {
			t.Errorf("%q was announced", id)
		}
		if _, _, err := a.ClaimDead(t.Context(), id); err == nil {
			t.Errorf("%q was claimed", id)
		}
		if err := a.Forget(id); err == nil {
			t.Errorf("%q was forgotten", id)
		}
	}
}

// An owner that left cleanly leaves no file, and what one left that is gone is swept up at the next start.
func TestPresenceLeavesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "aurea.db")
	st := open(t, path)
	for _, id := range []store.OwnerID{"a", "b"} {
		release, err := st.Announce(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(st.JournalPath(id), []byte("journal"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := st.Join(t.Context(), store.Owner{ID: id}); err != nil {
			t.Fatal(err)
		}
		if id == "a" {
			err = st.Leave(t.Context(), id, 1)
		}
		if err := release(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(names ...string) {
		t.Helper()
		files, err := os.ReadDir(path + "-owners")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range files {
			if ext := filepath.Ext(f.Name()); ext != ".mark" && ext != ".using" && ext != ".seal" { // what each open store has
				got = append(got, f.Name())
			}
		}
		if strings.Join(got, " ") != strings.Join(names, " ") {
			t.Errorf("files %v, want %v", got, names)
		}
	}
	want("b.journal", "b.lock", "open.lock")
	open(t, path)
	want("b.journal", "b.lock", "open.lock")
	if err := st.Leave(t.Context(), "b", 1); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	want("open.lock")
}

// A living owner whose lock file was deleted puts it back before anyone takes it for dead.
func TestPresenceLockDeleted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "aurea.db"), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		release, err := st.Announce(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		dead := func(id store.OwnerID) bool {
			give, dead, err := st.ClaimDead(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if err := give(); err != nil {
				t.Fatal(err)
			}
			return dead
		}
		for range 3 {
			if err := st.Forget("a"); err != nil {
				t.Fatal(err)
			}
			if dead("a") {
				t.Error("a missing file proves a death at once")
			}
			time.Sleep(4 * time.Second)
			synctest.Wait()
			if dead("a") {
				t.Error("the living did not put its file back")
			}
		}
		if dead("b") {
			t.Error("one without a file is dead at once")
		}
		time.Sleep(4 * time.Second)
		if !dead("b") {
			t.Error("one without a file never dies")
		}
		if err := release(); err != nil {
			t.Fatal(err)
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
