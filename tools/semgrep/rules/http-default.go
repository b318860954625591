// Cases for semgrep; never built.
//go:build never

package rules

import (
	"net/http"
	"time"
)

func bad() {
	// ruleid: http-default
	_, _ = http.Get("https://example.com")
	// ruleid: http-default
	_ = http.DefaultClient
	// ruleid: http-default
	_ = http.ListenAndServe(":80", nil)
}

func good(r *http.Request, c *http.Client) {
	// ok: http-default
	_, _ = c.Do(r)
	// ok: http-default
	_ = (&http.Server{ReadHeaderTimeout: time.Minute}).ListenAndServe()
}
