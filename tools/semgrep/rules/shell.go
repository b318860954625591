// Cases for semgrep; never built.
//go:build never

package rules

import (
	"context"
	"os/exec"
)

func bad(ctx context.Context, name string) {
	// ruleid: shell
	_ = exec.Command("sh", "-c", "ls "+name)
	// ruleid: shell
	_ = exec.CommandContext(ctx, "/bin/bash", name)
	// ruleid: shell
	_ = exec.CommandContext(ctx, name, "-c", "ls")
}

func good(ctx context.Context, name string) {
	// ok: shell
	_ = exec.CommandContext(ctx, "ls", "--", name)
}
