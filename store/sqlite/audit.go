package sqlite

import (
	"context"
	"database/sql"
	"math"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

var _ store.Auditor = (*Store)(nil)

// Audit implements [store.Auditor].
func (s *Store) Audit(ctx context.Context) (a store.Audit, err error) {
	err = s.view(ctx, func(r snapshot) error {
		err := each(r, qCounterAll, nil, func(rows *sql.Rows) error {
			c, err := scanCounter(rows)
			a.Counters = append(a.Counters, store.AuditCounter{Counter: c.Shown(money.Sum{})})
			return err
		})
		if err != nil {
			return err
		}
		err = each(r, qLeases, nil, func(rows *sql.Rows) error {
			var l store.AuditLease
			err := rows.Scan(intact("lease"), &l.Owner, &l.Counter, &l.Seq, &l.Granted, &l.Spent)
			a.Leases = append(a.Leases, l)
			return err
		})
		if err != nil {
			return err
		}
		if a.Doubts, err = scanDoubts(r, qDoubts); err != nil {
			return err
		}
		if a.Owners, err = scanOwners(r, qOwners); err != nil {
			return err
		}
		return each(r, qCalls, []any{0, int64(math.MaxInt64)}, func(rows *sql.Rows) error {
			_, c, err := scanCall(rows)
			a.Calls = append(a.Calls, c)
			return err
		})
	})
	return a, err
}
