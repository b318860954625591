// Package storetest is the one suite that every store passes, and what tests of other packages need around a store.
//
// A backend's own test is one line:
//
//	func TestStore(t *testing.T) { storetest.Run(t, open) }
//
// [Run] has an example for every method, and a random machine: two or three owners take leases, spend, doubt, give back,
// die, come back late and are reconciled in any order, acknowledgements get lost, and after every step the
// store's figures are compared with a model that knows nothing of its code, and with the invariants of the money
// protocol ([CheckInvariants]).
//
// [Flaky] wraps any store and loses transactions or their acknowledgements on request.
package storetest
