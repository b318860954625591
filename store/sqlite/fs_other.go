//go:build !linux && !darwin

package sqlite

import "strings"

// checkFilesystem refuses what can be told from the name alone: a share.
func checkFilesystem(dir string) error {
	if strings.HasPrefix(dir, `\\`) && !strings.HasPrefix(dir, `\\?\`) {
		return remoteError(dir, "a network share")
	}
	return nil
}
