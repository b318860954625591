// Package budget keeps spending under hard limits: in one process, across processes that share a store, and across their crashes.
//
// An account has a limit. A call draws on every account of its [Path] (job, parent jobs, key, installation). Before a byte
// leaves, the worst price of the attempt is held on all of them; when the attempt has ended, the hold is
// replaced by what it really cost.
//
//	tracker, err := budget.Open(ctx, db, budget.Options{})
//	path, err := tracker.Path(ctx, budget.AccountSpec{Name: "job:local/nightly", Limit: limit})
//	hold, err := tracker.Hold(ctx, path, budget.Ask{Call: call, Amount: worst})
//	if errors.Is(err, budget.ErrExceeded) { ... }
//	err = hold.Sent()                          // then write the request
//	ending := hold.End(budget.End{Call: call, Cost: cost})
//	<-ending.Done()                            // only if you need to know that it is on disk
//
// # How it works
//
// A [Tracker] is one owner on the store. For each account it draws on it has a lease: a slice of the account's remainder
// that the store has granted it durably. Holds are taken against leases in memory, under one lock, from all leases of the path or from
// none. One goroutine talks to the store in rounds ([store.Ledger.Apply]): each carries the attempts that ended, the money that waiting
// holds ask for, and what goes back. Where the remainder is small the lease is exact: the one hold, given back when it ends.
//
// A hold that cannot be had waits, holding nothing, in order of arrival, as long as somebody may still give back enough; it is
// refused with an [ExceededError] as soon as that is impossible.
//
// # Death
//
// Next to the database lies a journal: a mark for each attempt that is about to be sent and a record of each that ended.
// It is written without fsync, so it survives the process but not the machine. Whoever finds the owner dead ([Recover]) reads it: ended
// attempts are booked, attempts that were on the wire stay as doubt ("unconfirmed"), and the rest of the leases goes back.
package budget
