//go:build unix

package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

const immediate = syscall.SIGQUIT

// account is who the server runs as: not root, which it refuses.
type account struct {
	switched bool
	uid, gid uint32
}

func unprivileged() (a account, err error) {
	if os.Geteuid() != 0 {
		return a, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
		if uerr == nil && gerr == nil && uid != 0 {
			return account{true, uint32(uid), uint32(gid)}, nil
		}
	}
	return a, fmt.Errorf("%w, or it cannot be started: this is root, and there is no user postgres or nobody", ErrMissing)
}

func (a account) own(dir string) error {
	if !a.switched {
		return nil
	}
	return os.Chown(dir, int(a.uid), int(a.gid))
}

func (a account) use(c *exec.Cmd) {
	c.SysProcAttr = attributes()
	if a.switched {
		c.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
}
