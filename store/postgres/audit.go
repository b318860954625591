package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

var _ store.Auditor = (*Store)(nil)

// Audit implements [store.Auditor].
func (s *Store) Audit(ctx context.Context) (a store.Audit, err error) {
	err = s.view(ctx,
		do(`SELECT `+counterColumns+` FROM counter c ORDER BY c.id`).rows(func(rows pgx.Rows) error {
			c, err := scanCounter(rows)
			a.Counters = append(a.Counters, store.AuditCounter{Counter: c.Shown(money.Sum{})})
			return err
		}),
		do(`SELECT owner, counter, seq, granted, spent FROM lease ORDER BY counter, owner`).rows(func(rows pgx.Rows) error {
			var l store.AuditLease
			err := rows.Scan(text(&l.Owner), &l.Counter, &l.Seq, &l.Granted, &l.Spent)
			a.Leases = append(a.Leases, l)
			return err
		}),
		askDoubts(&a.Doubts, ``),
		askOwners(&a.Owners, `ORDER BY joined, id`),
		do(`SELECT id, `+callColumns+` FROM call ORDER BY id`).rows(func(rows pgx.Rows) error {
			_, c, err := scanCall(rows)
			a.Calls = append(a.Calls, c)
			return err
		}),
	)
	return a, err
}
