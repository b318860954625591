// Cases for semgrep; never built.
//go:build never

package rules

import "net/http"

func bad() *http.Client {
	// ruleid: http-redirect
	return &http.Client{Transport: &http.Transport{}}
}

func good() *http.Client {
	// ok: http-redirect
	return &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
