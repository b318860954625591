package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/jackc/pgx/v5"

	"github.com/andres20980/aurea-orchestrator/store"
)

const (
	beatEvery   = 2 * time.Second
	lookEvery   = 2 * time.Second
	deadAfter   = 12 * time.Second // of an unmoving beat, by the clock of the one who looks
	deadLooks   = 5                // at least
	forgetAfter = time.Minute      // what nobody asks for is not looked at
	beatTimeout = 4 * time.Second

	lockSuffix    = ".lock"
	journalSuffix = ".journal"
)

// presence is what this process knows of who lives.
type presence struct {
	ctx    context.Context // of what runs beside; ended by end
	cancel context.CancelFunc
	beside sync.WaitGroup

	mu      sync.Mutex
	watched map[store.OwnerID]*sight
	looking bool
	mine    map[store.OwnerID]bool // announced here
	proven  map[store.OwnerID]bool // ended, because its lock was free
}

// sight is what was seen of an owner's beat.
type sight struct {
	beat     int64
	released bool
	there    bool
	since    time.Time // when it was first seen at this beat
	looks    int
	asked    time.Time // for the last time
	moved    bool      // it was seen to change
}

func (p *presence) init() {
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.watched, p.mine, p.proven = map[store.OwnerID]*sight{}, map[store.OwnerID]bool{}, map[store.OwnerID]bool{}
}

func (p *presence) end() {
	p.mu.Lock()
	p.cancel() // under mu: nothing starts after it
	p.mu.Unlock()
	p.beside.Wait()
}

// start runs f beside until the store is closed, unless it is.
func (p *presence) start(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() == nil {
		p.beside.Go(f)
	}
}

// checkName refuses ids that would lead out of the folder.
func checkName(id store.OwnerID) error {
	if id == "" || strings.ContainsAny(string(id), `/\:`) || strings.HasPrefix(string(id), ".") {
		return fmt.Errorf("store: %q cannot name an owner", id)
	}
	return nil
}

// Announce implements [store.Presence]. A goroutine, ended by release or with the store, raises the owner's beat.
func (s *Store) Announce(ctx context.Context, id store.OwnerID) (release func() error, err error) {
	if err := errors.Join(ctx.Err(), checkName(id)); err != nil {
		return nil, err
	}
	lock, err := s.hold(id)
	if err != nil {
		return nil, err
	}
	var n int64
	err = s.update(ctx, lockAlive, func(t *tx) (err error) {
		n, err = t.exec(`INSERT INTO presence AS p (owner, beat) VALUES ($1, 1) ON CONFLICT (owner) DO UPDATE SET beat = p.beat + 1, released = false
	WHERE p.released`, plain(id))
		return err
	})
	if err == nil && n == 0 {
		err = fmt.Errorf("store: owner %s lives already", id)
	}
	if err != nil {
		return nil, errors.Join(err, unlock(lock))
	}
	s.life.mu.Lock()
	s.life.mine[id] = true
	s.life.mu.Unlock()
	stop, cancel := context.WithCancel(s.life.ctx)
	beating := make(chan struct{})
	s.life.start(func() {
		defer close(beating)
		s.beat(stop, id)
	})
	var once sync.Once
	return func() (err error) {
		once.Do(func() {
			cancel()
			if s.life.ctx.Err() == nil {
				<-beating
			}
			err = s.leave(context.WithoutCancel(ctx), id, lock)
		})
		return err
	}, nil
}

