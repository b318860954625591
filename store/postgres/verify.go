package postgres

import (
	"context"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/internal/protocol"
)

// OpenDoubts implements [store.Ledger].
func (s *Store) OpenDoubts(ctx context.Context) ([]store.OpenDoubt, error) {
	var doubts []store.Doubt
	err := s.view(ctx, askDoubts(&doubts, ``))
	return protocol.OpenDoubts(doubts), err
}

// Settle implements [store.Ledger].
func (s *Store) Settle(ctx context.Context, all []store.Settlement, now time.Time) (done []bool, err error) {
	err = s.update(ctx, lockAlone, func(t *tx) error {
		var owners []store.OwnerID
		for i := range all {
			owners = append(owners, all[i].Owner)
		}
		if err := t.lockOwners(owners); err != nil {
			return err
		}
		if err := t.lockEstate(nil, owners...); err != nil {
			return err
		}
		done, err = protocol.Settle(t, all, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	return done, nil
}

// DaySums implements [store.Ledger]. The server adds up; only sums travel.
func (s *Store) DaySums(ctx context.Context, from, to time.Time, without ...store.CounterID) ([]store.DaySum, error) {
	sums := map[protocol.DayKey]*store.DaySum{}
	end := int64(math.MaxInt64)
	if !to.IsZero() {
		end = nanos(to)
	}
	err := s.view(ctx, do(`SELECT started / 86400000000000 AS day, provider, CASE WHEN upstream = '' THEN model ELSE upstream END AS sent,
	count(*) FILTER (WHERE outcome = 'ok'), count(*) FILTER (WHERE outcome = 'estimated'), count(*) FILTER (WHERE outcome = 'cut'),
	count(*) FILTER (WHERE outcome IN ('error', 'unsent')), count(*) FILTER (WHERE outcome IN ('reconciled', 'expected')),
	count(*) FILTER (WHERE outcome = 'verified'),
	count(*) FILTER (WHERE outcome IN ('ok', 'estimated', 'cut', 'error') AND ended / 86400000000000 > started / 86400000000000),
	sum(input_tokens)::bigint, sum(cache_read)::bigint, sum(cache_write)::bigint, sum(output_tokens)::bigint,
	sum(cost / 1000000000000)::bigint, sum(cost % 1000000000000)::bigint,
	coalesce(sum(cost / 1000000000000) FILTER (WHERE outcome = 'ok'), 0)::bigint, coalesce(sum(cost % 1000000000000) FILTER (WHERE outcome = 'ok'), 0)::bigint,
	coalesce(sum(bound / 1000000000000) FILTER (WHERE outcome = 'ok'), 0)::bigint, coalesce(sum(bound % 1000000000000) FILTER (WHERE outcome = 'ok'), 0)::bigint
	FROM call WHERE started >= $1 AND started < $2 AND started > 0
	AND (cardinality($3::bigint[]) = 0 OR NOT string_to_array(path, ',')::bigint[] && $3)
	GROUP BY day, provider, sent`, nanos(from), end, numbers(without)).rows(func(rows pgx.Rows) error { return addDay(sums, rows) }))
	if err != nil {
		return nil, err
	}
	return protocol.SortedDays(sums), nil
}

func addDay(sums map[protocol.DayKey]*store.DaySum, rows pgx.Rows) error {
	var k protocol.DayKey
	var d store.DaySum
	var cost, complete, bound struct{ dollars, pico int64 }
	if err := rows.Scan(&k.Day, text(&k.Provider), text(&k.Upstream), &d.Complete, &d.Estimated, &d.Cut, &d.Failed, &d.Booked, &d.Verified, &d.Over,
		&d.InputTokens, &d.CacheReadTokens, &d.CacheWriteTokens, &d.OutputTokens, &cost.dollars, &cost.pico,
		&complete.dollars, &complete.pico, &bound.dollars, &bound.pico); err != nil {
		return err
	}
	d.Cost = sumOf(cost.dollars, cost.pico)
	d.CompleteCost = sumOf(complete.dollars, complete.pico)
	d.CompleteBound = sumOf(bound.dollars, bound.pico)
	sums[k] = &d
	return nil
}
