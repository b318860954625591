// Package provider holds the HTTP exchange that all providers share. A provider is a folder below it: what it adds is how the address and the
// credentials are written, and how an error body is read.
//
// The exchange sends the body as it is, reads the whole answer or hands a stream on as it comes, and says once what went wrong. It repeats nothing, and keeps
// net/http from repeating anything: retries belong to the call path, where each has its own hold.
package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/provider/internal/h1"
	"github.com/andres20980/aurea-orchestrator/retry"
)

// Config is what every provider is made of.
type Config struct {
	// Name is the provider's name in the configuration.
	Name string
	// BaseURL as the provider's API wants it, without a slash at the end. User names and passwords in it are refused.
	BaseURL string
	// Keys are the API keys. None means that the provider wants none.
	Keys []string
	// Headers are sent with every request.
	Headers map[string]string
	// Client overrides the HTTP client. Default: [NewClient].
	Client *http.Client
}

// Dialect is what one API adds to the exchange.
type Dialect struct {
	// Format is the wire format, [aurea.FormatOpenAI] or [aurea.FormatAnthropic].
	Format string
	// Path returns what follows BaseURL for a request.
	Path func(*aurea.Request) (string, error)
	// Header writes credentials and versions; key is empty when none is configured.
	Header func(h http.Header, key string, req *aurea.Request)
	// ReadError reads an error body into f's Code, Type and Message.
	ReadError func(body []byte, f *retry.Failure)
	// RequestID is the name of the header with the provider's own name for the exchange.
	RequestID string
	// Count, if not nil, is an endpoint that counts the input of requests for nothing.
	Count *Counting
}

// HTTP is a provider that speaks a [Dialect]. It is safe for concurrent use.
type HTTP struct {
	cfg     Config
	dialect Dialect
	ids     []string
	secrets secrets
	send    func(*http.Request) (*http.Response, error)
	base    *url.URL // nil: BaseURL is no URL, which a request says
}

// New returns the provider.
func New(cfg Config, dialect Dialect) *HTTP {
	cfg.BaseURL = strings.TrimRight(cfg.BaseURL, "/")
	if len(cfg.Keys) == 0 {
		cfg.Keys = []string{""}
	}
	p := &HTTP{cfg: cfg, dialect: dialect, secrets: newSecrets(cfg)}
	for _, key := range cfg.Keys {
		p.ids = append(p.ids, keyID(key))
	}
	p.base, _ = url.Parse(cfg.BaseURL)
	switch {
	case cfg.Client != nil:
		p.send = cfg.Client.Do
	case p.base == nil || p.base.User != nil: // whose credentials a client turns into a header
		p.send = NewClient().Do
	default:
		p.send = NewClient().Transport.RoundTrip // what a client adds is cookies, redirects and copies of headers
	}
	return p
}

// NewClient returns the HTTP client that providers use: a large pool, HTTP/2 where the provider speaks it, proxies
// from the environment, no redirects (they would carry the key elsewhere) and no time-out of its own.
func NewClient() *http.Client {
	dial := (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	return &http.Client{
		Transport: &h1.Transport{Dial: dial, Else: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           dial,
			ForceAttemptHTTP2:     true,
			MaxIdleConns:          4096,
			MaxIdleConnsPerHost:   1024,
			ReadBufferSize:        2 << 10, // thousands of streams stand open for minutes
			WriteBufferSize:       2 << 10,
			IdleConnTimeout:       90 * time.Second,
			TLSHandshakeTimeout:   10 * time.Second,
			ExpectContinueTimeout: time.Second,
			DisableCompression:    true, // bytes come through as they are
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// keyID names a key without giving it away: a digest is the same in every process and after every restart.
func keyID(key string) string {
	if key == "" {
		return "none"
	}
	sum := sha256.Sum256([]byte("aurea key " + key))
	return hex.EncodeToString(sum[:6])
}

// Name returns the provider's name.
func (p *HTTP) Name() string { return p.cfg.Name }

// Format returns the wire format.
func (p *HTTP) Format() string { return p.dialect.Format }

// Keys returns an identifier for each key.
func (p *HTTP) Keys() []string { return p.ids }
