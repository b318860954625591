package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/sqlite"
	"github.com/andres20980/aurea-orchestrator/store/storetest"
)

// third is the database of a store as schema 3 knew it, with a doubt whose call has a row and one without, and no seal: its process was killed.
func third(t *testing.T, path string) {
	t.Helper()
	ctx, now := t.Context(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	st, err := sqlite.Open(ctx, path, sqlite.Options{})
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(err)
	check(st.Join(ctx, store.Owner{ID: "a", Joined: now}))
	c, err := st.OpenCounter(ctx, store.CounterSpec{Account: "job:a", Limit: money.Sum{Dollars: 1}})
	check(err)
	cut := store.Call{ID: "cut", Attempt: 1, Path: []store.CounterID{c.ID}, Provider: "p", Model: "m", Upstream: "u", Outcome: "cut", Doubt: 5, Started: now}
	_, err = st.Apply(ctx, store.Round{Owner: "a", Epoch: 1, Now: now, Leases: []store.LeaseOp{{Counter: c.ID, Wants: []money.USD{20}}}})
	check(err)
	_, err = st.Apply(ctx, store.Round{
		Owner: "a", Epoch: 1, Now: now.Add(time.Minute), Entries: []store.Entry{{Call: cut}}, Leases: []store.LeaseOp{{Counter: c.ID, Seq: 1, Doubt: 5}},
	})
	check(err)
	check(st.Declare(ctx, "a", now))
	lost := store.Call{ID: "lost", Attempt: 1, Path: []store.CounterID{c.ID}, Provider: "p", Model: "m"}
	_, err = st.SettleDead(ctx, store.PostMortem{Owner: "a", Now: now, Sent: []store.OpenHold{{Call: lost, Amount: 7}}, Final: true})
	check(err)
	check(st.Close())
	for _, statement := range []string{
		"ALTER TABLE doubt DROP COLUMN upstream", "ALTER TABLE doubt DROP COLUMN started",
		"UPDATE doubt SET crc = aurea_sum('doubt', owner, counter, call, attempt, amount, since, job, provider, model)",
		"DROP TABLE trail", "DROP INDEX call_started", "DROP INDEX job_detached", "ALTER TABLE job DROP COLUMN detached", "ALTER TABLE job DROP COLUMN pii", "ALTER TABLE model_use DROP COLUMN held",
		"ALTER TABLE call DROP COLUMN own", fourthSum, "DELETE FROM schema_version WHERE version_id > 3",
	} {
		exec(t, path, statement)
	}
}

// fourthSum gives calls the checksums of before they kept a figure of our own.
const fourthSum = `UPDATE call SET crc = aurea_sum('call', call, attempt, job, path, item, provider, model, upstream, api, status, outcome, error, input_tokens, cache_read,
	cache_write, output_tokens, reasoning, cost, doubt, bound, bound_kind, price_hash, price_from, request_id, started, ended)`

// fourth is the database of a store as schema 4 knew it, with a call.
func fourth(t *testing.T, path string) {
	t.Helper()
	third(t, path)
	st := open(t, path)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"DROP TABLE trail", "DROP INDEX call_started", "DROP INDEX job_detached", "ALTER TABLE job DROP COLUMN detached", "ALTER TABLE job DROP COLUMN pii", "ALTER TABLE model_use DROP COLUMN held", "ALTER TABLE call DROP COLUMN own", fourthSum, "DELETE FROM schema_version WHERE version_id > 4"} {
		exec(t, path, statement)
	}
}

