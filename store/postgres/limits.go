package postgres

import (
	"context"
	"time"

	"github.com/andres20980/aurea-orchestrator/store"
)

// UseModel implements [store.Ledger].
func (s *Store) UseModel(ctx context.Context, owner store.OwnerID, key string, now, since time.Time) (n int, left time.Time, err error) {
	const ofOthers = `model = $1 AND owner NOT IN (SELECT id FROM owner WHERE state = 'live' AND state <> 'gone')`
	model := plain(key)
	err = s.update(ctx, lockAlive, func(t *tx) error {
		return t.ask(
			do(`INSERT INTO model_use (model, owner, at) VALUES ($1, $2, $3) ON CONFLICT (model, owner) DO UPDATE SET at = excluded.at`,
				model, plain(owner), nanos(now)),
			do(`SELECT coalesce(max(at), 0) FROM model_use WHERE `+ofOthers, model).into(instant{&left}),
			do(`DELETE FROM model_use WHERE `+ofOthers, model),
			do(`SELECT count(*) FROM model_use m JOIN owner o ON o.id = m.owner WHERE m.model = $1 AND m.at >= $2 AND o.state = 'live'`,
				model, nanos(since)).into(&n),
		)
	})
	return n, left, err
}

// TakeDay implements [store.Ledger].
func (s *Store) TakeDay(ctx context.Context, key string, day time.Time, want, limit store.DayUse) (got, taken store.DayUse, err error) {
	model, at := plain(key), nanos(day)
	err = s.update(ctx, lockAlive, func(t *tx) error {
		taken = store.DayUse{}
		err := t.ask(
			do(`INSERT INTO day_use (model, day, requests, tokens) VALUES ($1, $2, 0, 0) ON CONFLICT DO NOTHING`, model, at),
			do(`SELECT requests, tokens FROM day_use WHERE model = $1 AND day = $2 FOR UPDATE`, model, at).into(&taken.Requests, &taken.Tokens),
			do(`DELETE FROM day_use WHERE model = $1 AND day < $2`, model, at),
		)
		if err != nil {
			return err
		}
		got = taken.Take(want, limit)
		taken.Requests += got.Requests
		taken.Tokens += got.Tokens
		t.put(`UPDATE day_use SET requests = $3, tokens = $4 WHERE model = $1 AND day = $2`, model, at, taken.Requests, taken.Tokens)
		return nil
	})
	if err != nil {
		return store.DayUse{}, store.DayUse{}, err
	}
	return got, taken, nil
}
