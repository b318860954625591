package main

import (
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	const want = `chapter 1: 3 pages, 0.018 dollars, stopped by job:local/chapter-1
chapter 2: 3 pages, 0.018 dollars, stopped by job:local/chapter-2
chapter 3: 2 pages, 0.012 dollars, stopped by job:local/book
chapter 4: 0 pages, 0 dollars, stopped by job:local/book
book: 0.048 of 0.05 dollars
`
	if got := out.String(); got != want {
		t.Errorf("printed:\n%s\nwant:\n%s", got, want)
	}
}
