// Package postgres keeps jobs and money in PostgreSQL, 14 or later, so that processes on many machines share one ledger and one queue.
//
// Every method is one transaction at READ COMMITTED whose rows are locked before they are judged. Locks are taken in one order: the owner's row,
// its calls and items, counters by ascending number, and the counts of jobs last. A transaction sends what it writes together with its COMMIT, so a
// counter, the row that others wait for, is locked for one round trip and one flush of the log. Deadlocks and serialization failures are
// repeated; nothing of such a transaction was written.
//
// # Who lives
//
// A process that lives raises a number, its beat, every two seconds. It counts as dead to another that has itself read the beat at least five times over at least
// twelve seconds of its own monotonic clock and never saw it move; a read that fails starts the count anew. No wall clock takes part. That
// is no proof: a process may be paused, or cut off. What it had leased therefore stays unconfirmed, and it settles as a late owner when it wakes.
//
// Where the folder for state is the same ([Options.StateDir]), each process also holds a kernel lock in it. A lock that is free proves the end of its process, at
// once, and only then is the process's journal used.
//
// # What is where
//
// migrations has the schema. The money protocol itself is store/internal/protocol, the same for all backends.
package postgres
