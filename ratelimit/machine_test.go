package ratelimit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// step is one thing that happens to a limiter. What its numbers mean depends on the operation.
type step struct {
	Op         string
	N, Seconds int
	Demand     Demand
	In, Out    int64
}

func steps() *rapid.Generator[[]step] {
	ops := []string{"at once", "at once", "wait", "wait", "wait", "wait at most", "leave", "pass", "answer", "answer", "never sent", "refused", "owners", "hold"}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{
			Op: rapid.SampledFrom(ops).Draw(t, "op"), N: rapid.IntRange(0, 100).Draw(t, "n"), Seconds: rapid.IntRange(1, 90).Draw(t, "seconds"),
			Demand: Demand{
				InputBytes: rapid.Int64Range(0, 300).Draw(t, "bytes"), OutputCap: rapid.SampledFrom([]int64{0, 10, 400, 2000}).Draw(t, "cap"),
				Class: Class(rapid.IntRange(0, 1).Draw(t, "class")),
			},
			In: rapid.Int64Range(-1, 100).Draw(t, "in"), Out: rapid.Int64Range(-1, 500).Draw(t, "out"),
		}
	}), 1, 60)
}

// Whatever is asked, given back, held, cancelled and corrected, in any order: no window over the limit, nobody starved, nobody overtaken within a class, and in the end
// nothing is left.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		limits := Limits{
			RPM: rapid.SampledFrom([]int64{1, 3, 20, 60, 600}).Draw(rt, "rpm"), TPM: rapid.SampledFrom([]int64{500, 3000, 100_000}).Draw(rt, "tpm"),
			Concurrency: rapid.SampledFrom([]int64{0, 0, 2, 10}).Draw(rt, "concurrency"),
		}
		all := steps().Draw(rt, "steps")
		var err error
		synctest.Test(t, func(*testing.T) {
			w := &world{limits: limits, l: New(limits, Profile{}), asked: map[*Permit]*asker{}}
			if err = w.run(all); err == nil {
				err = w.end()
			}
			for _, a := range w.askers { // let the bubble end
				a.cancel()
			}
			w.wg.Wait()
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}

// world is a limiter and an oracle that knows its whole history and looks at all of it each time.
type world struct {
	limits Limits
	l      *Limiter
	wg     sync.WaitGroup
	askers []*asker

	mu     sync.Mutex
	went   []passed
	flight []*Permit
	asked  map[*Permit]*asker
	late   error
}

// passed is a call that went; it counts as what was known of it at the least.
type passed struct {
	p      *Permit
	tokens int64
}

type asker struct {
	number int
	class  Class
	cancel context.CancelFunc
}

func (w *world) record(p *Permit, a *asker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.went = append(w.went, passed{p, p.weight[dimTokens]})
	w.flight = append(w.flight, p)
	w.asked[p] = a
}

func (w *world) run(all []step) error {
	for i, s := range all {
		err := w.do(s)
		synctest.Wait()
		if err == nil {
			err = w.check()
		}
		if err != nil {
			return fmt.Errorf("step %d, %s: %w", i, s.Op, err)
		}
	}
	return nil
}

func (w *world) do(s step) error {
	switch s.Op {
	case "at once":
		return w.atOnce(s.Demand)
	case "wait":
		w.wait(s.Demand, -1)
	case "wait at most":
		w.wait(s.Demand, time.Duration(s.Seconds)*time.Second)
	case "leave":
		if len(w.askers) > 0 {
			w.askers[s.N%len(w.askers)].cancel()
		}
	case "pass":
		time.Sleep(time.Duration(s.Seconds*s.N*3) * time.Millisecond)
	case "owners":
		w.l.SetOwners(1 + s.N%3) // a share of the limit is within the limit
	case "hold":
		w.l.HoldFor(time.Duration(s.Seconds)*time.Second, "a test holds it")
	default:
		w.finish(s)
	}
	return nil
}

// atOnce asks for a call that may not wait, and takes a refusal at its word.
func (w *world) atOnce(d Demand) error {
	p, err := w.l.Acquire(context.Background(), d, 0)
	var wait *WaitError
	switch {
	case err == nil:
		w.record(p, nil)
		return nil
	case errors.Is(err, ErrTooLarge):
		return nil
	case !errors.As(err, &wait) || wait.RetryAfter <= 0 || !errors.Is(err, ErrWouldWait):
		return err
	case w.l.line.len() > 0 || w.l.ready(w.l.now(), w.l.weigh(d)).blocked:
		return nil // what others do nobody knows
	}
	time.Sleep(wait.RetryAfter)
	if p, err = w.l.Acquire(context.Background(), d, 0); err != nil {
		return fmt.Errorf("it said %w, and then %w", wait, err)
	}
	w.record(p, nil)
	return nil
}

func (w *world) wait(d Demand, most time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	a := &asker{number: len(w.askers), class: d.Class, cancel: cancel}
	w.askers = append(w.askers, a)
	w.wg.Go(func() {
		start := time.Now()
		p, err := w.l.Acquire(ctx, d, most)
		if took := time.Since(start); most > 0 && took > most || err == nil && p.Waited() != took {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.late = fmt.Errorf("%v asked for, %v taken", most, took)
			return
		}
		if err == nil {
			w.record(p, a)
		}
	})
}

// finish ends a call.
func (w *world) finish(s step) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.flight) == 0 {
		return
	}
	i := s.N % len(w.flight)
	p := w.flight[i]
	w.flight = slices.Delete(w.flight, i, i+1)
	same := func(e passed) bool { return e.p == p }
	switch s.Op {
	case "answer":
		p.Done(Feedback{Status: 200, InputTokens: s.In, OutputTokens: s.Out})
		if i := slices.IndexFunc(w.went, same); i >= 0 {
			w.went[i].tokens = min(w.went[i].tokens, p.weight[dimTokens])
		}
	case "never sent":
		p.Release()
		w.went = slices.DeleteFunc(w.went, same)
	case "refused":
		p.Done(Feedback{Status: 429, RateLimited: true, RetryAfter: time.Duration(s.Seconds) * time.Second, InputTokens: -1, OutputTokens: -1})
	}
	p.Release() // the second end does nothing
}

