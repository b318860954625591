package e2e_test

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The program needs nothing beside itself: on an empty base, as the user that the Containerfile names, it runs a batch.
func TestEmptyBase(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("it needs root to change the root folder")
	}
	root, err := os.MkdirTemp("", "aurea-empty") // below t.TempDir nobody but root may look
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	if err := os.Chmod(root, 0o755); err != nil { //nolint:gosec // another user starts here
		t.Fatal(err)
	}
	for _, dir := range []string{"state", "tmp"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(filepath.Join(root, dir), 65532, 65532); err != nil {
			t.Fatal(err)
		}
	}
	from, err := os.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(filepath.Join(root, "aurea"), os.O_CREATE|os.O_WRONLY, 0o755) //nolint:gosec // a program
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/aurea", "run", "-", "--job", "j", "--simulate", "--output", "/state/out.jsonl", "--errors", "/state/err.jsonl")
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	cmd.Dir = "/state"
	cmd.Env = []string{"HOME=/state", "XDG_STATE_HOME=/state", "OPENAI_API_KEY=x"}
	cmd.Stdin = strings.NewReader(`{"id":"1","model":"gpt-4o-mini","prompt":"Name a river."}`)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(root, "state/out.jsonl")); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// systemd understands every line of the unit.
func TestUnit(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd is not installed")
	}
	unit, err := os.ReadFile("../aurea.service")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "aurea.service")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(unit), "/usr/local/bin/aurea", binary)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", file).CombinedOutput()
	var ours []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "aurea.service") {
			ours = append(ours, line)
		}
	}
	if len(ours) > 0 || err != nil && len(out) == 0 {
		t.Errorf("%v: %s", err, ours)
	}
}
