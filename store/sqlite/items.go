package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/andres20980/aurea-orchestrator/store"
)

// seqBits is how much of an item's id is its number; the rest is its job's.
const seqBits = 32

func itemID(job, seq int64) int64 { return job<<seqBits | seq }

func seqOf(id int64) int64 { return id & (1<<seqBits - 1) }

func validSeq(seq int64) bool { return seq >= 1 && seq < 1<<seqBits-1 }

// AddItems implements [store.Queue].
func (s *Store) AddItems(ctx context.Context, job string, items []store.Item) (known []store.KnownItem, err error) {
	err = s.update(ctx, func(t *tx) error {
		known = nil
		j, err := jobOf(t, job)
		if err != nil {
			return err
		}
		if j.State == store.JobCancelled {
			return fmt.Errorf("job %q: %w", job, store.ErrCancelled)
		}
		lanes := map[string]int64{}
		for i := range items {
			it := &items[i]
			if lanes[it.Lane] == 0 {
				if lanes[it.Lane], err = t.lane(j.num, it.Lane); err != nil {
					return err
				}
			}
			seq, err := t.addItem(j, it, lanes[it.Lane])
			if err != nil {
				return err
			}
			if seq != 0 {
				known = append(known, store.KnownItem{Index: i, Seq: seq})
			}
		}
		t.moved(j.num, -1, statePending, int64(len(items)-len(known)))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return known, nil
}

// lane returns a lane's id, made if need be.
func (t *tx) lane(job int64, name string) (id int64, err error) {
	if _, err := t.exec(qLaneInsert, job, name); err != nil {
		return 0, err
	}
	err = one(t, qLane, []any{job, name}, &id)
	return id, err
}

// addItem returns the number that an item has if it is known already, else 0.
func (t *tx) addItem(j row, it *store.Item, lane int64) (known int64, err error) {
	if !validSeq(it.Seq) {
		return 0, fmt.Errorf("store: item %q cannot be number %d of job %q", it.CustomID, it.Seq, j.ID)
	}
	id := itemID(j.num, it.Seq)
	n, err := t.exec(qItemInsert, id, j.num, it.CustomID, lane, max(nanos(it.NotBefore), 0))
	if err != nil {
		// The number is taken. If the item is the one that has it, it is known; the check below says so.
		if known, again := t.known(j, it); again == nil && known != 0 {
			return known, nil
		} else if again != nil && !errors.Is(again, sql.ErrNoRows) {
			return 0, again
		}
		return 0, fmt.Errorf("store: item %q cannot be number %d of job %q: %w", it.CustomID, it.Seq, j.ID, err)
	}
	if n == 0 {
		return t.known(j, it)
	}
	_, err = t.exec(qBodyInsert, id, it.URL, blob(it.Body))
	return 0, err
}

// known finds the item that has an item's id, and compares them.
func (t *tx) known(j row, it *store.Item) (seq int64, err error) {
	var id int64
	var url string
	var body []byte
	if err := one(t, qItemKnown, []any{j.num, it.CustomID}, intact("item"), &id, &url, &body); err != nil {
		return 0, err
	}
	if url != it.URL || !bytes.Equal(body, it.Body) {
		return 0, &store.ConflictError{CustomID: it.CustomID}
	}
	return seqOf(id), nil
}

// Lanes implements [store.Queue].
func (s *Store) Lanes(ctx context.Context, job string) (names []string, err error) {
	err = s.view(ctx, func(r snapshot) error {
		j, err := jobOf(r, job)
		if err != nil {
			return err
		}
		return each(r, qLanesOpen, []any{j.num}, func(rows *sql.Rows) error {
			var name string
			err := rows.Scan(&name)
			names = append(names, name)
			return err
		})
	})
	return names, err
}

// Claim implements [store.Queue].
func (s *Store) Claim(
	ctx context.Context, job, lane string, owner store.OwnerID, limit int, now time.Time,
) (items []store.Item, err error) {
	err = s.update(ctx, func(t *tx) error {
		j, err := jobOf(t, job)
		if err != nil {
			return err
		}
		if err := t.mayRun(j, owner); err != nil || limit < 1 {
			return err
		}
		var id int64
		if err := one(t, qLane, []any{j.num, lane}, &id); err != nil {
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			return err
		}
		if _, err := t.exec(qItemsDue, id, nanos(now)); err != nil {
			return err
		}
		if items, err = t.ready(id, lane, limit); err != nil || len(items) == 0 {
			return err
		}
		num, err := t.num(owner)
		if err != nil {
			return err
		}
		n, err := t.exec(qItemsClaim, num, id, limit)
		if err == nil && n != int64(len(items)) {
			err = fmt.Errorf("store: claimed %d items and read %d", n, len(items))
		}
		t.moved(j.num, statePending, stateRunning, n)
		return err
	})
	if err != nil {
		return nil, err
	}
	return items, nil
}

// ready reads the items that are next in a lane, as they will be once claimed.
func (t *tx) ready(id int64, lane string, limit int) (items []store.Item, err error) {
	err = each(t, qItemsReady, []any{id, limit}, func(rows *sql.Rows) error {
		it := store.Item{Lane: lane}
		err := rows.Scan(intact("item"), &it.Seq, &it.CustomID, &it.Attempt, &it.Tries, &it.URL, &it.Body)
		it.Seq = seqOf(it.Seq)
		items = append(items, it)
		return err
	})
	return items, err
}

// mayRun refuses work to owners that are not live and from jobs that give none.
func (t *tx) mayRun(j row, owner store.OwnerID) error {
	_, live, err := t.live(owner)
	switch {
	case err != nil:
		return err
	case !live:
		return fmt.Errorf("owner %s: %w", owner, store.ErrFenced)
	case j.State == store.JobCancelled:
		return fmt.Errorf("job %q: %w", j.ID, store.ErrCancelled)
	case j.State == store.JobLoading:
		return fmt.Errorf("store: job %q was never accepted", j.ID)
	}
	return nil
}

// Unclaim implements [store.Queue].
func (s *Store) Unclaim(ctx context.Context, job string, owner store.OwnerID, seqs []int64, notBefore time.Time) error {
	return s.update(ctx, func(t *tx) error {
		j, err := jobOf(t, job)
		if err != nil {
			return err
		}
		num, err := t.num(owner)
		if err != nil {
			return err
		}
		for _, seq := range seqs {
			if !validSeq(seq) {
				continue
			}
			n, err := t.exec(qItemUnclaim, max(nanos(notBefore), 0), itemID(j.num, seq), num)
			if err != nil {
				return err
			}
			t.moved(j.num, stateRunning, statePending, n)
		}
		return nil
	})
}

// ReleaseItems implements [store.Queue].
func (s *Store) ReleaseItems(ctx context.Context, owner store.OwnerID) (total int, err error) {
	err = s.update(ctx, func(t *tx) error {
		if _, live, err := t.live(owner); err != nil || live {
			if live {
				err = fmt.Errorf("%w: owner %s", store.ErrOwnerLive, owner)
			}
			return err
		}
		num, err := t.num(owner)
		if err != nil || num == 0 {
			return err
		}
		err = each(t, qItemsOfOwner, []any{num}, func(rows *sql.Rows) error {
			var job, n int64
			err := rows.Scan(&job, &n)
			t.moved(job, stateRunning, statePending, n)
			return err
		})
		if err != nil {
			return err
		}
		n, err := t.exec(qItemsBack, num)
		total = int(n)
		return err
	})
	if err != nil {
		return 0, err
	}
	return total, nil
}

// NextDue implements [store.Queue].
func (s *Store) NextDue(ctx context.Context, job, lane string) (due time.Time, ok bool, err error) {
	err = s.view(ctx, func(r snapshot) error {
		j, err := jobOf(r, job)
		if err != nil {
			return err
		}
		var id, n int64
		if err := one(r, qLane, []any{j.num, lane}, &id); err != nil {
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			return err
		}
		if err := one(r, qNextReady, []any{id}, &n); !errors.Is(err, sql.ErrNoRows) {
			ok = err == nil
			return err
		}
		err = one(r, qNextLater, []any{id}, instant{&due})
		ok = !due.IsZero()
		return err
	})
	return due, ok, err
}

// CountItems implements [store.Queue].
func (s *Store) CountItems(ctx context.Context, job string) (store.ItemCounts, error) {
	j, err := s.jobRow(ctx, job)
	return j.counts, err
}

// LastItem implements [store.Queue].
func (s *Store) LastItem(ctx context.Context, job string) (seq int64, err error) {
	err = s.view(ctx, func(r snapshot) error {
		j, err := jobOf(r, job)
		if err != nil {
			return err
		}
		var id int64
		if err := one(r, qItemLast, []any{itemID(j.num, 0), itemID(j.num+1, 0)}, &id); err != nil {
			return err
		}
		seq = seqOf(id)
		return nil
	})
	return seq, err
}

// ResetItems implements [store.Queue].
func (s *Store) ResetItems(ctx context.Context, job string, f store.ResetFilter) (total int, err error) {
	if f != store.ResetFailed && f != store.ResetTruncated {
		return 0, fmt.Errorf("store: unknown filter %q", f)
	}
	err = s.update(ctx, func(t *tx) error {
		j, err := jobOf(t, job)
		if err != nil {
			return err
		}
		if j.State == store.JobCancelled {
			return fmt.Errorf("job %q: %w", job, store.ErrCancelled)
		}
		from, to := itemID(j.num, 0), itemID(j.num+1, 0)
		var n int64
		if f == store.ResetFailed {
			if _, err := t.exec(qResetFailedResults, from, to); err != nil {
				return err
			}
			n, err = t.exec(qResetFailed, from, to)
			t.moved(j.num, stateFailed, statePending, n)
		} else {
			if n, err = t.exec(qResetTruncated, from, to); err != nil {
				return err
			}
			t.moved(j.num, stateDone, statePending, n)
			_, err = t.exec(qResetOrphans, from, to, from, to)
		}
		total = int(n)
		return err
	})
	if err != nil {
		return 0, err
	}
	return total, nil
}

// Results implements [store.Queue].
func (s *Store) Results(ctx context.Context, job string, failed bool, after int64, limit int) (all []store.Result, err error) {
	state := stateDone
	if failed {
		state = stateFailed
	}
	err = s.view(ctx, func(r snapshot) error {
		j, err := jobOf(r, job)
		if err != nil {
			return err
		}
		args := []any{itemID(j.num, min(max(after, 0), 1<<seqBits-1)), itemID(j.num+1, 0), state, max(limit, 0)}
		return each(r, qResults, args, func(rows *sql.Rows) error {
			var res store.Result
			err := rows.Scan(intact("result"), &res.Seq, &res.CustomID, &res.Status, &res.RequestID, &res.ErrorCode, &res.ErrorText, &res.Truncated,
				&res.CallID, instant{&res.FinishedAt}, &res.Body)
			res.Seq = seqOf(res.Seq)
			all = append(all, res)
			return err
		})
	})
	return all, err
}
