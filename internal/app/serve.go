package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/gateway"
	"github.com/andres20980/aurea-orchestrator/gateway/admin"
	"github.com/andres20980/aurea-orchestrator/store"
)

// What one client can take of the server. A streamed answer is a connection.
const (
	maxConnections = 20_000
	maxHeader      = 64 << 10
	headerTimeout  = 10 * time.Second
	idleTimeout    = 2 * time.Minute
	readyTimeout   = 800 * time.Millisecond
	cutTimeout     = 2 * time.Second // for the last words of calls that are cut off
)

// Server is the gateway on an address.
type Server struct {
	app      *App
	gateway  *gateway.Handler
	config   atomic.Pointer[config.Config] // in force
	server   *http.Server
	listener net.Listener
	scheme   string // of its URL
	done     chan error
	reserve  []byte
}

// headroom is how much garbage may pile up before it is collected, on top of as much as there are live data.
const headroom = 32 << 20

// usualGC is GOGC where nobody sets it.
const usualGC = 100

// reserve returns memory that is never touched, so that it is none of the machine's: the collector takes it for live data and waits for as much garbage. Without it a
// gateway, whose live data are few, collects several dozen times a second under load, and that is a sixth of its CPU. Who sets GOGC or GOMEMLIMIT has his own way.
func reserve() []byte {
	percent, limit := debug.SetGCPercent(usualGC), debug.SetMemoryLimit(-1)
	if debug.SetGCPercent(percent); percent != usualGC || limit != math.MaxInt64 {
		return nil
	}
	return make([]byte, headroom)
}

// Serve listens and answers until [Server.Drain].
func (a *App) Serve(ctx context.Context) (*Server, error) {
	if err := loopback(a.Config.Listen); err != nil {
		return nil, &ConfigError{err}
	}
	var own *tls.Config
	if a.Config.TLS.Cert != "" {
		c, err := newCertificate(a.Config.TLS, a.Log)
		if err != nil {
			return nil, err
		}
		own = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
	}
	s := a.server(gateway.Config{Ended: func(c gateway.Call) { a.metrics.Request(c.Endpoint, c.Status, c.Refused) }})
	s.reserve = reserve()
	a.metrics.Watch(a.Orchestrator.Status)
	operate := admin.New(admin.Config{
		Orchestrator: a.Orchestrator, Store: a.Store, Flush: a.Tracker.Flush, MaxCall: a.Config.Timeouts.Request, Logger: a.Log,
		Key: func() string { return s.config.Load().AdminKey.Reveal() }, Settings: s.inForce,
	})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", a.metrics.Handler())
	mux.Handle("/", s.gateway)
	return s, s.listen(ctx, a.Config.Listen, exactPaths(mux, s.gateway, operate), own)
}

// server is a gateway that does not listen yet, with what the configuration says of it.
func (a *App) server(g gateway.Config) *Server {
	s := &Server{app: a, done: make(chan error, 1)}
	s.config.Store(a.Config)
	maxWait := a.Config.Limits.MaxWait
	g.Orchestrator, g.MaxBody, g.MaxWait, g.Logger, g.Models = a.Orchestrator, a.Config.Limits.MaxBody, &maxWait, a.Log, s.models
	s.gateway = gateway.New(g)
	return s
}

// listen begins to answer at an address, by TLS if own is not nil.
func (s *Server) listen(ctx context.Context, address string, h http.Handler, own *tls.Config) (err error) {
	if s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", address); err != nil {
		s.gateway.Close()
		return fmt.Errorf("listen: %w; choose another address with --listen", err)
	}
	s.server = &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.app.Log.Handler(), slog.LevelDebug), // clients that break off
	}
	l := netutil.LimitListener(s.listener, maxConnections)
	if own == nil {
		s.scheme = "http"
		go func() { s.done <- s.server.Serve(l) }()
		return nil
	}
	s.scheme, s.server.TLSConfig = "https", own
	go func() { s.done <- s.server.ServeTLS(l, "", "") }()
	return nil
}

// exactPaths keeps calls from the mux, which would redirect a path that is not clean: a client would repeat its POST as a GET.
func exactPaths(mux, calls, operate http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if admin.Serves(r.URL.Path) {
			operate.ServeHTTP(w, r)
			return
		}
		if (r.Method == http.MethodGet || r.Method == http.MethodHead) && !strings.HasPrefix(r.URL.Path, "/v1/") && !strings.HasPrefix(r.URL.Path, "/p/") {
			mux.ServeHTTP(w, r)
			return
		}
		calls.ServeHTTP(w, r)
	})
}

// loopback refuses an address that strangers reach: without keys for callers, whoever reaches the gateway spends.
func loopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("listen: %q is not HOST:PORT: %w", address, err)
	}
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("listen: %s is not a loopback address, and whoever reaches it could spend; use 127.0.0.1, and a proxy with access control in front if others are to call", address)
}

// URL is where the server answers.
func (s *Server) URL() string { return s.scheme + "://" + s.Addr() }

// Addr is the address that the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// ready answers whether the ledger can be used.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	_, err := s.app.Store.Owners(ctx, store.OwnerLive)
	if err = errors.Join(s.app.Tracker.Ready(), err); err != nil {
		s.app.Log.Warn("not ready", "error", err)
		http.Error(w, "the ledger cannot be used", http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ready\n"))
}

// Done is sent why the server stopped listening, if nobody asked it to.
func (s *Server) Done() <-chan error { return s.done }

// Drain stops listening and waits for the calls under way. When ctx ends they are cut off: streams are told so by an event.
func (s *Server) Drain(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	if err != nil {
		s.gateway.Cut()
		told, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutTimeout)
		defer cancel()
		if err = s.server.Shutdown(told); err != nil {
			err = s.server.Close()
		}
	}
	s.gateway.Close()
	runtime.KeepAlive(s.reserve)
	return err
}

// models are the names that the configuration gives to models, globs left out.
func (s *Server) models() []string {
	var names []string
	for _, m := range s.config.Load().Models {
		if !strings.ContainsAny(m.Key, "*?") && m.Key != aurea.FreeModel {
			names = append(names, m.Key)
		}
	}
	slices.Sort(names)
	return names
}

// inForce is the configuration that is in force: what needs a restart is as it was at the start.
func (s *Server) inForce() any {
	began, shown := s.app.Config, *s.config.Load()
	shown.Database, shown.Listen, shown.TLS, shown.Timezone, shown.Logging = began.Database, began.Listen, began.TLS, began.Timezone, began.Logging
	return &shown
}
