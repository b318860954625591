package sqlite

import (
	"context"
	"database/sql"
	"strings"
	"testing"
)

// BooksQueries are the statements that [store.Books] reads with, by name.
func BooksQueries() map[string]string {
	every := strings.NewReplacer("%DAY%", "1", "%JOB%", "1", "%MODEL%", "1")
	return map[string]string{
		"jobs stretch": qJobsStretch, "jobs page": qJobsPage, "calls stretch": qCallsStretch, "calls of job stretch": qCallsOfJobStretch,
		"calls page": qCallsPage, "calls of job page": qCallsOfJobPage, "spend": every.Replace(qSpendSums), "spend of job": every.Replace(qSpendSumsOfJob),
		"trail": qTrail, "day sums": qDaySums,
	}
}

// Explain returns how SQLite would run a statement.
func Explain(tb testing.TB, s *Store, q string) string {
	tb.Helper()
	var plan strings.Builder
	var err error
	for n := range 20 { // as many parameters as it has
		plan.Reset()
		if err = queryEach(tb.Context(), explained{s.read, make([]any, n)}, "EXPLAIN QUERY PLAN "+q, func(rows *sql.Rows) error {
			var id, parent, zero int
			var line string
			err := rows.Scan(&id, &parent, &zero, &line)
			plan.WriteString(line + "\n")
			return err
		}); err == nil {
			break
		}
	}
	if err != nil {
		tb.Fatal(err)
	}
	return plan.String()
}

// LookAgain makes the next transaction look whether the file is still in place, which it does once a second.
func (s *Store) LookAgain() { s.looked.Store(0) }

// SetChunk sets how many rows of a removed job are deleted at a time.
func (s *Store) SetChunk(n int) { s.chunk = n }

// explained queries with parameters that do not matter.
type explained struct {
	db   *sql.DB
	args []any
}

func (e explained) QueryContext(ctx context.Context, q string, _ ...any) (*sql.Rows, error) {
	return e.db.QueryContext(ctx, q, e.args...)
}

// SetStretch sets how many rows a page of the books looks at.
func (s *Store) SetStretch(n int) { s.stretch = n }

// Dumped are the tables that are put out.
func Dumped() (names []string) {
	for _, d := range dumped {
		names = append(names, d.table)
	}
	for name := range plainTables {
		names = append(names, name)
	}
	return names
}
