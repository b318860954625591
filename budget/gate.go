package budget

import "context"

// gate is a mutex that one can give up waiting for; it has room for one.
type gate chan struct{}

func (g gate) lock() { g <- struct{}{} }

// lockIn waits no longer than ctx, and returns its cause if that ends first.
func (g gate) lockIn(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g gate) unlock() { <-g }
