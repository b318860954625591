package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/andres20980/aurea-orchestrator/ratelimit"
)

// bubble runs a parallel test in virtual time.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

var small = ratelimit.Demand{InputBytes: 3, OutputCap: 9} // 10 tokens

func must(t *testing.T, l *ratelimit.Limiter, d ratelimit.Demand) *ratelimit.Permit {
	t.Helper()
	p, err := l.Acquire(t.Context(), d, -1)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func done(p *ratelimit.Permit) {
	p.Done(ratelimit.Feedback{Status: 200, InputTokens: -1, OutputTokens: -1})
}

// refusedFor returns how long a call that may not wait is told to wait, 0 if it goes.
func refusedFor(t *testing.T, l *ratelimit.Limiter, d ratelimit.Demand) (time.Duration, string) {
	t.Helper()
	p, err := l.Acquire(t.Context(), d, 0)
	if err == nil {
		p.Release()
		return 0, ""
	}
	var wait *ratelimit.WaitError
	if !errors.As(err, &wait) || !errors.Is(err, ratelimit.ErrWouldWait) {
		t.Fatal(err)
	}
	return wait.RetryAfter, wait.Dimension
}

func TestTheFirstGoesAtOnceAndTheOthersEvenly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := ratelimit.New(ratelimit.Limits{RPM: 60}, ratelimit.Generic())
		start := time.Now()
		for i := range 10 {
			p := must(t, l, small)
			if at, want := time.Since(start), time.Duration(float64(i)*float64(time.Second)/0.995); at < want-6*time.Millisecond || at > want {
				t.Errorf("call %d went after %v, want %v", i, at, want)
			}
			if i == 0 && p.Waited() != 0 {
				t.Errorf("the first waited %v", p.Waited())
			}
			done(p)
		}
	})
}

func TestExtremeRates(t *testing.T) {
	for _, c := range []struct {
		rpm         int64
		span        time.Duration
		least, most int
	}{
		{1, 10 * time.Minute, 10, 10}, {2, 10 * time.Minute, 20, 20}, {1_000_000, time.Second, 16_500, 16_700}, {0, 0, 0, 0},
	} {
		t.Run(fmt.Sprint(c.rpm), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l := ratelimit.New(ratelimit.Limits{RPM: c.rpm}, ratelimit.Generic())
				end := time.Now().Add(c.span)
				n := 0
				for {
					p, err := l.Acquire(t.Context(), small, max(time.Until(end), 0))
					if err != nil || n > 100_000 {
						break
					}
					done(p)
					n++
				}
				if c.rpm == 0 {
					if n < 100_000 {
						t.Errorf("%d calls went without a limit", n)
					}
				} else if n < c.least || n > c.most {
					t.Errorf("%d calls went, want %d to %d", n, c.least, c.most)
				}
			})
		})
	}
}

func TestBurst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		profile := ratelimit.Generic()
		profile.Burst = 10
		l := ratelimit.New(ratelimit.Limits{RPM: 60}, profile)
		for range 10 {
			if wait, _ := refusedFor(t, l, small); wait != 0 {
				t.Fatalf("an idle request has to wait %v", wait)
			}
			done(must(t, l, small))
		}
		if wait, _ := refusedFor(t, l, small); wait < 900*time.Millisecond {
			t.Errorf("the one after the burst waits %v", wait)
		}
		// The log bounds the minute whatever the burst.
		start := time.Now()
		for range 51 {
			done(must(t, l, small))
		}
		if took := time.Since(start); took < time.Minute {
			t.Errorf("61 requests in %v", took)
		}
	})
}

func TestColdStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		profile := ratelimit.Generic()
		profile.Burst = 10
		l := ratelimit.New(ratelimit.Limits{RPM: 60}, profile)
		l.ColdStart()
		if wait, _ := refusedFor(t, l, small); wait < time.Second {
			t.Errorf("the first after a crash waits %v", wait)
		}
		must(t, l, small)
		time.Sleep(30 * time.Second)
		must(t, l, small)
		if wait, _ := refusedFor(t, l, small); wait == 0 {
			t.Error("there was a burst in the first minute")
		}
		time.Sleep(time.Minute)
		must(t, l, small)
		if wait, _ := refusedFor(t, l, small); wait != 0 {
			t.Errorf("no burst after a minute, wait %v", wait)
		}
	})
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	large := ratelimit.Demand{InputBytes: 3000, OutputCap: 500}
	for want, limits := range map[string]ratelimit.Limits{
		"1500 tokens, the limit is 1000 a minute":        {TPM: 1000},
		"1000 input tokens, the limit is 999 a minute":   {InputTPM: 999},
		"500 output tokens, the limit is 400 a minute":   {OutputTPM: 400},
		"1500 tokens of the day, the limit is 900 a day": {TPD: 900},
	} {
		_, err := ratelimit.New(limits, ratelimit.Generic()).Acquire(t.Context(), large, -1)
		var tooLarge *ratelimit.TooLargeError
		if !errors.Is(err, ratelimit.ErrTooLarge) || !errors.As(err, &tooLarge) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", limits, err)
		}
	}
	if p, err := ratelimit.New(ratelimit.Limits{OutputTPM: 400}, profile(t, "anthropic")).Acquire(t.Context(), large, -1); err != nil {
		t.Errorf("where a cap plays no part it cannot be too large: %v", err)
	} else {
		p.Release()
	}
}

// A request larger than a guess goes alone, and pays with time.
func TestLargerThanAGuess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := ratelimit.New(ratelimit.Limits{TPM: 1000, GuessTPM: true}, ratelimit.Generic())
		done(must(t, l, small))
		start := time.Now()
		done(must(t, l, ratelimit.Demand{InputBytes: 3, OutputCap: 2999}))
		if waited := time.Since(start); waited < time.Minute || waited > 61*time.Second {
			t.Errorf("it was alone after %v", waited)
		}
		start = time.Now()
		done(must(t, l, small))
		if waited := time.Since(start); waited < 3*time.Minute || waited > 182*time.Second {
			t.Errorf("the next one waited %v", waited)
		}
		// Nonsense does not stop a model for years.
		done(must(t, l, ratelimit.Demand{InputBytes: 1 << 62, OutputCap: 1 << 62}))
		if wait, _ := refusedFor(t, l, small); wait > 11*time.Minute {
			t.Errorf("after nonsense the next one waits %v", wait)
		}
	})
}

func TestLargeCannotStarve(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := ratelimit.New(ratelimit.Limits{TPM: 6000}, ratelimit.Generic())
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for {
					p, err := l.Acquire(ctx, ratelimit.Demand{InputBytes: 300}, -1)
					if err != nil {
						return
					}
					done(p)
				}
			})
		}
		time.Sleep(2 * time.Minute)
		p := must(t, l, ratelimit.Demand{InputBytes: 3, OutputCap: 5000})
		if p.Waited() > 2*time.Minute {
			t.Errorf("the large one waited %v", p.Waited())
		}
		stop()
		wg.Wait()
	})
}

// Of five calls that go while both classes wait four are interactive; what one leaves the other takes.
func TestClasses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := ratelimit.New(ratelimit.Limits{RPM: 600, TPM: 600_000}, ratelimit.Generic())
		var mu sync.Mutex
		went := map[ratelimit.Class]int{}
		var wg sync.WaitGroup
		start := func(class ratelimit.Class, ctx context.Context) {
			for range 20 {
				wg.Go(func() {
					for {
						p, err := l.Acquire(ctx, ratelimit.Demand{InputBytes: 30, Class: class}, -1)
						if err != nil {
							return
						}
						done(p)
						mu.Lock()
						went[class]++
						mu.Unlock()
					}
				})
			}
		}
		count := func(d time.Duration) (interactive, batch int) {
			mu.Lock()
			clear(went)
			mu.Unlock()
			time.Sleep(d)
			mu.Lock()
			defer mu.Unlock()
			return went[ratelimit.Interactive], went[ratelimit.Batch]
		}
		both, stopBatch := context.WithCancel(t.Context())
		ctx, stop := context.WithCancel(t.Context())
		start(ratelimit.Batch, both)
		if _, batch := count(time.Minute); batch < 590 {
			t.Errorf("%d of a batch alone", batch)
		}
		start(ratelimit.Interactive, ctx)
		if interactive, batch := count(time.Minute); interactive < 4*batch-8 || interactive > 4*batch+8 {
			t.Errorf("%d interactive, %d of a batch", interactive, batch)
		}
		stopBatch()
		if interactive, _ := count(time.Minute); interactive < 590 {
			t.Errorf("%d interactive alone", interactive)
		}
		stop()
		wg.Wait()
	})
}

