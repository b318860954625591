package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// smallFile is the size up to which a file that was not closed properly is checked before it is used; larger ones are
// checked while they are used.
const smallFile = 32 << 20

func damaged(format string, args ...any) error {
	return &store.DamageError{Found: fmt.Sprintf(format, args...)}
}

// examine looks at a database before anything is written to it: on a connection that cannot write, because the last one that can
// would bring a damaged log into the file and delete it.
func (s *Store) examine(ctx context.Context, ev *evidence) error {
	err := s.examineFile(ctx, ev)
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code() == sqlite3.SQLITE_ERROR {
		return damaged("its tables are not Aurea's: %v", e) // statements are constants: it is the schema that is wrong
	}
	return err
}

func (s *Store) examineFile(ctx context.Context, ev *evidence) (err error) {
	wal := fileSize(s.path+"-wal") > 0
	whole := false
	if ev.seal != nil && !ev.busy && len(ev.dead) == 0 && !wal {
		sum, size, err := fileSum(s.path)
		if err != nil {
			return err
		}
		whole = sum == ev.seal.sum && size == ev.seal.size
	}
	db, err := sql.Open("sqlite", s.uri("ro")+"&_pragma=busy_timeout(10000)&_pragma=query_only(1)&_pragma=temp_store(MEMORY)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	have, err := version(ctx, db)
	if err != nil {
		return err
	}
	if newest, err := newestSchema(); err != nil || have > newest {
		if err == nil {
			err = fmt.Errorf("%w (schema %d, this program knows %d)", store.ErrNewerSchema, have, newest)
		}
		return err
	}
	if have >= 3 {
		if err := s.compare(ctx, db, ev); err != nil {
			return err
		}
	} else if have == 0 && ev.used() {
		return damaged("its tables are gone")
	}
	switch {
	case whole:
		s.opened = ev.seal
		s.checked.Store(true)
		return nil
	case ev.busy:
		s.checked.Store(true) // who opened it has checked it
		return nil
	}
	if err := s.measure(ctx, db, wal); err != nil {
		return err
	}
	if ev.seal == nil && fileSize(s.path)+fileSize(s.path+"-wal") > smallFile {
		return nil // later: see inspectLater
	}
	if err := check(ctx, db, have); err != nil {
		return err
	}
	if ev.seal != nil && len(ev.dead) == 0 && !wal {
		s.log.Warn("the database is not as it was closed: another program has changed it, or its disk; what is in it holds together and is used",
			"file", s.path)
	}
	s.checked.Store(true)
	return nil
}

// compare holds the database against what was written down of it elsewhere.
func (s *Store) compare(ctx context.Context, db *sql.DB, ev *evidence) error {
	var is tally
	err := db.QueryRowContext(ctx, qTally).Scan(intact("tally"), &is.name, &is.commits)
	if errors.Is(err, sql.ErrNoRows) {
		err = damaged("the row of table tally is missing")
	}
	if err != nil {
		return err
	}
	for _, m := range ev.marks {
		switch {
		case m.name != is.name:
			return &store.DamageError{
				Found: "it is not the database whose processes left the files in " + s.owners,
				Next:  "put the right file back, or move that folder away to use this one; then what ran at its last moment counts as unconfirmed",
			}
		case m.commits > is.commits:
			return &store.DamageError{
				Found: fmt.Sprintf("%d transactions that were committed are missing: its log %s-wal was damaged, cut short or deleted, or an older copy was put in its place",
					m.commits-is.commits, s.path),
				Next: "put the right file and log back if you have them, or restore a backup; to go on without these transactions, and with what they spent forgotten, " +
					"move " + s.owners + " away",
			}
		}
	}
	switch c := ev.seal; {
	case c == nil:
	case c.name != is.name:
		s.log.Warn("the database is another one than when it was last closed; it is used as it is", "file", s.path)
	case c.commits > is.commits:
		s.log.Warn("the database is an older copy; what was done since is not in it, and what was spent since does not count",
			"file", s.path, "transactions", c.commits-is.commits)
	}
	return nil
}

// measure compares the length of the file with the length that the database says it has.
func (s *Store) measure(ctx context.Context, db *sql.DB, wal bool) error {
	var pages, size int64
	if err := db.QueryRowContext(ctx, "SELECT page_count * page_size, page_size FROM pragma_page_count, pragma_page_size").Scan(&pages, &size); err != nil {
		return err
	}
	switch have := fileSize(s.path); {
	case wal:
	case have < pages:
		return damaged("it was cut short: %d bytes of %d are there", have, pages)
	case have > pages:
		s.log.Warn("bytes that do not belong to the database follow its end; they are ignored", "file", s.path, "bytes", have-pages)
	}
	if frames := fileSize(s.path+"-wal") - 32; frames > 0 && frames%(size+24) != 0 {
		s.log.Warn("the log of the database ends in the middle of a page; nothing that was committed is there, and it is ignored",
			"file", s.path+"-wal", "bytes", frames%(size+24))
	}
	return nil
}

// inspectLater checks a large file while it is used. Until it is through, every row is compared with its checksum when it is read.
func (s *Store) inspectLater(dead []string) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	s.endCheck = func() { cancel(); <-done }
	go func() {
		defer close(done)
		schema, err := newestSchema()
		if err == nil {
			err = check(ctx, s.read, schema)
		}
		switch {
		case ctx.Err() != nil:
		case err != nil:
			err = s.told(wrap(ctx, err))
			s.log.Error("the database was not closed properly, and the check of it failed", "error", err)
		default:
			s.checked.Store(true)
			for _, base := range dead {
				removeMark(base)
			}
		}
	}()
}

