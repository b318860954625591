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
	const want = `What is 6 times 7? 42
  2 steps, 0.00042 of 0.02 dollars
Find the end of the circle. (stopped: the budget is used up)
  10 steps, 0.0188625 of 0.02 dollars
`
	if got := out.String(); got != want {
		t.Errorf("printed:\n%s\nwant:\n%s", got, want)
	}
}
