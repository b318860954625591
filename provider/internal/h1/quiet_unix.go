//go:build unix

package h1

import (
	"errors"
	"syscall"
)

// able says whether the state of an idle connection can be seen.
const able = true

// quiet reports whether an idle connection can be used: the server has neither closed it nor said anything.
func (c *conn) quiet() bool {
	if c.raw == nil {
		return false
	}
	nothing := false
	err := c.raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK) // which does not wait: Go's sockets never do
		nothing = errors.Is(err, syscall.EAGAIN)
		return true
	})
	return err == nil && nothing
}
