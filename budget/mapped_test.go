//go:build unix && (amd64 || arm64)

package budget

import (
	"os"
	"path/filepath"
	"testing"
)

// What is stored in memory is in the file. A file that somebody has cut short takes nothing, and does not end the process.
func TestMapped(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, os.Getpagesize()), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m := mapFile(f)
	defer m.close()
	want := counted(7)
	if !m.store(want, 101) || m.store(want, int64(os.Getpagesize())-countSize+1) {
		t.Error("what fits is not stored, or what does not is")
	}
	var got [countSize]byte
	if _, err := f.ReadAt(got[:], 101); err != nil || got != want {
		t.Errorf("%x %v", got, err)
	}
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if m.store(want, 101) {
		t.Error("stored in nothing")
	}
}
