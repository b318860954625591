//go:build !unix

package child

// terminal needs no care here.
type terminal struct{}

func (c *Command) start() error { return c.cmd.Start() }

func (c *Command) terminate() { c.kill() }

func (c *Command) kill() { _ = c.cmd.Process.Kill() }

// Wait waits for the command's end.
func (c *Command) Wait() Result {
	defer close(c.ended)
	_ = c.cmd.Wait()
	return Result{Code: c.cmd.ProcessState.ExitCode()}
}