// leave says that an owner is no more: by its row, or by its beat standing still where the row cannot be written.
func (s *Store) leave(ctx context.Context, id store.OwnerID, lock *flock.Flock) error {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	s.life.mu.Lock()
	delete(s.life.mine, id)
	if v := s.life.watched[id]; v != nil {
		v.released, v.looks = true, max(v.looks, 1)
	}
	s.life.mu.Unlock()
	gone := false
	if !s.closed.Load() {
		o, err := s.Owner(ctx, id)
		gone = isNotFound(err) || (err == nil && o.State == store.OwnerGone)
		q := `UPDATE presence SET released = true WHERE owner = $1`
		if gone {
			q = `DELETE FROM presence WHERE owner = $1`
		}
		err = s.update(ctx, lockAlive, func(t *tx) error {
			t.put(q, plain(id))
			return nil
		})
		if err != nil {
			s.log.Warn("the end of this process could not be written down; others notice it by its beat", "owner", id, "error", err)
		}
	}
	err := unlock(lock)
	if gone {
		err = errors.Join(err, s.Forget(id))
	}
	return err
}

func (s *Store) lockPath(id store.OwnerID) string { return filepath.Join(s.dir, string(id)+lockSuffix) }

// hold makes an owner's lock file and locks it, if there is a folder for that.
func (s *Store) hold(id store.OwnerID) (*flock.Flock, error) {
	if s.dir == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("the folder for locks and journals cannot be made: %w", err)
	}
	l := flock.New(s.lockPath(id))
	ok, err := l.TryLock()
	if err == nil && !ok {
		err = fmt.Errorf("store: owner %s lives already", id)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

func unlock(l *flock.Flock) error {
	if l == nil {
		return nil
	}
	return l.Unlock()
}

// beat raises an owner's beat until stop ends. A failure is tried again at the next turn, on another connection if need be.
func (s *Store) beat(stop context.Context, id store.OwnerID) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop.Done():
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(stop, beatTimeout)
		// The row may be gone: someone restored a backup.
		err := s.with(ctx, func(conn *pgx.Conn) error {
			return send(ctx, conn, do(`INSERT INTO presence AS p (owner, beat) VALUES ($1, 1) ON CONFLICT (owner) DO UPDATE SET beat = p.beat + 1`, plain(id)))
		})
		cancel()
		if err != nil && stop.Err() == nil {
			s.log.Warn("the beat of this process could not be written", "owner", id, "error", err)
		}
	}
}

// ClaimDead implements [store.Presence].
func (s *Store) ClaimDead(ctx context.Context, id store.OwnerID) (release func() error, dead bool, err error) {
	nothing := func() error { return nil }
	if err := errors.Join(ctx.Err(), checkName(id)); err != nil {
		return nothing, false, err
	}
	lock, proven, held, err := s.tryLock(id)
	if err != nil || held {
		return nothing, false, err
	}
	if !proven {
		if still, err := s.still(ctx, id); err != nil || !still {
			return nothing, false, err
		}
	}
	end, ok, err := s.claim(ctx, id)
	if err != nil || !ok {
		return nothing, false, errors.Join(err, unlock(lock))
	}
	s.life.mu.Lock()
	s.life.proven[id] = proven
	s.life.mu.Unlock()
	var once sync.Once
	return func() (err error) {
		once.Do(func() {
			s.life.mu.Lock()
			delete(s.life.proven, id)
			s.life.mu.Unlock()
			err = errors.Join(unlock(lock), end())
		})
		return err
	}, true, nil
}

// tryLock looks at an owner's lock in this folder: proven if it is there and free, and then it is held; held if someone has it. Where there is none, nothing is known.
func (s *Store) tryLock(id store.OwnerID) (l *flock.Flock, proven, held bool, err error) {
	if s.dir == "" {
		return nil, false, false, nil
	}
	if _, err := os.Stat(s.lockPath(id)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return nil, false, false, err
	}
	l = flock.New(s.lockPath(id))
	ok, err := l.TryLock()
	if err != nil || !ok {
		return nil, false, err == nil, err
	}
	return l, true, false, nil
}

