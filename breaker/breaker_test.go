package breaker_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/breaker"
)

// try makes a call that ends with an outcome, and reports whether it was admitted.
func try(b *breaker.Breaker, o breaker.Outcome) bool {
	done, err := b.Allow()
	if err != nil {
		return false
	}
	done(o)
	return true
}

func trip(t *testing.T, b *breaker.Breaker, n int) {
	t.Helper()
	for range n {
		if !try(b, breaker.Failure) {
			t.Fatal("refused before it should open")
		}
	}
}

// in runs a test in virtual time.
func in(t *testing.T, name string, cfg breaker.Config, test func(t *testing.T, b *breaker.Breaker)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { test(t, breaker.NewRegistry(cfg).Get("p", "m")) })
	})
}

func state(t *testing.T, b *breaker.Breaker, want breaker.State) {
	t.Helper()
	if got := b.State(); got != want {
		t.Fatalf("state %s, want %s", got, want)
	}
}

func TestTransitions(t *testing.T) {
	t.Parallel()
	cfg := breaker.Default()
	in(t, "opens after failures in a row", cfg, func(t *testing.T, b *breaker.Breaker) {
		trip(t, b, 4)
		try(b, breaker.Success)
		trip(t, b, 4)
		state(t, b, breaker.Closed)
		trip(t, b, 1)
		state(t, b, breaker.Open)
		var open *breaker.OpenError
		if _, err := b.Allow(); !errors.As(err, &open) || !errors.Is(err, breaker.ErrOpen) || open.RetryAfter != time.Minute {
			t.Fatalf("got %v", err)
		}
	})
	in(t, "opens at a share of failures", cfg, func(t *testing.T, b *breaker.Breaker) {
		for range 9 {
			try(b, breaker.Failure)
			try(b, breaker.Success)
		}
		state(t, b, breaker.Closed)
		try(b, breaker.Success)
		try(b, breaker.Failure)
		state(t, b, breaker.Open)
	})
	in(t, "forgets what is older than the window", cfg, func(t *testing.T, b *breaker.Breaker) {
		for range 9 {
			try(b, breaker.Failure)
			try(b, breaker.Success)
			time.Sleep(3 * time.Second)
		}
		for range 4 {
			try(b, breaker.Success)
			try(b, breaker.Failure)
		}
		state(t, b, breaker.Closed)
	})
	in(t, "rules that are off never open", breaker.Config{}, func(t *testing.T, b *breaker.Breaker) {
		trip(t, b, 1000)
		state(t, b, breaker.Closed)
	})
	in(t, "excluded outcomes count for nothing", cfg, func(t *testing.T, b *breaker.Breaker) {
		for range 100 {
			trip(t, b, 1)
			for range 5 {
				try(b, breaker.Excluded)
			}
			try(b, breaker.Success)
			time.Sleep(time.Minute)
		}
		state(t, b, breaker.Closed)
	})
	in(t, "one probe, then closed", cfg, func(t *testing.T, b *breaker.Breaker) {
		trip(t, b, 5)
		time.Sleep(time.Minute - 1)
		if try(b, breaker.Success) {
			t.Fatal("admitted while open")
		}
		time.Sleep(time.Nanosecond)
		state(t, b, breaker.HalfOpen)
		probe, err := b.Allow()
		if err != nil {
			t.Fatal(err)
		}
		if try(b, breaker.Success) {
			t.Fatal("a second call beside the probe")
		}
		probe(breaker.Success)
		state(t, b, breaker.Closed)
		if !try(b, breaker.Success) {
			t.Fatal("the first call after recovery was refused")
		}
	})
	in(t, "open time doubles to its ceiling and starts anew after recovery", cfg, func(t *testing.T, b *breaker.Breaker) {
		trip(t, b, 5)
		for _, open := range []time.Duration{60 * time.Second, 120 * time.Second, 120 * time.Second} {
			if d, isOpen := b.Open(); !isOpen || d != open {
				t.Fatalf("open for %s, want %s", d, open)
			}
			time.Sleep(open)
			trip(t, b, 1)
		}
		time.Sleep(120 * time.Second)
		try(b, breaker.Success)
		time.Sleep(time.Minute)
		trip(t, b, 5)
		if d, _ := b.Open(); d != time.Minute {
			t.Fatalf("open for %s after a recovery, want 1m", d)
		}
	})
	in(t, "a ceiling below the first open time does not shorten it", breaker.Config{Threshold: 1, Timeout: time.Minute, MaxTimeout: time.Second}, func(t *testing.T, b *breaker.Breaker) {
		trip(t, b, 1)
		time.Sleep(time.Minute)
		trip(t, b, 1)
		if d, _ := b.Open(); d != time.Minute {
			t.Fatalf("open for %s, want 1m", d)
		}
	})
	in(t, "a success begun before it opened does not close it", cfg, func(t *testing.T, b *breaker.Breaker) {
		early, err := b.Allow()
		if err != nil {
			t.Fatal(err)
		}
		trip(t, b, 5)
		early(breaker.Success)
		state(t, b, breaker.Open)
		time.Sleep(time.Minute)
		state(t, b, breaker.HalfOpen)
	})
	in(t, "a probe that says nothing frees its place", cfg, func(t *testing.T, b *breaker.Breaker) {
		trip(t, b, 5)
		time.Sleep(time.Minute)
		for range 50 {
			if !try(b, breaker.Excluded) {
				t.Fatal("the place of a cancelled probe was not freed")
			}
			state(t, b, breaker.HalfOpen)
		}
		try(b, breaker.Success)
		state(t, b, breaker.Closed)
	})
	in(t, "a probe that never ends does not block for ever", cfg, func(t *testing.T, b *breaker.Breaker) {
		trip(t, b, 5)
		time.Sleep(time.Minute)
		if _, err := b.Allow(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if !try(b, breaker.Success) {
			time.Sleep(time.Second)
			if !try(b, breaker.Success) {
				t.Fatal("still blocked after an hour")
			}
		}
	})
	in(t, "done counts once", cfg, func(t *testing.T, b *breaker.Breaker) {
		done, err := b.Allow()
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			done(breaker.Failure)
		}
		state(t, b, breaker.Closed)
	})
	in(t, "a growing share goes through after recovery", cfg, func(t *testing.T, b *breaker.Breaker) {
		trip(t, b, 5)
		time.Sleep(time.Minute)
		try(b, breaker.Success)
		last := 0
		for step := range 5 {
			admitted := 0
			for range 100 {
				if try(b, breaker.Success) {
					admitted++
				}
			}
			if admitted < last || step == 0 && admitted > 12 || step == 4 && admitted != 100 {
				t.Fatalf("step %d: %d of 100, before %d", step, admitted, last)
			}
			last = admitted
			time.Sleep(2 * time.Second)
		}
	})
	in(t, "reset closes", cfg, func(t *testing.T, b *breaker.Breaker) {
		trip(t, b, 5)
		b.Reset()
		state(t, b, breaker.Closed)
		if s := b.Status(); s.State != breaker.Closed || s.FailureCount != 0 || s.OpenedAt != nil {
			t.Fatalf("status %+v", s)
		}
	})
}

