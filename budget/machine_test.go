package budget

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// A world is two or three trackers on one store, what their calls really cost, and what must be true of both.
type world struct {
	st       *testStore
	trackers []*Tracker
	paths    [][]*Path // by tracker
	ids      []store.CounterID
	over     bool // a limit was lowered or a bound broken: committed may be above limits

	mu    sync.Mutex
	calls []*trueCall
	wg    sync.WaitGroup
	n     int
}

type trueCall struct {
	tracker     int
	hold        *Hold
	sent, ended bool
	dead        bool // its process was killed
	cost, doubt money.USD
}

var accounts = [][]string{
	{"job:local/a", "job:local/p", "key:local"},
	{"job:local/b", "job:local/p", "key:local"},
	{"job:local/p", "key:local"},
}

var limits = map[string]string{"job:local/a": "1.00", "job:local/b": "0.50", "job:local/p": "1.20", "key:local": ""}

func (w *world) open(ctx context.Context, i int) error {
	tr, err := Open(ctx, w.st, quiet)
	if err != nil {
		return err
	}
	var paths []*Path
	for _, names := range accounts {
		var specs []AccountSpec
		for _, n := range names {
			specs = append(specs, spec(n, limits[n]))
		}
		p, err := tr.Path(ctx, specs...)
		if err != nil {
			return err
		}
		paths = append(paths, p)
	}
	w.trackers[i], w.paths[i] = tr, paths
	w.ids = append(w.paths[i][0].ids, w.paths[i][1].ids[0])
	return nil
}

// check asserts the invariants on the store, and I5: what may have been billed is committed.
func (w *world) check(ctx context.Context) error {
	if err := w.st.check(ctx, w.trackers, w.over, w.ids...); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	counters, err := w.st.Store.Counters(ctx, w.ids...)
	if err != nil {
		return err
	}
	for _, c := range counters {
		var bill money.Sum
		for _, k := range w.calls {
			switch {
			case !slices.Contains(k.hold.asked().Path, c.ID):
			case k.ended:
				bill = bill.Add(k.cost).Add(k.doubt)
			case k.sent:
				bill = bill.Add(k.hold.amount)
			}
		}
		if bill.Cmp(c.Committed) > 0 && !w.over {
			return fmt.Errorf("I5: %s: %v may be billed, %v committed", c.Account, bill, c.Committed)
		}
	}
	return nil
}

// settled asserts that with nothing in flight, the store says to the last digit what happened.
func (w *world) settled(ctx context.Context) error {
	counters, err := w.st.Store.Counters(ctx, w.ids...)
	if err != nil {
		return err
	}
	for _, c := range counters {
		var spent, doubt money.Sum
		for _, k := range w.calls {
			switch {
			case !slices.Contains(k.hold.asked().Path, c.ID):
			case k.ended:
				spent, doubt = spent.Add(k.cost), doubt.Add(k.doubt)
			case k.sent:
				doubt = doubt.Add(k.hold.amount)
			}
		}
		if c.Spent != spent || c.Doubt != doubt || c.Committed != spent.Plus(doubt) {
			return fmt.Errorf("%s: spent %v, doubt %v, committed %v; should be spent %v, doubt %v", c.Account, c.Spent, c.Doubt, c.Committed, spent, doubt)
		}
	}
	return nil
}

// pick returns an open call of a living process, or nil.
func (w *world) pick(n int) *trueCall {
	w.mu.Lock()
	defer w.mu.Unlock()
	var open []*trueCall
	for _, k := range w.calls {
		if !k.ended && !k.dead {
			open = append(open, k)
		}
	}
	if len(open) == 0 {
		return nil
	}
	return open[n%len(open)]
}

type step struct {
	Op      string
	Tracker int
	N       int
	Amount  money.USD
	Wait    time.Duration
}

func (w *world) do(ctx context.Context, s step) error {
	i := s.Tracker % len(w.trackers)
	tr := w.trackers[i]
	switch s.Op {
	case "hold", "nested":
		ask := Ask{Amount: s.Amount, MaxWait: s.Wait}
		if k := w.pick(s.N); k != nil && s.Op == "nested" && k.tracker == i {
			ask.Enclosing = []*Hold{k.hold}
		}
		p := w.paths[i][s.N%len(accounts)]
		w.n++
		ask.Call.ID = fmt.Sprint("call", w.n)
		w.wg.Go(func() {
			h, err := tr.Hold(ctx, p, ask)
			if err != nil {
				if !errors.Is(err, ErrExceeded) && !errors.Is(err, ErrCancelled) && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrUnavailable) {
					panic(err)
				}
				return
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.calls = append(w.calls, &trueCall{tracker: i, hold: h})
		})
	case "sent":
		if k := w.pick(s.N); k != nil && k.hold.Sent() == nil {
			k.sent = true
		}
	case "end", "overrun":
		if k := w.pick(s.N); k != nil {
			k.cost = min(s.Amount, k.hold.amount)
			if s.N%3 == 0 {
				k.doubt = (k.hold.amount - k.cost) / 2
			}
			if s.Op == "overrun" {
				k.cost, k.doubt = k.hold.amount+s.Amount, 0
				w.over = w.over || s.Amount > 0
			}
			k.ended = true
			k.hold.End(End{Cost: k.cost, Doubt: k.doubt})
		}
	case "release":
		if k := w.pick(s.N); k != nil {
			k.ended = true
			k.hold.Release()
		}
	case "sleep":
		time.Sleep(s.Wait)
	case "kill":
		tr.kill()
		w.mu.Lock()
		for _, k := range w.calls {
			k.dead = k.dead || k.tracker == i
		}
		w.mu.Unlock()
		return w.open(ctx, i)
	case "declare":
		return w.st.Declare(ctx, tr.Owner(), time.Now())
	case "fault":
		w.st.mu.Lock()
		w.st.faults = append(w.st.faults, []fault{lostAnswer, lostRequest, outage, lateFirst, lateLast}[s.N%5])
		w.st.mu.Unlock()
	case "limit":
		limit := money.SumOf(s.Amount * 10)
		c, err := w.st.SetLimit(ctx, w.ids[s.N%2], limit)
		w.over = w.over || c.Committed.Cmp(limit) > 0
		return err
	case "close":
		_, err := w.st.SetClosed(ctx, w.ids[0], s.N%2 == 0)
		return err
	}
	return nil
}

