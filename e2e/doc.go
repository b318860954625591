// Package e2e holds tests of the program as its users meet it: the real binary as a child process, a real database file, HTTP to a simulated
// provider whose own bill is the judge. There is nothing to import here.
//
// AUREA_SOAK=1 runs longer forms of the tests. The tests need a Unix: they kill, pause and measure processes.
package e2e
