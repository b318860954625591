package sqlite_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/sqlite"
)

// Every table is put out, or has a reason not to be: one that is forgotten would be left behind when a ledger moves.
func TestDumpHasEveryTable(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "aurea.db")
	st := open(t, path)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SELECT name FROM sqlite_schema WHERE type = 'table'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(sqlite.Dumped(), name) && !slices.Contains([]string{"schema_version", "tally", "lease"}, name) {
			t.Errorf("table %s is not put out", name)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if err := st.Join(t.Context(), store.Owner{ID: "a", Joined: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := st.Dump(t.Context(), func(string, []string, []any) error { return nil }); err == nil {
		t.Error("put out while a process uses it")
	}
}

// What is put out is every row with all its columns.
func TestDump(t *testing.T) {
	t.Parallel()
	st := open(t, filepath.Join(t.TempDir(), "aurea.db"))
	ctx := context.Background()
	if _, _, err := st.CreateJob(ctx, store.Job{ID: "local/a", State: store.JobLoading, Batch: true}, money.SumOf(5)); err != nil {
		t.Fatal(err)
	}
	if _, err := st.AddItems(ctx, "local/a", benchItems(1, 20)); err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	err := st.Dump(ctx, func(table string, columns []string, row []any) error {
		n[table]++
		if len(columns) != len(row) || slices.ContainsFunc(row, func(v any) bool { return v == nil }) {
			t.Errorf("%s: %v of %v", table, row, columns)
		}
		return nil
	})
	if err != nil || n["item"] != 20 || n["item_body"] != 20 || n["job"] != 1 || n["counter"] != 1 {
		t.Errorf("%v, %v", n, err)
	}
}
