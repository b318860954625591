// Cases for semgrep; never built.
//go:build never

package rules

import (
	"context"
	"time"
)

func bad() {
	// ruleid: sleep
	time.Sleep(time.Second)
}

func good(ctx context.Context) error {
	// ok: sleep
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
