//go:build !unix

package pgtest

import (
	"os"
	"os/exec"
)

var immediate = os.Kill

type account struct{}

func unprivileged() (account, error) { return account{}, nil }

func (account) own(string) error { return nil }

func (account) use(*exec.Cmd) {}
