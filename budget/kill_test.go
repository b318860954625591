package budget_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/internal/pgtest"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/postgres"
	"github.com/andres20980/aurea-orchestrator/store/sqlite"
)

const (
	killEnv      = "AUREA_TEST_KILLED" // folder of the database and of the provider's bills
	killURLEnv   = "AUREA_TEST_KILLED_URL"
	killBillsEnv = "AUREA_TEST_KILLED_BILLS" // file of the bills, if it is not in the folder
	killWorkers  = 16
	killLimit    = "15.00"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killEnv); dir != "" {
		if err := spendUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := pgtest.Main(m.Run)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// openKilled opens the database that processes are killed on: a file in dir, or PostgreSQL with dir for locks and journals.
func openKilled(ctx context.Context, url, dir string) (store.Store, error) {
	if url != "" {
		return postgres.Open(ctx, url, postgres.Options{StateDir: filepath.Join(dir, "owners"), MaxConns: 4})
	}
	return sqlite.Open(ctx, filepath.Join(dir, "a.db"), sqlite.Options{AnyFilesystem: true})
}

// spendUntilKilled is the process that is killed: its workers make calls until the budget is exhausted. The provider
// bills a call when it arrives, in a file of its own.
func spendUntilKilled(dir string) error {
	ctx := context.Background()
	db, err := openKilled(ctx, os.Getenv(killURLEnv), dir)
	if err != nil {
		return err
	}
	bills, err := os.OpenFile(cmp.Or(os.Getenv(killBillsEnv), filepath.Join(dir, "bills")), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	tr, err := budget.Open(ctx, db, budget.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	limit, err := money.ParseSum(killLimit)
	if err != nil {
		return err
	}
	p, err := tr.Path(ctx, budget.AccountSpec{Name: "job:local/a", Limit: limit}, budget.AccountSpec{Name: "key:local", Limit: money.Unlimited})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make(chan error, killWorkers)
	for range killWorkers {
		wg.Go(func() { errs <- spend(ctx, tr, p, bills) })
	}
	wg.Wait()
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}
	return errors.Join(err, tr.Close(ctx), db.Close())
}

func spend(ctx context.Context, tr *budget.Tracker, p *budget.Path, bills *os.File) error {
	for {
		bound := money.USD(rand.Int64N(int64(2*money.Milli))) + money.Micro
		id := fmt.Sprintf("%d-%d", os.Getpid(), rand.Uint64())
		h, err := tr.Hold(ctx, p, budget.Ask{Call: store.Call{ID: id, Job: "local/a"}, Amount: bound, MaxWait: -1})
		if errors.Is(err, budget.ErrExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := h.Sent(); err != nil {
			return err
		}
		cost := 1 + bound/2 + bound/money.USD(rand.Int64N(4)+3)
		if _, err := fmt.Fprintf(bills, "%s %d\n", id, cost); err != nil {
			return err
		}
		time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
		h.End(budget.End{Call: store.Call{Outcome: "ok"}, Cost: cost})
	}
}

// Killed again and again, on a file, a process never spends past its limit, forgets nothing it was told the
// price of, and leaves nothing unconfirmed but what was on the wire.
func TestKillMinus9(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		killMinus9(t, "")
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		killMinus9(t, pgtest.Database(t))
	})
}

// killSpending kills a process in the middle of its calls, and returns how it ended.
func killSpending(child *exec.Cmd, bills string, ended <-chan error) error {
	size := func() int64 {
		info, err := os.Stat(bills)
		if err != nil {
			return 0
		}
		return info.Size()
	}
	for before := size(); size() == before; time.Sleep(time.Millisecond) {
		select {
		case err := <-ended:
			return err
		default:
		}
	}
	time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
	_ = child.Process.Kill()
	return <-ended
}

func killMinus9(t *testing.T, url string) {
	dir := t.TempDir()
	kills := 0
	for {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), killEnv+"="+dir, killURLEnv+"="+url)
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		if kills < 8 {
			ended := make(chan error, 1)
			go func() { ended <- child.Wait() }()
			if err := killSpending(child, filepath.Join(dir, "bills"), ended); err != nil {
				kills++
				continue
			}
		} else if err := child.Wait(); err != nil {
			t.Fatal(err)
		}
		break
	}
	ctx := t.Context()
	db, err := openKilled(ctx, url, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := budget.Recover(ctx, db, time.Now()); err != nil {
		t.Fatal(err)
	}
	bills := readBills(t, filepath.Join(dir, "bills"))
	c, err := db.FindCounter(ctx, "job:local/a", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	doubts, err := db.Doubts(ctx, c.ID)
	if err != nil {
		t.Fatal(err)
	}
	calls, _, err := db.Calls(ctx, "local/a", 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var rows, billed money.Sum
	for _, b := range bills {
		billed = billed.Add(b)
	}
	for _, call := range calls {
		if bills[call.ID] != call.Cost {
			t.Errorf("call %s is booked at %v and billed at %v", call.ID, call.Cost, bills[call.ID])
		}
		rows = rows.Add(call.Cost)
		delete(bills, call.ID)
	}
	if len(doubts) > kills*killWorkers {
		t.Errorf("%d doubts after %d kills of %d workers", len(doubts), kills, killWorkers)
	}
	for _, d := range doubts {
		if d.Call == "" {
			t.Errorf("doubt without a call: %+v", d)
		}
		if bills[d.Call] > d.Amount {
			t.Errorf("call %s is billed at %v, above its doubt of %v", d.Call, bills[d.Call], d.Amount)
		}
		delete(bills, d.Call)
	}
	if len(bills) > 0 {
		t.Errorf("billed and nowhere to be seen: %v", bills)
	}
	if c.Spent != rows || c.Committed != c.Spent.Plus(c.Doubt) || c.Committed.Cmp(c.Limit) > 0 || billed.Cmp(c.Limit) > 0 {
		t.Errorf("billed %v, rows %v, account %+v", billed, rows, c)
	}
	t.Logf("%d kills, %d calls, %d doubts; billed %v, spent %v, unconfirmed %v", kills, len(calls), len(doubts), billed, c.Spent, c.Doubt)
}

func readBills(t *testing.T, path string) map[string]money.USD {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	bills := map[string]money.USD{}
	for in := bufio.NewScanner(f); in.Scan(); {
		var id string
		var cost int64
		if _, err := fmt.Fscan(strings.NewReader(in.Text()), &id, &cost); err != nil {
			t.Fatal(err)
		}
		bills[id] += money.USD(cost)
	}
	return bills
}
