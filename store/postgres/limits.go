package postgres

import (
	"context"
	"time"

	"github.com/andres20980/aurea-orchestrator/store"
)

// UseModel implements [store.Ledger], by the clock of the server: those of machines differ.
func (s *Store) UseModel(ctx context.Context, use store.ModelUse) (u store.ModelUsers, err error) {
	const (
		clock    = `(extract(epoch FROM clock_timestamp()) * 1000000000)::bigint`
		ofOthers = `model = $1 AND owner NOT IN (SELECT id FROM owner WHERE state = 'live')`
	)
	model := plain(use.Key)
	var held int64
	err = s.update(ctx, lockAlive, func(t *tx) error {
		err := t.ask(
			// One at a time for each model: of two who come at once the later one must see the earlier.
			do(`SELECT pg_advisory_xact_lock(hashtextextended('aurea model ' || current_schema() || ' ' || $1, 0))`, model),
			do(`INSERT INTO model_use (model, owner, at, held) VALUES ($1, $2, `+clock+`, greatest(
				CASE WHEN $3::bigint > 0 THEN `+clock+` + $3::bigint ELSE 0 END, (SELECT coalesce(max(held), 0) FROM model_use WHERE model = $1)))
			ON CONFLICT (model, owner) DO UPDATE SET at = excluded.at, held = excluded.held RETURNING at, held`,
				model, plain(use.Owner), use.Held.Nanoseconds()).into(instant{&u.Now}, &held),
			do(`SELECT coalesce(max(at), 0) FROM model_use WHERE `+ofOthers, model).into(instant{&u.Left}),
			do(`DELETE FROM model_use WHERE `+ofOthers, model),
		)
		if err != nil {
			return err
		}
		return t.ask(do(`SELECT count(*), coalesce(min(m.at), 0) FROM model_use m JOIN owner o ON o.id = m.owner WHERE m.model = $1 AND m.at >= $2 AND o.state = 'live'`,
			model, nanos(u.Now.Add(-use.Window))).into(&u.Owners, instant{&u.Oldest}))
	})
	if held > 0 {
		u.Held = max(0, time.Unix(0, held).Sub(u.Now))
	}
	return u, err
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