// check holds the whole history against the limits.
func (w *world) check() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortFunc(w.went, func(a, b passed) int { return cmp.Compare(a.p.at, b.p.at) })
	var last [classes]struct {
		number int
		at     int64
	}
	for i, e := range w.went {
		var requests, tokens int64
		for j, f := range w.went[:i+1] {
			between := time.Duration(e.p.at - f.p.at)
			if between < time.Minute+250*time.Millisecond {
				requests++
				tokens += f.tokens
			}
			// At an even pace, but for what lateness and gifts make up for.
			if least := time.Duration(float64(i-j) / float64(w.limits.RPM) * float64(time.Minute)); between < least-600*time.Millisecond {
				return fmt.Errorf("%d requests in %v", i-j+1, between)
			}
		}
		if requests > w.limits.RPM || tokens > w.limits.TPM && e.tokens <= w.limits.TPM {
			return fmt.Errorf("%d requests and %d tokens in the minute until %v", requests, tokens, time.Duration(e.p.at))
		}
		if a := w.asked[e.p]; a != nil {
			// Several can go at the same time, and are recorded as they wake.
			if l := &last[a.class]; a.number < l.number && l.at < e.p.at {
				return fmt.Errorf("waiter %d went before %d", l.number, a.number)
			} else if a.number > l.number {
				l.number, l.at = a.number, e.p.at
			}
		}
	}
	if w.late != nil {
		return w.late
	}
	return w.l.check()
}

// end waits until everybody got through or left, and looks at what is left.
func (w *world) end() error {
	for range 20_000 {
		synctest.Wait()
		w.mu.Lock()
		rest := w.flight
		w.flight = nil
		w.mu.Unlock()
		for _, p := range rest {
			p.Done(Feedback{Status: 200, InputTokens: -1, OutputTokens: -1})
		}
		if len(rest) == 0 && w.l.Usage().Waiting == 0 {
			break
		}
		time.Sleep(time.Second)
	}
	if n := w.l.Usage().Waiting; n > 0 {
		return fmt.Errorf("%d starved", n)
	}
	w.wg.Wait()
	if err := w.check(); err != nil {
		return err
	}
	time.Sleep(30 * time.Minute)
	if u := w.l.Usage(); u.Waiting != 0 || u.Flight != 0 || u.Requests != 0 || u.Tokens != 0 {
		return fmt.Errorf("left over: %+v", u)
	}
	for i, d := range w.l.dims {
		if n := d.let(w.l.now()); n != 0 || len(d.log) != 0 {
			return fmt.Errorf("%s: %d left over in %d entries", dimNames[i], n, len(d.log))
		}
	}
	if w.l.line.sums != [classes]weights{} {
		return fmt.Errorf("left over in the line: %v", w.l.line.sums)
	}
	return w.l.check()
}

// check holds sums against what they are sums of.
func (l *Limiter) check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, d := range l.dims {
		for _, w := range d.windows {
			var sum int64
			for j, e := range d.log {
				if d.first+int64(j) >= w.tail {
					sum += e.weight
				}
				if e.weight < 0 {
					return fmt.Errorf("%s: an entry of %d", dimNames[i], e.weight)
				}
			}
			if sum != w.sum {
				return fmt.Errorf("%s: entries of %d, sum %d", dimNames[i], sum, w.sum)
			}
		}
	}
	for c := range l.line.queues {
		var sum weights
		for e := l.line.queues[c].Front(); e != nil; e = e.Next() {
			for i, n := range e.Value.(*waiter).weight {
				sum[i] += n
			}
		}
		if sum != l.line.sums[c] {
			return fmt.Errorf("class %d: %v wait, sum %v", c, sum, l.line.sums[c])
		}
	}
	return nil
}