// check reads everything: SQLite's own structures, the checksum of each row, and whether the sums of rows are what other rows say. The schema may be one that
// has not been brought up to date yet.
func check(ctx context.Context, db *sql.DB, schema int64) error {
	var bad []string
	err := queryEach(ctx, db, "PRAGMA integrity_check(3)", func(rows *sql.Rows) error {
		var line string
		err := rows.Scan(&line)
		if line != "ok" {
			bad = append(bad, line)
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(bad) > 0 {
		return damaged("%s", bad[0])
	}
	if schema < 3 { // rows had no checksums
		return nil
	}
	for _, table := range slices.Sorted(maps.Keys(summed)) {
		if table == "trail" && schema < 6 {
			continue // it was not there
		}
		var n int64
		if err := db.QueryRowContext(ctx, "SELECT count(*) FROM "+table+" WHERE NOT "+soundAt(table, schema)).Scan(&n); err != nil { // nosemgrep: sql-text -- constants
			return err
		}
		if n > 0 {
			return damaged("%d rows of table %s do not have the checksum they were written with", n, table)
		}
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	if err := checkItems(ctx, tx); err != nil {
		return err
	}
	return checkMoney(snapshot{ctx, tx})
}

type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func queryEach(ctx context.Context, q queryer, text string, scan func(rows *sql.Rows) error) error {
	rows, err := q.QueryContext(ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// checkItems compares jobs with their items, and items with their bodies and results.
func checkItems(ctx context.Context, tx *sql.Tx) error {
	for _, c := range []struct{ q, found string }{
		{`SELECT count(*) FROM job j WHERE (j.pending, j.running, j.done, j.failed) <> (SELECT count(*) FILTER (WHERE state = 0),
			count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 2), count(*) FILTER (WHERE state = 3)
			FROM item WHERE id > j.num << 32 AND id < (j.num + 1) << 32)`, "the counts of %d jobs are not those of their items"},
		{`SELECT count(*) FROM item WHERE job <> id >> 32`, "%d items are of no job"},
		{`SELECT count(*) FROM item WHERE job NOT IN (SELECT num FROM job) AND job NOT IN (SELECT num FROM trash)`, "%d items are of no job"},
		{`SELECT count(*) FROM item WHERE lane NOT IN (SELECT id FROM lane) AND job IN (SELECT num FROM job)`, "%d items are in no lane"},
		{
			`SELECT count(*) FROM item i WHERE i.job IN (SELECT num FROM job) AND NOT EXISTS (SELECT 1 FROM item_body b WHERE b.id = i.id)`,
			"the bodies of %d items are missing",
		},
		{
			`SELECT count(*) FROM item i WHERE i.state >= 2 AND i.job IN (SELECT num FROM job) AND NOT EXISTS (SELECT 1 FROM result r WHERE r.id = i.id)`,
			"the results of %d items are missing",
		},
	} {
		var n int64
		if err := tx.QueryRowContext(ctx, c.q).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return damaged(c.found, n)
		}
	}
	return nil
}

// checkMoney compares each account with its leases, its doubts and the calls that drew on it.
func checkMoney(r snapshot) error {
	type sums struct{ granted, leases, doubts, calls money.Sum }
	by := map[store.CounterID]*sums{}
	at := func(id store.CounterID) *sums {
		if by[id] == nil {
			by[id] = &sums{}
		}
		return by[id]
	}
	err := errors.Join(
		each(r, qLeases, nil, func(rows *sql.Rows) error {
			var l store.AuditLease
			err := rows.Scan(intact("lease"), &l.Owner, &l.Counter, &l.Seq, &l.Granted, &l.Spent)
			a := at(l.Counter)
			a.granted, a.leases = a.granted.Add(l.Granted), a.leases.Add(l.Spent)
			return err
		}),
		each(r, `SELECT path, sum(cost / 1000000000000), sum(cost % 1000000000000) FROM call WHERE cost > 0 GROUP BY path`, nil, func(rows *sql.Rows) error {
			var path string
			var dollars, pico int64
			err := rows.Scan(&path, &dollars, &pico)
			for _, id := range splitPath(path) {
				a := at(id)
				a.calls = a.calls.Plus(money.Sum{Dollars: dollars}.Add(money.USD(pico)))
			}
			return err
		}),
	)
	if err != nil {
		return err
	}
	err = each(r, qDoubtAmounts, nil, func(rows *sql.Rows) error {
		var id store.CounterID
		var amount money.USD
		err := rows.Scan(&id, &amount)
		a := at(id)
		a.doubts = a.doubts.Add(amount)
		return err
	})
	if err != nil {
		return err
	}
	err = each(r, qCounterAll, nil, func(rows *sql.Rows) error {
		c, err := scanCounter(rows)
		if err != nil {
			return err
		}
		a := at(c.ID)
		delete(by, c.ID)
		switch {
		case c.Committed != c.Spent.Plus(c.Doubt).Plus(a.granted):
			return damaged("account %s commits $%s, and its parts are $%s", c.Account, c.Committed, c.Spent.Plus(c.Doubt).Plus(a.granted))
		case c.Spent.Plus(a.leases) != a.calls:
			return damaged("account %s has $%s spent, and its calls cost $%s", c.Account, c.Spent.Plus(a.leases), a.calls)
		case c.Doubt != a.doubts:
			return damaged("account %s has $%s unconfirmed, and its rows $%s", c.Account, c.Doubt, a.doubts)
		}
		return nil
	})
	if err == nil && len(by) > 0 {
		err = damaged("calls or leases are of %d accounts that are not there", len(by))
	}
	return err
}
