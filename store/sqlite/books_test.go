package sqlite_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/sqlite"
	"github.com/andres20980/aurea-orchestrator/store/storetest"
)

// Every statement that an operator's page is read with goes along an index, and sorts nothing but sums.
func TestBooksUseIndexes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	st := open(t, path)
	defer st.Close()
	for name, q := range sqlite.BooksQueries() {
		plan := sqlite.Explain(t, st, q)
		if strings.Contains(plan, "SCAN") && !strings.Contains(plan, "json_each") || strings.Contains(plan, "TEMP B-TREE FOR ORDER BY") || !strings.Contains(plan, "SEARCH") {
			t.Errorf("%s:\n%s", name, plan)
		}
	}
}

// Pages that end after a few rows, meant or not, say the same as long ones.
func TestBooksInShortStretches(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 7} {
		storetest.RunBooks(t, func(t testing.TB) store.Store {
			st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			st.SetStretch(n)
			t.Cleanup(func() { _ = st.Close() })
			return st
		})
	}
}
