package postgres_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/andres20980/aurea-orchestrator/internal/pgtest"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/postgres"
	"github.com/andres20980/aurea-orchestrator/store/storetest"
)

// A dump that was taken while processes worked is the whole ledger when it is restored, and goes on from there.
func TestBackup(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	url := server.Database(t)
	st := open(t, url, postgres.Options{})
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := st.CreateJob(ctx, store.Job{ID: benchJob, State: store.JobLoading, Batch: true}, money.SumOf(100))
	check(err)
	_, err = st.AddItems(ctx, benchJob, benchItems(1, 100))
	check(err)
	check(st.Accept(ctx, benchJob, "", time.Now()))
	check(st.Join(ctx, store.Owner{ID: "a", Joined: time.Now()}))
	c, err := st.FindCounter(ctx, store.JobPrefix+benchJob, time.Time{})
	check(err)
	_, err = st.Claim(ctx, benchJob, "m", "a", 10, time.Now())
	check(err)
	_, err = st.Apply(ctx, store.Round{Owner: "a", Epoch: 1, Leases: []store.LeaseOp{{Counter: c.ID, Wants: []money.USD{50}}}})
	check(err)
	_, err = st.Apply(ctx, store.Round{Owner: "a", Epoch: 1, Leases: []store.LeaseOp{{Counter: c.ID, Seq: 1, Spent: 20}}, Entries: []store.Entry{
		{Call: store.Call{ID: "c", Path: []store.CounterID{c.ID}, Cost: 20}},
	}})
	check(err)
	want, err := st.Audit(ctx)
	check(err)

	dump := filepath.Join(t.TempDir(), "aurea.dump")
	server.Tool(t, "pg_dump", "-Fc", "-f", dump, url)
	restored := server.Database(t)
	server.Tool(t, "pg_restore", "-d", restored, dump)
	again := open(t, restored, postgres.Options{})
	got, err := again.Audit(ctx)
	check(err)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("restored (-want +got):\n%s", d)
	}
	check(again.Declare(ctx, "a", time.Now()))
	if n, err := again.ReleaseItems(ctx, "a"); n != 10 || err != nil {
		t.Error(n, err)
	}
	check(storetest.CheckInvariants(ctx, again))
	check(again.Join(ctx, store.Owner{ID: "b", Joined: time.Now()}))
	items, err := again.Claim(ctx, benchJob, "m", "b", 200, time.Now())
	if err != nil || len(items) != 100 {
		t.Error(len(items), err)
	}
}
