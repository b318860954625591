package aurea_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/memory"
)

// cable is one process's way to a common store; it can be cut, as far as limits go.
type cable struct {
	store.Store
	cut  *atomic.Bool
	slow time.Duration
}

func (c cable) UseModel(ctx context.Context, use store.ModelUse) (store.ModelUsers, error) {
	if c.cut.Load() {
		time.Sleep(c.slow)
		return store.ModelUsers{}, errors.New("cut off")
	}
	return c.Store.UseModel(ctx, use)
}

// callers make calls as fast as they may, for each process, until stop is closed, and return when each went.
func callers(jobs []*aurea.Job, stop chan struct{}) (went [][]time.Time) {
	var all sync.WaitGroup
	went = make([][]time.Time, len(jobs))
	for i, job := range jobs {
		all.Go(func() {
			call := small
			call.MaxWait = 50 * time.Millisecond
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, err := aurea.Execute(context.Background(), job, call, func(context.Context) (int, aurea.Usage, error) {
					went[i] = append(went[i], time.Now())
					return 0, aurea.Usage{Input: 50, Output: 10}, nil
				})
				if err != nil {
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	all.Wait()
	return went
}

// busiest returns the most calls of all that went within a time.
func busiest(went [][]time.Time, within time.Duration) int {
	all := slices.Concat(went...)
	slices.SortFunc(all, time.Time.Compare)
	most, first := 0, 0
	for i, at := range all {
		for at.Sub(all[first]) >= within {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// One of several processes loses its way to the store and finds it again, at any time: whatever the others do with its share meanwhile, no minute has more calls than the limit.
func TestCutOffKeepsTheSum(t *testing.T) {
	t.Parallel()
	tries := 0
	rapid.Check(t, func(rt *rapid.T) {
		if tries++; tries > 6 && os.Getenv("AUREA_SOAK") != "1" {
			return
		}
		n := rapid.IntRange(2, 4).Draw(rt, "processes")
		rpm := rapid.Int64Range(60, 300).Draw(rt, "rpm")
		before := time.Duration(rapid.Int64Range(0, 90_000).Draw(rt, "before ms")) * time.Millisecond
		away := time.Duration(rapid.Int64Range(1, 60_000).Draw(rt, "away ms")) * time.Millisecond
		slow := time.Duration(rapid.Int64Range(0, 20_000).Draw(rt, "slow ms")) * time.Millisecond
		synctest.Test(t, func(t *testing.T) {
			shared, cut := memory.New(memory.Options{}), &atomic.Bool{}
			var jobs []*aurea.Job
			for i := range n {
				st := cable{Store: shared, cut: &atomic.Bool{}, slow: slow}
				if i == 0 {
					st.cut = cut
				}
				_, job := onStore(t, st, ratelimit.Limits{RPM: rpm}, ratelimit.Generic())
				jobs = append(jobs, job)
			}
			stop := make(chan struct{})
			go func() {
				time.Sleep(before)
				cut.Store(true)
				time.Sleep(away)
				cut.Store(false)
				time.Sleep(90 * time.Second)
				close(stop)
			}()
			went := callers(jobs, stop)
			if most := busiest(went, time.Minute); most > int(rpm) {
				rt.Errorf("%d calls in a minute, of %d", most, rpm)
			}
			for i, calls := range went {
				if len(calls) == 0 {
					rt.Errorf("process %d made no call", i)
				}
			}
		})
	})
}

// Whoever is cut off goes on with the share that it has for ten seconds, and its share is the others' fifteen seconds after it was last heard of. When all are cut off, all go on so long.
func TestShareOfTheCutOff(t *testing.T) {
	t.Parallel()
	for _, all := range []bool{false, true} {
		t.Run(fmt.Sprint(all), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shared, cut := memory.New(memory.Options{}), &atomic.Bool{}
				_, one := onStore(t, cable{Store: shared, cut: cut}, ratelimit.Limits{RPM: 600}, ratelimit.Generic())
				st := cable{Store: shared, cut: &atomic.Bool{}}
				if all {
					st.cut = cut
				}
				_, other := onStore(t, st, ratelimit.Limits{RPM: 600}, ratelimit.Generic())
				stop := make(chan struct{})
				begun := time.Now()
				go func() {
					time.Sleep(2 * time.Minute)
					cut.Store(true)
					time.Sleep(time.Minute)
					close(stop)
				}()
				went := callers([]*aurea.Job{one, other}, stop)
				away := begun.Add(2 * time.Minute)
				in := func(calls []time.Time, from, to time.Duration) (n int) {
					for _, at := range calls {
						if d := at.Sub(away); d >= from && d < to {
							n++
						}
					}
					return n
				}
				if n := in(went[0], 0, 9*time.Second); n < 40 || n > 50 {
					t.Errorf("%d calls in the nine seconds after it was cut off, of 45", n)
				}
				if n := in(went[0], 11*time.Second, time.Minute); n != 0 {
					t.Errorf("%d calls on a share that others use", n)
				}
				n := in(went[1], 15*time.Second, 45*time.Second)
				if all && n != 0 || !all && n < 280 {
					t.Errorf("%d calls of the other in half a minute", n)
				}
			})
		})
	}
}

// What a provider tells one process to wait holds all of them within a second.
func TestRetryAfterHoldsAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := memory.New(memory.Options{})
		var jobs []*aurea.Job
		for range 3 {
			_, job := onStore(t, shared, ratelimit.Limits{RPM: 600}, ratelimit.Generic())
			jobs = append(jobs, job)
		}
		stop := make(chan struct{})
		var told time.Time
		var all sync.WaitGroup
		defer all.Wait()
		all.Go(func() {
			time.Sleep(30 * time.Second)
			call := small
			call.MaxWait = -1
			_, _ = aurea.Execute(context.Background(), jobs[0], call, func(context.Context) (int, aurea.Usage, error) {
				if !told.IsZero() { // the retry
					return 0, aurea.Usage{Input: 50, Output: 10}, nil
				}
				told = time.Now()
				return 0, aurea.Usage{}, &aurea.HTTPError{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"40"}}}
			})
		})
		go func() {
			time.Sleep(2 * time.Minute)
			close(stop)
		}()
		went := callers(jobs, stop)
		for i, calls := range went {
			held, after := 0, 0
			for _, at := range calls {
				switch d := at.Sub(told); {
				case d > time.Second && d < 39*time.Second+900*time.Millisecond:
					held++
				case d > 42*time.Second:
					after++
				}
			}
			if held > 0 || after < 100 {
				t.Errorf("process %d made %d calls while the provider said wait, and %d later", i, held, after)
			}
		}
	})
}
