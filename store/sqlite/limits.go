package sqlite

import (
	"context"
	"time"

	"github.com/andres20980/aurea-orchestrator/store"
)

// UseModel implements [store.Ledger].
func (s *Store) UseModel(ctx context.Context, owner store.OwnerID, key string, now, since time.Time) (n int, left time.Time, err error) {
	err = s.update(ctx, func(t *tx) error {
		if _, err := t.exec(qUseModel, key, owner, nanos(now)); err != nil {
			return err
		}
		if err := one(t, qModelLeft, []any{key}, instant{&left}); err != nil {
			return err
		}
		if _, err := t.exec(qModelForget, key); err != nil {
			return err
		}
		return one(t, qModelUsers, []any{key, nanos(since)}, &n)
	})
	return n, left, err
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