// Who waits in vain leaves at once, takes nothing, and delays nobody.
func TestThousandsLeave(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := ratelimit.New(ratelimit.Limits{RPM: 60, TPM: 100_000}, ratelimit.Generic())
		done(must(t, l, small))
		cause := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		for range 5000 {
			wg.Go(func() {
				if _, err := l.Acquire(ctx, small, -1); !errors.Is(err, cause) && err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if n := l.Usage().Waiting; n != 5000 {
			t.Errorf("%d wait", n)
		}
		cancel(cause)
		wg.Wait()
		start := time.Now()
		p := must(t, l, small)
		if waited := time.Since(start); waited > 1100*time.Millisecond || p.Waited() != waited {
			t.Errorf("behind those who left it waited %v", waited)
		}
		done(p)
		if u := l.Usage(); u.Waiting != 0 || u.Flight != 0 || u.Admitted != 2 {
			t.Errorf("%+v", u)
		}
	})
}

// A wait that cannot fit is refused at once, by those who wait already too; one that can fit is not.
func TestRefusedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := ratelimit.New(ratelimit.Limits{RPM: 60}, ratelimit.Generic())
		var mu sync.Mutex
		var went, refused int
		var wg sync.WaitGroup
		start := time.Now()
		for range 100 {
			wg.Go(func() {
				p, err := l.Acquire(t.Context(), small, 10*time.Second)
				mu.Lock()
				defer mu.Unlock()
				var wait *ratelimit.WaitError
				switch {
				case err == nil:
					went++
					done(p)
				case errors.As(err, &wait) && time.Since(start) == 0 && wait.RetryAfter > 10*time.Second:
					refused++
				default:
					t.Errorf("after %v: %v", time.Since(start), err)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		if went != 10 || refused != 90 {
			t.Errorf("%d went, %d were refused", went, refused)
		}
		must(t, l, small)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var wait *ratelimit.WaitError
		if _, err := l.Acquire(ctx, small, -1); !errors.As(err, &wait) {
			t.Errorf("a deadline that cannot be kept: %v", err)
		}
		cancel()
		if _, err := l.Acquire(ctx, small, -1); !errors.Is(err, context.Canceled) {
			t.Errorf("a context that has ended: %v", err)
		}
	})
}

func TestHold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := ratelimit.New(ratelimit.Limits{RPM: 6000}, ratelimit.Generic())
		stale := must(t, l, small)
		start := time.Now()
		p := must(t, l, small)
		p.Done(ratelimit.Feedback{Status: 429, RateLimited: true, RetryAfter: 7 * time.Second, InputTokens: -1, OutputTokens: -1})
		if wait, why := refusedFor(t, l, small); wait < 6*time.Second || wait > 7*time.Second || why != "the provider asked to wait" {
			t.Errorf("%v: %s", wait, why)
		}
		var mu sync.Mutex
		var went []time.Duration
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				p := must(t, l, small)
				mu.Lock()
				went = append(went, time.Since(start))
				mu.Unlock()
				time.Sleep(2 * time.Second)
				done(p)
			})
		}
		time.Sleep(8 * time.Second)
		done(stale) // says nothing about the hold
		wg.Wait()
		slices.Sort(went)
		if went[0] < 7*time.Second || went[0] > 7100*time.Millisecond || went[1] < 9*time.Second || went[19] > 10*time.Second {
			t.Errorf("they went after %v", went)
		}
		l.HoldFor(time.Hour, "a test holds it")
		if u := l.Usage(); u.Held != time.Minute {
			t.Errorf("held for %v", u.Held)
		}
		l.HoldFor(-time.Second, "a test holds it")
		time.Sleep(time.Minute)
		// The first is never heard of again. The others do not wait for ever.
		must(t, l, small)
		start = time.Now()
		must(t, l, small)
		if waited := time.Since(start); waited > 10*time.Second {
			t.Errorf("they waited %v for the first", waited)
		}
	})
}

