// Cases for semgrep; never built.
//go:build never

package rules

import (
	"bytes"
	"context"
	"net/http"
)

func bad(ctx context.Context, c *http.Client, body []byte) error {
	// ruleid: getbody
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://example.com", bytes.NewReader(body))
	if err != nil {
		return err
	}
	_, err = c.Do(r)
	return err
}

func good(ctx context.Context, c *http.Client, body []byte) error {
	// ok: getbody
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://example.com", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.GetBody = nil
	_, err = c.Do(r)
	return err
}

func nothingToRepeat(ctx context.Context) (*http.Request, error) {
	// ok: getbody
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com", nil)
	return r, err
}
