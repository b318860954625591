package child

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"time"
)

// Exit codes of commands that did not start, as shells have them.
const (
	NotFound      = 127
	NotExecutable = 126
	bySignal      = 128 // and its number
)

// Result is how a command ended.
type Result struct {
	Code   int    // as a shell has it
	Signal string // that ended it, empty: none
}

// Command is a command that runs.
type Command struct {
	cmd   *exec.Cmd
	tty   terminal
	ended chan struct{}
}

// StartCode is the exit code for an error of [Start].
func StartCode(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return NotFound
	}
	return NotExecutable
}

// Start starts a command in a process group of its own, which gets the terminal if it was ours. Signals that come from now on are passed to it.
func Start(args, environ []string, stdin, stdout, stderr *os.File) (*Command, error) {
	// #nosec G204 -- what the user asked for
	cmd := exec.Command(args[0], args[1:]...) //nolint:noctx // signals end it
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = environ, stdin, stdout, stderr
	c := &Command{cmd: cmd, ended: make(chan struct{})}
	return c, c.start()
}

// Stop asks the command's process group to end, and makes it after a time.
func (c *Command) Stop(grace time.Duration) {
	c.terminate()
	select {
	case <-c.ended:
	case <-time.After(grace):
		c.kill()
	}
}
