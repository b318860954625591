package protocol

import (
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Counter is the row of a counter. Its Spent is the counter's own: what open leases have spent is not in it.
type Counter struct {
	ID          store.CounterID
	Account     string
	Window      time.Time
	Limit       money.Sum
	Closed      bool
	Committed   money.Sum
	Spent       money.Sum
	Doubt       money.Sum
	WantedUntil time.Time
}

// Shown returns the counter as users see it, with what its open leases have spent.
func (c Counter) Shown(leases money.Sum) store.Counter {
	return store.Counter{
		ID: c.ID, Account: c.Account, Window: c.Window, Limit: c.Limit, Closed: c.Closed,
		Committed: c.Committed, Spent: c.Spent.Plus(leases), Doubt: c.Doubt, WantedUntil: c.WantedUntil,
	}
}

// Lease is the row of a lease; its owner is known from the context.
type Lease struct {
	Counter store.CounterID
	Seq     int64
	Granted money.USD
	Spent   money.USD
}

// Tx is a write transaction of a backend. Reads see the transaction's own writes. Methods return [store.ErrNotFound]
// (wrapped or not) for rows that are not there, where a row is asked for.
type Tx interface {
	Owner(id store.OwnerID) (store.Owner, error)
	PutOwner(o store.Owner) error // o is there

	Counter(id store.CounterID) (Counter, error)
	PutCounter(c Counter) error // amounts and WantedUntil; c is there
	LeaseSpent(id store.CounterID) (money.Sum, error)

	// Lease returns a zero Seq if there is no such lease.
	Lease(owner store.OwnerID, id store.CounterID) (Lease, error)
	// Leases returns the leases of an owner by ascending counter.
	Leases(owner store.OwnerID) ([]Lease, error)
	PutLease(owner store.OwnerID, l Lease) error
	DeleteLease(owner store.OwnerID, id store.CounterID) error

	// InsertCalls writes the rows that are not there and says of each whether it was new.
	InsertCalls(entries []store.Entry) (fresh []bool, err error)
	// HasCall reports whether the row of an attempt is there.
	HasCall(id string, attempt int) (bool, error)
	// Complete applies the completions of entries, each only while its item is running at the owner
	// and attempt, and returns the indexes of those that were not.
	Complete(owner store.OwnerID, entries []store.Entry) (rejected []int, err error)

	// AddDoubt writes a doubt; its ID is given by the backend and never used again.
	AddDoubt(d store.Doubt) error
	// SetDoubt changes a doubt's amount; zero deletes it.
	SetDoubt(id int64, amount money.USD) error
	// DoubtsOn and DoubtsOf return doubts on a counter and of an owner, by ascending ID.
	DoubtsOn(id store.CounterID) ([]store.Doubt, error)
	DoubtsOf(owner store.OwnerID) ([]store.Doubt, error)
}
