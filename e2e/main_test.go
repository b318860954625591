//go:build unix

package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	// The program is built and run, not linked; without this import go test would take a cached result for one of today's code.
	_ "github.com/andres20980/aurea-orchestrator/internal/cli"
	"github.com/andres20980/aurea-orchestrator/internal/pgtest"
)

// binary is the program under test, built once.
var binary string

// soak asks for the longer forms.
var soak = os.Getenv("AUREA_SOAK") == "1"

func TestMain(m *testing.M) {
	flag.Parse()
	if steps, ok := os.LookupEnv(childRole); ok {
		os.Exit(beChild(steps))
	}
	if to := os.Getenv(proxyRole); to != "" {
		os.Exit(beProxy(to))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "aurea-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "aurea")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, "../cmd/aurea")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the program: %v\n%s", err, out)
		return 1
	}
	return pgtest.Main(m.Run)
}
