package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/sqlite"
	"github.com/andres20980/aurea-orchestrator/store/storetest"
)

// history is a database with something in every table: in its file what the first store did, and in its log, if it was killed, the rest.
func history(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	st, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	work(t, st, "a", "first", 120)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	st = open(t, path)
	work(t, st, "b", "second", 80)
	return st
}

func bodyOf(job string, i int) []byte {
	return fmt.Appendf(nil, `{"model":"m","prompt":"%s %d %s"}`, job, i, strings.Repeat("x", i*7%900))
}

func itemsOf(job string, n int) []store.Item {
	items := make([]store.Item, n)
	for i := range items {
		items[i] = store.Item{Seq: int64(i + 1), CustomID: fmt.Sprint(job, "-", i+1), URL: "/v1/chat/completions", Body: bodyOf(job, i), Lane: "m"}
	}
	return items
}

// work runs two thirds of a job's items, in rounds of ten.
func work(t testing.TB, st store.Store, owner store.OwnerID, job string, n int) {
	t.Helper()
	ctx, now := t.Context(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(st.Join(ctx, store.Owner{ID: owner, PID: 7, Host: "h", BootID: "boot", Joined: now}))
	_, _, err := st.CreateJob(ctx, store.Job{ID: job, State: store.JobLoading, Batch: true, Source: "in.jsonl", Created: now}, money.Sum{Dollars: 10})
	check(err)
	_, err = st.AddItems(ctx, job, itemsOf(job, n))
	check(err)
	check(st.Accept(ctx, job, "print", now))
	check(st.AcquireRunner(ctx, job, owner, now))
	c, err := st.FindCounter(ctx, store.JobPrefix+job, time.Time{})
	check(err)
	lease := store.LeaseOp{Counter: c.ID, Wants: []money.USD{9 * money.Dollar}}
	_, err = st.Apply(ctx, store.Round{Owner: owner, Epoch: 1, Now: now, Leases: []store.LeaseOp{lease}})
	check(err)
	lease.Wants, lease.Seq = nil, 1
	for done := 0; done < n*2/3; done += 10 {
		items, err := st.Claim(ctx, job, "m", owner, 10, now)
		check(err)
		r := store.Round{Owner: owner, Epoch: 1, Now: now}
		lease.Doubt = 0
		for _, it := range items {
			cost, doubt := money.USD(1e9*it.Seq), money.USD(0)
			if it.Seq%20 == 0 {
				doubt = 5e8
			}
			lease.Spent += cost
			lease.Doubt += doubt
			r.Entries = append(r.Entries, store.Entry{
				Call: store.Call{
					ID: fmt.Sprint(job, it.Seq), Attempt: 1, Job: job, Path: []store.CounterID{c.ID}, Item: it.Seq, Provider: "p", Model: "m",
					Status: 200, Outcome: "ok", InputTokens: 120, OutputTokens: 80, Cost: cost, Doubt: doubt, Bound: cost + doubt, Started: now, Ended: now,
				},
				Completion: &store.Completion{
					Job: job, Seq: it.Seq, Attempt: it.Attempt, State: store.ItemDone,
					Result: &store.Result{Status: 200, RequestID: "r", Body: append([]byte(`{"answer":1}`), it.Body...), FinishedAt: now},
				},
			})
		}
		r.Leases = []store.LeaseOp{lease}
		_, err = st.Apply(ctx, r)
		check(err)
		lease.Seq++
	}
	_, _, err = st.TakeDay(ctx, "m", now.Truncate(24*time.Hour), store.DayUse{Requests: 5, Tokens: 50}, store.DayUse{Requests: 100, Tokens: 1000})
	check(err)
}

// truth is all that a database says.
type truth struct {
	Audit   store.Audit
	Jobs    []store.Job
	Results map[string][]store.Result
	Lanes   []string
	Day     store.DayUse
}

// read reads everything, and compares the bodies of all items with what was written.
func read(ctx context.Context, st *sqlite.Store) (all truth, err error) {
	if all.Audit, err = st.Audit(ctx); err != nil {
		return all, err
	}
	if all.Jobs, err = st.Jobs(ctx, ""); err != nil {
		return all, err
	}
	all.Results = map[string][]store.Result{}
	for job, n := range map[string]int{"first": 120, "second": 80} {
		if all.Results[job], err = st.Results(ctx, job, false, 0, 1000); err != nil {
			return all, err
		}
		known, err := st.AddItems(ctx, job, itemsOf(job, n))
		if err != nil {
			return all, err
		}
		if len(known) != n {
			return all, fmt.Errorf("silently, %d of %d items of %s are gone", n-len(known), n, job)
		}
		if all.Lanes, err = st.Lanes(ctx, job); err != nil {
			return all, err
		}
	}
	_, all.Day, err = st.TakeDay(ctx, "m", time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), store.DayUse{}, store.DayUse{Requests: 100, Tokens: 1000})
	return all, err
}

