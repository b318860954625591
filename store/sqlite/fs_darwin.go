package sqlite

import (
	"fmt"
	"syscall"
)

// mntLocal is MNT_LOCAL of <sys/mount.h>.
const mntLocal = 0x1000

func checkFilesystem(dir string) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return fmt.Errorf("database folder %s: %w", dir, err)
	}
	if st.Flags&mntLocal == 0 {
		return remoteError(dir, "a network file system")
	}
	return nil
}
