package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/andres20980/aurea-orchestrator/internal/pgtest"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/postgres"
	"github.com/andres20980/aurea-orchestrator/store/storetest"
)

// sql runs a statement on a database beside the store.
func sql(t testing.TB, database, statement string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func with(t testing.TB, database, name, value string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// Replicas that start at once on an empty database make the schema once.
func TestOpenedByManyAtOnce(t *testing.T) {
	t.Parallel()
	db := pgtest.Database(t)
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			st, err := postgres.Open(t.Context(), db, postgres.Options{MaxConns: 2})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := st.OpenCounter(t.Context(), store.CounterSpec{Account: store.AccountGlobal, Limit: money.SumOf(1)}); err != nil {
				t.Error(err)
			}
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	c, err := open(t, db, postgres.Options{}).FindCounter(t.Context(), store.AccountGlobal, time.Time{})
	if err != nil || c.Limit != money.SumOf(1) {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestNewerSchema(t *testing.T) {
	t.Parallel()
	db := pgtest.Database(t)
	open(t, db, postgres.Options{})
	sql(t, db, "INSERT INTO schema_version (version_id, is_applied) VALUES (9999, true)")
	if _, err := postgres.Open(t.Context(), db, postgres.Options{}); !errors.Is(err, store.ErrNewerSchema) {
		t.Errorf("%v", err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	db := pgtest.Database(t)
	sql(t, db, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
	secret := strings.Repeat("geheim", 2)
	for what, c := range map[string]struct{ url, says string }{
		"no URL":        {"postgres://[", "URL"},
		"no schema":     {with(t, db, "search_path", "none"), "search_path"},
		"no database":   {strings.Replace(db, "/test", "/nowhere", 1), "nowhere"},
		"not UTF-8":     {db[:strings.LastIndex(db, "/")] + "/latin?sslmode=disable", "LATIN1"},
		"TLS by itself": {with(t, db, "sslmode", "require"), "TLS"},
		"nobody there":  {"postgres://user:" + secret + "@127.0.0.1:1/x?sslmode=disable", "127.0.0.1"},
	} {
		st, err := postgres.Open(t.Context(), c.url, postgres.Options{})
		if err == nil {
			t.Errorf("%s: opened", what)
			_ = st.Close()
			continue
		}
		if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A role that may only read and write rows is enough for everything but migrations.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	db := pgtest.Database(t)
	role := "worker_" + db[strings.LastIndex(db, "_")+1:strings.Index(db, "?")]
	sql(t, db, "REVOKE CREATE ON SCHEMA public FROM PUBLIC") // as it is from PostgreSQL 15 on
	sql(t, db, "CREATE ROLE "+role+" LOGIN")
	as := strings.Replace(db, "postgres@", role+"@", 1)
	if _, err := postgres.Open(t.Context(), as, postgres.Options{}); err == nil || !strings.Contains(err.Error(), "may create tables") {
		t.Errorf("a role without rights made the schema: %v", err)
	}
	open(t, db, postgres.Options{})
	sql(t, db, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "+role)
	st := open(t, as, postgres.Options{})
	ctx, now := t.Context(), time.Now()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	release, err := st.Announce(ctx, "a")
	check(err)
	check(st.Join(ctx, store.Owner{ID: "a", Joined: now}))
	_, _, err = st.CreateJob(ctx, store.Job{ID: "local/a", State: store.JobLoading, Batch: true}, money.SumOf(100))
	check(err)
	_, err = st.AddItems(ctx, "local/a", benchItems(1, 50))
	check(err)
	check(st.Accept(ctx, "local/a", "", now))
	items, err := st.Claim(ctx, "local/a", "m", "a", 50, now)
	if err != nil || len(items) != 50 {
		t.Fatal(len(items), err)
	}
	check(st.Declare(ctx, "a", now))
	if n, err := st.ReleaseItems(ctx, "a"); n != 50 || err != nil {
		t.Fatal(n, err)
	}
	check(release())
	check(st.RemoveJob(ctx, "local/a"))
}

// A ledger may share a database with others, in a schema of its own.
func TestSchemas(t *testing.T) {
	t.Parallel()
	db := pgtest.Database(t)
	for _, name := range []string{"one", "Two"} {
		sql(t, db, `CREATE SCHEMA "`+name+`"`)
		st := open(t, with(t, db, "search_path", `"`+name+`"`), postgres.Options{})
		if _, _, err := st.CreateJob(t.Context(), store.Job{ID: "local/a", State: store.JobLoading, Batch: true}, money.Sum{}); err != nil {
			t.Fatal(name, err)
		}
		if err := st.Accept(t.Context(), "local/a", "", time.Now()); err != nil {
			t.Fatal(name, err)
		}
		jobs, err := st.Jobs(t.Context(), "")
		if err != nil || len(jobs) != 1 {
			t.Errorf("%s: %v, %v", name, jobs, err)
		}
	}
}

// Transactions that lock rows crosswise both end: the server takes one back, and it is repeated.
func TestDeadlockIsRepeated(t *testing.T) {
	t.Parallel()
	st := open(t, pgtest.Database(t), postgres.Options{})
	var ids []int64
	for _, name := range []string{"job:a", "job:b"} {
		c, err := st.OpenCounter(t.Context(), store.CounterSpec{Account: name})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, int64(c.ID))
	}
	var first sync.WaitGroup // both have their first row
	first.Add(2)
	runs := make([]int, 2)
	var wg sync.WaitGroup
	for n, order := range [][]int64{{ids[0], ids[1]}, {ids[1], ids[0]}} {
		wg.Go(func() {
			err := st.Lock(t.Context(), order, func(i int) {
				if i > 0 {
					return
				}
				if runs[n]++; runs[n] == 1 {
					first.Done()
					first.Wait()
				}
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if runs[0]+runs[1] < 3 {
		t.Errorf("runs %v: nothing was taken back", runs)
	}
}

// A transaction that waits for a row that another keeps gives up, and says that the database cannot be used.
func TestLockTimeout(t *testing.T) {
	t.Parallel()
	db := pgtest.Database(t)
	slow := open(t, db, postgres.Options{})
	quick := open(t, with(t, db, "lock_timeout", "50ms"), postgres.Options{})
	c, err := slow.OpenCounter(t.Context(), store.CounterSpec{Account: "job:a"})
	if err != nil {
		t.Fatal(err)
	}
	err = slow.Lock(t.Context(), []int64{int64(c.ID)}, func(int) {
		if _, err := quick.SetClosed(t.Context(), c.ID, true); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%v", err)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// A process that is paused inside a transaction does not keep its rows: the server ends its session.
func TestPausedInATransaction(t *testing.T) {
	t.Parallel()
	db := pgtest.Database(t)
	paused := open(t, with(t, db, "idle_in_transaction_session_timeout", "100ms"), postgres.Options{})
	other := open(t, db, postgres.Options{})
	c, err := other.OpenCounter(t.Context(), store.CounterSpec{Account: "job:a"})
	if err != nil {
		t.Fatal(err)
	}
	err = paused.Lock(t.Context(), []int64{int64(c.ID)}, func(int) {
		if _, err := other.SetClosed(t.Context(), c.ID, true); err != nil {
			t.Error(err)
		}
	})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("what was taken back was told as written: %v", err)
	}
}

// Connections that a restart of the server ended are replaced without anybody noticing.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	st := open(t, server.Database(t), postgres.Options{})
	c, err := st.OpenCounter(t.Context(), store.CounterSpec{Account: "job:a"})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := st.SetClosed(t.Context(), c.ID, true); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("without a server: %v", err)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, err = st.SetClosed(t.Context(), c.ID, true); err == nil {
			break
		}
		if !errors.Is(err, store.ErrUnavailable) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// The same round on its way twice, as after a time-out, is written once.
func TestSameRoundTwiceAtOnce(t *testing.T) {
	t.Parallel()
	st := open(t, pgtest.Database(t), postgres.Options{})
	ctx := t.Context()
	c, err := st.OpenCounter(ctx, store.CounterSpec{Account: "job:a", Limit: money.SumOf(1000)})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Join(ctx, store.Owner{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	for seq := range int64(20) {
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = st.Apply(ctx, store.Round{Owner: "a", Epoch: 1, Leases: []store.LeaseOp{{Counter: c.ID, Seq: seq, Wants: []money.USD{7}, Spent: money.USD(seq)}}, Entries: cost(c.ID, seq)})
			})
		}
		wg.Wait()
		done := 0
		for _, err := range errs {
			if err == nil {
				done++
			} else if !errors.Is(err, store.ErrStale) {
				t.Error(err)
			}
		}
		if done != 1 {
			t.Errorf("round %d was written %d times: %v", seq, done, errs)
		}
	}
	if err := storetest.CheckInvariants(ctx, st); err != nil {
		t.Error(err)
	}
}

// cost is a call of 1 for every round but the first, which has nothing to spend yet.
func cost(id store.CounterID, seq int64) []store.Entry {
	if seq == 0 {
		return nil
	}
	return []store.Entry{{Call: store.Call{ID: fmt.Sprint("c", seq), Path: []store.CounterID{id}, Cost: 1}}}
}
