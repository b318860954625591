//go:build unix

package child

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// passed are the signals that go on to the command. The terminal's own reach it without us.
var passed = []os.Signal{
	syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
}

// terminal is the one that the command gets while it runs; not held: none.
type terminal struct {
	fd   int
	held bool
}

func (c *Command) start() error {
	for _, f := range []any{c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr} {
		file, ok := f.(*os.File)
		if !ok || file == nil {
			continue
		}
		if group, err := unix.IoctlGetInt(int(file.Fd()), unix.TIOCGPGRP); err == nil && group == unix.Getpgrp() { // #nosec G115 -- a descriptor
			c.tty = terminal{int(file.Fd()), true} // #nosec G115 -- as above
			break
		}
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, passed...) // caught, not ignored: what is ignored would stay so in the command
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, syscall.SIGPIPE)
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.cmd.Start(); err != nil {
		signal.Stop(signals)
		return err
	}
	if c.tty.held {
		signal.Ignore(syscall.SIGTTOU) // who gives a terminal away is behind it from then on
		c.give()
		_ = c.send(syscall.SIGCONT) // it may have asked for the terminal before it had it
	}
	go func() {
		for {
			select {
			case s := <-signals:
				if number, ok := s.(syscall.Signal); ok {
					_ = c.send(number)
				}
			case <-c.ended:
				signal.Stop(signals)
				return
			}
		}
	}()
	return nil
}

func (c *Command) send(s syscall.Signal) error { return syscall.Kill(-c.cmd.Process.Pid, s) }

func (c *Command) terminate() {
	_ = c.send(syscall.SIGTERM)
	_ = c.send(syscall.SIGCONT) // one that is stopped would not hear it
}

func (c *Command) kill() { _ = c.send(syscall.SIGKILL) }

// give hands the terminal to the command, take takes it back.
func (c *Command) give() { _ = unix.IoctlSetPointerInt(c.tty.fd, unix.TIOCSPGRP, c.cmd.Process.Pid) }
func (c *Command) take() { _ = unix.IoctlSetPointerInt(c.tty.fd, unix.TIOCSPGRP, unix.Getpgrp()) }

// foreground reports whether the terminal is ours or the command's.
func (c *Command) foreground() bool {
	group, err := unix.IoctlGetInt(c.tty.fd, unix.TIOCGPGRP)
	return err == nil && (group == unix.Getpgrp() || group == c.cmd.Process.Pid)
}

// Wait waits for the command's end. When it is stopped, as by Ctrl-Z, we stop with it, and go on with it.
func (c *Command) Wait() Result {
	defer close(c.ended)
	if c.tty.held {
		defer c.take()
	}
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(c.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return Result{Code: NotExecutable, Signal: err.Error()}
		case status.Stopped():
			c.stopped(status.StopSignal())
		case status.Signaled():
			return Result{Code: bySignal + int(status.Signal()), Signal: unix.SignalName(status.Signal())}
		default:
			return Result{Code: status.ExitStatus()}
		}
	}
}

func (c *Command) stopped(by syscall.Signal) {
	if !c.tty.held {
		return
	}
	leader, err := unix.Getsid(0)
	switch {
	case (by == syscall.SIGTTIN || by == syscall.SIGTTOU) && c.foreground(), err == nil && leader == unix.Getpid(): // no shell is there to let us go on
		c.give()
	default:
		again := make(chan os.Signal, 1)
		signal.Notify(again, syscall.SIGCONT)
		c.take()
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGSTOP)
		<-again // the stop may take effect a little later, and must before the command goes on
		signal.Stop(again)
		if c.foreground() {
			c.give()
		}
	}
	_ = c.send(syscall.SIGCONT)
}
