package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
)

// admit returns the name of who asks, or why he is refused.
func (h *Handler) admit(r *http.Request) (actor string, err error) {
	if err := sameOrigin(r); err != nil {
		return "", err
	}
	key := h.cfg.Key()
	if key == "" {
		return "local", local(r)
	}
	from := network(r)
	if wait := h.guesses.wait(from, time.Now()); wait > 0 {
		return "", &aurea.Error{Code: aurea.CodeRateLimited, Message: "too many wrong admin keys from this address", Hint: "wait", RetryAfter: wait}
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	bearer := strings.EqualFold(scheme, "Bearer")
	// Sums of equal length: the comparison says nothing of the key, nor of its length.
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(key))
	if subtle.ConstantTimeCompare(a[:], b[:]) != 1 || !bearer {
		if scheme != "" {
			h.guesses.wrong(from, time.Now())
		}
		return "", unauthorized("the admin API wants its key", "send Authorization: Bearer with the admin_key of the configuration")
	}
	return "admin", nil
}

// sameOrigin refuses what a page of another origin can make a browser send. Browsers say where a request comes from; other programs do not.
func sameOrigin(r *http.Request) error {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		return unauthorized("a page of another origin may not use the admin API", "")
	}
	for _, origin := range r.Header.Values("Origin") {
		if u, err := url.Parse(origin); err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return unauthorized("a page of another origin may not use the admin API", "")
		}
	}
	return nil
}

// local lets in only who is on this machine and says so: the address that was called, the one that called, and the name that it called by are all its own. A name
// of another host means that somebody points it at this machine (DNS rebinding), and a header of a proxy that the caller is elsewhere.
func local(r *http.Request) error {
	const hint = "set admin_key to use the admin API from elsewhere"
	if at, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); !ok || !loopback(at.String()) || !loopback(r.RemoteAddr) {
		return unauthorized("without an admin_key the admin API answers on loopback only", hint)
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); !strings.EqualFold(host, "localhost") && (err != nil || !ip.Unmap().IsLoopback()) {
		return unauthorized("without an admin_key the admin API answers to localhost, 127.0.0.1 and [::1] only", hint)
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return unauthorized("without an admin_key the admin API does not answer through a proxy", hint)
		}
	}
	return nil
}

func loopback(address string) bool {
	at, err := netip.ParseAddrPort(address)
	return err == nil && at.Addr().Unmap().IsLoopback()
}

// peer is the address that a request came from.
func peer(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return clip(r.RemoteAddr)
	}
	return at.Addr().Unmap().String()
}

// network is whom a wrong key is charged to: an address, or the 64 bits that one subscriber has of IPv6.
func network(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	ip := at.Addr().Unmap()
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}

func unauthorized(message, hint string) error {
	return &aurea.Error{Code: aurea.CodeUnauthorized, Message: message, Hint: hint}
}

const (
	guessesAllowed = 10          // wrong keys from one network …
	guessesWithin  = time.Minute // … in this time; then all of its requests wait
	guessersKnown  = 1000
)

// guesses counts wrong keys by network.
type guesses struct {
	mu sync.Mutex
	by map[string]*guesser
}

type guesser struct {
	n     int
	until time.Time
}

// wait is how long a network is not listened to.
func (g *guesses) wait(from string, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if one := g.by[from]; one != nil && one.n >= guessesAllowed && now.Before(one.until) {
		return one.until.Sub(now)
	}
	return 0
}

func (g *guesses) wrong(from string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.by == nil {
		g.by = make(map[string]*guesser)
	}
	one := g.by[from]
	if one == nil || !now.Before(one.until) {
		if len(g.by) >= guessersKnown {
			for name, old := range g.by {
				if !now.Before(old.until) {
					delete(g.by, name)
				}
			}
			if len(g.by) >= guessersKnown {
				clear(g.by) // more networks than that at once: nobody is locked out for good
			}
		}
		one = &guesser{until: now.Add(guessesWithin)}
		g.by[from] = one
	}
	one.n++
}
