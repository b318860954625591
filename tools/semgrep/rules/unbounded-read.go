// Cases for semgrep; never built.
//go:build never

package rules

import (
	"io"
	"net/http"
)

func bad(r *http.Request) ([]byte, error) {
	// ruleid: unbounded-read
	return io.ReadAll(r.Body)
}

func good(r *http.Request, w http.ResponseWriter) ([]byte, error) {
	// ok: unbounded-read
	_, _ = io.ReadAll(io.LimitReader(r.Body, 1<<20))
	// ok: unbounded-read
	return io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
}
