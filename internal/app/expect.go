package app

import (
	"context"
	"errors"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// expectEvery is how often a program that runs for long looks for unconfirmed money that has become old.
const expectEvery = time.Hour

// expecting books what is expected of old unconfirmed money (`budget.unconfirmed: expected`), now and every hour, until the returned function is called.
func (a *App) expecting(ctx context.Context) (stop func()) {
	if a.Config.Budget.Unconfirmed != "expected" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(expectEvery)
		defer tick.Stop()
		for {
			if err := a.expect(ctx); err != nil && ctx.Err() == nil {
				a.Log.Warn("what is expected of unconfirmed money could not be booked", "error", err)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// expect books it once. Rehearsals say nothing of what models cost.
func (a *App) expect(ctx context.Context) error {
	var play []store.CounterID
	for _, account := range aurea.SharedAccounts(store.Job{Simulated: true}) {
		c, err := a.Store.FindCounter(ctx, account, time.Time{})
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		play = append(play, c.ID)
	}
	booked, released, err := budget.Expect(ctx, a.Store, time.Now(), a.Config.Timeouts.Request, play...)
	if booked.Plus(released) != (money.Sum{}) {
		a.Log.Info("unconfirmed money of more than a day ago was booked at what its models cost on average",
			"booked_usd", booked.String(), "released_usd", released.String())
	}
	return err
}