func (w *world) run(ctx context.Context, trackers int, steps []step) error {
	w.trackers, w.paths = make([]*Tracker, trackers), make([][]*Path, trackers)
	for i := range trackers {
		if err := w.open(ctx, i); err != nil {
			return err
		}
	}
	for n, s := range steps {
		if err := w.do(ctx, s); err != nil {
			return fmt.Errorf("step %d %+v: %w", n, s, err)
		}
		synctest.Wait()
		if err := w.check(ctx); err != nil {
			return fmt.Errorf("after step %d %+v: %w", n, s, err)
		}
	}
	// Everything ends; waiters are served or refused as it does.
	w.st.mu.Lock()
	w.st.faults = nil
	w.st.mu.Unlock()
	done := make(chan struct{})
	go func() { w.wg.Wait(); close(done) }()
	for ended := false; !ended; {
		for k := w.pick(0); k != nil; k = w.pick(0) {
			k.cost, k.ended = k.hold.amount/3, true
			k.hold.End(End{Cost: k.cost})
		}
		select {
		case <-done:
			ended = w.pick(0) == nil
		case <-time.After(time.Second):
		}
	}
	time.Sleep(6 * time.Second)
	synctest.Wait()
	if err := w.check(ctx); err != nil {
		return fmt.Errorf("when all had ended: %w", err)
	}
	for _, tr := range w.trackers {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		err := tr.Close(ctx)
		cancel()
		if err != nil {
			return err
		}
	}
	return w.settled(ctx)
}

func genStep(ops ...string) *rapid.Generator[step] {
	return rapid.Custom(func(t *rapid.T) step {
		return step{
			Op: rapid.SampledFrom(ops).Draw(t, "op"), Tracker: rapid.IntRange(0, 2).Draw(t, "tracker"), N: rapid.IntRange(0, 8).Draw(t, "n"),
			Amount: money.USD(rapid.Int64Range(0, int64(usd("0.30"))).Draw(t, "amount")),
			Wait:   time.Duration(rapid.SampledFrom([]int{0, 0, 5, 50, 700, 8000}).Draw(t, "ms")) * time.Millisecond,
		}
	})
}

func runWorlds(t *testing.T, ops ...string) {
	t.Helper()
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		trackers := rapid.IntRange(1, 3).Draw(rt, "trackers")
		steps := rapid.SliceOfN(genStep(ops...), 1, 40).Draw(rt, "steps")
		scale := rapid.SampledFrom([]money.USD{1, 100, 10_000}).Draw(rt, "scale") // cheap calls make leases with a stock
		for i := range steps {
			steps[i].Amount /= scale
		}
		var err error
		synctest.Test(t, func(t *testing.T) {
			dir, derr := os.MkdirTemp("", "budget")
			if derr != nil {
				t.Fatal(derr)
			}
			defer os.RemoveAll(dir)
			w := &world{st: newTestStoreIn(dir)}
			err = w.run(context.Background(), trackers, steps)
			if err != nil { // let the bubble end
				for _, tr := range w.trackers {
					if tr != nil {
						go func() { tr.closeOnce.Do(func() { tr.kill() }) }()
					}
				}
				time.Sleep(time.Minute)
			}
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func TestAnyOrderOfCalls(t *testing.T) {
	runWorlds(t, "hold", "hold", "hold", "nested", "sent", "sent", "end", "end", "release", "sleep")
}

func TestAnyOrderOfCallsAndDeaths(t *testing.T) {
	runWorlds(t, "hold", "hold", "hold", "sent", "sent", "end", "end", "release", "sleep", "kill")
}

func TestAnyOrderOfCallsAndFaults(t *testing.T) {
	runWorlds(t, "hold", "hold", "hold", "sent", "sent", "end", "end", "release", "sleep", "fault", "fault", "kill")
}

func TestAnyOrderOfCallsAndFalseDeaths(t *testing.T) {
	runWorlds(t, "hold", "hold", "hold", "sent", "sent", "end", "end", "release", "sleep", "declare", "fault", "kill")
}

func TestAnyOrderOfEverything(t *testing.T) {
	runWorlds(t, "hold", "hold", "hold", "nested", "sent", "sent", "end", "end", "overrun", "release", "sleep", "sleep", "declare", "fault", "kill", "limit", "close")
}
