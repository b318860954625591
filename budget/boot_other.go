//go:build !linux && !darwin

package budget

// bootID is empty: this system does not say which start of the machine it is, so a journal proves nothing.
func bootID() string { return "" }
