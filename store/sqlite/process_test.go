package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/sqlite"
	"github.com/andres20980/aurea-orchestrator/store/storetest"
)

// childEnv makes the test binary a process that works on the database it names until it is killed.
const childEnv = "AUREA_SQLITE_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		if err := child(path); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// pause is how many rounds a process does before it waits for the end of its input: so that the batch is not done before
// the last kill.
const pause = 15

// child draws on the job's counter and completes the batch's items, and prints a line for each round that is on disk, until
// the batch is done.
func child(path string) error {
	ctx := context.Background()
	st, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return err
	}
	id := store.OwnerID(fmt.Sprint("process-", os.Getpid()))
	release, err := st.Announce(ctx, id)
	if err != nil {
		return err
	}
	if err := st.Join(ctx, store.Owner{ID: id, PID: os.Getpid(), Joined: time.Now()}); err != nil {
		return err
	}
	c, err := st.FindCounter(ctx, store.JobPrefix+benchJob, time.Time{})
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if n == pause {
			_, _ = io.Copy(io.Discard, os.Stdin)
		}
		items, err := st.Claim(ctx, benchJob, "m", id, 5, time.Now())
		if err != nil {
			return err
		}
		if len(items) == 0 {
			break
		}
		res, err := st.Apply(ctx, store.Round{Owner: id, Epoch: 1, Leases: []store.LeaseOp{{Counter: c.ID, Wants: []money.USD{10}}}})
		if err != nil {
			return err
		}
		if res.Leases[0].Wants == 0 {
			return fmt.Errorf("the budget is used up: %+v", res.Leases[0].Account)
		}
		r := store.Round{Owner: id, Epoch: 1, Now: time.Now(), Leases: []store.LeaseOp{
			{Counter: c.ID, Seq: 1, Spent: money.USD(len(items)), Close: true},
		}}
		for _, it := range items {
			r.Entries = append(r.Entries, store.Entry{
				Call: store.Call{ID: fmt.Sprint(id, "-", it.Seq), Attempt: it.Attempt, Job: benchJob, Path: []store.CounterID{c.ID}, Cost: 1},
				Completion: &store.Completion{
					Job: benchJob, Seq: it.Seq, Attempt: it.Attempt, State: store.ItemDone, Result: &store.Result{Body: it.Body},
				},
			})
		}
		if res, err := st.Apply(ctx, r); err != nil || len(res.Rejected) > 0 {
			return fmt.Errorf("rejected %v: %w", res.Rejected, err)
		}
		fmt.Println("round", n)
	}
	if err := st.Leave(ctx, id, 1); err != nil {
		return err
	}
	return release()
}

type process struct {
	*osexec.Cmd
	id    store.OwnerID
	lines *bufio.Scanner
	input io.Closer
}

func start(t *testing.T, path string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := osexec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &process{cmd, store.OwnerID(fmt.Sprint("process-", cmd.Process.Pid)), bufio.NewScanner(out), in}
}

// rounds waits until a process has written so many, or ended; it fails the test on an error of the process.
func (p *process) rounds(t *testing.T, n int) {
	t.Helper()
	for i := 0; i < n && p.lines.Scan(); i++ {
		if strings.HasPrefix(p.lines.Text(), "error") {
			t.Fatalf("%s: %s", p.id, p.lines.Text())
		}
	}
}

// Several processes spend one budget on one batch, most of them are killed in the middle of it, and at the end every
// item has one result and every cent is where it was spent or in doubt.
func TestProcesses(t *testing.T) {
	t.Parallel()
	const items, limit = 1200, 2000
	path := filepath.Join(t.TempDir(), "aurea.db")
	st := open(t, path)
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := st.CreateJob(ctx, store.Job{ID: benchJob, State: store.JobLoading, Batch: true}, money.SumOf(limit))
	check(err)
	_, err = st.AddItems(ctx, benchJob, benchItems(1, items))
	check(err)
	check(st.Accept(ctx, benchJob, "", time.Now()))
	c, err := st.FindCounter(ctx, store.JobPrefix+benchJob, time.Time{})
	check(err)

	running := []*process{start(t, path), start(t, path), start(t, path)}
	kills := 0
	for ; kills < 6; kills++ {
		p := running[kills%3]
		p.rounds(t, 3+kills)
		if _, dead, err := st.ClaimDead(ctx, p.id); err != nil || dead {
			t.Fatalf("%s is dead while it runs: %v", p.id, err)
		}
		check(p.Process.Kill())
		_ = p.Wait()
		bury(t, st, p.id)
		running[kills%3] = start(t, path)
		check(storetest.CheckInvariants(ctx, st))
		now, err := st.Counters(ctx, c.ID)
		check(err)
		if now[0].Committed.Cmp(now[0].Limit) > 0 {
			t.Fatalf("committed %s of %s", now[0].Committed, now[0].Limit)
		}
	}
	for _, p := range running {
		_ = p.input.Close()
	}
	for _, p := range running {
		p.rounds(t, items)
		if err := p.Wait(); err != nil {
			t.Errorf("%s: %v", p.id, err)
		}
	}
	check(storetest.CheckInvariants(ctx, st))
	check(storetest.CheckItems(ctx, st, benchJob))
	counts, err := st.CountItems(ctx, benchJob)
	check(err)
	if counts.Done != items {
		t.Errorf("counts %+v", counts)
	}
	if _, err := st.Reconcile(ctx, []store.CounterID{c.ID}, benchJob, false, time.Now()); err != nil {
		t.Error(err)
	}
	now, err := st.Counters(ctx, c.ID)
	check(err)
	if now[0].Spent != money.SumOf(items) || now[0].Committed != now[0].Spent {
		t.Errorf("at the end %+v, after %d kills", now[0], kills)
	}
	check(storetest.CheckInvariants(ctx, st))
}

// bury does what the next process does with one that was killed and left no journal.
func bury(t *testing.T, st store.Store, id store.OwnerID) {
	t.Helper()
	ctx := t.Context()
	release, dead, err := st.ClaimDead(ctx, id)
	if err != nil || !dead {
		t.Fatalf("%s was killed and is not dead: %v", id, err)
	}
	if err := st.Declare(ctx, id, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := st.ReleaseItems(ctx, id); err != nil {
		t.Fatal(err)
	}
	if err := st.Forget(id); err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
}
