package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	aurea "github.com/andres20980/aurea-orchestrator"
)

// sameOrigin refuses what a page of another origin can make a browser send: nobody asks for a key here, and the page would spend. Browsers say where a request comes from
// (https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Origin); other programs do not. Programs that are built as pages of their own, whose origins are
// neither http nor https, are let in.
func sameOrigin(r *http.Request) error {
	origins := r.Header["Origin"]
	own := false // a program's
	for _, origin := range origins {
		u, err := url.Parse(origin)
		if own = err == nil && u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https"; own {
			continue
		}
		if err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) || !here(r.Host) {
			return foreign()
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		if !own {
			return foreign()
		}
	}
	return nil
}

func foreign() error {
	return &aurea.Error{Code: aurea.CodeUnauthorized, Message: "a page of another origin may not make calls", Hint: "call from a program, or from a server of the page's"}
}

// here reports whether a host is this machine's own name. A page of a host whose name somebody points at this machine (DNS rebinding) has another.
func here(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}