func TestConcurrency(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := ratelimit.New(ratelimit.Limits{Concurrency: 3}, ratelimit.Generic())
		var now, most int
		var mu sync.Mutex
		var wg sync.WaitGroup
		start := time.Now()
		for range 30 {
			wg.Go(func() {
				p := must(t, l, small)
				mu.Lock()
				now++
				most = max(most, now)
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				now--
				mu.Unlock()
				done(p)
			})
		}
		time.Sleep(time.Millisecond)
		if wait, why := refusedFor(t, l, small); wait < time.Second || why != "calls under way" {
			t.Errorf("%v: %s", wait, why)
		}
		wg.Wait()
		if took := time.Since(start); most != 3 || took != 10*time.Second {
			t.Errorf("%d at once, %v for all", most, took)
		}
	})
}

func TestDays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := ratelimit.New(ratelimit.Limits{RPD: 3, TPD: 1000}, ratelimit.Generic())
		time.Sleep(20 * time.Hour) // the bubble begins at midnight
		must(t, l, small).Release()
		for range 3 {
			done(must(t, l, small))
		}
		if d, ok := l.Day(); !ok || d.Used != (ratelimit.DayCount{Requests: 3, Tokens: 30}) {
			t.Errorf("%+v", d)
		}
		if wait, why := refusedFor(t, l, small); wait != 4*time.Hour || why != "requests of the day" {
			t.Errorf("%v: %s", wait, why)
		}
		p := must(t, l, small)
		if p.Waited() != 4*time.Hour {
			t.Errorf("waited %v", p.Waited())
		}
		if wait, why := refusedFor(t, l, ratelimit.Demand{InputBytes: 2979}); wait != 24*time.Hour || why != "tokens of the day" {
			t.Errorf("%v: %s", wait, why)
		}
	})
}

// A share of the day's limit: what is beyond it waits for a larger one, or for the next day when the limit is spent.
func TestDayShare(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := ratelimit.New(ratelimit.Limits{RPD: 10}, ratelimit.Generic())
		d, _ := l.Day()
		l.ShareDay(d.Begin, ratelimit.DayCount{Requests: 1}, ratelimit.DayCount{Requests: 9})
		done(must(t, l, small))
		if wait, _ := refusedFor(t, l, small); wait != time.Second {
			t.Errorf("there is more to be had, and it waits %v", wait)
		}
		go func() {
			time.Sleep(3 * time.Second)
			if d, _ := l.Day(); d.Lack.Requests != 1 || d.Share.Requests != 1 || d.Used.Requests != 1 {
				t.Errorf("%+v", d)
			}
			l.ShareDay(d.Begin, ratelimit.DayCount{Requests: 2}, ratelimit.DayCount{})
		}()
		if p := must(t, l, small); p.Waited() != 3*time.Second {
			t.Errorf("waited %v", p.Waited())
		}
		if wait, _ := refusedFor(t, l, small); wait != 24*time.Hour-3*time.Second {
			t.Errorf("the limit is spent, and it waits %v", wait)
		}
		time.Sleep(24 * time.Hour)
		l.ShareDay(d.Begin, ratelimit.DayCount{Requests: 5}, ratelimit.DayCount{}) // of yesterday
		if _, err := l.Acquire(t.Context(), small, 0); !errors.Is(err, ratelimit.ErrWouldWait) {
			t.Errorf("yesterday's share is today's: %v", err)
		}
	})
}