func TestCall(t *testing.T) {
	t.Parallel()
	b := breaker.NewRegistry(breaker.Config{Threshold: 2}).Get("p", "m")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 5 {
		_ = b.Call(ctx, func(ctx context.Context) error { return ctx.Err() }) // the caller left
	}
	state(t, b, breaker.Closed)
	func() {
		defer func() { _ = recover() }()
		_ = b.Call(t.Context(), func(context.Context) error { panic("boom") })
	}()
	_ = b.Call(t.Context(), func(context.Context) error { return errors.New("down") })
	state(t, b, breaker.Open)
}

// Whatever the order of calls and ends, an open circuit admits nobody before its time, and at most one probe is under way.
func TestNeverMoreThanOneProbe(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(*testing.T) {
			b := breaker.NewRegistry(breaker.Config{Threshold: 3, FailureRatio: 0.5, MinCalls: 6, Timeout: time.Second, MaxTimeout: 4 * time.Second}).Get("p", "m")
			var under []func(breaker.Outcome)
			probes := 0
			for range rapid.IntRange(1, 80).Draw(rt, "steps") {
				switch rapid.IntRange(0, 2).Draw(rt, "what") {
				case 0:
					before := b.State()
					wait, open := b.Open()
					done, err := b.Allow()
					if open && err == nil {
						rt.Fatalf("admitted although open for %s", wait)
					}
					if err != nil {
						continue
					}
					if before == breaker.HalfOpen {
						probes++
						if probes > 1 {
							rt.Fatal("two probes at once")
						}
						inner := done
						done = func(o breaker.Outcome) { probes--; inner(o) }
					}
					under = append(under, done)
				case 1:
					if len(under) > 0 {
						i := rapid.IntRange(0, len(under)-1).Draw(rt, "which")
						under[i](breaker.Outcome(rapid.IntRange(0, 2).Draw(rt, "outcome")))
						under = append(under[:i], under[i+1:]...)
					}
				case 2:
					time.Sleep(time.Duration(rapid.IntRange(1, 3000).Draw(rt, "ms")) * time.Millisecond)
				}
			}
		})
	})
}

func TestConcurrently(t *testing.T) {
	t.Parallel()
	r := breaker.NewRegistry(breaker.Config{Threshold: 3, Timeout: time.Millisecond})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 500 {
				b := r.Get("p", string(rune('a'+j%3)))
				try(b, breaker.Outcome((i+j)%3))
				b.Open()
				r.Snapshot()
			}
		})
	}
	wg.Wait()
	if n := len(r.Snapshot()); n != 3 {
		t.Errorf("%d breakers, want 3", n)
	}
}

func ExampleBreaker_Allow() {
	b := breaker.NewRegistry(breaker.Default()).Get("openai", "gpt-4o")
	done, err := b.Allow()
	if err != nil {
		return // *breaker.OpenError says when to come back
	}
	done(breaker.Success)
	// Output:
}
