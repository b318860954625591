// Package sqlite keeps jobs and money in one SQLite file on a local disk. It is the default store and needs no server.
//
// Any number of processes of one machine may have the file open. There is one writer at a time, in every process and
// across them: each write is a transaction that takes the write lock up front, writes, and is on disk
// (WAL, synchronous=FULL) when it returns. Readers never wait for writers. How many calls share one transaction is decided above: a round of
// [store.Ledger.Apply] may carry thousands.
//
// # Who lives
//
// Beside the database lies a folder, NAME-owners, with one file per running process that the process holds a kernel lock on. The lock
// ends with the process, however it ends, and not before: no clock takes part, and a process that is
// paused is not dead. This is why network file systems are refused: their locks do not keep that promise. The journals of the processes lie in the
// same folder.
//
// # What is where
//
// queries.go has every statement, migrations the schema. The money protocol itself is store/internal/protocol, the
// same for all backends.
package sqlite
