package ratelimit_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/ratelimit"
)

// Who stood still lets nothing through, neither what comes nor what waits, until its share is known again.
func TestAShareLapses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := ratelimit.New(ratelimit.Limits{RPM: 600}, ratelimit.Generic())
		if !l.Attend(time.Now(), 3*time.Second) {
			t.Fatal("it lapsed before it began")
		}
		done(must(t, l, small))
		time.Sleep(3*time.Second + time.Millisecond)
		if wait, why := refusedFor(t, l, small); wait <= 0 || why == "" {
			t.Errorf("it goes after the lapse (%s, %q)", wait, why)
		}
		if l.Attend(time.Now(), 3*time.Second) {
			t.Error("it is awake by itself")
		}
		went := make(chan time.Time, 1)
		go func() {
			p, err := l.Acquire(t.Context(), small, -1)
			if err == nil {
				done(p)
			}
			went <- time.Now()
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(went) > 0 {
			t.Error("a call that waited went in the lapse")
		}
		resumed := time.Now()
		l.Resume(time.Now(), 3*time.Second, 1500*time.Millisecond)
		if at := (<-went).Sub(resumed); at < 1500*time.Millisecond || at > 1600*time.Millisecond {
			t.Errorf("it went after %s", at)
		}
	})
}

// A limiter that nobody attends to never lapses.
func TestAloneNothingLapses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := ratelimit.New(ratelimit.Limits{RPM: 600}, ratelimit.Generic())
		time.Sleep(24 * time.Hour)
		if wait, why := refusedFor(t, l, small); wait != 0 {
			t.Errorf("it waits %s for %q", wait, why)
		}
	})
}

// Two processes divide a limit; one stands still at any time for any time and wakes at any moment between the looks of the other. In no window of a minute do more
// calls go than the limit allows.
func TestWhoWakesKeepsTheSum(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		stall := time.Duration(rapid.Int64Range(1, 150_000).Draw(rt, "stall ms")) * time.Millisecond
		before := time.Duration(rapid.Int64Range(1, 90_000).Draw(rt, "before ms")) * time.Millisecond
		phase := time.Duration(rapid.Int64Range(0, 999).Draw(rt, "phase ms")) * time.Millisecond
		rpm := rapid.Int64Range(60, 600).Draw(rt, "rpm")
		synctest.Test(t, func(*testing.T) {
			if most := stand(rpm, before, stall, phase); most > rpm {
				rt.Errorf("%d calls in a minute, of %d", most, rpm)
			}
		})
	})
}

// stand runs two limiters, the second of which stands still for a while, and returns the most calls that went in a minute.
func stand(rpm int64, before, stall, phase time.Duration) int64 {
	const (
		look, window, still, room = time.Second, 12 * time.Second, 10 * time.Second, 1500 * time.Millisecond
	)
	var (
		mu     sync.Mutex
		seen   = time.Now() // when the second one was last noted
		went   []time.Time
		all    sync.WaitGroup
		ctx    = make(chan struct{})
		begin  = time.Now()
		asleep = func() bool { d := time.Since(begin); return d >= before && d < before+stall }
	)
	limiters := []*ratelimit.Limiter{}
	for range 2 {
		l := ratelimit.New(ratelimit.Limits{RPM: rpm}, ratelimit.Generic())
		l.SetOwners(2)
		l.Attend(time.Now(), still)
		limiters = append(limiters, l)
	}
	pause := func() { // the second one's
		if asleep() {
			time.Sleep(time.Until(begin.Add(before + stall)))
		}
	}
	for i, l := range limiters {
		all.Go(func() { // its calls
			for {
				if i == 1 {
					pause()
				}
				p, err := l.Acquire(context.Background(), small, 0)
				if err == nil {
					mu.Lock()
					went = append(went, time.Now())
					mu.Unlock()
					done(p)
				}
				select {
				case <-ctx:
					return
				case <-time.After(7 * time.Millisecond):
				}
			}
		})
		all.Go(func() { // its looks
			time.Sleep(time.Duration(i) * phase)
			for {
				select {
				case <-ctx:
					return
				case <-time.After(look):
				}
				if i == 1 {
					pause()
				}
				away := !l.Attend(time.Now(), still)
				mu.Lock()
				if i == 1 {
					seen = time.Now()
				}
				owners := 1
				if time.Since(seen) <= window {
					owners = 2
				}
				mu.Unlock()
				l.SetOwners(owners)
				if away {
					l.Resume(time.Now(), still, room)
				}
			}
		})
	}
	time.Sleep(before + stall + 2*time.Minute)
	close(ctx)
	all.Wait()
	slices.SortFunc(went, time.Time.Compare)
	most, first := 0, 0
	for i, at := range went {
		for at.Sub(went[first]) >= time.Minute {
			first++
		}
		most = max(most, i-first+1)
	}
	return int64(most)
}
