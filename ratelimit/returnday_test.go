package ratelimit_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/andres20980/aurea-orchestrator/ratelimit"
)

// What is returned no call can use, and what was used is not returned.
func TestReturnDay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := ratelimit.New(ratelimit.Limits{RPD: 100}, ratelimit.Generic())
		d, _ := l.Day()
		l.ShareDay(d.Begin, ratelimit.DayCount{Requests: 5}, ratelimit.DayCount{})
		for range 3 {
			p, err := l.Acquire(context.Background(), ratelimit.Demand{}, 0)
			if err != nil {
				t.Fatal(err)
			}
			p.Done(ratelimit.Feedback{Status: 200, InputTokens: 1, OutputTokens: 1})
		}
		if back := l.ReturnDay(d.Begin, ratelimit.DayCount{Requests: 4}); back.Requests != 2 {
			t.Errorf("gave back %d of a share of 5 with 3 used, want 2", back.Requests)
		}
		if _, err := l.Acquire(context.Background(), ratelimit.Demand{}, 0); err == nil {
			t.Error("a call went that its share was given back of")
		}
	})
}
