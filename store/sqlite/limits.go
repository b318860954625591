package sqlite

import (
	"context"
	"time"

	"github.com/andres20980/aurea-orchestrator/store"
)

// UseModel implements [store.Ledger], by the clock of the machine that the file is on.
func (s *Store) UseModel(ctx context.Context, use store.ModelUse) (u store.ModelUsers, err error) {
	now, until := nanos(use.Now), int64(0)
	if use.Held > 0 {
		until = now + use.Held.Nanoseconds()
	}
	err = s.update(ctx, func(t *tx) error {
		var held int64
		if err := one(t, qModelHeld, []any{use.Key}, &held); err != nil {
			return err
		}
		held = max(held, until)
		if _, err := t.exec(qUseModel, use.Key, use.Owner, now, held); err != nil {
			return err
		}
		if err := one(t, qModelLeft, []any{use.Key}, instant{&u.Left}); err != nil {
			return err
		}
		if _, err := t.exec(qModelForget, use.Key); err != nil {
			return err
		}
		u.Now, u.Held = use.Now, time.Duration(max(0, held-now))
		return one(t, qModelUsers, []any{use.Key, nanos(use.Now.Add(-use.Window))}, &u.Owners, instant{&u.Oldest})
	})
	return u, err
}

// TakeDay implements [store.Ledger].
func (s *Store) TakeDay(ctx context.Context, key string, day time.Time, want, limit store.DayUse) (got, taken store.DayUse, err error) {
	err = s.update(ctx, func(t *tx) error {
		if _, err := t.exec(qDayForget, key, nanos(day)); err != nil {
			return err
		}
		taken = store.DayUse{}
		if err := one(t, qDayUse, []any{key, nanos(day)}, intact("day_use"), &taken.Requests, &taken.Tokens); err != nil {
			return err
		}
		got = taken.Take(want, limit)
		taken.Requests += got.Requests
		taken.Tokens += got.Tokens
		_, err := t.exec(qDayPut, key, nanos(day), taken.Requests, taken.Tokens)
		return err
	})
	return got, taken, err
}
