package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// smallDisk mounts a disk of some megabytes. It needs root, or a system that lets users have mounts of their own.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("NOT TESTED here: mounting a small disk needs root (%v); the pause itself is tested in package batch", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); ; {
		if _, err := f.Write(block); err != nil {
			if len(block) == 1 {
				return
			}
			block = block[:len(block)/2]
		}
	}
}

func (h *house) on(disk string, args ...string) *process {
	h.tb.Helper()
	cmd := h.command(args...)
	cmd.Args = append(cmd.Args[:len(cmd.Args)-4], "--database", "sqlite:"+filepath.Join(disk, "aurea.db"), "--config", h.path("aurea.yaml"))
	return h.startCmd(cmd)
}

// A disk that fills up pauses the run with a named reason; when there is room it goes on, and nothing is lost or paid twice.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "64m")
	h := newHouse(t, behaviour{latency: 5 * time.Millisecond, log: true}, patientRetries)
	items := 3000
	content, ids := lines(items, nil)
	file := h.write("in.jsonl", content)
	args := []string{"run", file, "--job", "f", "--max-cost", "1", "--concurrency", "16"}
	p := h.on(disk, args...)
	p.accepted()
	until(t, "some requests", func() bool { return h.sim.requests() >= 100 })
	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	p.says(p.stderr, "paused: there is no room to write")
	// Calls under way end; then nothing more is sent.
	var before int64
	until(t, "silence", func() bool {
		before = h.sim.requests()
		time.Sleep(1500 * time.Millisecond)
		return h.sim.requests() == before
	})
	if before >= int64(items) {
		t.Fatalf("the disk was full too late: %d requests", before)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	p.exits(0)
	once(t, file+".results.jsonl", ids, true)
	if n := h.sim.repeats(); n != 0 {
		t.Errorf("%d requests were repeated", n)
	}
	show := h.on(disk, "jobs", "show", "f", "--json")
	show.exits(0)
	if out := show.stdout.String(); !strings.Contains(out, fmt.Sprintf(`"done":%d`, items)) {
		t.Errorf("%s", out)
	}
}

// However a run ends while the disk is full, it can be resumed; started on a full disk, it says so.
func TestDiskFullEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*process){
		"killed": (*process).kill,
		"interrupted twice": func(p *process) {
			p.signal(syscall.SIGINT)
			time.Sleep(time.Second)
			p.signal(syscall.SIGINT)
			p.exits(1)
			if out := p.stderr.String(); !strings.Contains(out, "free some space") {
				t.Errorf("does not say what to do:\n%s", out)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := smallDisk(t, "64m")
			h := newHouse(t, behaviour{latency: 5 * time.Millisecond, log: true}, patientRetries)
			content, ids := lines(1500, nil)
			file := h.write("in.jsonl", content)
			args := []string{"run", file, "--job", "f", "--max-cost", "1", "--concurrency", "16"}
			p := h.on(disk, args...)
			p.accepted()
			until(t, "some requests", func() bool { return h.sim.requests() >= 100 })
			ballast := filepath.Join(disk, "ballast")
			fill(t, ballast)
			p.says(p.stderr, "paused: there is no room to write")
			end(p)
			fill(t, filepath.Join(disk, "more"))
			before := h.sim.requests()
			p = h.on(disk, append(args, "--json")...)
			p.exits(1)
			if f := p.failure(); f.Code != "disk_full" || f.Hint == "" {
				t.Errorf("on a full disk: %+v", f)
			}
			if n := h.sim.requests(); n != before {
				t.Errorf("%d calls on a full disk", n-before)
			}
			for _, name := range []string{ballast, filepath.Join(disk, "more")} {
				if err := os.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
			h.on(disk, args...).exits(0)
			once(t, file+".results.jsonl", ids, true)
			if n := h.sim.repeats(); n > 16 {
				t.Errorf("%d requests were repeated; 16 were on the wire", n)
			}
		})
	}
}