// claim takes the right to settle an owner: an advisory lock of a connection of its own, which ends with this process.
func (s *Store) claim(ctx context.Context, id store.OwnerID) (release func() error, ok bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return nil, false, wrap(ctx, err)
	}
	ctx = context.WithoutCancel(ctx)
	end := func() error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		// Nothing is left to be seen of one that was settled to the end.
		_ = send(ctx, conn, do(`DELETE FROM presence WHERE owner = $1 AND EXISTS (SELECT 1 FROM owner WHERE id = $1 AND state = 'gone')`, plain(id)))
		return conn.Close(ctx)
	}
	err = send(ctx, conn, do(`SELECT pg_try_advisory_lock(hashtextextended('aurea ' || current_schema() || ' ' || $1, 0))`, plain(id)).into(&ok))
	if err != nil || !ok {
		return nil, false, errors.Join(err, end())
	}
	return end, true, nil
}

// still reports whether an owner's beat has stood still for long enough, or it left.
func (s *Store) still(ctx context.Context, id store.OwnerID) (bool, error) {
	s.life.mu.Lock()
	known := s.life.watched[id] != nil
	start := !s.life.looking
	if !known {
		s.life.watched[id] = &sight{}
	}
	s.life.watched[id].asked = time.Now()
	s.life.looking = true
	s.life.mu.Unlock()
	if start {
		s.life.start(s.look)
	}
	if !known {
		if err := s.lookOnce(ctx); err != nil {
			return false, err
		}
	}
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	v := s.life.watched[id]
	if v == nil || v.looks == 0 {
		return false, nil
	}
	if v.released || (v.looks >= deadLooks && time.Since(v.since) >= deadAfter) {
		delete(s.life.watched, id) // asked again, it is looked at anew
		return true, nil
	}
	return false, nil
}

// look reads beats until the store is closed.
func (s *Store) look() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.life.ctx.Done():
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(s.life.ctx, beatTimeout)
		_ = s.lookOnce(ctx) // counts for nothing, and is tried again
		cancel()
	}
}

func (s *Store) lookOnce(ctx context.Context) error {
	type row struct {
		beat     int64
		released bool
	}
	found := map[store.OwnerID]row{}
	s.life.mu.Lock()
	var ids []string
	for id := range s.life.watched {
		ids = append(ids, plain(id))
	}
	s.life.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	err := s.view(ctx, do(`SELECT owner, beat, released FROM presence WHERE owner = ANY($1)`, ids).rows(func(rows pgx.Rows) error {
		var id store.OwnerID
		var r row
		err := rows.Scan(text(&id), &r.beat, &r.released)
		found[id] = r
		return err
	}))
	now := time.Now()
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	for id, v := range s.life.watched {
		if now.Sub(v.asked) > forgetAfter {
			delete(s.life.watched, id)
			continue
		}
		if err != nil { // the database may have been away, and then nobody could beat
			*v = sight{asked: v.asked}
			continue
		}
		r, there := found[id]
		if v.looks == 0 || v.beat != r.beat || v.there != there {
			*v = sight{moved: v.looks > 0, beat: r.beat, there: there, since: now, asked: v.asked}
		}
		v.released = there && r.released
		v.looks++
	}
	return err
}

// SeenAlive reports whether this process has proof that an owner lived a moment ago: its beat moved while it was watched, which [Store.ClaimDead] begins, or its lock is held.
func (s *Store) SeenAlive(id store.OwnerID) bool {
	lock, _, held, err := s.tryLock(id)
	if uerr := unlock(lock); err == nil && uerr == nil && held {
		return true
	}
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	v := s.life.watched[id]
	return v != nil && v.moved
}

// JournalPath implements [store.Presence]. The journal of another process is named only while its end is proven: a process that was only
// cut off could still spend, and what its journal does not tell of would be given away.
func (s *Store) JournalPath(id store.OwnerID) string {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	if s.dir == "" || !s.life.mine[id] && !s.life.proven[id] {
		return ""
	}
	return filepath.Join(s.dir, string(id)+journalSuffix)
}

// Forget implements [store.Presence].
func (s *Store) Forget(id store.OwnerID) error {
	if err := checkName(id); err != nil || s.dir == "" {
		return err
	}
	var errs []error
	for _, suffix := range []string{journalSuffix, lockSuffix} {
		if err := os.Remove(filepath.Join(s.dir, string(id)+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