// Calls of the schema before they kept a figure of our own are kept, and have none.
func TestCallsOfSchema4(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	fourth(t, path)
	st := open(t, path)
	if err := storetest.CheckInvariants(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	calls, _, err := st.Calls(t.Context(), "", 0, 10)
	if err != nil || len(calls) == 0 || calls[0].ID != "cut" || calls[0].Own != 0 || calls[0].Doubt != 5 {
		t.Errorf("%+v, %v", calls, err)
	}
}

// A row that was damaged before stays so.
func TestDamagedCallOfSchema4(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	fourth(t, path)
	exec(t, path, "UPDATE call SET cost = cost + 1")
	st, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err == nil {
		_, _, err = st.Calls(t.Context(), "", 0, 10)
		defer st.Close()
	}
	if _, ok := errors.AsType[*store.DamageError](err); !ok {
		t.Errorf("a changed cost was not noticed: %v", err)
	}
}

// A database of the schema before doubts knew where their calls went is brought up to date, closed properly or not.
func TestDoubtsOfSchema3(t *testing.T) {
	t.Parallel()
	for name, killed := range map[string]bool{"closed": false, "killed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "a.db")
			third(t, path)
			if killed {
				seals, err := filepath.Glob(path + "*/closed.seal")
				if err != nil || len(seals) != 1 {
					t.Fatalf("%v %v", seals, err)
				}
				if err := os.Remove(seals[0]); err != nil {
					t.Fatal(err)
				}
			}
			st := open(t, path)
			if err := storetest.CheckInvariants(t.Context(), st); err != nil {
				t.Fatal(err)
			}
			doubts, err := st.OpenDoubts(t.Context())
			if err != nil || len(doubts) != 2 {
				t.Fatalf("%v %v", doubts, err)
			}
			if d := doubts[0]; d.Upstream != "u" || d.Started.IsZero() || d.Amount != 5 {
				t.Errorf("the doubt of a call with a row: %+v", d)
			}
			if d := doubts[1]; d.Upstream != "" || !d.Started.IsZero() || d.Amount != 7 {
				t.Errorf("the doubt of a call without one: %+v", d)
			}
		})
	}
}

// A row that was damaged before stays so.
func TestDamagedDoubtOfSchema3(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	third(t, path)
	exec(t, path, "UPDATE doubt SET amount = amount + 1 WHERE call = 'lost'")
	st, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err == nil {
		_, err = st.OpenDoubts(t.Context())
		defer st.Close()
	}
	if _, ok := errors.AsType[*store.DamageError](err); !ok {
		t.Errorf("a changed amount was not noticed: %v", err)
	}
}

// What a scan over calls takes, for each.
func BenchmarkDaySums(b *testing.B) {
	ctx := context.Background()
	path := filepath.Join(b.TempDir(), "a.db")
	st, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	if err := st.Join(ctx, store.Owner{ID: "a", Joined: now}); err != nil {
		b.Fatal(err)
	}
	const n = 200_000
	for at := 0; at < n; at += 5000 {
		r := store.Round{Owner: "a", Epoch: 1, Now: now}
		for i := at; i < at+5000; i++ {
			r.Entries = append(r.Entries, store.Entry{Call: store.Call{
				ID: "call-" + time.Duration(i).String(), Provider: "p", Model: "m", Upstream: "u", Outcome: "ok", InputTokens: 10, OutputTokens: 1,
				Started: now.Add(time.Duration(i) * time.Second),
			}})
		}
		if _, err := st.Apply(ctx, r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := st.DaySums(ctx, time.Time{}, time.Time{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
}

// Jobs of the schema before they said what becomes of personal data say nothing of it, and are whole.
func TestJobsOfSchema6(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	st := open(t, path)
	ctx := t.Context()
	if _, _, err := st.CreateJob(ctx, store.Job{ID: "local/a", Created: time.Now()}, money.SumOf(5)); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"UPDATE job SET crc = aurea_sum('job', id, parent, state, reason, batch, simulated, source, fingerprint, runner, created, updated, pending, running, done, failed)",
		"DROP INDEX job_detached", "ALTER TABLE job DROP COLUMN detached", "ALTER TABLE job DROP COLUMN pii", "ALTER TABLE model_use DROP COLUMN held", "DELETE FROM schema_version WHERE version_id > 6",
	} {
		exec(t, path, statement)
	}
	st = open(t, path)
	defer st.Close()
	if j, err := st.Job(ctx, "local/a"); err != nil || j.PII != "" {
		t.Errorf("%+v, %v", j, err)
	}
}
