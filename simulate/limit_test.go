package simulate

import (
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

type arrival struct{ at, n int64 }

// oracles say from the whole history whether a request fits. They are written for being right, not fast.
var oracles = map[string]func(r *rule, perMinute int64, history []arrival, a arrival) bool{
	algoSliding: func(r *rule, _ int64, history []arrival, a arrival) bool {
		sum := a.n
		for _, h := range history {
			if h.at > a.at-r.window {
				sum += h.n
			}
		}
		return sum <= r.quota
	},
	algoFixed: func(r *rule, _ int64, history []arrival, a arrival) bool {
		sum := a.n
		for _, h := range history {
			if h.at/r.window == a.at/r.window {
				sum += h.n
			}
		}
		return sum <= r.quota
	},
	// A bucket, in exact fractions.
	algoBucket: func(r *rule, perMinute int64, history []arrival, a arrival) bool {
		capacity := new(big.Rat).SetFloat64(r.capacity)
		level := new(big.Rat).Set(capacity)
		last := int64(0)
		fill := func(to int64) {
			refill := big.NewRat(to-last, int64(time.Minute))
			level.Add(level, refill.Mul(refill, new(big.Rat).SetInt64(perMinute)))
			if level.Cmp(capacity) > 0 {
				level.Set(capacity)
			}
			last = to
		}
		for _, h := range history {
			fill(h.at)
			level.Sub(level, new(big.Rat).SetInt64(h.n))
		}
		fill(a.at)
		return level.Cmp(new(big.Rat).SetInt64(a.n)) >= 0
	},
}

// Whatever comes, a meter lets in exactly what fits, and what it said about waiting is true: not sooner, and then indeed.
func TestMetersAgreeWithTheirOracles(t *testing.T) {
	t.Parallel()
	for algo, fits := range oracles {
		t.Run(algo, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				perMinute := rapid.SampledFrom([]int64{7, 60, 600, 100_000}).Draw(t, "limit")
				o := Options{
					Algo: algo, BucketFraction: rapid.SampledFrom([]float64{1, 0.5, 0.25}).Draw(t, "fraction"),
				}
				window := rapid.SampledFrom([]time.Duration{time.Minute, 10 * time.Second, time.Second}).Draw(t, "window")
				r := newRule(&o, perMinute, window)
				var m meter
				var history []arrival
				now := int64(1_800_000_000_000_000_000)
				for range rapid.IntRange(1, 80).Draw(t, "arrivals") {
					now += rapid.Int64Range(0, int64(window)/2).Draw(t, "gap") / 1e6 * 1e6
					n := rapid.Int64Range(1, max(r.largest()/3, 1)).Draw(t, "n")
					m.advance(&r, now)
					wait := m.wait(&r, now, n)
					if want := fits(&r, perMinute, history, arrival{now, n}); (wait == 0) != want {
						t.Fatalf("at %d, %d: wait %v, but the oracle says fits=%v; left %d of %d", now, n, wait, want, m.left(&r), r.largest())
					}
					if wait > 0 {
						if !fits(&r, perMinute, history, arrival{now + int64(wait) + 10, n}) {
							t.Fatalf("does not fit after the wait of %v", wait)
						}
						if fits(&r, perMinute, history, arrival{now + int64(wait) - 1000, n}) {
							t.Fatalf("fits a microsecond before the wait of %v is over", wait)
						}
						continue
					}
					m.take(&r, now, n)
					history = append(history, arrival{now, n})
					if full := m.full(&r, now); full > 0 {
						later := m
						later.advance(&r, now+int64(full))
						if later.left(&r) != r.largest() {
							t.Fatalf("not empty after %v: %d left of %d", full, later.left(&r), r.largest())
						}
					}
				}
			})
		})
	}
}

// Giving back everything is as if nothing had come.
func TestGiveBack(t *testing.T) {
	t.Parallel()
	for algo := range oracles {
		t.Run(algo, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				r := newRule(&Options{Algo: algo, BucketFraction: 1}, 1000, time.Minute)
				var m, same meter
				now := int64(1_800_000_000_000_000_000)
				for range rapid.IntRange(1, 60).Draw(t, "steps") {
					now += rapid.Int64Range(0, int64(10*time.Second)).Draw(t, "gap")
					m.advance(&r, now)
					same.advance(&r, now)
					n, used := rapid.Int64Range(1, 50).Draw(t, "n"), rapid.Int64Range(0, 60).Draw(t, "used")
					if m.left(&r) < n || same.left(&r) < n {
						continue
					}
					ticket := m.take(&r, now, n)
					same.take(&r, now, min(n, used))
					m.giveBack(&r, now, ticket, used)
					if a, b := m.left(&r), same.left(&r); a != b {
						t.Fatalf("%d left after giving back, want %d", a, b)
					}
				}
			})
		})
	}
}

func TestGiveBackTooLate(t *testing.T) {
	t.Parallel()
	for algo := range oracles {
		r := newRule(&Options{Algo: algo, BucketFraction: 1}, 1000, time.Minute)
		var m meter
		now := int64(time.Hour)
		m.advance(&r, now)
		ticket := m.take(&r, now, 900)
		m.giveBack(&r, now+int64(2*time.Minute), ticket, 0)
		if left := m.left(&r); left != 1000 {
			t.Errorf("%s: %d left, want 1000", algo, left)
		}
	}
}

// Under hours of load the log of a sliding window stays as small as the window.
func TestSlidingLogStaysSmall(t *testing.T) {
	t.Parallel()
	r := newRule(&Options{Algo: algoSliding}, 600, time.Minute)
	var m meter
	admitted := 0
	for now := int64(time.Hour); now < int64(5*time.Hour); now += int64(50 * time.Millisecond) {
		m.advance(&r, now)
		if m.wait(&r, now, 1) == 0 {
			m.take(&r, now, 1)
			admitted++
		}
	}
	if admitted != 4*60*600 {
		t.Errorf("%d admitted in 4 hours, want %d", admitted, 4*60*600)
	}
	if cap(m.log) > 4*600 {
		t.Errorf("the log has room for %d entries, for a window of 600", cap(m.log))
	}
}

func TestQuotaOfWindow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		perMinute int64
		window    time.Duration
		want      int64
	}{
		{600, time.Minute, 600},
		{600, 10 * time.Second, 100},
		{600, time.Second, 10},
		{7, 10 * time.Second, 1},
		{5, time.Second, 1},
		{100, 10 * time.Second, 16},
		{maxLimit, maxDelay, 1440 * maxLimit},
	} {
		if r := newRule(&Options{Algo: algoSliding}, c.perMinute, c.window); r.quota != c.want {
			t.Errorf("%d a minute on %v: %d, want %d", c.perMinute, c.window, r.quota, c.want)
		}
	}
}
