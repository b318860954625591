package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/andres20980/aurea-orchestrator/store"
)

// Options of [Open]. The zero value is usable.
type Options struct {
	// MaxConns is how many connections this process has at most, but for one more while it settles a dead process. Default 8;
	// pool_max_conns in the URL goes before.
	MaxConns int
	// ConnectTimeout is how long a new connection may take. Default 5 s; connect_timeout in the URL goes before.
	ConnectTimeout time.Duration
	// StateDir is a folder on a local disk for locks and journals; processes of one machine that have the same one know at once when one of
	// them was killed, and what it had in flight. Empty: a killed process is noticed by its beat, and all that it had leased stays unconfirmed.
	StateDir string
	// Logger is told what cannot be returned. Default: nobody is.
	Logger *slog.Logger
}

// Store is a PostgreSQL database, or one schema in it. It is safe for concurrent use.
type Store struct {
	pool  *pgxpool.Pool
	name  string
	dir   string // of locks and journals; empty for none
	log   *slog.Logger
	slot  int64 // of the counts of jobs
	chunk int   // how many rows of a removed job are deleted at a time

	nums  sync.Map // store.OwnerID → int64: numbers of owners, which never change
	known sync.Map // store.CounterID: counters that are there; none is ever deleted

	closed atomic.Bool
	life   presence
}

var _ store.Store = (*Store)(nil)

// slots is how many rows the counts of a job are spread over.
const slots = 32

// defaults of a session, unless the URL says otherwise. A transaction that waits for its client for 5 s (it was paused, or is cut off) is
// taken back, before those who wait for its rows give up after 8 s.
var defaults = map[string]string{
	"application_name":                    "aurea",
	"timezone":                            "UTC",
	"statement_timeout":                   "60s",
	"lock_timeout":                        "8s",
	"idle_in_transaction_session_timeout": "5s",
	"tcp_keepalives_idle":                 "5",
	"tcp_keepalives_interval":             "2",
	"tcp_keepalives_count":                "3",
}

// Open connects to the database that a URL names (postgres://USER@HOST/NAME?sslmode=verify-full) and brings its schema up to date; many
// processes may do so at once. The schema is the first of the session's search_path. A database of a newer Aurea is [store.ErrNewerSchema].
// Options of the URL: https://pkg.go.dev/github.com/jackc/pgx/v5/pgxpool#ParseConfig
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	cfg, err := parse(url, o)
	if err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		name: describe(cfg), dir: o.StateDir, log: o.Logger, chunk: 5000,
		slot: rand.Int64N(slots), // #nosec G404 -- spreads processes, protects nothing
	}
	s.life.init()
	if s.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, fmt.Errorf("open %s: %w", s.name, err)
	}
	if err := s.migrate(ctx, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", s.name, err), s.Close())
	}
	return s, nil
}

func parse(url string, o Options) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database: the URL of PostgreSQL cannot be used: %w", err)
	}
	if !strings.Contains(url, "pool_max_conns=") {
		cfg.MaxConns = 8
		if o.MaxConns > 0 {
			cfg.MaxConns = int32(min(o.MaxConns, 1000)) // #nosec G115 -- small
		}
	}
	cfg.MaxConns = max(cfg.MaxConns, 2) // the beat never waits for long
	cc := cfg.ConnConfig
	if !strings.Contains(url, "connect_timeout=") {
		cc.ConnectTimeout = 5 * time.Second
		if o.ConnectTimeout > 0 {
			cc.ConnectTimeout = o.ConnectTimeout
		}
	}
	for name, value := range defaults {
		if _, set := cc.RuntimeParams[name]; !set {
			cc.RuntimeParams[name] = value
		}
	}
	d := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}}
	cc.DialFunc = d.DialContext
	return cfg, nil
}

// describe names a database without user and password.
func describe(cfg *pgxpool.Config) string {
	c := cfg.ConnConfig
	if strings.HasPrefix(c.Host, "/") {
		return "postgres:///" + c.Database
	}
	return "postgres://" + net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))) + "/" + c.Database
}

// Describe returns the database without user and password.
func (s *Store) Describe() string { return s.name }

// Close waits for what is under way and closes the connections. It may be called twice.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.life.end()
	if s.pool != nil {
		s.pool.Close()
	}
	return nil
}
