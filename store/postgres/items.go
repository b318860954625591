package postgres

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/andres20980/aurea-orchestrator/store"
)

// seqBits is how much of an item's id is its number; the rest is its job's.
const seqBits = 32

func itemID(job, seq int64) int64 { return job<<seqBits | seq }

func seqOf(id int64) int64 { return id & (1<<seqBits - 1) }

func validSeq(seq int64) bool { return seq >= 1 && seq < 1<<seqBits-1 }

// added are the columns of items that are added.
type added struct {
	ids, notBefore []int64
	keys           [][16]byte
	customIDs      []string
	lanes, urls    []string
	bodies         [][]byte
}

// AddItems implements [store.Queue].
func (s *Store) AddItems(ctx context.Context, job string, items []store.Item) (known []store.KnownItem, err error) {
	err = s.update(ctx, lockAlive, func(t *tx) error {
		known = nil
		j, err := t.job(job, lockAlive)
		if err != nil {
			return err
		}
		if j.State == store.JobCancelled {
			return fmt.Errorf("job %q: %w", job, store.ErrCancelled)
		}
		if len(items) == 0 {
			return nil
		}
		var a added
		index := map[int64]int{}
		for i := range items {
			it := &items[i]
			if !validSeq(it.Seq) {
				return fmt.Errorf("store: item %q cannot be number %d of job %q", it.CustomID, it.Seq, j.ID)
			}
			id := itemID(j.num, it.Seq)
			if at, twice := index[id]; twice && items[at].CustomID != it.CustomID {
				return fmt.Errorf("store: items %q and %q cannot both be number %d of job %q", items[at].CustomID, it.CustomID, it.Seq, j.ID)
			} else if !twice {
				index[id] = i
			}
			a.ids, a.notBefore = append(a.ids, id), append(a.notBefore, max(nanos(it.NotBefore), 0))
			a.keys, a.customIDs = append(a.keys, key(it.CustomID)), append(a.customIDs, plain(it.CustomID))
			a.lanes, a.urls, a.bodies = append(a.lanes, plain(it.Lane)), append(a.urls, plain(it.URL)), append(a.bodies, blob(it.Body))
		}
		fresh, err := t.addItems(j.num, a)
		if err != nil {
			return fmt.Errorf("store: items of job %q from number %d: %w", j.ID, items[0].Seq, err)
		}
		var old []int
		for i, id := range a.ids {
			if index[id] != i || !fresh[id] {
				old = append(old, i)
			}
		}
		if known, err = t.known(j, items, a, old); err != nil {
			return err
		}
		t.moved(j.num, -1, statePending, int64(len(fresh)))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return known, nil
}

// addItems writes those that are not there, and returns their ids.
func (t *tx) addItems(job int64, a added) (fresh map[int64]bool, err error) {
	fresh = map[int64]bool{}
	lanes := slices.Compact(slices.Sorted(slices.Values(a.lanes)))
	err = t.ask(
		do(`INSERT INTO lane (job, name) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING`, job, lanes),
		do(`INSERT INTO item (id, job, key, custom_id, lane, state, owner, attempt, tries, not_before)
	SELECT u.id, $1, u.key, u.custom_id, l.id, 0, 0, 0, 0, u.not_before
	FROM unnest($2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::bigint[]) WITH ORDINALITY AS u (id, key, custom_id, lane, not_before, n)
	JOIN lane l ON l.job = $1 AND l.name = u.lane ORDER BY u.n ON CONFLICT (job, key) DO NOTHING RETURNING id`,
			job, a.ids, a.keys, a.customIDs, a.lanes, a.notBefore).rows(func(rows pgx.Rows) error {
			var id int64
			err := rows.Scan(&id)
			fresh[id] = true
			return err
		}),
	)
	if err != nil || len(fresh) == 0 {
		return fresh, err
	}
	var ids []int64
	var urls []string
	var bodies [][]byte
	seen := map[int64]bool{}
	for i, id := range a.ids {
		if fresh[id] && !seen[id] {
			seen[id] = true
			ids, urls, bodies = append(ids, id), append(urls, a.urls[i]), append(bodies, a.bodies[i])
		}
	}
	t.put(`INSERT INTO item_body (id, url, body) SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[])`, ids, urls, bodies)
	return fresh, nil
}

// known compares items with those that have their ids.
func (t *tx) known(j row, items []store.Item, a added, old []int) (known []store.KnownItem, err error) {
	if len(old) == 0 {
		return nil, nil
	}
	type there struct {
		id   int64
		url  string
		body []byte
	}
	found := map[[16]byte]there{}
	var keys [][16]byte
	for _, i := range old {
		keys = append(keys, a.keys[i])
	}
	err = t.each(func(rows pgx.Rows) error {
		var k [16]byte
		var h there
		err := rows.Scan(&k, &h.id, text(&h.url), &h.body)
		found[k] = h
		return err
	}, `SELECT i.key, i.id, b.url, b.body FROM item i JOIN item_body b ON b.id = i.id WHERE i.job = $1 AND i.key = ANY($2::uuid[])`, j.num, keys)
	if err != nil {
		return nil, err
	}
	for _, i := range old {
		h, ok := found[a.keys[i]]
		if !ok {
			return nil, fmt.Errorf("store: item %q cannot be number %d of job %q", items[i].CustomID, items[i].Seq, j.ID)
		}
		if h.url != items[i].URL || !bytes.Equal(h.body, items[i].Body) {
			return nil, &store.ConflictError{CustomID: items[i].CustomID}
		}
		known = append(known, store.KnownItem{Index: i, Seq: seqOf(h.id)})
	}
	return known, nil
}

// Lanes implements [store.Queue].
func (s *Store) Lanes(ctx context.Context, job string) (names []string, err error) {
	there := false
	var j row
	err = s.view(ctx, askJob(&j, &there, job, ""), do(`SELECT l.name FROM lane l JOIN job j ON j.num = l.job WHERE j.id = $1 AND (
		EXISTS (SELECT 1 FROM item i WHERE i.lane = l.id AND i.state = 0 AND i.not_before = 0) OR
		EXISTS (SELECT 1 FROM item i WHERE i.lane = l.id AND i.state = 0 AND i.not_before > 0) OR
		EXISTS (SELECT 1 FROM item i WHERE i.lane = l.id AND i.state = 1)) ORDER BY l.name`, plain(job)).rows(func(rows pgx.Rows) error {
		var name string
		err := rows.Scan(text(&name))
		names = append(names, name)
		return err
	}))
	if err == nil && !there {
		err = fmt.Errorf("job %q: %w", job, store.ErrNotFound)
	}
	return names, err
}

// Claim implements [store.Queue]. Items that another process is claiming are passed over, not waited for.
func (s *Store) Claim(
	ctx context.Context, job, lane string, owner store.OwnerID, limit int, now time.Time,
) (items []store.Item, err error) {
	err = s.update(ctx, lockAlive, func(t *tx) error {
		items = nil
		var j row
		var num, id int64
		there := false
		err := t.ask(
			t.askOwner(owner),
			askJob(&j, &there, job, lockAlive),
			do(`SELECT num FROM owner WHERE id = $1`, plain(owner)).into(&num),
			do(`SELECT l.id FROM lane l JOIN job j ON j.num = l.job WHERE j.id = $1 AND l.name = $2`, plain(job), plain(lane)).into(&id),
		)
		if err == nil && !there {
			err = fmt.Errorf("job %q: %w", job, store.ErrNotFound)
		}
		if err != nil {
			return err
		}
		if err := t.mayRun(j, owner); err != nil || limit < 1 || id == 0 {
			return err
		}
		err = t.ask(
			do(`UPDATE item SET not_before = 0 WHERE id IN (SELECT id FROM item
	WHERE lane = $1 AND state = 0 AND not_before > 0 AND not_before <= $2 FOR UPDATE SKIP LOCKED)`, id, nanos(now)),
			do(`WITH next AS MATERIALIZED (SELECT id FROM item WHERE lane = $1 AND state = 0 AND not_before = 0
		ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED),
	taken AS (UPDATE item i SET state = 1, owner = $3, attempt = i.attempt + 1 FROM next WHERE i.id = next.id
		RETURNING i.id, i.custom_id, i.attempt, i.tries)
	SELECT t.id, t.custom_id, t.attempt, t.tries, b.url, b.body FROM taken t JOIN item_body b ON b.id = t.id`, id, limit, num).rows(func(rows pgx.Rows) error {
				it := store.Item{Lane: lane}
				err := rows.Scan(&it.Seq, text(&it.CustomID), &it.Attempt, &it.Tries, text(&it.URL), &it.Body)
				it.Seq = seqOf(it.Seq)
				items = append(items, it)
				return err
			}),
		)
		slices.SortFunc(items, func(a, b store.Item) int { return cmp.Compare(a.Seq, b.Seq) })
		t.moved(j.num, statePending, stateRunning, int64(len(items)))
		return err
	})
	if err != nil {
		return nil, err
	}
	return items, nil
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
	return s.update(ctx, lockAlive, func(t *tx) error {
		j, err := t.job(job, "")
		if err != nil {
			return err
		}
		num, err := t.num(owner)
		if err != nil {
			return err
		}
		var ids []int64
		for _, seq := range seqs {
			if validSeq(seq) {
				ids = append(ids, itemID(j.num, seq))
			}
		}
		n, err := t.exec(`UPDATE item SET state = 0, owner = 0, not_before = $1 WHERE id = ANY($2) AND state = 1 AND owner = $3`,
			max(nanos(notBefore), 0), ids, num)
		t.moved(j.num, stateRunning, statePending, n)
		return err
	})
}

// ReleaseItems implements [store.Queue].
func (s *Store) ReleaseItems(ctx context.Context, owner store.OwnerID) (total int, err error) {
	err = s.update(ctx, lockAlone, func(t *tx) error {
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
		n, err := t.itemsBack(`owner = $1`, num)
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
	there := false
	var j row
	err = s.view(ctx, askJob(&j, &there, job, ""), do(`SELECT EXISTS (SELECT 1 FROM item WHERE lane = l.id AND state = 0 AND not_before = 0),
		(SELECT coalesce(min(not_before), 0) FROM item WHERE lane = l.id AND state = 0 AND not_before > 0)
		FROM lane l JOIN job j ON j.num = l.job WHERE j.id = $1 AND l.name = $2`, plain(job), plain(lane)).into(&ok, instant{&due}))
	if err == nil && !there {
		err = fmt.Errorf("job %q: %w", job, store.ErrNotFound)
	}
	if err != nil {
		return time.Time{}, false, err
	}
	if ok {
		return time.Time{}, true, nil
	}
	return due, !due.IsZero(), nil
}

// CountItems implements [store.Queue].
func (s *Store) CountItems(ctx context.Context, job string) (store.ItemCounts, error) {
	j, err := s.jobRow(ctx, job)
	return j.counts, err
}

// LastItem implements [store.Queue].
func (s *Store) LastItem(ctx context.Context, job string) (seq int64, err error) {
	err = s.view(ctx, do(`SELECT coalesce((SELECT max(id) FROM item WHERE id > j.num << 32 AND id < (j.num + 1) << 32), 0) FROM job j WHERE j.id = $1`,
		plain(job)).into(&seq).must(fmt.Errorf("job %q: %w", job, store.ErrNotFound)))
	return seqOf(seq), err
}

// ResetItems implements [store.Queue].
func (s *Store) ResetItems(ctx context.Context, job string, f store.ResetFilter) (total int, err error) {
	if f != store.ResetFailed && f != store.ResetTruncated {
		return 0, fmt.Errorf("store: unknown filter %q", f)
	}
	err = s.update(ctx, lockAlive, func(t *tx) error {
		j, err := t.job(job, lockAlone)
		if err != nil {
			return err
		}
		if j.State == store.JobCancelled {
			return fmt.Errorf("job %q: %w", job, store.ErrCancelled)
		}
		which, state := `state = 3`, stateFailed
		if f == store.ResetTruncated {
			which, state = `state = 2 AND id IN (SELECT id FROM result WHERE truncated AND id > $1 AND id < $2)`, stateDone
		}
		var n int64
		err = t.ask(do(`WITH again AS (UPDATE item SET state = 0, tries = 0, not_before = 0 WHERE id > $1 AND id < $2 AND `+which+` RETURNING id)
	DELETE FROM result r USING again WHERE r.id = again.id`, itemID(j.num, 0), itemID(j.num+1, 0)).count(&n))
		t.moved(j.num, state, statePending, n)
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
	there := false
	var j row
	err = s.view(ctx, askJob(&j, &there, job, ""), do(`SELECT i.id, i.custom_id, r.status, r.request_id,
	r.error_code, r.error_text, r.truncated, r.call, r.finished, r.body
	FROM job j JOIN item i ON i.id > ((j.num << 32) | $2) AND i.id < (j.num + 1) << 32 JOIN result r ON r.id = i.id
	WHERE j.id = $1 AND i.state = $3 ORDER BY i.id LIMIT $4`, plain(job), min(max(after, 0), 1<<seqBits-1), state, max(limit, 0)).rows(func(rows pgx.Rows) error {
		var res store.Result
		err := rows.Scan(&res.Seq, text(&res.CustomID), &res.Status, text(&res.RequestID), text(&res.ErrorCode), text(&res.ErrorText),
			&res.Truncated, text(&res.CallID), instant{&res.FinishedAt}, &res.Body)
		res.Seq = seqOf(res.Seq)
		all = append(all, res)
		return err
	}))
	if err == nil && !there {
		err = fmt.Errorf("job %q: %w", job, store.ErrNotFound)
	}
	return all, err
}
