package budget

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// settlementsAtOnce keeps other writers of the store from waiting long.
const settlementsAtOnce = 500

// Settle ends the doubts of single attempts with what they cost, in transactions of some hundreds: see [store.Ledger.Settle]. It says of each whether it was done; it may be
// interrupted and repeated. maxCall is the longest time-out of a call (0: 10 minutes): a process that was declared dead and may live yet has the last word on its calls, and
// an error matching [ErrOwnerMayLive] is returned before anything is written.
func Settle(ctx context.Context, st store.Store, all []store.Settlement, now time.Time, maxCallTime time.Duration) ([]bool, error) {
	if maxCallTime <= 0 {
		maxCallTime = maxCall
	}
	checked := map[store.OwnerID]bool{}
	for _, s := range all {
		if checked[s.Owner] {
			continue
		}
		checked[s.Owner] = true
		if err := surelyEnded(ctx, st, s.Owner, now, maxCallTime); err != nil {
			return nil, fmt.Errorf("budget: settle call %s: %w", s.Call, err)
		}
	}
	done := make([]bool, 0, len(all))
	for part := range slices.Chunk(all, settlementsAtOnce) {
		d, err := st.Settle(ctx, part, now)
		if err != nil {
			return done, fmt.Errorf("budget: settle: %w", err)
		}
		done = append(done, d...)
	}
	return done, nil
}

// surelyEnded returns an error, [ErrOwnerMayLive] among them, unless what an owner has in doubt can change no more: it lives, and wrote its doubts down at the end of
// their calls, or it is dead beyond any call of its.
func surelyEnded(ctx context.Context, st store.Store, id store.OwnerID, now time.Time, maxCallTime time.Duration) error {
	o, err := st.Owner(ctx, id)
	if err != nil {
		return err
	}
	if o.State != store.OwnerDead || !now.Before(o.Died.Add(outOfContact+maxCallTime)) {
		return nil
	}
	release, dead, err := st.ClaimDead(ctx, o.ID)
	if err != nil {
		return err
	}
	if !dead {
		return fmt.Errorf("%w: process %d on %s; try again after %s",
			ErrOwnerMayLive, o.PID, o.Host, o.Died.Add(outOfContact+maxCallTime).UTC().Format(time.RFC3339))
	}
	return release()
}

// unconfirmedAge is how long unconfirmed money is kept before [Expect] books the expected part of it: providers' books are closed by then, for those who want facts.
const unconfirmedAge = 24 * time.Hour

// Expect books unconfirmed calls that are older than a day at what the calls of their model cost on average, of what was held for them, and releases the rest: what
// `budget.unconfirmed: expected` asks for. A model without a complete call is left as it is, and so is what dead processes cannot explain, and calls that drew on
// one of the counters in without. It returns what was booked and released. It may be interrupted and repeated.
func Expect(
	ctx context.Context, st store.Store, now time.Time, maxCallTime time.Duration, without ...store.CounterID,
) (booked, released money.Sum, err error) {
	if maxCallTime <= 0 {
		maxCallTime = maxCall
	}
	open, err := st.OpenDoubts(ctx)
	if err != nil {
		return booked, released, fmt.Errorf("budget: expected costs: %w", err)
	}
	open = slices.DeleteFunc(open, func(d store.OpenDoubt) bool {
		return d.Call == "" || now.Sub(d.Since) < unconfirmedAge || surelyEnded(ctx, st, d.Owner, now, maxCallTime) != nil ||
			slices.ContainsFunc(d.Path, func(id store.CounterID) bool { return slices.Contains(without, id) })
	})
	if len(open) == 0 {
		return booked, released, nil
	}
	shares, err := meanShares(ctx, st, without)
	if err != nil {
		return booked, released, fmt.Errorf("budget: expected costs: %w", err)
	}
	var all []store.Settlement
	for _, d := range open {
		share, known := shares[modelOf{d.Provider, d.Upstream}]
		if !known {
			continue
		}
		cost, err := d.Amount.MulRatio(share, shareOfOne)
		if err != nil {
			return booked, released, fmt.Errorf("budget: expected cost of call %s: %w", d.Call, err)
		}
		all = append(all, store.Settlement{
			Owner: d.Owner, Call: d.Call, Attempt: d.Attempt, Doubt: d.Amount, Cost: min(cost, d.Least), Outcome: store.OutcomeExpected,
		})
	}
	done, err := Settle(ctx, st, all, now, maxCallTime)
	for i, ok := range done {
		if ok {
			booked, released = booked.Add(all[i].Cost), released.Add(all[i].Doubt-all[i].Cost)
		}
	}
	return booked, released, err
}

type modelOf struct{ provider, upstream string }

// shareOfOne is what a share of one is written as.
const shareOfOne = 1_000_000

// meanShares returns the cost of each model's complete calls as a share of their bounds, in millionths, rounded up, and at most one.
func meanShares(ctx context.Context, st store.Store, without []store.CounterID) (map[modelOf]int64, error) {
	days, err := st.DaySums(ctx, time.Time{}, time.Time{}, without...)
	if err != nil {
		return nil, err
	}
	sums := map[modelOf]*store.DaySum{}
	for _, d := range days {
		k := modelOf{d.Provider, d.Upstream}
		if sums[k] == nil {
			sums[k] = &store.DaySum{}
		}
		sums[k].Add(d)
	}
	shares := map[modelOf]int64{}
	for k, s := range sums {
		cost, bound := inOneUnit(s.CompleteCost, s.CompleteBound)
		if s.Complete == 0 || bound <= 0 {
			continue
		}
		shares[k] = shareOfOne
		if cost < bound {
			share, err := money.USD(shareOfOne).MulRatio(cost, bound)
			if err != nil {
				return nil, err
			}
			shares[k] = int64(share)
		}
	}
	return shares, nil
}

// inOneUnit returns two sums in one unit: pico-dollars, or whole dollars where these do not fit.
func inOneUnit(a, b money.Sum) (int64, int64) {
	x, ok := a.USD()
	y, too := b.USD()
	if !ok || !too {
		return a.Dollars + 1, b.Dollars
	}
	return int64(x), int64(y)
}
