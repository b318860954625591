package sqlite

import (
	"fmt"
	"syscall"
)

// remote are file systems whose locks may not reach the machine that the other process runs on, or may outlive or
// precede a process, by the magic numbers of statfs(2) and linux/magic.h.
var remote = map[uint32]string{
	0x6969:     "NFS",
	0x517b:     "SMB",
	0xff534d42: "CIFS",
	0xfe534d42: "SMB",
	0x65735546: "FUSE",
	0x5346414f: "AFS",
	0x6b414653: "AFS",
	0x73757245: "Coda",
	0x01021997: "9P",
	0x00c36400: "Ceph",
	0x0bd00bd0: "Lustre",
	0x47504653: "GPFS",
	0x01161970: "GFS2",
	0x7461636f: "OCFS2",
	0x19830326: "BeeGFS",
	0x786f4256: "a VirtualBox shared folder",
	0xaad7aaea: "PanFS",
	0x0000564c: "NCP",
}

func checkFilesystem(dir string) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return fmt.Errorf("database folder %s: %w", dir, err)
	}
	if name, ok := remote[uint32(st.Type)]; ok { // #nosec G115 -- the magic numbers have 32 bits; the field's type varies
		return remoteError(dir, name)
	}
	return nil
}
