//go:build unix && (amd64 || arm64)

package budget

import (
	"encoding/binary"
	"os"
	"runtime/debug"
	"syscall"
)

// mapped is the beginning of a file in memory. What is stored there is the system's from then on, as with a write, and costs no call of it. The nil mapped stores nothing.
type mapped []byte

func mapFile(f *os.File) mapped {
	c, err := f.SyscallConn()
	if err != nil {
		return nil
	}
	var m mapped
	if c.Control(func(fd uintptr) {
		m, err = syscall.Mmap(int(fd), 0, os.Getpagesize(), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	}) != nil || err != nil {
		return nil
	}
	return m
}

// store puts eight bytes at an offset in one piece, and reports whether it did: the death of the process finds them old or new. It does not where somebody has cut the file short.
func (m mapped) store(v [countSize]byte, at int64) (ok bool) {
	if at+countSize > int64(len(m)) {
		return false
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { ok = recover() == nil }()
	binary.LittleEndian.PutUint64(m[at:], binary.LittleEndian.Uint64(v[:])) // one store on these processors
	return true
}

func (m mapped) close() {
	if m != nil {
		_ = syscall.Munmap(m)
	}
}
