// Package store says what Aurea keeps and how a backend keeps it: rows, and small interfaces over them.
//
// There are two halves. [Ledger] is the money: accounts with limits, the leases that processes draw on
// them, the calls they paid for, and what nobody can vouch for after a crash. [Queue] is the work: jobs and their
// items, claimed, completed and put back. One backend implements both in one database, because a result, its cost and
// its completion must be committed together ([Ledger.Apply]).
//
// # The ledger in one page
//
// A counter is an account in one window of time. It carries
//
//	committed = spent + doubt + Σ granted of the open leases on it
//
// and a grant never takes committed above limit. An owner is one run of one process. Its lease on a counter is the slice of the
// remainder that it may hold against in its own memory; lease.spent is what of that slice has
// been spent and written down. The spending that is shown is counter.spent + Σ lease.spent, and it equals the sum
// of the call rows in every snapshot, because both change in the same transaction.
//
// Every change of a lease names the owner's epoch and the lease's sequence number, so a change can be repeated safely
// and a process that was declared dead cannot write: it gets [ErrFenced] and settles with [Ledger.SettleDead].
//
// # Writing a backend
//
// Implement [Store], run storetest.Run against it, and pass. SQL is told the time and never asks for it.
package store
