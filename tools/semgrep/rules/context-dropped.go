// Cases for semgrep; never built.
//go:build never

package rules

import (
	"context"
	"net/http"
)

type walk struct{ ctx context.Context }

func bad(ctx context.Context) error {
	// ruleid: context-dropped
	return call(context.Background())
}

func badHandler(w http.ResponseWriter, r *http.Request) {
	// ruleid: context-dropped
	_ = call(context.TODO())
}

func (w *walk) badStep() error {
	// ruleid: context-dropped
	return call(context.Background())
}

func good(ctx context.Context) error {
	// ok: context-dropped
	return call(ctx)
}

func goodSettle(ctx context.Context) error {
	// ok: context-dropped
	return call(context.WithoutCancel(ctx))
}

func goodStart() error {
	// ok: context-dropped
	return call(context.Background())
}

func call(context.Context) error { return nil }
