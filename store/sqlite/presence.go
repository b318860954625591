package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/andres20980/aurea-orchestrator/store"
)

// grace is how long a lock file must have been seen missing before its owner counts as dead. A living owner looks every
// second and puts its file back; one that is paused meanwhile survives as a late owner.
const grace = 3 * time.Second

const (
	lockSuffix    = ".lock"
	journalSuffix = ".journal"
)

func (s *Store) lockPath(id store.OwnerID) string {
	return filepath.Join(s.owners, string(id)+lockSuffix)
}

// checkName refuses ids that would lead out of the folder.
func checkName(id store.OwnerID) error {
	if id == "" || strings.ContainsAny(string(id), `/\:`) || strings.HasPrefix(string(id), ".") {
		return fmt.Errorf("store: %q cannot name an owner", id)
	}
	return nil
}

// Announce implements [store.Presence]. The lock file holds the process id, for people. A goroutine, ended by release,
// puts the file back if someone deletes it.
func (s *Store) Announce(ctx context.Context, id store.OwnerID) (release func() error, err error) {
	if err := errors.Join(ctx.Err(), checkName(id)); err != nil {
		return nil, err
	}
	lock, ok, err := s.hold(id)
	if err != nil {
		return nil, fmt.Errorf("%w: announce owner: %w", store.ErrUnavailable, err)
	}
	if !ok {
		return nil, fmt.Errorf("store: owner %s lives already", id)
	}
	ctx = context.WithoutCancel(ctx) // release comes after the caller's context, as a rule
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		s.keep(id, &lock, stop)
	}()
	var once sync.Once
	return func() (err error) {
		once.Do(func() {
			close(stop)
			<-stopped
			err = lock.Unlock()
			if s.gone(ctx, id) {
				err = errors.Join(err, s.Forget(id))
			}
		})
		return err
	}, nil
}

// hold makes an owner's lock file and locks it; ok is false if another holds it.
func (s *Store) hold(id store.OwnerID) (lock *flock.Flock, ok bool, err error) {
	if err := os.MkdirAll(s.owners, 0o700); err != nil {
		return nil, false, err
	}
	path := s.lockPath(id)
	// Written before it is locked: Windows lets nobody write a locked file, not even its holder.
	if err := os.WriteFile(path, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o600); err != nil {
		return nil, false, err
	}
	lock = flock.New(path)
	ok, err = lock.TryLock()
	return lock, ok, err
}

// keep puts a deleted lock file back.
func (s *Store) keep(id store.OwnerID, lock **flock.Flock, stop <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if same(*lock) {
			continue
		}
		if fresh, ok, err := s.hold(id); ok && err == nil {
			_ = (*lock).Unlock() // of a file that has no name any more
			*lock = fresh
		}
	}
}

// same reports whether a locked file is still the one that its name leads to.
func same(l *flock.Flock) bool {
	held, err := l.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(l.Path())
	return err == nil && os.SameFile(held, named)
}

// gone reports whether an owner has left for good, so that nothing of it is needed.
func (s *Store) gone(ctx context.Context, id store.OwnerID) bool {
	o, err := s.Owner(ctx, id)
	return isNotFound(err) || (err == nil && o.State == store.OwnerGone)
}

// ClaimDead implements [store.Presence].
func (s *Store) ClaimDead(ctx context.Context, id store.OwnerID) (release func() error, dead bool, err error) {
	nothing := func() error { return nil }
	if err := errors.Join(ctx.Err(), checkName(id)); err != nil {
		return nothing, false, err
	}
	if _, err := os.Stat(s.lockPath(id)); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return nothing, false, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
		if !s.longMissing(id) {
			return nothing, false, nil
		}
	} else {
		s.seen(id)
	}
	if err := os.MkdirAll(s.owners, 0o700); err != nil {
		return nothing, false, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	lock := flock.New(s.lockPath(id))
	ok, err := lock.TryLock()
	if err != nil {
		return nothing, false, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	if !ok {
		return nothing, false, nil
	}
	if !same(lock) { // deleted while we waited for it
		return nothing, false, lock.Unlock()
	}
	return lock.Unlock, true, nil
}

func (s *Store) seen(id store.OwnerID) {
	s.missing.Lock()
	defer s.missing.Unlock()
	delete(s.missing.since, id)
}

// longMissing notes since when a lock file has been missing.
func (s *Store) longMissing(id store.OwnerID) bool {
	s.missing.Lock()
	defer s.missing.Unlock()
	since, ok := s.missing.since[id]
	if !ok {
		s.missing.since[id] = time.Now()
		return false
	}
	return time.Since(since) >= grace
}

// JournalPath implements [store.Presence].
func (s *Store) JournalPath(id store.OwnerID) string {
	return filepath.Join(s.owners, string(id)+journalSuffix)
}

// Forget implements [store.Presence].
func (s *Store) Forget(id store.OwnerID) error {
	if err := checkName(id); err != nil {
		return err
	}
	var errs []error
	for _, path := range []string{s.JournalPath(id), s.lockPath(id)} {
		err := os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) || (err != nil && runtime.GOOS == "windows") {
			continue // Windows keeps files that someone has open; the next start sweeps them up
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// sweep removes what owners left that are gone, and locks of processes that died before they joined. It is housekeeping: what
// cannot be removed stays.
func (s *Store) sweep(ctx context.Context) error {
	files, err := os.ReadDir(s.owners)
	if err != nil {
		return err
	}
	for _, f := range files {
		name, isLock := strings.CutSuffix(f.Name(), lockSuffix)
		if !isLock {
			var isJournal bool
			if name, isJournal = strings.CutSuffix(f.Name(), journalSuffix); !isJournal {
				continue
			}
		}
		id := store.OwnerID(name)
		if checkName(id) != nil || name == "open" {
			continue
		}
		o, err := s.Owner(ctx, id)
		switch {
		case err == nil && o.State == store.OwnerGone:
			if _, err := os.Stat(s.lockPath(id)); errors.Is(err, fs.ErrNotExist) {
				_ = s.Forget(id)
				continue
			}
		case isNotFound(err) && isLock && old(f):
		default:
			continue
		}
		if release, dead, err := s.ClaimDead(ctx, id); err == nil && dead {
			_ = release()
			_ = s.Forget(id)
		}
	}
	return ctx.Err()
}

func old(f os.DirEntry) bool {
	info, err := f.Info()
	return err == nil && time.Since(info.ModTime()) > time.Minute
}
