package sqlite_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// A large job that is removed leaves its account and its calls, and not one row besides.
func TestRemoveLargeJob(t *testing.T) {
	t.Parallel()
	const n = 170
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "aurea.db")
	st := open(t, path)
	st.SetChunk(50)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(st.Join(ctx, store.Owner{ID: "a"}))
	for _, id := range []string{benchJob, "local/other"} {
		_, _, err := st.CreateJob(ctx, store.Job{ID: id, State: store.JobLoading, Batch: true}, money.Unlimited)
		check(err)
		_, err = st.AddItems(ctx, id, benchItems(1, n))
		check(err)
		check(st.Accept(ctx, id, "", time.Now()))
		items, err := st.Claim(ctx, id, "m", "a", n, time.Now())
		check(err)
		r := store.Round{Owner: "a", Epoch: 1}
		for _, it := range items {
			r.Entries = append(r.Entries, store.Entry{
				Call: store.Call{ID: fmt.Sprint(id, it.Seq), Job: id, Item: it.Seq},
				Completion: &store.Completion{
					Job: id, Seq: it.Seq, Attempt: 1, State: store.ItemDone, Result: &store.Result{Truncated: true},
				},
			})
		}
		_, err = st.Apply(ctx, r)
		check(err)
	}
	check(st.RemoveJob(ctx, benchJob))
	db, err := sql.Open("sqlite", path)
	check(err)
	defer db.Close()
	for table, want := range map[string]int{
		"job": 1, "lane": 1, "item": n, "item_body": n, "result": n, "trash": 0, "call": 2 * n, "call WHERE item > 0": n, "counter": 2,
	} {
		var got int
		check(db.QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&got))
		if got != want {
			t.Errorf("%s: %d rows, want %d", table, got, want)
		}
	}
}
