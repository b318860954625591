//go:build unix

package budget_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/internal/pgtest"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/postgres"
	"github.com/andres20980/aurea-orchestrator/store/storetest"
)

// machine starts a process that spends, with a folder for state that no other has: to the others it is one of another machine.
func machine(t *testing.T, url, bills string) *exec.Cmd {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), killEnv+"="+t.TempDir(), killURLEnv+"="+url, killBillsEnv+"="+bills)
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	return child
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !met(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within two minutes", what)
		}
	}
}

// owners returns those of a process, in whatever state.
func owners(t *testing.T, st *postgres.Store, pid int) (all []store.Owner) {
	t.Helper()
	a, err := st.Audit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range a.Owners {
		if o.PID == pid {
			all = append(all, o)
		}
	}
	return all
}

func isDead(t *testing.T, st *postgres.Store, p *exec.Cmd) bool {
	all := owners(t, st, p.Process.Pid)
	return len(all) > 0 && all[0].State == store.OwnerDead
}

// Of two processes on other machines one is paused past its lease and one is killed. Others declare them dead by their beats, spend the rest, and never more; the
// one that was paused wakes, settles what it owes and goes on as a new owner. What the killed one had leased stays unconfirmed, and not a call more.
func TestDeathByUnmovingBeat(t *testing.T) {
	t.Parallel()
	url, bills := pgtest.Database(t), filepath.Join(t.TempDir(), "bills")
	ctx := t.Context()
	db, err := postgres.Open(ctx, url, postgres.Options{MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	paused, killed := machine(t, url, bills), machine(t, url, bills)
	spending := func(p *exec.Cmd) func() bool {
		return func() bool { return len(owners(t, db, p.Process.Pid)) > 0 }
	}
	eventually(t, "the first spends", spending(paused))
	eventually(t, "the second spends", spending(killed))
	eventually(t, "bills", func() bool { info, err := os.Stat(bills); return err == nil && info.Size() > 2000 })
	if err := paused.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait()
	began := time.Now()
	tr, err := budget.Open(ctx, db, budget.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if isDead(t, db, paused) || isDead(t, db, killed) {
		t.Error("declared dead without having been watched")
	}
	eventually(t, "both are dead", func() bool { return isDead(t, db, paused) && isDead(t, db, killed) })
	if took := time.Since(began); took < 12*time.Second {
		t.Errorf("declared dead after %v", took)
	}
	t.Logf("declared dead %v after the pause", time.Since(began).Round(100*time.Millisecond))
	if err := storetest.CheckInvariants(ctx, db); err != nil {
		t.Error(err)
	}
	other := machine(t, url, bills)
	if err := paused.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*exec.Cmd{other, paused} {
		if err := p.Wait(); err != nil {
			t.Error(err)
		}
	}
	if err := tr.Close(ctx); err != nil {
		t.Error(err)
	}
	if all := owners(t, db, paused.Process.Pid); len(all) < 2 || all[0].State != store.OwnerGone {
		t.Errorf("the one that was paused did not settle and join again: %+v", all)
	}
	if err := storetest.CheckInvariants(ctx, db); err != nil {
		t.Error(err)
	}
	c, err := db.FindCounter(ctx, "job:local/a", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var billed, missing money.Sum
	rows := map[string]money.USD{}
	calls, _, err := db.Calls(ctx, "local/a", 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range calls {
		rows[call.ID] = call.Cost
	}
	for id, cost := range readBills(t, bills) {
		billed = billed.Add(cost)
		if booked, there := rows[id]; !there {
			missing = missing.Add(cost)
		} else if booked != cost {
			t.Errorf("call %s is booked at %v and billed at %v", id, booked, cost)
		}
	}
	doubts, err := db.Doubts(ctx, c.ID)
	if err != nil {
		t.Fatal(err)
	}
	dead := owners(t, db, killed.Process.Pid)[0].ID
	for _, d := range doubts {
		if d.Owner != dead {
			t.Errorf("unconfirmed of another than the killed: %+v", d)
		}
	}
	if billed.Cmp(c.Limit) > 0 || missing.Cmp(c.Doubt) > 0 || c.Committed != c.Spent.Plus(c.Doubt) || c.Committed.Cmp(c.Limit) > 0 {
		t.Errorf("billed %v, missing %v, account %+v", billed, missing, c)
	}
	if left := c.Limit.Minus(c.Committed); left.Cmp(money.SumOf(2*money.Milli+money.Micro)) >= 0 {
		t.Errorf("%v is left that could have been spent", left)
	}
	t.Logf("billed %v of %v, booked %v, unconfirmed %v of which %v was billed", billed, c.Limit, c.Spent, c.Doubt, missing)
}

// Without its database a process goes on with what it has leased, refuses what is more, and goes on by itself when the database is back. Nobody is declared dead.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	url := server.Database(t)
	ctx := t.Context()
	db, err := postgres.Open(ctx, url, postgres.Options{StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tr, err := budget.Open(ctx, db, budget.Options{})
	if err != nil {
		t.Fatal(err)
	}
	me := tr.Owner()
	limit := money.SumOf(1000 * money.Dollar)
	p, err := tr.Path(ctx, budget.AccountSpec{Name: "job:local/a", Limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	call := func(amount money.USD) (*budget.Ending, error) {
		h, err := tr.Hold(ctx, p, budget.Ask{Amount: amount, Call: store.Call{Job: "local/a"}})
		if err != nil {
			return nil, err
		}
		if err := h.Sent(); err != nil {
			return nil, err
		}
		return h.End(budget.End{Cost: amount / 2}), nil
	}
	open, err := tr.Hold(ctx, p, budget.Ask{Amount: money.Dollar, Call: store.Call{Job: "local/a"}})
	if err != nil {
		t.Fatal(err)
	}
	var inHand []*budget.Hold // there is a lease to speak of while they are out, and they cost less than they hold
	for range 40 {
		h, err := tr.Hold(ctx, p, budget.Ask{Amount: 10 * money.Milli, Call: store.Call{Job: "local/a"}})
		if err == nil {
			err = h.Sent()
		}
		if err != nil {
			t.Fatal(err)
		}
		inHand = append(inHand, h)
	}
	if err := tr.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	away := time.Now()
	if err := open.Sent(); err != nil {
		t.Error(err)
	}
	ends := []*budget.Ending{open.End(budget.End{Cost: 700 * money.Milli})}
	for _, h := range inHand {
		ends = append(ends, h.End(budget.End{Cost: 5 * money.Milli}))
	}
	before := len(ends) // how many more there are depends on what of the lease was on its way back when the server stopped
	refused := false
	for range 100_000 {
		e, err := call(10 * money.Milli)
		if err != nil {
			if !errors.Is(err, budget.ErrUnavailable) {
				t.Fatal(err)
			}
			refused = true
			break
		}
		ends = append(ends, e)
	}
	if !refused {
		t.Error("money that was never leased was given")
	}
	eventually(t, "not ready", func() bool { return tr.Ready() != nil })
	t.Logf("%d calls ended and %d new ones went on without the database, not ready after %v", before, len(ends)-before, time.Since(away).Round(100*time.Millisecond))
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	eventually(t, "ready", func() bool { return tr.Ready() == nil })
	eventually(t, "new calls", func() bool { _, err := call(money.Dollar); return err == nil })
	for _, e := range ends {
		<-e.Done()
		if err := e.Err(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("booked and ready %v after the database was back", time.Since(back).Round(10*time.Millisecond))
	if tr.Owner() != me {
		t.Error("declared dead because the database was away")
	}
	if err := tr.Close(context.WithoutCancel(ctx)); err != nil {
		t.Error(err)
	}
	if err := storetest.CheckInvariants(ctx, db); err != nil {
		t.Error(err)
	}
	c, err := db.FindCounter(ctx, "job:local/a", time.Time{})
	if err != nil || c.Committed != c.Spent {
		t.Errorf("%+v, %v", c, err)
	}
}
