package breaker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/andres20980/aurea-orchestrator/breaker"
)

// A whole day of virtual time, a call a second, with a provider that is down for a quarter of an hour in each hour: few calls reach it while it is down, and hardly any
// is refused while it is well.
func TestAWholeDay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New("p/m", breaker.Default())
		var wasted, refused, well int
		for range 24 * 60 * 60 {
			down := time.Now().Minute() >= 45
			done, err := b.Allow()
			switch {
			case err == nil && down:
				wasted++
				done(breaker.Failure)
			case err == nil:
				done(breaker.Success)
			}
			if !down {
				if well++; err != nil {
					refused++
				}
			}
			time.Sleep(time.Second)
		}
		// Each outage costs the calls that open the circuit and a probe for each time it is open: 5 + 8.
		if wasted > 24*14 {
			t.Errorf("%d calls went to a provider that was down", wasted)
		}
		if refused > 24*(120+10) {
			t.Errorf("%d of %d calls were refused while it was well", refused, well)
		}
	})
}