// Processes that share a limit never pass it together, whoever comes and goes.
func TestOwners(t *testing.T) {
	bubble(t, func(t *testing.T) {
		limiters := make([]*ratelimit.Limiter, 3)
		for i := range limiters {
			limiters[i] = ratelimit.New(ratelimit.Limits{RPM: 600}, ratelimit.Generic())
		}
		m := &sliding{span: time.Minute, limit: 600}
		var mu sync.Mutex
		var refused, went int
		var wg sync.WaitGroup
		run := func(l *ratelimit.Limiter, span time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), span)
			defer cancel()
			for {
				p, err := l.Acquire(ctx, small, -1)
				if err != nil {
					return
				}
				mu.Lock()
				if went++; m.left(time.Now()) < 1 {
					refused++
				} else {
					m.take(time.Now(), 1)
				}
				mu.Unlock()
				done(p)
			}
		}
		wg.Go(func() { run(limiters[0], 10*time.Minute) })
		time.Sleep(2 * time.Minute)
		for _, l := range limiters {
			l.SetOwners(3)
		}
		wg.Go(func() { run(limiters[1], 4*time.Minute) })
		wg.Go(func() { run(limiters[2], 4*time.Minute) })
		time.Sleep(5 * time.Minute)
		limiters[0].SetOwners(1)
		wg.Wait()
		if refused > 0 || went < 600*8 {
			t.Errorf("%d went, %d were refused", went, refused)
		}
	})
}

// With fewer requests than processes each still gets its share of the time.
func TestOwnersOfLittle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := ratelimit.New(ratelimit.Limits{RPM: 2}, ratelimit.Generic())
		l.SetOwners(4)
		start := time.Now()
		for range 3 {
			done(must(t, l, small))
		}
		if took := time.Since(start); took < 4*time.Minute || took > 4*time.Minute+3*time.Second {
			t.Errorf("three calls of half a request a minute took %v", took)
		}
	})
}

func TestConfigure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := ratelimit.New(ratelimit.Limits{RPM: 1}, ratelimit.Generic())
		done(must(t, l, small))
		var wg sync.WaitGroup
		start := time.Now()
		wg.Go(func() { done(must(t, l, small)) })
		time.Sleep(time.Second)
		l.Configure(ratelimit.Limits{RPM: 600})
		wg.Wait()
		if waited := time.Since(start); waited > 1200*time.Millisecond {
			t.Errorf("a higher limit let it go after %v", waited)
		}
		for range 100 {
			done(must(t, l, small))
		}
		l.Configure(ratelimit.Limits{RPM: 50})
		if wait, _ := refusedFor(t, l, small); wait < 50*time.Second {
			t.Errorf("a lower limit holds after %v", wait)
		}
		l.Configure(ratelimit.Limits{})
		if wait, _ := refusedFor(t, l, small); wait != 0 {
			t.Errorf("no limit, wait %v", wait)
		}
	})
}

// Days of use leave nothing behind, and cost no exactness.
func TestManyDays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := ratelimit.New(ratelimit.Limits{RPM: 20, TPM: 100_000}, ratelimit.Generic())
		start := time.Now()
		const n = 20 * 60 * 24 * 3
		for range n {
			done(must(t, l, small))
		}
		if share := n / (20 * time.Since(start).Minutes()); share < 0.9949 || share > 0.9951 {
			t.Errorf("%.4f used over %v", share, time.Since(start))
		}
		if u := l.Usage(); u.Utilisation < 0.994 || u.Utilisation > 0.996 || u.Requests < 19 || u.Requests > 20 {
			t.Errorf("%+v", u)
		}
		time.Sleep(30 * 24 * time.Hour)
		if wait, _ := refusedFor(t, l, small); wait != 0 {
			t.Errorf("after a month of silence it waits %v", wait)
		}
	})
}

func TestRegistry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		asked := 0
		r := ratelimit.NewRegistry(func(k ratelimit.Key) (ratelimit.Limits, ratelimit.Profile) {
			asked++
			return ratelimit.Limits{RPM: int64(len(k.Model))}, ratelimit.Generic()
		})
		kept := r.Get(ratelimit.Key{Provider: "p", Model: "kept"})
		must(t, kept, small)
		for i := range 2000 {
			r.Get(ratelimit.Key{Provider: "p", Model: fmt.Sprint(i)})
		}
		if r.Get(ratelimit.Key{Provider: "p", Model: "kept"}) != kept || asked != 2001 || kept.Usage().Limits.RPM != 4 {
			t.Errorf("%d asked for", asked)
		}
		time.Sleep(time.Hour)
		r.Get(ratelimit.Key{Provider: "p", Model: "new"})
		if n := len(r.All()); n != 2 {
			t.Errorf("%d are kept of which one is used", n)
		}
	})
}
