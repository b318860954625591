// Package batch runs files of model calls durably: every line becomes a row, every row is run until it is done or has
// failed for good, and its result, its cost and its completion are written in one transaction.
//
// [Load] reads a file into a job and accepts it; [Runner.Run] works on a job until nothing is left, the budget is used up, or it is told
// to stop; [WriteResults] writes what there is. All three can be cut off at any moment and called again: finished items are kept, unfinished
// ones run, nothing is recorded twice.
package batch
