package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

var _ store.Auditor = (*Store)(nil)

// Audit implements [store.Auditor].
func (s *Store) Audit(ctx context.Context) (a store.Audit, err error) {
	if err := s.begin(ctx); err != nil {
		return store.Audit{}, err
	}
	defer s.end(&err)
	for _, c := range s.counters {
		a.Counters = append(a.Counters, store.AuditCounter{Counter: c.Shown(money.Sum{})})
	}
	for _, o := range s.owners {
		a.Owners = append(a.Owners, o.Owner)
		for _, l := range o.leases {
			a.Leases = append(a.Leases, store.AuditLease{
				Owner: o.ID, Counter: l.Counter, Seq: l.Seq, Granted: l.Granted, Spent: l.Spent,
			})
		}
	}
	slices.SortFunc(a.Owners, byJoined)
	slices.SortFunc(a.Leases, func(a, b store.AuditLease) int {
		return cmp.Or(cmp.Compare(a.Counter, b.Counter), cmp.Compare(a.Owner, b.Owner))
	})
	a.Doubts = tx{s}.doubtsWhere(func(*store.Doubt) bool { return true })
	for i := range s.calls.len() {
		a.Calls = append(a.Calls, s.calls.call(i))
	}
	return a, nil
}
