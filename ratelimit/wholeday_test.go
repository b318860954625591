package ratelimit_test

import (
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/ratelimit"
)

// A whole day of virtual time at the limit: no minute of it passes the limit, the day is used to 99 %, and its end is the beginning of the next.
func TestAWholeDay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const rpm = 60
		l := ratelimit.New(ratelimit.Limits{RPM: rpm, TPM: rpm * 100, RPD: rpm * 60 * 20}, ratelimit.Generic())
		var window [rpm + 1]time.Time
		var first int
		began := time.Now()
		for n := 0; ; n++ {
			done(must(t, l, small))
			now := time.Now()
			if at := &window[n%len(window)]; !at.IsZero() && now.Sub(*at) < time.Minute {
				t.Fatalf("%d calls within a minute, after %v", rpm+1, now.Sub(began))
			}
			window[n%len(window)] = now
			if now.Sub(began) < 24*time.Hour {
				first = n + 1
				continue
			}
			if first != rpm*60*20 {
				t.Errorf("%d calls on the first day, its limit is %d", first, rpm*60*20)
			}
			if now.Sub(began) > 24*time.Hour+time.Minute {
				t.Errorf("the next day began after %v", now.Sub(began))
			}
			return
		}
	})
}
