package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"math"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/internal/protocol"
)

// OpenDoubts implements [store.Ledger].
func (s *Store) OpenDoubts(ctx context.Context) (all []store.OpenDoubt, err error) {
	err = s.view(ctx, func(r snapshot) error {
		doubts, err := scanDoubts(r, qDoubts)
		all = protocol.OpenDoubts(doubts)
		return err
	})
	return all, err
}

// Settle implements [store.Ledger].
func (s *Store) Settle(ctx context.Context, all []store.Settlement, now time.Time) (done []bool, err error) {
	err = s.update(ctx, func(t *tx) error {
		done, err = protocol.Settle(t, all, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	return done, nil
}

// callsAtOnce is how many rows SQLite sorts at a time to sum them.
const callsAtOnce = 50_000

// DaySums implements [store.Ledger].
func (s *Store) DaySums(ctx context.Context, from, to time.Time, without ...store.CounterID) ([]store.DaySum, error) {
	sums := map[protocol.DayKey]*store.DaySum{}
	end := int64(math.MaxInt64)
	if !to.IsZero() {
		end = nanos(to)
	}
	query, more := qDaySums, []any(nil)
	if len(without) > 0 {
		list, err := json.Marshal(without)
		if err != nil {
			return nil, err
		}
		query, more = qDaySumsWithout, []any{string(list)}
	}
	err := s.view(ctx, func(r snapshot) error {
		var last int64
		if err := one(r, qCallLast, nil, &last); err != nil {
			return err
		}
		for at := int64(0); at < last; at += callsAtOnce {
			args := append([]any{at, at + callsAtOnce, nanos(from), end}, more...)
			if err := each(r, query, args, func(rows *sql.Rows) error { return addDay(sums, rows) }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return protocol.SortedDays(sums), nil
}

func addDay(sums map[protocol.DayKey]*store.DaySum, rows *sql.Rows) error {
	var k protocol.DayKey
	var d store.DaySum
	var cost, complete, bound struct{ dollars, pico int64 }
	if err := rows.Scan(&k.Day, &k.Provider, &k.Upstream, &d.Complete, &d.Estimated, &d.Cut, &d.Failed, &d.Booked, &d.Verified, &d.Over,
		&d.InputTokens, &d.CacheReadTokens, &d.CacheWriteTokens, &d.OutputTokens, &cost.dollars, &cost.pico,
		&complete.dollars, &complete.pico, &bound.dollars, &bound.pico, intact("call")); err != nil {
		return err
	}
	d.Cost = money.Sum{Dollars: cost.dollars}.Add(money.USD(cost.pico))
	d.CompleteCost = money.Sum{Dollars: complete.dollars}.Add(money.USD(complete.pico))
	d.CompleteBound = money.Sum{Dollars: bound.dollars}.Add(money.USD(bound.pico))
	if sums[k] == nil {
		sums[k] = &store.DaySum{}
	}
	sums[k].Add(d)
	return nil
}
