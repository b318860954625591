package sqlite

import (
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
	rows, err := s.read.QueryContext(tb.Context(), "EXPLAIN QUERY PLAN "+q) // nosemgrep: sql-text -- constants
	for n := 1; err != nil && n < 20; n++ {                                 // as many parameters as it has
		rows, err = s.read.QueryContext(tb.Context(), "EXPLAIN QUERY PLAN "+q, make([]any, n)...) // nosemgrep: sql-text -- constants
	}
	if err != nil {
		tb.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, zero int
		var line string
		if err := rows.Scan(&id, &parent, &zero, &line); err != nil {
			tb.Fatal(err)
		}
		plan.WriteString(line + "\n")
	}
	return plan.String()
}

// LookAgain makes the next transaction look whether the file is still in place, which it does once a second.
func (s *Store) LookAgain() { s.looked.Store(0) }

// SetChunk sets how many rows of a removed job are deleted at a time.
func (s *Store) SetChunk(n int) { s.chunk = n }

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
