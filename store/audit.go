package store

import (
	"context"

	"github.com/andres20980/aurea-orchestrator/money"
)

// Audit is all the money of a database in one snapshot, as it is written down: the evidence behind every figure that
// is shown.
type Audit struct {
	Counters []AuditCounter // by ID
	Leases   []AuditLease   // by counter, then owner
	Doubts   []Doubt        // by ID
	Calls    []Call         // in the order they were written; only ID, Attempt, Job, Path, Item, Cost, Doubt, Outcome are sure to be set
	Owners   []Owner        // by the time they joined
}

// AuditCounter is the row of a counter: Spent is its own, without what its leases have spent.
type AuditCounter struct{ Counter }

// AuditLease is the row of a lease.
type AuditLease struct {
	Owner   OwnerID
	Counter CounterID
	Seq     int64
	Granted money.USD
	Spent   money.USD
}

// Auditor is implemented by every [Store] of this module. The snapshot holds every call row: it is meant for tests and for proving an account, not for a running program.
type Auditor interface {
	Audit(ctx context.Context) (Audit, error)
}