// copyAll copies a database with all that lies beside it, as a kill would leave it.
func copyAll(t testing.TB, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// image is a database to be damaged, and what it says.
type image struct {
	dir  string
	want truth
}

func images(t testing.TB) (clean, killed image) {
	t.Helper()
	dir := t.TempDir()
	st := history(t, filepath.Join(dir, "live", "aurea.db"))
	killed.dir = filepath.Join(dir, "killed")
	copyAll(t, filepath.Join(dir, "live"), killed.dir)
	var err error
	if killed.want, err = read(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	if err := storetest.Check(killed.want.Audit); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	clean = image{filepath.Join(dir, "clean"), killed.want}
	copyAll(t, filepath.Join(dir, "live"), clean.dir)
	return clean, killed
}

// notices keeps what a store logs.
type notices struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (n *notices) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.Write(p)
}

func (n *notices) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.String()
}

// look opens a database and reads all of it.
func look(ctx context.Context, path string) (got truth, told string, err error) {
	var n notices
	st, err := sqlite.Open(ctx, path, sqlite.Options{Logger: slog.New(slog.NewTextHandler(&n, nil))})
	if err != nil {
		return got, n.String(), err
	}
	got, err = read(ctx, st)
	if cerr := st.Close(); err == nil {
		err = cerr
	}
	return got, n.String(), err
}

// damage changes a file in one of the ways that files are changed, and says how.
func damage(r *rand.Rand, b []byte) ([]byte, string) {
	at := 0
	if len(b) > 0 {
		at = r.IntN(len(b))
	}
	switch how := r.IntN(8); {
	case how < 4 && len(b) > 0:
		b[at] ^= 1 << r.IntN(8)
		return b, fmt.Sprint("bit flipped at ", at)
	case how == 4 && len(b) > 0:
		cut := []int{0, at, at / 4096 * 4096, r.IntN(min(len(b), 200))}[r.IntN(4)]
		return b[:cut], fmt.Sprint("cut at ", cut, " of ", len(b))
	case how == 5 && len(b) > 0:
		n := min(len(b)-at, 1+r.IntN(5000))
		clear(b[at : at+n])
		return b, fmt.Sprint(n, " zeros at ", at)
	case how == 6:
		n := 1 + r.IntN(9000)
		return append(b, make([]byte, n)...), fmt.Sprint(n, " zeros appended")
	default:
		n := 1 + r.IntN(9000)
		garbage := make([]byte, n)
		for i := range garbage {
			garbage[i] = byte(r.Uint32())
		}
		return append(b, garbage...), fmt.Sprint(n, " bytes of garbage appended")
	}
}

// Whatever one file suffers: it is named, or every value that is read is the one that was written.
func TestDamage(t *testing.T) {
	t.Parallel()
	clean, killed := images(t)
	seeds := 40
	if os.Getenv("AUREA_SOAK") != "" {
		seeds = 1000
	}
	if testing.Short() {
		seeds = 10
	}
	const parts = 4
	for part := range 2 * parts {
		name, from := "clean", clean
		if part >= parts {
			name, from = "killed", killed
		}
		t.Run(fmt.Sprint(name, part), func(t *testing.T) {
			t.Parallel()
			var refused, mended, harmless int
			for seed := part * seeds; seed < (part+1)*seeds; seed++ {
				r := rand.New(rand.NewPCG(uint64(seed), 5))
				dir := filepath.Join(t.TempDir(), "x")
				copyAll(t, from.dir, dir)
				var files []string
				for _, pattern := range []string{"aurea.db*", "aurea.db-owners/*"} {
					found, _ := filepath.Glob(filepath.Join(dir, pattern))
					files = append(files, slices.DeleteFunc(found, func(f string) bool { return strings.HasSuffix(f, "-owners") })...)
				}
				file := files[0] // the database, half of the time
				if r.IntN(2) == 0 {
					file = files[r.IntN(len(files))]
				}
				before, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				after, how := damage(r, slices.Clone(before))
				if err := os.WriteFile(file, after, 0o600); err != nil {
					t.Fatal(err)
				}
				what := fmt.Sprintf("seed %d: %s: %s", seed, filepath.Base(file), how)
				got, told, err := look(t.Context(), filepath.Join(dir, "aurea.db"))
				if err != nil {
					refused++
					var d *store.DamageError
					if !errors.As(err, &d) && !strings.Contains(err.Error(), "open "+filepath.Join(dir, "aurea.db")) {
						t.Errorf("%s: the error does not name the file: %v", what, err)
					}
					if d != nil && (d.Found == "" || d.Next == "" || !strings.HasSuffix(d.File, "aurea.db")) {
						t.Errorf("%s: the error does not say what is wrong or what to do: %+v", what, d)
					}
					if d == nil && !errors.Is(err, store.ErrNewerSchema) {
						t.Logf("%s: %v", what, err)
					}
					continue
				}
				if diff := cmp.Diff(from.want, got); diff != "" {
					t.Errorf("%s: silently wrong (-want +got):\n%s\nlog: %s", what, diff, told)
				}
				if told != "" {
					mended++
				} else if harmless++; name == "clean" && filepath.Base(file) == "aurea.db" && !bytes.Equal(before, after) {
					t.Errorf("%s: not noticed", what)
				}
			}
			t.Logf("%d refused, %d used with a notice, %d had no effect", refused, mended, harmless)
		})
	}
}
