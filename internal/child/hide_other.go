//go:build !unix

package child

// Hide does nothing where a process cannot take another's place.
func Hide([]string) error { return nil }

// Hidden finds nothing hidden.
func Hidden() (map[string]string, bool) { return nil, false }
