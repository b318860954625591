// Package protocol is the money protocol, written once for every backend.
//
// A backend gives it a transaction ([Tx]: rows to read and write) and the protocol says what a round, a death, a
// settlement and a reconciliation do to those rows. Nothing here knows SQL, files or clocks; an
// error of any function means that the transaction must be rolled back.
//
// Every function keeps, for each counter,
//
//	committed = spent + doubt + Σ granted of the open leases
//	Σ cost of the call rows on the counter = spent + Σ spent of its leases
//	doubt = Σ amounts of its doubt rows
//
// and grants nothing that would take committed above the limit, except where it is forced: that money is owed whatever
// the limit says.
package protocol
