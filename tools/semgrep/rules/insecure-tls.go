// Cases for semgrep; never built.
//go:build never

package rules

import "crypto/tls"

func bad(c *tls.Config) *tls.Config {
	// ruleid: insecure-tls
	c.InsecureSkipVerify = true
	// ruleid: insecure-tls
	return &tls.Config{ServerName: "x", InsecureSkipVerify: true}
}

func good() *tls.Config {
	// ok: insecure-tls
	return &tls.Config{MinVersion: tls.VersionTLS13}
}
