// Package pgtest starts a PostgreSQL server for tests, in a temporary folder and on a free port of the loopback interface, and makes empty databases on it. It
// uses the programs of an installed server, of any version from 14. All tests of a package share one server:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m.Run)) }
//
//	func TestSomething(t *testing.T) { url := pgtest.Database(t) … }
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// shared is the server of this test binary.
var shared struct {
	sync.Mutex
	server *Server
	err    error
}

// Main runs tests, stops the server that they started if they did, and returns the exit code.
func Main(run func() int) int {
	code := run()
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		if err := shared.server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest:", err)
			code = max(code, 1)
		}
	}
	return code
}

// Database makes an empty database on the shared server and returns its URL. The test is skipped where there is no server to start.
func Database(t testing.TB) (url string) {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = Start()
	}
	skip(t, shared.err)
	return shared.server.Database(t)
}

// New starts a server for one test, which may stop and start it.
func New(t testing.TB) *Server {
	t.Helper()
	s, err := Start()
	skip(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ErrMissing means that PostgreSQL is not installed.
var ErrMissing = errors.New("pgtest: PostgreSQL 14 or later is not installed (Debian: apt-get install postgresql; make test does so as root)")

func skip(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Server is a running server. Its methods are safe for concurrent use, but for Stop and Restart.
type Server struct {
	bin, dir string
	port     int
	user     account
	process  *exec.Cmd
	exited   chan error
	n        atomic.Int64
	log      bytes.Buffer
}

// Start makes a data directory and starts a server on it. fsync is on, so that what tests measure is what users get.
func Start() (_ *Server, err error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin}
	if s.user, err = unprivileged(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "aurea-pg-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := s.user.own(s.dir); err != nil {
		return nil, err
	}
	init := s.command("initdb", "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--data-checksums", "--no-sync", "--no-instructions")
	if out, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pgtest: initdb: %w\n%s", err, out)
	}
	for range 20 {
		if s.port, err = freePort(); err != nil {
			return nil, err
		}
		if err = s.Restart(); err == nil || !strings.Contains(err.Error(), "could not bind") {
			return s, err
		}
	}
	return nil, err
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(program string, args ...string) *exec.Cmd {
	c := exec.CommandContext(context.Background(), filepath.Join(s.bin, program), args...) // #nosec G204 -- the programs of the installed server
	c.Dir = s.dir
	c.Env = append(os.Environ(), "LC_ALL=C")
	s.user.use(c)
	return c
}

// Restart starts the server after Stop, on the same port.
func (s *Server) Restart() error {
	c := s.command("postgres", "-D", s.data(), "-k", s.dir, "-h", "127.0.0.1", "-p", strconv.Itoa(s.port),
		"-c", "max_connections=300", "-c", "shared_buffers=128MB", "-c", "max_wal_size=4GB", "-c", "log_min_messages=warning", "-c", "deadlock_timeout=200ms")
	s.log.Reset()
	c.Stdout, c.Stderr = &s.log, &s.log
	started := make(chan error)
	s.exited = make(chan error, 1)
	go func() {
		// The server ends with the thread that started it, so that nothing stays when the tests are killed.
		runtime.LockOSThread()
		started <- c.Start()
		s.exited <- c.Wait()
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("pgtest: start the server: %w", err)
	}
	s.process = c
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case err := <-s.exited:
			s.process = nil
			return fmt.Errorf("pgtest: the server ended: %w\n%s", err, s.log.String())
		case <-ctx.Done():
			return fmt.Errorf("pgtest: the server does not answer: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Stop ends the server at once, as a crash would: what was committed is there when it is started again.
func (s *Server) Stop() error {
	if s.process == nil {
		return nil
	}
	defer func() { s.process = nil }()
	if err := s.process.Process.Signal(immediate); err != nil {
		return err
	}
	select {
	case err := <-s.exited:
		if _, killed := errors.AsType[*exec.ExitError](err); killed {
			err = nil
		}
		return err
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("pgtest: the server does not end"), s.process.Process.Kill())
	}
}

// Close stops the server and removes what it had.
func (s *Server) Close() error { return errors.Join(s.Stop(), os.RemoveAll(s.dir)) }

// URL names a database of the server.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

// Addr is where the server listens.
func (s *Server) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// PID is the server's process id.
func (s *Server) PID() int { return s.process.Process.Pid }

// Database makes an empty database and returns its URL.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", s.n.Add(1))
	s.Exec(t, "postgres", "CREATE DATABASE "+name)
	return s.URL(name)
}

// Exec runs a statement as the superuser.
func (s *Server) Exec(t testing.TB, database, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// Tool runs a program of the installation, such as pg_dump, as the user of the test.
func (s *Server) Tool(t testing.TB, name string, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(s.bin, name), args...).CombinedOutput() // #nosec G204 -- as above
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// programs finds the folder of initdb and postgres.
func programs() (string, error) {
	var places []string
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			places = append(places, filepath.Dir(path))
		}
	}
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // newest first
	slices.SortFunc(debian, func(a, b string) int { return version(b) - version(a) })
	for _, dir := range append(places, debian...) {
		out, err := exec.CommandContext(context.Background(), filepath.Join(dir, "postgres"), "--version").Output() // #nosec G204 -- as above
		fields := strings.Fields(string(out))
		if err != nil || len(fields) < 3 {
			continue
		}
		major, _, _ := strings.Cut(fields[2], ".")
		if n, _ := strconv.Atoi(major); n >= 14 {
			return dir, nil
		}
	}
	return "", ErrMissing
}

func version(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	return n
}

// freePort is one below those that systems give to connections and to listeners without a port, so that it is free again when the server is restarted.
func freePort() (port int, err error) {
	for range 100 {
		port = 15_000 + rand.IntN(15_000) // #nosec G404 -- no secret
		var l net.Listener
		if l, err = new(net.ListenConfig).Listen(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}
