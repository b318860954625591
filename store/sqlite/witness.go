package sqlite

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

// What is known of a database beside the database, in the folder of owners:
//
//   - A mark per open store, NAME.mark, with the number of the last transaction that it committed; NAME.using is locked as long as the store
//     is open. SQLite drops what a damaged log cannot prove without a word; a mark knows better.
//   - The seal, closed.seal, written when the last store closes: the size and the checksum of the whole file.
const (
	markSuffix  = ".mark"
	usingSuffix = ".using"
	sealName    = "closed.seal"
	markFormat  = "AureaM1 %32s %020d"
	sealFormat  = "AureaC1 %32s %020d %020d %08x"
	// largestSeal is the size above which a file is not read as a whole when it is opened and closed.
	largestSeal = 2 << 30
)

// tally is which database this is and how many transactions it has seen.
type tally struct {
	name    string
	commits int64
}

// seal is a database as it was closed.
type seal struct {
	tally
	size int64
	sum  uint32
}

// evidence is what marks and seal say.
type evidence struct {
	busy  bool     // a living store has the database open
	marks []tally  // of stores, dead and living
	dead  []string // paths without suffix of stores that did not close
	seal  *seal
	bad   []string // files that cannot be believed
}

// used reports whether there was a database.
func (e *evidence) used() bool { return e.seal != nil || len(e.marks) > 0 }

// gather reads marks and seal. Under the lock of the folder.
func (s *Store) gather() (*evidence, error) {
	files, err := os.ReadDir(s.owners)
	if err != nil {
		return nil, fmt.Errorf("the folder %s cannot be read: %w", s.owners, err)
	}
	ev := &evidence{}
	for _, f := range files {
		path := filepath.Join(s.owners, f.Name())
		if f.Name() == sealName {
			var c seal
			if text, ok := readSummed(path); ok && scan(text, sealFormat, &c.name, &c.commits, &c.size, &c.sum) {
				ev.seal = &c
			} else {
				ev.bad = append(ev.bad, path)
			}
			continue
		}
		base, isMark := strings.CutSuffix(path, markSuffix)
		if isUsing := false; !isMark {
			if base, isUsing = strings.CutSuffix(path, usingSuffix); isUsing {
				if _, err := os.Stat(base + markSuffix); errors.Is(err, fs.ErrNotExist) && !living(base) {
					_ = os.Remove(path) // killed between the two
				}
			}
			continue
		}
		var t tally
		if text, ok := readSummed(path); ok && scan(text, markFormat, &t.name, &t.commits) {
			ev.marks = append(ev.marks, t)
		} else if fileSize(path) > 0 { // else killed before it wrote its first
			ev.bad = append(ev.bad, path)
		}
		if living(base) {
			ev.busy = true
		} else {
			ev.dead = append(ev.dead, base)
		}
	}
	return ev, nil
}

// living reports whether a store is open, by its lock.
func living(base string) bool {
	if _, err := os.Stat(base + usingSuffix); err != nil {
		return false
	}
	l := flock.New(base + usingSuffix)
	ok, err := l.TryLock()
	if ok {
		_ = l.Unlock()
	}
	return err == nil && !ok
}

func scan(text, format string, dest ...any) bool {
	_, err := fmt.Sscanf(text, strings.NewReplacer("%32s", "%s", "%020d", "%d", "%08x", "%x").Replace(format), dest...)
	return err == nil
}

func summedLine(text string) []byte {
	return fmt.Appendf(nil, "%s %08x\n", text, crc32.Checksum([]byte(text), castagnoli))
}

// readSummed reads a line that summedLine made. What follows the line is not looked at: marks are written in place.
func readSummed(path string) (text string, ok bool) {
	b, err := os.ReadFile(path) // #nosec G304 -- a file of the folder of owners
	if err != nil || len(b) > 4096 {
		return "", false
	}
	line, rest, found := strings.Cut(string(b), "\n")
	if !found || rest != "" || len(line) < 10 {
		return "", false
	}
	text = line[:len(line)-9]
	return text, string(summedLine(text)) == line+"\n"
}

// mark is the mark of an open store.
type mark struct {
	base string
	lock *flock.Flock
	f    *os.File
}

// newMark makes a mark and locks it.
func (s *Store) newMark(t tally) (*mark, error) {
	base := filepath.Join(s.owners, fmt.Sprintf("%d-%s", os.Getpid(), rand.Text()[:10]))
	m := &mark{base: base, lock: flock.New(base + usingSuffix)}
	if _, err := m.lock.TryLock(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(base+markSuffix, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) // #nosec G304 -- the folder of the database and a made-up name
	if err == nil {
		m.f = f
		err = m.note(t)
	}
	if err != nil {
		m.remove()
		return nil, err
	}
	return m, nil
}

// note writes the number of a commit down. The line keeps its length, so that it needs no room on a full disk.
func (m *mark) note(t tally) error {
	_, err := m.f.WriteAt(summedLine(fmt.Sprintf(markFormat, t.name, t.commits)), 0)
	return err
}

// drop gives the lock back and leaves the mark, as a kill would.
func (m *mark) drop() {
	if m.f != nil {
		_ = m.f.Close()
	}
	_ = m.lock.Unlock()
}

func (m *mark) remove() {
	m.drop()
	removeMark(m.base)
}

func removeMark(base string) {
	_ = os.Remove(base + markSuffix)
	_ = os.Remove(base + usingSuffix)
}

// fileSum is the checksum of a whole file that no store of this process has open.
func fileSum(path string) (sum uint32, size int64, err error) {
	f, err := os.Open(path) // #nosec G304 -- the database
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	h := crc32.New(castagnoli)
	size, err = io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{f}, make([]byte, 1<<20))
	return h.Sum32(), size, err
}

// sealUp writes the seal if this was the last store, everything is in the file, and the file is known to be sound.
func (s *Store) sealUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.busyTimeout)
	defer cancel()
	unlock, err := s.lockFolder(ctx)
	if err != nil {
		s.mark.remove()
		return err
	}
	defer unlock()
	s.mark.remove()
	ev, err := s.gather()
	if err != nil || ev.busy || !s.checked.Load() || fileSize(s.path+"-wal") > 0 {
		return err
	}
	info, err := os.Stat(s.path)
	if err != nil || !os.SameFile(info, s.info) || info.Size() > largestSeal {
		return nil //nolint:nilerr // it was moved away: there is nothing to seal
	}
	c := s.opened
	if c == nil || c.tally != s.last || info.Size() != s.info.Size() || info.ModTime() != s.info.ModTime() {
		c = &seal{tally: s.last}
		if c.sum, c.size, err = fileSum(s.path); err != nil {
			return err
		}
	}
	line := summedLine(fmt.Sprintf(sealFormat, c.name, c.commits, c.size, c.sum))
	temp := filepath.Join(s.owners, sealName+".new")
	if err := os.WriteFile(temp, line, 0o600); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return os.Rename(temp, filepath.Join(s.owners, sealName))
}

// fileSize is 0 for a file that is not there.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
