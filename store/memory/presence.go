package memory

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/andres20980/aurea-orchestrator/store"
)

// Kill makes an owner look like a process that was killed: the next [Store.ClaimDead] of it succeeds. What runs under
// its name runs on, as a process does that was declared dead by mistake.
func (s *Store) Kill(id store.OwnerID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.living, id)
}

// Announce implements [store.Presence].
func (s *Store) Announce(ctx context.Context, id store.OwnerID) (release func() error, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end(&err)
	if id == "" || s.living[id] {
		return nil, fmt.Errorf("store: owner %q lives already", id)
	}
	s.living[id] = true
	return func() error {
		s.Kill(id)
		return nil
	}, nil
}

// ClaimDead implements [store.Presence].
func (s *Store) ClaimDead(ctx context.Context, id store.OwnerID) (release func() error, dead bool, err error) {
	if err := s.begin(ctx); err != nil {
		return nil, false, err
	}
	defer s.end(&err)
	if s.living[id] || s.claimed[id] {
		return nothing, false, nil
	}
	s.claimed[id] = true
	return func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.claimed, id)
		return nil
	}, true, nil
}

func nothing() error { return nil }

// JournalPath implements [store.Presence].
func (s *Store) JournalPath(id store.OwnerID) string {
	if s.dir == "" {
		return ""
	}
	return filepath.Join(s.dir, string(id)+".journal")
}

// Forget implements [store.Presence].
func (s *Store) Forget(id store.OwnerID) error {
	if s.dir == "" {
		return nil
	}
	if err := os.Remove(s.JournalPath(id)); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}
