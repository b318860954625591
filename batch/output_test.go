package batch_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/andres20980/aurea-orchestrator/batch"
	"github.com/andres20980/aurea-orchestrator/store/memory"
)

// Answers are as private as the database they come from, unless the file that they replace was not.
func TestResultsArePrivate(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits")
	}
	st := memory.New(memory.Options{})
	job, dir := newJob(t, st), t.TempDir()
	for name, mode := range map[string]os.FileMode{"new": 0, "private": 0o600, "shared": 0o664} {
		path := filepath.Join(dir, name)
		if mode != 0 {
			if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, mode); err != nil { // whatever the umask
				t.Fatal(err)
			}
		} else {
			mode = 0o600
		}
		if _, err := batch.WriteFile(t.Context(), st, job.ID, false, path); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s has the permissions %v, %v; want %v", name, info.Mode(), err, mode)
		}
	}
}
